"""Kinds of arrays: each gives the numbers that it stands for, or the sentence that names it."""

import warnings

import numpy as np
import pandas as pd
import pyarrow
import pytest
import scipy.sparse
import torch

from gapbook.checks.arrays import plain_matrix
from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings, unit_rows

X = np.random.default_rng(0).normal(size=(6, 8))
T = torch.tensor(X)
EXPECTED = "Expected x as an array (n, d) of real numbers; got "


def ml_dtype(name):
    """Return a number type of JAX, or skip the test without its package."""
    return getattr(pytest.importorskip("ml_dtypes"), name)


def quietly(make, *arguments, **options):
    """Make a tensor of a kind that PyTorch warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*arguments, **options)


def quantized():
    return quietly(torch.quantize_per_tensor, T.float(), 0.05, 0, torch.qint8)


def nested(layout):
    return quietly(torch.nested.nested_tensor, list(T), layout=layout)


CONVERTED = {
    "masked array without a masked value": (lambda: np.ma.masked_array(X), X),
    "list of such arrays": (lambda: list(np.ma.masked_array(X)), X),
    "sparse matrix": (lambda: scipy.sparse.csr_matrix(X), X),
    "sparse array": (lambda: scipy.sparse.coo_array(X), X),
    "sparse tensor, coordinates": (lambda: T.to_sparse(), X),
    "sparse tensor, rows": (lambda: quietly(T.to_sparse_csr), X),
    "sparse tensor, columns": (lambda: quietly(T.to_sparse_csc), X),
    "sparse tensor, blocks": (lambda: quietly(T.to_sparse_bsr, (2, 2)), X),
    "quantized tensor": (quantized, np.round(X / 0.05) * 0.05),
    "bfloat16 tensor": (lambda: T.bfloat16(), T.bfloat16().double().numpy()),
    "float8 tensor": (
        lambda: T.to(torch.float8_e4m3fn),
        T.to(torch.float8_e4m3fn).double().numpy(),
    ),
    "list of tensors": (lambda: list(T), X),
    "parameter": (lambda: torch.nn.Parameter(T), X),
    "data frame": (lambda: pd.DataFrame(X), X),
    "nullable data frame": (lambda: pd.DataFrame(X).convert_dtypes(), X),
    "Arrow data frame": (lambda: pd.DataFrame(X).convert_dtypes(dtype_backend="pyarrow"), X),
    "frame of one column of vectors": (lambda: pd.DataFrame({"x": list(X)}), X),
    "column of vectors": (lambda: pd.Series(list(X), index=[9, 3, 3, 1, 0, 2]), X),
    "column of lists": (lambda: pd.Series(X.tolist()), X),
    "column of tensors": (lambda: pd.Series(list(T)), X),
    "Arrow array of lists": (lambda: pyarrow.array(X.tolist()), X),
    "memory view": (lambda: memoryview(X), X),
}


@pytest.mark.parametrize(("make", "numbers"), CONVERTED.values(), ids=CONVERTED)
def test_these_kinds_give_the_numbers_that_they_stand_for(make, numbers):
    matrix = plain_matrix(make(), "x")
    if isinstance(matrix, torch.Tensor):
        matrix = matrix.double().numpy()
    np.testing.assert_allclose(matrix, numbers, rtol=1e-6)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float6_e2m3fn"])
def test_floats_of_jax_are_converted_exactly(name):
    small = X.astype(ml_dtype(name))
    np.testing.assert_array_equal(plain_matrix(small, "x"), small.astype(np.float64))


def masked(first):
    return np.ma.masked_array(X, X[first, 2] == X)


BITS = "embeddings of 8 bits are packed bits or the steps of a quantizer"
REFUSED = {
    "masked array": (
        lambda: masked(3),
        "a masked array with 1 masked values (the first at index 3)",
    ),
    "list of masked arrays": (lambda: list(masked(0)), "a masked array with 1 masked values"),
    "masked tensor": (
        lambda: quietly(torch.masked.masked_tensor, T, T > 0),
        "a masked tensor: drop the masked rows",
    ),
    "nested tensor": (lambda: nested(torch.strided), "a nested tensor: give torch.stack"),
    "jagged tensor": (lambda: nested(torch.jagged), "a nested tensor: give torch.stack"),
    "meta tensor": (lambda: torch.empty(6, 8, device="meta"), "a tensor on the meta device"),
    "parameter without values": (torch.nn.UninitializedParameter, "UninitializedParameter ("),
    "packed bits": (lambda: np.packbits(X > 0, axis=1), f"dtype uint8: {BITS}"),
    "quantized numbers": (lambda: (10 * X).astype(np.int8), f"dtype int8: {BITS}"),
    "tensor of bytes": (lambda: (10 * T).byte(), f"dtype torch.uint8: {BITS}"),
    "list of tensors of bytes": (lambda: list((10 * T).byte()), f"dtype uint8: {BITS}"),
    "sparse booleans": (
        lambda: scipy.sparse.csr_array(X > 0),
        "dtype bool: bits are no coordinates",
    ),
    "booleans": (lambda: X > 0, "dtype bool: bits are no coordinates"),
    "tensor of booleans": (lambda: T > 0, "dtype torch.bool: bits are no coordinates"),
    "pairs of 4-bit floats": (
        lambda: torch.zeros(6, 8, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
        "dtype torch.float4_e2m1fn_x2: it holds several numbers in a byte",
    ),
    "bytes without a type": (lambda: X.view("V8"), "dtype |V8, bytes without a type"),
    "structured array": (
        lambda: np.zeros(6, [("x", "f4"), ("\x1b[31m", "f4")]),
        r"a structured array with the fields ['x', '\x1b[31m']",
    ),
    "list of bfloat16 tensors": (lambda: list(T.bfloat16()), "a list of tensors: give torch.stack"),
    "list of tensors with gradients": (
        lambda: list(T.clone().requires_grad_()),
        "a list of tensors: give torch.stack",
    ),
    "list of quantized tensors": (lambda: list(quantized()), "a list of tensors: give torch.stack"),
    "generator": (lambda: (row for row in X), "generator, which gives its rows once: give list(x)"),
    "set": (lambda: {1, 2}, "set"),
    "dates": (lambda: X.astype("datetime64[s]"), "dtype datetime64[s]"),
    "words": (lambda: X.astype(str).tolist(), "list with values of dtype <U"),
    "integers without end": (lambda: [[2**70, 1], [1, 2]], "list with values of dtype object"),
    "two columns of vectors": (
        lambda: pd.DataFrame({"x": list(X), "y": list(X)}),
        "dtype object",
    ),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_these_kinds_are_refused_by_name(make, sentence):
    with pytest.raises(PairsError) as error:
        unit_rows(make())
    assert str(error.value).startswith(EXPECTED + sentence)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", ["int4", "uint4"])
def test_integers_of_jax_with_few_bits_are_refused(name):
    with pytest.raises(PairsError, match=f"got dtype {name}: {BITS}"):
        unit_rows(np.ones((3, 4), ml_dtype(name)))


CELLS = {
    "a word": ([*X[:5], "[0.1, 0.2]"], "a vector in every cell of x; cell 5 is '[0.1, 0.2]'"),
    "nothing": ([*X[:5], None], "a vector in every cell of x; cell 5 is None"),
    "a missing value": ([*X[:5], np.nan], "a vector in every cell of x; cell 5 is nan"),
    "a shorter vector": ([*X[:5], X[0, :3]], "one length in x; got 8 in cell 0 and 3 in cell 5"),
    "packed bits": ([*X[:5], np.zeros(8, np.uint8)], "cell 5 of x as an array (n, d) of real"),
    "a masked array": (
        list(masked(5)),
        "a masked array with 1 masked values (the first at index 2)",
    ),
    "a sparse row": ([scipy.sparse.csr_array(X[:1])] * 2, "a vector in every cell of x; cell 0 is"),
}


@pytest.mark.parametrize(("cells", "sentence"), CELLS.values(), ids=CELLS)
def test_a_column_has_a_vector_in_every_cell(cells, sentence):
    with pytest.raises(PairsError) as error:
        unit_rows(pd.Series(cells, dtype=object))
    assert sentence in str(error.value)
    assert str(error.value).isprintable()


def test_two_columns_of_a_frame_are_pairs():
    frame = pd.DataFrame({"image": list(X), "text": X.tolist()})
    pairs = PairedEmbeddings(frame["image"], frame["text"])
    np.testing.assert_array_equal(pairs.x, PairedEmbeddings(X, X).x)
    np.testing.assert_array_equal(pairs.y, pairs.x)


def test_missing_numbers_of_a_nullable_frame_are_not_finite():
    frame = pd.DataFrame(X).convert_dtypes()
    frame.iloc[2, 3] = pd.NA
    with pytest.raises(PairsError, match=r"x has non-finite values in 1 row \(first: 2\)"):
        unit_rows(frame)


@pytest.mark.parametrize(
    "sparse",
    [
        lambda: scipy.sparse.coo_array(([1.0], ([0], [0])), shape=(10**9, 10**9)),
        lambda: quietly(torch.sparse_coo_tensor, [[0], [0]], [1.0], (10**7, 10**7)),
    ],
)
def test_a_sparse_array_without_room_as_a_plain_one_is_refused_before_memory_is_taken(sparse):
    with pytest.raises(
        PairsError, match=r"x, a sparse array of shape .* TB of memory; this machine"
    ):
        unit_rows(sparse())


def test_a_tensor_that_only_pretends_to_have_values_is_refused():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        fake = torch.empty(6, 8)
    with pytest.raises(PairsError, match=r"got FakeTensor \("):
        unit_rows(fake)


def test_an_array_that_fails_is_refused_with_its_reason_in_one_line():
    class Fails:
        def __array__(self, dtype=None, copy=None):
            raise KeyError("first\nsecond \x1b[31m")

    with pytest.raises(PairsError, match=r"got Fails \(") as error:
        unit_rows(Fails())
    assert str(error.value).isprintable()


@pytest.mark.skipif(np.finfo(np.longdouble).maxexp <= 1024, reason="longdouble is float64 here")
@pytest.mark.parametrize("exponent", ["1e4000", "1e-4800"])
def test_long_doubles_beyond_the_range_of_float64_have_directions(exponent):
    rows = X.astype(np.longdouble) * np.longdouble(exponent)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(unit_rows(rows), unit_rows(X), atol=1e-7)
