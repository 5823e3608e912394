"""Columns of vectors in Parquet files."""

import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from helpers import parquet_table, require_flips_are_survived, sample

from gapbook.array_files import read_pairs, read_shape
from gapbook.exceptions import ColumnsError, MissingPackageError, PairsError
from gapbook.pairs import PairedEmbeddings

X, Y = sample(40, 8)


@pytest.fixture
def pairs():
    return PairedEmbeddings(*sample(5, 3))


@pytest.mark.parametrize("fixed", [False, True])
def test_columns_of_vectors_are_read_by_name(tmp_path, pairs, fixed):
    path = tmp_path / "a.parquet"
    # A slice has an offset into the values of its lists.
    table = parquet_table(pairs, ("image", "caption"), fixed).slice(1)
    pyarrow.parquet.write_table(table, path, row_group_size=3)
    loaded = PairedEmbeddings.load(path, columns=("image", "caption"))
    np.testing.assert_array_equal(loaded.x, pairs.x[1:])
    np.testing.assert_array_equal(loaded.y, pairs.y[1:])
    assert loaded.source == "a.parquet"
    with pytest.raises(ColumnsError, match=r"Expected the keys x and y in .*; got caption, image"):
        PairedEmbeddings.load(path)


def fixed(array, kind):
    values = pyarrow.array(array.ravel(), kind)
    return pyarrow.FixedSizeListArray.from_arrays(values, array.shape[-1])


VECTORS = {
    "lists": pyarrow.array(X.tolist(), pyarrow.list_(pyarrow.float32())),
    "large lists": pyarrow.array(X.tolist(), pyarrow.large_list(pyarrow.float64())),
    "lists of one length": fixed(X, pyarrow.float32()),
    "half precision": fixed(X.astype(np.float16), pyarrow.float16()),
    "tensors": pyarrow.FixedShapeTensorArray.from_numpy_ndarray(X),
    "tensors of one row": pyarrow.FixedShapeTensorArray.from_numpy_ndarray(X[:, None]),
    "tensors of one column": pyarrow.FixedShapeTensorArray.from_numpy_ndarray(X[:, :, None]),
    "lists of one list": pyarrow.array(X[:, None].tolist()),
    "lists of lists of one number": pyarrow.array(X[:, :, None].tolist()),
    "integers": pyarrow.array((1000 * X).round().astype(int).tolist()),
}


@pytest.mark.parametrize("column", VECTORS.values(), ids=VECTORS)
def test_vectors_are_read_however_they_lie(tmp_path, column):
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"x": column, "y": column})
    pyarrow.parquet.write_table(table, path, row_group_size=7)
    loaded = PairedEmbeddings.load(path)
    np.testing.assert_allclose(loaded.x, PairedEmbeddings(X, X).x, atol=2e-3)
    assert read_shape(path, "x") == (40, 8)


def test_a_number_that_is_missing_in_a_vector_is_not_finite(tmp_path):
    rows = X.tolist()
    rows[3][7] = None
    table = pyarrow.table({"x": rows, "y": Y.tolist()})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(PairsError, match=r"x has non-finite values in 1 row \(first: 3\)"):
        PairedEmbeddings.load(tmp_path / "a.parquet")


def test_a_column_whose_name_is_no_text_is_refused(tmp_path, pairs):
    path = tmp_path / "a.parquet"
    table = parquet_table(pairs).append_column("zz", pyarrow.array(list("abcde")))
    pyarrow.parquet.write_table(table, path, compression="none")
    path.write_bytes(path.read_bytes().replace(b"zz", b"\xff\xff"))
    with pytest.raises(PairsError, match=r"a\.parquet has a column whose name is not UTF-8"):
        read_pairs(path)


STRUCT = pyarrow.array([{"a": 1.0}] * 2)
NO_VECTORS = {
    "got double": pyarrow.array([1.0, 2.0]),
    "got string": pyarrow.array(["[1, 2]", "[3, 4]"]),
    "got binary": pyarrow.array([X[0].tobytes(), X[1].tobytes()]),
    "got struct": STRUCT,
    "got map": pyarrow.array([[("a", 1.0)]] * 2, pyarrow.map_(pyarrow.string(), pyarrow.float32())),
    "got bool": pyarrow.array([[True, False], [True, True]]),
    "got decimal": pyarrow.array([[1, 2]] * 2, pyarrow.list_(pyarrow.decimal128(9, 2))),
    r"got arrays of shape \(2, 8\)": pyarrow.array(np.stack([X, X], 1).tolist()),
    "1 empty lists in its cells": pyarrow.array([[[1.0]], [None]]),
    "1 empty cells": pyarrow.array([[1.0, 2.0], None]),
    "got dictionary": pyarrow.array(["a caption", "another"]).dictionary_encode(),
    r"of one length; got lengths \[1, 2\]": pyarrow.array([[1.0, 2.0], [1.0]]),
}


@pytest.mark.parametrize("message", NO_VECTORS)
def test_columns_without_a_vector_in_every_cell_are_refused(tmp_path, message):
    path = tmp_path / "a.parquet"
    column = NO_VECTORS[message]
    pyarrow.parquet.write_table(pyarrow.table({"x": column, "y": column}), path)
    with pytest.raises(PairsError, match=rf"every cell of column x of .*a\.parquet.*{message}"):
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
    with pytest.raises(
        MissingPackageError, match=r"a Parquet file needs pyarrow, .*pip install .*pyarrow"
    ):
        read_pairs(tmp_path / "a.parquet")


def test_a_column_that_unpacks_to_far_more_than_its_file_is_refused(tmp_path):
    zeros = pyarrow.array(np.zeros(2**26 + 2**20, np.float32))
    rows = pyarrow.FixedSizeListArray.from_arrays(zeros, 64)
    table = pyarrow.table({"x": rows, "y": rows})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", compression="zstd")
    with pytest.raises(PairsError, match=r"x in .*a\.parquet takes 281\.1 MB unpacked from"):
        read_pairs(tmp_path / "a.parquet")


def test_a_damaged_footer_does_not_end_the_process(tmp_path):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"x": X.tolist(), "y": Y.tolist()}), path)
    content = path.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little")
    require_flips_are_survived(path, start=len(content) - 8 - footer)
