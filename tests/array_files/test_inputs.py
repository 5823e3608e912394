"""What people have on their disk: two files of one side each."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import safetensors.numpy
from helpers import sample

from gapbook import cli
from gapbook.exceptions import ColumnsError, PairsError
from gapbook.pairs import PairedEmbeddings

X, Y = sample(12, 4)


def write_parquet(path, side, name="vector"):
    n = len(side)
    columns = {"id": list(range(n)), name: side.tolist(), "caption": ["a"] * n}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


WRITERS = {
    ".npy": lambda path, side: np.save(path, side),
    ".npz": lambda path, side: np.savez(path, embeddings=side, ids=np.arange(len(side))),
    ".safetensors": lambda path, side: safetensors.numpy.save_file({"v": side}, path),
    ".parquet": write_parquet,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_two_files_have_a_side_each(tmp_path, suffix):
    images = tmp_path / f"images{suffix}"
    texts = tmp_path / "texts.npy"
    WRITERS[suffix](images, X)
    np.save(texts, Y)
    loaded = PairedEmbeddings.load(images, texts, modalities=("video", "text"))
    expected = PairedEmbeddings(X, Y)
    np.testing.assert_array_equal(loaded.x, expected.x)
    np.testing.assert_array_equal(loaded.y, expected.y)
    assert loaded.source == f"images{suffix} and texts.npy"
    assert loaded.modalities == ("video", "text")


def test_of_several_arrays_in_two_files_one_is_named_for_each(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    np.savez(tmp_path / "b.npz", x=Y, y=X)
    paths = (tmp_path / "a.npz", tmp_path / "b.npz")
    with pytest.raises(ColumnsError, match=r"Expected one array .* in .*a\.npz; it has x, y: name"):
        PairedEmbeddings.load(*paths)
    loaded = PairedEmbeddings.load(*paths, columns=("y", "y"))
    np.testing.assert_array_equal(loaded.y, PairedEmbeddings(Y, X).y)
    with pytest.raises(ColumnsError, match=r"Expected the key z in .*b\.npz; got x, y: name one"):
        PairedEmbeddings.load(*paths, columns=("x", "z"))


WRONG_SIDES = {
    "(2, 12, 4): that is both sides of pairs, so give this file alone": np.stack([X, Y]),
    "(12, 4) and (11, 5, 4): give the ids of rows instead": np.stack([Y[:11]] * 5, axis=1),
    "(12,): write one row for each pair with np.save": Y[:, 0],
    "(12, 4) and (11, 4)": Y[:11],
    "(12, 4) and (12, 3)": Y[:, :3],
}


@pytest.mark.parametrize("message", WRONG_SIDES)
def test_sides_that_do_not_fit_say_what_to_do(tmp_path, message):
    np.save(tmp_path / "images.npy", X)
    np.save(tmp_path / "texts.npy", WRONG_SIDES[message])
    with pytest.raises(PairsError) as error:
        PairedEmbeddings.load(tmp_path / "images.npy", tmp_path / "texts.npy")
    assert message in str(error.value)


def test_one_side_alone_asks_for_the_other(tmp_path):
    np.save(tmp_path / "images.npy", X)
    with pytest.raises(PairsError) as error:
        PairedEmbeddings.load(tmp_path / "images.npy")
    assert "got (12, 4): that is one side, so give two files" in str(error.value)
    assert "np.savez('pairs.npz', x=images, y=texts)" in str(error.value)


def test_a_file_without_a_matrix_says_how_to_write_one(tmp_path):
    np.savez(tmp_path / "a.npz", ids=np.arange(12))
    np.save(tmp_path / "b.npy", Y)
    with pytest.raises(ColumnsError, match=r"a\.npz; it has none: write it with np\.save"):
        PairedEmbeddings.load(tmp_path / "a.npz", tmp_path / "b.npy")


def test_the_command_takes_two_files(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", v=X, w=Y)
    np.save(tmp_path / "b.npy", Y)
    both = [str(tmp_path / "a.npz"), str(tmp_path / "b.npy")]
    out = ["--quiet", "--out", str(tmp_path / "r.md")]
    assert cli.main(["report", *both, *out, "--columns", "v", "v"]) == 0
    assert (tmp_path / "r.md").exists()
    assert cli.main(["report", *both, *out]) == 2
    assert "a.npz; it has v, w: name one for each file" in capsys.readouterr().err


def test_a_folder_is_no_side(tmp_path, capsys):
    np.save(tmp_path / "b.npy", Y)
    assert cli.main(["report", str(tmp_path), str(tmp_path / "b.npy")]) == 2
    assert "is a folder" in capsys.readouterr().err
