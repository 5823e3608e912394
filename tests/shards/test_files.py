"""The files of a folder of shards: which they are, how wide, and their rows."""

import os

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import safetensors.torch
import torch
from helpers import parquet_table, sample

from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings
from gapbook.shards.files import list_shards, shard_names, shard_shape, unit_shard


@pytest.fixture
def pairs():
    return PairedEmbeddings(*sample(50, 7))


def test_hidden_files_and_others_are_no_shards(tmp_path):
    for name in (
        "a.npy",
        "B/c.parquet",
        "B/_temporary/d.npy",
        ".cache/e.npy",
        "_metadata.parquet",
        "f.txt",
        "g.npy/h.npz",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert shard_names(tmp_path) == ["B/c.parquet", "a.npy", "g.npy/h.npz"]


def test_what_looks_like_a_shard_is_read_or_named(tmp_path):
    for name in ("a.npz", "B.NPZ", "c.Parquet", "_d.npz", "_temporary/e.npy", ".f.npz", "g.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "linked").symlink_to(tmp_path / "_temporary")
    (tmp_path / "gone.npy").symlink_to(tmp_path / "nowhere.npy")
    os.mkfifo(tmp_path / "pipe.npy")
    found = list_shards(tmp_path)
    # What cannot be read is a bad shard, and no reason to be silent.
    assert found.shards == ["B.NPZ", "a.npz", "gone.npy", "pipe.npy"]
    assert found.left_out == ["_d.npz", "_temporary/e.npy", "c.Parquet", "linked/"]
    for name, problem in (("gone.npy", "a link to what does not exist"), ("pipe.npy", "a named")):
        with pytest.raises(PairsError, match=problem):
            unit_shard(tmp_path / name)


def test_a_folder_without_shards_says_what_it_leaves_out(tmp_path):
    (tmp_path / "_a.npz").touch()
    (tmp_path / "b.Npz").touch()
    with pytest.raises(PairsError, match=r"none; left out for their names: 2 \(_a\.npz, b\.Npz\)"):
        list_shards(tmp_path)


def test_a_folder_of_shards_must_be_one(tmp_path):
    (tmp_path / "f.txt").touch()
    with pytest.raises(PairsError, match=r"folder of shards; .*f\.txt is a file"):
        shard_names(tmp_path / "f.txt")
    with pytest.raises(PairsError, match=r"folder of shards; .*no does not exist"):
        shard_names(tmp_path / "no")
    with pytest.raises(PairsError, match="there are none"):
        shard_names(tmp_path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_shapes_come_from_headers(tmp_path, pairs, suffix):
    path = tmp_path / f"a{suffix}"
    pairs.save(path)
    assert shard_shape(path) == (50, 7)
    # An .npy file has no names.
    unknown = (50, 7) if suffix == ".npy" else None
    assert shard_shape(path, ("no", "none")) == unknown


def test_shapes_of_named_columns_come_from_headers(tmp_path, pairs):
    columns = ("image", "text")
    np.savez_compressed(tmp_path / "b.npz", image=pairs.x, text=pairs.y)
    for name, fixed in (("d.parquet", False), ("e.parquet", True)):
        pyarrow.parquet.write_table(parquet_table(pairs, columns, fixed), tmp_path / name)
    for name in shard_names(tmp_path):
        assert shard_shape(tmp_path / name, columns) == (50, 7)
        assert unit_shard(tmp_path / name, columns)[0].shape == (50, 7)
        assert shard_shape(tmp_path / name, ("no", "none")) is None


def test_no_more_than_the_header_is_read(tmp_path, pairs):
    path = tmp_path / "a.npy"
    pairs.save(path)
    whole = path.read_bytes()
    # 128 bytes are the header.
    path.write_bytes(whole[:200])
    assert shard_shape(path) == (50, 7)
    path.write_bytes(whole[:100])
    assert shard_shape(path) is None
    assert shard_shape(tmp_path / "gone.npy") is None


def test_the_second_version_of_the_header_of_npy_is_read(tmp_path, pairs):
    with (tmp_path / "c.npy").open("wb") as file:
        np.lib.format.write_array(file, np.stack([pairs.x, pairs.y]), version=(2, 0))
    assert shard_shape(tmp_path / "c.npy") == (50, 7)


def test_a_shard_may_have_a_single_pair(tmp_path):
    np.savez(tmp_path / "one.npz", x=[[3.0, 4.0]], y=[[0.0, 2.0]])
    tensors = {"x": torch.tensor([[3.0, 4.0]]).bfloat16(), "y": torch.tensor([[0.0, 2.0]])}
    safetensors.torch.save_file(tensors, tmp_path / "one.safetensors")
    for name in ("one.npz", "one.safetensors"):
        x, y = unit_shard(tmp_path / name)
        assert x.shape == y.shape == (1, 2)
        assert x == pytest.approx(np.array([[0.6, 0.8]]))
        assert y.tolist() == [[0, 1]]


SINGLE_PAIRS = {
    "float8": torch.float8_e4m3fn,
    "float8 of another kind": torch.float8_e5m2,
    "bfloat16": torch.bfloat16,
    "half": torch.float16,
    "16-bit integers": torch.int16,
}


@pytest.mark.parametrize("dtype", SINGLE_PAIRS.values(), ids=SINGLE_PAIRS)
def test_a_single_pair_may_be_of_any_type(tmp_path, dtype):
    tensors = {"x": torch.tensor([[3.0, 4.0]]).to(dtype), "y": torch.tensor([[0.0, 2.0]]).to(dtype)}
    safetensors.torch.save_file(tensors, tmp_path / "one.safetensors")
    x, y = unit_shard(tmp_path / "one.safetensors")
    assert x == pytest.approx(np.array([[0.6, 0.8]]))
    assert y.tolist() == [[0, 1]]


def test_a_single_pair_of_packed_bits_is_refused(tmp_path):
    np.savez(tmp_path / "one.npz", x=np.uint8([[1, 2]]), y=np.uint8([[3, 4]]))
    with pytest.raises(PairsError, match="got dtype uint8: embeddings of 8 bits"):
        unit_shard(tmp_path / "one.npz")


def empty_shards(folder):
    """Write a shard without rows in each format, as filters and writers leave them."""
    none = np.empty((0, 7), np.float32)
    np.savez(folder / "a.npz", x=none, y=none)
    np.savez(folder / "b.npz", x=[], y=[])
    np.save(folder / "c.npy", np.stack([none, none]))
    np.save(folder / "d.npy", np.empty((2, 0)))
    tensors = {"x": torch.from_numpy(none), "y": torch.from_numpy(none)}
    safetensors.torch.save_file(tensors, folder / "e.safetensors")
    for name, width in (("f.parquet", -1), ("g.parquet", 7)):
        column = pyarrow.array([], pyarrow.list_(pyarrow.float32(), width))
        pyarrow.parquet.write_table(pyarrow.table({"x": column, "y": column}), folder / name)


def test_a_shard_may_have_no_pair(tmp_path):
    empty_shards(tmp_path)
    for name in shard_names(tmp_path):
        x, y = unit_shard(tmp_path / name)
        assert x.shape == y.shape == (0, 0), name
        assert (shard_shape(tmp_path / name) or (0, 0))[0] == 0, name
    np.savez(tmp_path / "h.npz", x=np.empty((0, 7)), y=np.ones((2, 7)))
    with pytest.raises(PairsError, match=r"same shape \(n, d\); got \(0, 7\) and \(2, 7\)"):
        unit_shard(tmp_path / "h.npz")
