"""The command ``embed``: a tiny model, a folder of images, and what is said of them."""

from contextlib import nullcontext

import numpy as np
import pytest
from helpers import noisy_image
from tiny_checkpoints import save_checkpoint

from gapbook.cli import main
from gapbook.encoders import embed_images, embed_texts, load_clip
from gapbook.pairs import PairedEmbeddings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_checkpoint("clip", tmp_path / "model")
    (tmp_path / "images").mkdir()
    for i in range(3):
        noisy_image(seed=i).save(f"images/{i}.png")
    (tmp_path / "captions.csv").write_text("image,caption\n0.png,aa\n1.png,b c\n2.png,d\n")
    return tmp_path


EMBED = ["embed", "model", "images", "captions.csv", "--quiet"]


def test_pairs_are_written_that_a_report_takes(folder, capsys):
    assert main([*EMBED, "--out", "e.safetensors", "--batch", "2"]) == 0
    said = capsys.readouterr().out
    assert said == (
        "3 pairs of image and text in 8 dimensions, of images and captions.csv: e.safetensors\n"
    )
    pairs = PairedEmbeddings.load("e.safetensors")
    model = load_clip("model")
    paths = [f"images/{i}.png" for i in range(3)]
    np.testing.assert_allclose(pairs.x, embed_images(model, paths), atol=1e-6)
    np.testing.assert_allclose(pairs.y, embed_texts(model, ["aa", "b c", "d"]), atol=1e-6)
    assert main(["report", "e.safetensors", "--quiet"]) == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"model", "images", "captions.csv", "e.safetensors"}


def test_columns_of_other_names(folder):
    (folder / "captions.csv").write_text("file,words\n0.png,aa\n1.png,b c\n")
    assert main([*EMBED, "--out", "e.npz", "--columns", "file", "words"]) == 0
    assert PairedEmbeddings.load("e.npz").captions == ("aa", "b c")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "e.csv"], "expected a path ending in .safetensors, .npz, .npy"),
        (["--out", "e.npz", "--columns", "file", "words"], "Expected the columns file and words"),
        (["--out", "e.npz", "--device", "abacus"], "Expected a device of this machine"),
        (["--out", "e.npz", "--batch", "0"], "an integer from 1; got 0"),
        (["--out", "e.npz", "--library", "open_clip"], "open_clip"),
    ],
)
def test_what_is_wrong_is_one_line(folder, capsys, arguments, message):
    with pytest.raises(SystemExit) if "e.csv" in arguments else nullcontext():
        assert main([*EMBED, *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert "--debug" not in said
    assert not (folder / "e.npz").exists()


def test_a_name_on_the_hub_without_a_commit_is_refused(folder, capsys):
    arguments = ["embed", "openai/clip-vit-base-patch32", "images", "captions.csv"]
    assert main([*arguments, "--out", "e.npz"]) == 2
    assert "give --revision, a commit of 40 hexadecimal digits" in capsys.readouterr().err


def test_an_interruption_says_that_the_command_goes_on(folder, capsys, monkeypatch):
    def interrupt(checkpoint, texts, progress=False):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("gapbook.encoders.clip.embed_texts", interrupt)
        assert main([*EMBED, "--out", "e.npz"]) == 130
    assert "the same command goes on where this one was stopped" in capsys.readouterr().err
    assert len(list((folder / ".e.npz.journal").iterdir())) == 1
    assert main([*EMBED, "--out", "e.npz"]) == 0
    assert not (folder / ".e.npz.journal").exists()
