"""The files of a folder of shards: which they are, how wide, and their rows."""

import numpy as np
import pyarrow.parquet
import pytest
import torch
from helpers import parquet_table, sample

from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings
from gapbook.shards.files import shard_names, shard_width, unit_shard


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


def test_a_folder_of_shards_must_be_one(tmp_path):
    (tmp_path / "f.txt").touch()
    with pytest.raises(PairsError, match=r"folder of shards; .*f\.txt is a file"):
        shard_names(tmp_path / "f.txt")
    with pytest.raises(PairsError, match=r"folder of shards; .*no does not exist"):
        shard_names(tmp_path / "no")
    with pytest.raises(PairsError, match="there are none"):
        shard_names(tmp_path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_widths_come_from_headers(tmp_path, pairs, suffix):
    path = tmp_path / f"a{suffix}"
    pairs.save(path)
    assert shard_width(path) == 7
    # An .npy file has no names.
    unknown = 7 if suffix == ".npy" else None
    assert shard_width(path, ("no", "none")) == unknown


def test_widths_of_named_columns_come_from_headers(tmp_path, pairs):
    columns = ("image", "text")
    np.savez_compressed(tmp_path / "b.npz", image=pairs.x, text=pairs.y)
    for name, fixed in (("d.parquet", False), ("e.parquet", True)):
        pyarrow.parquet.write_table(parquet_table(pairs, columns, fixed), tmp_path / name)
    for name in shard_names(tmp_path):
        assert shard_width(tmp_path / name, columns) == 7
        assert unit_shard(tmp_path / name, columns)[0].shape == (50, 7)
        assert shard_width(tmp_path / name, ("no", "none")) is None


def test_no_more_than_the_header_is_read(tmp_path, pairs):
    path = tmp_path / "a.npy"
    pairs.save(path)
    whole = path.read_bytes()
    # 128 bytes are the header.
    path.write_bytes(whole[:200])
    assert shard_width(path) == 7
    path.write_bytes(whole[:100])
    assert shard_width(path) is None
    assert shard_width(tmp_path / "gone.npy") is None


def test_the_second_version_of_the_header_of_npy_is_read(tmp_path, pairs):
    with (tmp_path / "c.npy").open("wb") as file:
        np.lib.format.write_array(file, np.stack([pairs.x, pairs.y]), version=(2, 0))
    assert shard_width(tmp_path / "c.npy") == 7


def test_a_shard_may_have_a_single_pair(tmp_path):
    import safetensors.torch

    np.savez(tmp_path / "one.npz", x=[[3.0, 4.0]], y=[[0.0, 2.0]])
    tensors = {"x": torch.tensor([[3.0, 4.0]]).bfloat16(), "y": torch.tensor([[0.0, 2.0]])}
    safetensors.torch.save_file(tensors, tmp_path / "one.safetensors")
    for name in ("one.npz", "one.safetensors"):
        x, y = unit_shard(tmp_path / name)
        assert x.shape == y.shape == (1, 2)
        assert x.numpy() == pytest.approx(np.array([[0.6, 0.8]]))
        assert y.tolist() == [[0, 1]]
