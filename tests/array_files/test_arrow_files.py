"""Arrow and Feather files, and the folder that ``datasets`` writes."""

import json
import shutil
import sys

import numpy as np
import pyarrow
import pyarrow.feather
import pytest
from helpers import parquet_table, require_flips_are_survived, sample

from gapbook import cli
from gapbook.array_files import array_names, read_pairs, read_shape
from gapbook.exceptions import ColumnsError, MissingPackageError, PairsError
from gapbook.pairs import PairedEmbeddings

PAIRS = PairedEmbeddings(*sample(12, 4))


def write_stream(table, path):
    with pyarrow.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=5)


def write_feather(table, path):
    pyarrow.feather.write_feather(table, str(path), compression="zstd", chunksize=5)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("write", [write_stream, write_feather])
@pytest.mark.parametrize("suffix", [".arrow", ".feather"])
def test_files_and_streams_are_read_by_name(tmp_path, suffix, write, fixed):
    path = tmp_path / f"a{suffix}"
    captions = pyarrow.array(["a"] * 12)
    write(parquet_table(PAIRS, ("v", "t"), fixed).append_column("caption", captions), path)
    loaded = PairedEmbeddings.load(path, columns=("v", "t"))
    np.testing.assert_array_equal(loaded.x, PAIRS.x)
    np.testing.assert_array_equal(loaded.y, PAIRS.y)
    assert array_names(path) == ["v", "t", "caption"]
    assert read_shape(path, "v") == (12, 4)
    with pytest.raises(ColumnsError, match=r"Expected the keys x and y in .* got caption, t, v"):
        read_pairs(path)


def test_half_precision_is_read(tmp_path):
    half = pyarrow.array(PAIRS.x.astype(np.float16).ravel(), pyarrow.float16())
    column = pyarrow.FixedSizeListArray.from_arrays(half, 4)
    write_feather(pyarrow.table({"v": column, "id": list(range(12))}), tmp_path / "a.arrow")
    np.save(tmp_path / "b.npy", PAIRS.y)
    loaded = PairedEmbeddings.load(tmp_path / "a.arrow", tmp_path / "b.npy")
    np.testing.assert_allclose(loaded.x, PAIRS.x, atol=2e-3)


@pytest.mark.parametrize("write", [write_stream, write_feather])
def test_a_damaged_file_does_not_end_the_process(tmp_path, write):
    write(parquet_table(PAIRS), tmp_path / "a.arrow")
    require_flips_are_survived(tmp_path / "a.arrow", step=3)


def test_without_pyarrow_the_message_says_what_to_install(tmp_path, monkeypatch):
    write_feather(parquet_table(PAIRS), tmp_path / "a.arrow")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match=r"an Arrow file needs pyarrow, .*pip install"):
        read_pairs(tmp_path / "a.arrow")


@pytest.fixture
def dataset(tmp_path):
    """A folder as ``Dataset.save_to_disk`` writes it, with its files in another order."""
    folder = tmp_path / "mine"
    folder.mkdir()
    table = parquet_table(PAIRS)
    write_stream(table.slice(0, 7), folder / "data-1.arrow")
    write_stream(table.slice(7), folder / "data-0.arrow")
    write_state(folder, {"_data_files": [{"filename": f"data-{i}.arrow"} for i in (1, 0)]})
    return folder


def write_state(folder, state):
    (folder / "state.json").write_text(json.dumps(state))


def test_a_dataset_is_read_in_the_order_of_its_state(dataset, tmp_path):
    loaded = PairedEmbeddings.load(dataset)
    np.testing.assert_array_equal(loaded.x, PAIRS.x)
    np.testing.assert_array_equal(loaded.y, PAIRS.y)
    assert loaded.source == "mine"
    assert cli.main(["report", str(dataset), "--quiet", "--out", str(tmp_path / "r.md")]) == 0


def test_the_folder_of_splits_names_one(dataset, tmp_path):
    whole = tmp_path / "splits"
    shutil.copytree(dataset, whole / "validation")
    (whole / "dataset_dict.json").write_text('{"splits": ["validation"]}')
    with pytest.raises(PairsError, match=r"name the folder of one, such as .*splits/validation"):
        PairedEmbeddings.load(whole)
    assert len(PairedEmbeddings.load(whole / "validation")) == 12


def test_what_is_wrong_with_a_dataset_is_named(dataset):
    file = dataset / "data-0.arrow"
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(PairsError, match=r"data-0\.arrow is damaged or not an Arrow file"):
        PairedEmbeddings.load(dataset)
    file.unlink()
    with pytest.raises(PairsError, match=r"state\.json names; .*data-0\.arrow does not exist"):
        PairedEmbeddings.load(dataset)
    write_state(dataset, {"_data_files": [], "_indices_data_files": [{"filename": "i"}]})
    with pytest.raises(PairsError, match="flatten_indices"):
        PairedEmbeddings.load(dataset)
    for state in ({}, {"_data_files": 5}, [], {"_data_files": [{"name": 1}]}):
        write_state(dataset, state)
        with pytest.raises(PairsError, match=r"Expected .*state\.json.*: write the dataset again"):
            PairedEmbeddings.load(dataset)
