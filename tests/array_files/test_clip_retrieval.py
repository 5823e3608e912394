"""The folder that clip-retrieval writes."""

import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from helpers import sample

from gapbook import cli
from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings

# As many shards as have another order by name than by number.
SHARDS = 11
X, Y = sample(SHARDS * 2, 4)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "laion"
    for name in ("img_emb", "text_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for number in range(SHARDS):
        rows = slice(2 * number, 2 * number + 2)
        np.save(folder / "img_emb" / f"img_emb_{number}.npy", X[rows].astype(np.float16))
        np.save(folder / "text_emb" / f"text_emb_{number}.npy", Y[rows].astype(np.float16))
        write_captions(folder, number, [f"shard {number}", None])
    return folder


def write_captions(folder, number, captions):
    table = pyarrow.table({"caption": pyarrow.array(captions, pyarrow.string())})
    pyarrow.parquet.write_table(table, folder / "metadata" / f"metadata_{number}.parquet")


def test_shards_are_joined_in_the_order_of_their_numbers(folder):
    loaded = PairedEmbeddings.load(folder)
    expected = PairedEmbeddings(X, Y)
    np.testing.assert_allclose(loaded.x, expected.x, atol=2e-3)
    np.testing.assert_allclose(loaded.y, expected.y, atol=2e-3)
    assert loaded.captions[18:] == ("shard 9", "", "shard 10", "")
    assert loaded.source == "laion"


def test_captions_that_are_not_all_there_are_left_out(folder):
    write_captions(folder, 3, ["one too few"])
    assert PairedEmbeddings.load(folder).captions is None
    (folder / "metadata" / "metadata_3.parquet").unlink()
    assert PairedEmbeddings.load(folder).captions is None


def test_without_pyarrow_there_are_no_captions(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert PairedEmbeddings.load(folder).captions is None


def missing_side(folder):
    for path in (folder / "text_emb").iterdir():
        path.unlink()


def missing_shard(folder):
    (folder / "img_emb" / "img_emb_10.npy").unlink()


def shorter_shard(folder):
    np.save(folder / "text_emb" / "text_emb_7.npy", Y[:1])


def other_width(folder):
    np.save(folder / "text_emb" / "text_emb_7.npy", Y[:2, :3])


def no_array(folder):
    (folder / "text_emb" / "text_emb_7.npy").write_bytes(b"hello, world")


WRONG = {
    "laion has img_emb and no shards text_emb/text_emb_0.npy": missing_side,
    "text_emb_10.npy has no partner with its number": missing_shard,
    "img_emb_7.npy has 2 rows and": shorter_shard,
    "got lengths [3, 4]": other_width,
    "text_emb_7.npy is damaged": no_array,
}


@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_named(folder, message):
    WRONG[message](folder)
    with pytest.raises(PairsError) as error:
        PairedEmbeddings.load(folder)
    assert message in str(error.value)


def test_the_command_takes_the_folder_before_it_looks_for_shards(folder, tmp_path, capsys):
    assert cli.main(["report", str(folder), "--quiet", "--out", str(tmp_path / "r.json")]) == 0
    assert '"22 pairs.' in (tmp_path / "r.json").read_text()
    assert cli.main(["report", str(folder), "--skip-bad"]) == 2
    assert "are for a folder of shards" in capsys.readouterr().err
