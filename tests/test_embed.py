"""A folder and its captions become a file of pairs, in spite of interruptions."""

import numpy as np
import pytest
from helpers import noisy_image, small_checkpoint
from scipy.io import wavfile
from tiny_checkpoints import save_checkpoint

from gapbook.embed import embed_folder
from gapbook.encoders.adapters import TransformersEncoder, load_encoder
from gapbook.exceptions import PairsError
from gapbook.image_folder import folder_pairs
from gapbook.pairs import PairedEmbeddings

N = 7


@pytest.fixture
def folder(tmp_path):
    """Seven images and their captions."""
    (tmp_path / "images").mkdir()
    rows = ["image,caption"]
    for i in range(N):
        noisy_image(seed=i).save(tmp_path / "images" / f"{i}.png")
        rows.append(f"{i}.png,LATIN SMALL LETTER {'abcdefg'[i]}")
    (tmp_path / "captions.csv").write_text("\n".join(rows))
    return tmp_path


class Counting:
    """A model by which an image is its mean color and a text its first letters.

    It notes what it embeds, and fails after so many batches.
    """

    identity = "counting"

    def __init__(self, fails_after=99, error=KeyboardInterrupt):
        self.batches = []
        self.fails_after = fails_after
        self.error = error

    def encode_images(self, images):
        self._note("images", images)
        return np.array([np.asarray(image).mean((0, 1)) for image in images])

    def encode_texts(self, texts):
        self._note("texts", texts)
        return np.array([[ord(text[-1]), len(text), 1] for text in texts])

    def _note(self, side, items):
        if len(self.batches) == self.fails_after:
            raise self.error
        self.batches.append((side, len(items)))


def embed(folder, encoder, name="e.safetensors", **options):
    return embed_folder(
        encoder, folder / "images", folder / "captions.csv", folder / name, **options
    )


def journal(folder):
    return folder / ".e.safetensors.journal"


ALL = [("images", 3), ("images", 3), ("images", 1), ("texts", 3), ("texts", 3), ("texts", 1)]


@pytest.mark.parametrize("batch", [3, 64])
def test_the_file_has_the_embeddings_of_the_model_in_the_order_of_the_rows(folder, batch):
    checkpoint = small_checkpoint()
    embed(folder, TransformersEncoder(checkpoint), batch=batch)
    saved = PairedEmbeddings.load(folder / "e.safetensors")
    wanted = folder_pairs(folder / "images", folder / "captions.csv", checkpoint, progress=False)
    np.testing.assert_allclose(saved.x, wanted.x, atol=1e-6)
    np.testing.assert_allclose(saved.y, wanted.y, atol=1e-6)
    assert saved.captions == wanted.captions
    assert saved.modalities == ("image", "text")
    assert saved.source == wanted.source
    assert not journal(folder).exists()


def test_progress_counts_every_file_and_caption(folder):
    done = []
    embed(folder, Counting(), batch=3, progress=done.append)
    assert sum(done) == 2 * N


@pytest.mark.parametrize("fails_after", range(len(ALL)))
def test_an_interrupted_run_goes_on_with_the_batch_that_was_not_done(folder, fails_after):
    with pytest.raises(KeyboardInterrupt):
        embed(folder, Counting(fails_after), batch=3)
    assert not (folder / "e.safetensors").exists()
    second = Counting()
    resumed = embed(folder, second, batch=3)
    assert second.batches == ALL[fails_after:]
    whole = embed(folder, Counting(), "other.npz", batch=3)
    np.testing.assert_array_equal(resumed.x, whole.x)
    np.testing.assert_array_equal(resumed.y, whole.y)
    assert not journal(folder).exists()


def test_an_earlier_file_stays_until_the_new_one_is_whole(folder):
    (folder / "e.safetensors").write_bytes(b"earlier")
    with pytest.raises(KeyboardInterrupt):
        embed(folder, Counting(4), batch=3)
    assert (folder / "e.safetensors").read_bytes() == b"earlier"


def test_only_batches_with_what_changed_are_embedded_again(folder):
    with pytest.raises(KeyboardInterrupt):
        embed(folder, Counting(5), batch=3)
    noisy_image(seed=99).save(folder / "images" / "4.png")
    text = (folder / "captions.csv").read_text()
    (folder / "captions.csv").write_text(text.replace("LETTER a", "LETTER x"))
    second = Counting()
    pairs = embed(folder, second, batch=3)
    assert second.batches == [("images", 3), ("texts", 3), ("texts", 1)]
    fresh = embed(folder, Counting(), "other.npz", batch=3)
    np.testing.assert_array_equal(pairs.x, fresh.x)
    np.testing.assert_array_equal(pairs.y, fresh.y)


def test_another_model_takes_nothing_from_the_journal(folder):
    with pytest.raises(KeyboardInterrupt):
        embed(folder, Counting(5), batch=3)
    other = Counting()
    other.identity = "another"
    embed(folder, other, batch=3)
    assert other.batches == ALL


def test_a_damaged_batch_in_the_journal_is_embedded_again(folder):
    with pytest.raises(KeyboardInterrupt):
        embed(folder, Counting(2), batch=3)
    for path in journal(folder).iterdir():
        path.write_bytes(path.read_bytes()[:40])
    second = Counting()
    embed(folder, second, batch=3)
    assert second.batches == ALL


def test_a_broken_image_is_named_and_what_was_done_stays(folder):
    path = folder / "images" / "5.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PairsError, match=r"images\[5\], .*5\.png, cannot be embedded"):
        embed(folder, Counting(), batch=3)
    path.write_bytes(whole)
    second = Counting()
    embed(folder, second, batch=3)
    assert second.batches == ALL[1:]


def test_an_image_with_several_captions_is_embedded_once(folder):
    (folder / "captions.csv").write_text("image,caption\n0.png,a\n1.png,b\n./0.png,c\n")
    encoder = Counting()
    pairs = embed(folder, encoder)
    assert encoder.batches == [("images", 2), ("texts", 3)]
    np.testing.assert_array_equal(pairs.x[0], pairs.x[2])
    assert "3 captions of 2 images" in pairs.source
    saved = PairedEmbeddings.load(folder / "e.safetensors")
    assert pairs.groups.tolist() == saved.groups.tolist() == [0, 1, 0]


def test_several_captions_of_one_image_alone_are_no_groups(folder):
    (folder / "captions.csv").write_text("image,caption\n0.png,a\n0.png,b\n")
    pairs = embed(folder, Counting())
    assert pairs.groups is None
    assert "2 captions of 1 image)" in pairs.source


def test_a_file_without_room_for_groups_is_refused_before_anything_is_embedded(folder):
    (folder / "captions.csv").write_text("image,caption\n0.png,a\n1.png,b\n0.png,c\n")
    encoder = Counting()
    with pytest.raises(PairsError, match=r"\.npz or \.safetensors, .* 3 captions of 2 images"):
        embed(folder, encoder, "e.npy")
    assert encoder.batches == []
    (folder / "captions.csv").write_text("image,caption\n0.png,a\n1.png,b\n")
    assert embed(folder, encoder, "e.npy").groups is None


def test_the_journal_removes_its_own_files_alone(folder):
    journal(folder).mkdir()
    (journal(folder) / "mine.txt").write_text("keep")
    embed(folder, Counting())
    assert [path.name for path in journal(folder).iterdir()] == ["mine.txt"]


def test_a_link_in_the_place_of_the_journal_is_refused(folder):
    (folder / "elsewhere").mkdir()
    journal(folder).symlink_to(folder / "elsewhere")
    with pytest.raises(PairsError, match=r"Expected a folder at .*journal, or nothing"):
        embed(folder, Counting())


def texts_of(rows):
    """A model whose images are sound, and whose texts have these rows."""
    encoder = Counting()
    encoder.encode_texts = lambda texts: np.array(rows, float)[: len(texts)]
    return encoder


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2, 3]] * 6 + [[0, 0, 0]], "not zero; that of text 7, '.*letter g', is not"),
        ([[1, 2, 3], [np.nan, 1, 1]] * 4, "finite and not zero; that of text 2, "),
        ([[1, 2]] * N, "one space; its images have 3 dimensions and its texts 2"),
        ([[1, 2, 3]] * 2, r"Expected embeddings of shape \(7, d\) of text 1 to 7; got \(2, 3\)"),
    ],
)
def test_embeddings_that_are_none_are_named(folder, rows, message):
    with pytest.raises(PairsError, match=f"(?i){message}"):
        embed(folder, texts_of(rows))
    assert not (folder / "e.safetensors").exists()


def test_what_a_model_refuses_names_the_batch(folder):
    encoder = Counting(1, PairsError("Expected something else"))
    with pytest.raises(PairsError, match="Of image 4 to 6: Expected something else"):
        embed(folder, encoder, batch=3)


def test_a_batch_of_nothing_is_refused(folder):
    with pytest.raises(PairsError, match="Expected batch as an integer from 1; got 0"):
        embed(folder, Counting(), batch=0)


def test_sounds_and_captions_by_clap(tmp_path):
    (tmp_path / "sounds").mkdir()
    rows = ["audio,caption"]
    for i in range(3):
        tone = np.sin(np.arange(3000) * (i + 1) / 9).astype(np.float32)
        wavfile.write(tmp_path / "sounds" / f"{i}.wav", 2000, tone)
        rows.append(f"{i}.wav,sound number {'abc'[i]}")
    (tmp_path / "captions.csv").write_text("\n".join(rows))
    clap = load_encoder(save_checkpoint("clap", tmp_path / "clap"))
    out = tmp_path / "e.npz"
    embed_folder(clap, tmp_path / "sounds", tmp_path / "captions.csv", out, batch=2)
    pairs = PairedEmbeddings.load(out)
    assert pairs.modalities == ("audio", "text")
    tones = [np.sin(np.arange(3000) * (i + 1) / 9).astype(np.float32) for i in range(3)]
    np.testing.assert_allclose(pairs.x, clap.encode_sounds(tones), atol=1e-6)
    (tmp_path / "sounds" / "1.wav").unlink()
    with pytest.raises(PairsError, match=r"1 of 3 sounds that captions\.csv names are not in"):
        embed_folder(clap, tmp_path / "sounds", tmp_path / "captions.csv", out)
