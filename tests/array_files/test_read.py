"""Files that others wrote: what is wanted is read, and nothing else is opened or believed."""

import os
import warnings
import zipfile

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import safetensors.numpy
from helpers import most_memory, npy, npy_header, sample, zipped

from gapbook.array_files import array_names, read_array, read_metadata, read_pairs, suffix_of
from gapbook.exceptions import ColumnsError, PairsError
from gapbook.pairs import PairedEmbeddings

X, Y = sample(40, 8)


def test_endings_count_in_small_letters_and_in_capitals(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    (tmp_path / "a.npz").rename(tmp_path / "A.NPZ")
    np.testing.assert_array_equal(read_pairs(tmp_path / "A.NPZ")[0], X)
    assert suffix_of(tmp_path / "a.SAFETENSORS") == ".safetensors"
    for name in ("a.Npz", "a.txt", "a", ".npz"):
        assert suffix_of(tmp_path / name) is None
        (tmp_path / name).touch()
        with pytest.raises(PairsError, match=r"Expected a file ending in \.npz, "):
            read_pairs(tmp_path / name)


def test_other_arrays_beside_the_wanted_ones_are_not_opened(tmp_path):
    names = np.array(["a.jpg", None] * 20, dtype=object)
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y, names=names)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("damaged.npy", b"hello")
        archive.writestr("readme.txt", b"hello")
    np.testing.assert_array_equal(read_pairs(path)[1], Y)
    assert array_names(path) == ["x", "y", "names", "damaged"]
    with pytest.raises(PairsError, match=r"names in .* holds pickled objects"):
        read_pairs(path, ("x", "names"))


def test_large_members_beside_the_wanted_ones_take_no_memory(tmp_path):
    images = (npy_header((2**20, 64)), 2**28)
    members = [("x.npy", npy(X)), ("y.npy", npy(Y)), ("images.npy", images), ("meta.npy", images)]
    path = zipped(tmp_path / "a.npz", members)
    loaded, peak = most_memory(PairedEmbeddings.load, path)
    assert len(loaded) == 40
    assert peak < 2**24


def test_a_name_that_is_there_twice_is_no_name(tmp_path):
    members = [("x.npy", npy(X)), ("y.npy", npy(Y)), ("x.npy", npy(Y))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zipped(tmp_path / "a.npz", members)
    side = pyarrow.array(X.tolist())
    table = pyarrow.table([side, side, side], names=["x", "y", "x"])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    for name in ("a.npz", "a.parquet"):
        with pytest.raises(ColumnsError, match=rf"Expected one x in .*{name}; it is there 2 times"):
            read_pairs(tmp_path / name)
    # Of another column that is no matter.
    table = pyarrow.table([side, side, side, side], names=["x", "y", "id", "id"])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read_pairs(tmp_path / "a.parquet")[0].shape == (40, 8)


@pytest.mark.parametrize("columns", [("x", "x"), ("x",), ("x", "y", "z"), "xy", (1, 2)])
def test_columns_are_two_different_names(tmp_path, columns):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    with pytest.raises(PairsError, match="Expected the names of two different arrays; got"):
        read_pairs(tmp_path / "a.npz", columns)


def test_names_that_others_wrote_are_quoted_and_few(tmp_path):
    arrays = {"\x1b[31mRED\x07": X, "b" * 60_000: X} | {f"key{i}": X for i in range(300)}
    np.savez(tmp_path / "a.npz", **arrays)
    side = pyarrow.array(X.tolist())
    table = pyarrow.table([side] * len(arrays), names=list(arrays))
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    for name in ("a.npz", "a.parquet"):
        with pytest.raises(ColumnsError) as error:
            read_pairs(tmp_path / name)
        message = str(error.value)
        assert message.isprintable()
        assert len(message) < 600
        assert r"'\x1b[31mRED\x07', 'bbbb" in message
        assert "and 292 more" in message


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet"])
def test_a_large_damaged_file_is_not_read_to_show_how_it_starts(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.touch()
    os.truncate(path, 2**30)
    error, peak = most_memory(read_pairs, path)
    assert r"it starts with b'\x00\x00\x00\x00\x00\x00\x00\x00'" in str(error)
    assert str(error).isprintable()
    assert peak < 2**24


def test_what_is_no_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "loop.npy").symlink_to(tmp_path / "loop.npy")
    (tmp_path / "zero.npy").symlink_to("/dev/zero")
    kinds = {"pipe.npz": "a named pipe", "loop.npy": "a link that leads", "zero.npy": "a device"}
    for name, kind in kinds.items():
        with pytest.raises(PairsError, match=f"{name} is {kind}"):
            read_pairs(tmp_path / name)


def test_metadata_are_text_of_a_bounded_length_or_nothing(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, meta=np.array("text"))
    safetensors.numpy.save_file({"x": X}, tmp_path / "a.safetensors", {"meta": "text"})
    for name in ("a.npz", "a.safetensors"):
        assert read_metadata(tmp_path / name) == "text"
    invalid = np.frombuffer(b"\xff\xff\xff\x7f", "<U1").reshape(())
    for meta in (np.arange(3), np.array({"a": 1}, dtype=object), np.array(b"text"), invalid):
        np.savez(tmp_path / "b.npz", x=X, meta=meta)
        assert read_metadata(tmp_path / "b.npz") is None
    np.save(tmp_path / "c.npy", X)
    assert read_metadata(tmp_path / "c.npy") is None
    long = np.array("x" * (2**24 + 1))
    np.savez_compressed(tmp_path / "d.npz", x=X, meta=long)
    text, peak = most_memory(read_metadata, tmp_path / "d.npz")
    assert text is None
    assert peak < 2**24
    # Many pairs have many captions.
    assert read_metadata(tmp_path / "d.npz", arrays_bytes=2**27) == str(long)


@pytest.mark.parametrize("mapped", [True, False])
def test_an_array_is_read_whole_or_called_damaged(tmp_path, mapped):
    path = tmp_path / "a.npy"
    rows = np.arange(24.0).reshape(2, 3, 4)
    np.save(path, rows)
    np.testing.assert_array_equal(read_array(path, mapped=mapped), rows)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PairsError, match=r"a\.npy is damaged or cut off"):
        read_array(path, mapped=mapped)
    path.write_bytes(bytes(500))
    with pytest.raises(PairsError, match=r"a\.npy is damaged or not a \.npy file") as caught:
        read_array(path, mapped=mapped)
    assert "pickle" not in str(caught.value)
