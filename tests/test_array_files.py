"""Columns of vectors in Parquet files; what all kinds of files have in common is in test_pairs."""

import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from helpers import parquet_table, sample

from gapbook.array_files import read_pairs
from gapbook.exceptions import ColumnsError, MissingPackageError, PairsError
from gapbook.pairs import PairedEmbeddings


@pytest.fixture
def pairs():
    return PairedEmbeddings(*sample(5, 3))


@pytest.mark.parametrize("fixed", [False, True])
def test_columns_of_vectors_are_read_by_name(tmp_path, pairs, fixed):
    path = tmp_path / "a.parquet"
    # A slice has an offset into the values of its lists.
    table = parquet_table(pairs, ("image", "caption"), fixed).slice(1)
    pyarrow.parquet.write_table(table, path, row_group_size=3)
    loaded = PairedEmbeddings.load(path, ("image", "caption"))
    np.testing.assert_array_equal(loaded.x, pairs.x[1:])
    np.testing.assert_array_equal(loaded.y, pairs.y[1:])
    assert loaded.source == "a.parquet"
    with pytest.raises(ColumnsError, match=r"Expected the keys x and y in .*; got caption, image"):
        PairedEmbeddings.load(path)


NO_VECTORS = {
    "got double": pyarrow.array([1.0, 2.0]),
    "1 empty cells": pyarrow.array([[1.0, 2.0], None]),
    "got dictionary": pyarrow.array(["a caption", "another"]).dictionary_encode(),
    r"of one length; got lengths \[1, 2\]": pyarrow.array([[1.0, 2.0], [1.0]]),
}


@pytest.mark.parametrize("message", NO_VECTORS)
def test_columns_without_a_vector_in_every_cell_are_refused(tmp_path, message):
    path = tmp_path / "a.parquet"
    column = NO_VECTORS[message]
    pyarrow.parquet.write_table(pyarrow.table({"x": column, "y": column}), path)
    with pytest.raises(PairsError, match=message):
        read_pairs(path)


def test_a_file_without_rows_has_too_few_pairs(tmp_path):
    path = tmp_path / "a.parquet"
    column = pyarrow.array([], type=pyarrow.list_(pyarrow.float32()))
    pyarrow.parquet.write_table(pyarrow.table({"x": column, "y": column}), path)
    with pytest.raises(PairsError, match=r"Expected x of shape \(n, d\); got \(0, 0\)"):
        PairedEmbeddings.load(path)


def test_a_damaged_file_is_named(tmp_path, pairs):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(parquet_table(pairs), path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(PairsError, match=r"a\.parquet is damaged or not a Parquet file"):
        read_pairs(path)


def test_without_pyarrow_the_message_says_what_to_install(tmp_path, pairs, monkeypatch):
    pyarrow.parquet.write_table(parquet_table(pairs), tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingPackageError, match="pip install distributed pyarrow"):
        read_pairs(tmp_path / "a.parquet")
