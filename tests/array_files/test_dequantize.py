"""Steps of a quantizer are refused, or become numbers by the range that they had."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from helpers import sample

from gapbook import cli
from gapbook.array_files import dequantized
from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings

X, Y = sample(12, 4)
LOW = min(X.min(), Y.min())
HIGH = max(X.max(), Y.max())
STEP = (HIGH - LOW) / 255


def steps(side, dtype, low=LOW, high=HIGH):
    """Return the nearest steps, as a quantizer makes them."""
    offset = 128 if dtype == np.int8 else 0
    return (np.round((side - low) / (high - low) * 255) - offset).astype(dtype)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_steps_come_back_as_numbers_to_half_a_step(dtype):
    for array in (steps(X, dtype), torch.from_numpy(steps(X, dtype))):
        back = dequantized(array, (LOW, HIGH))
        assert back.dtype == np.float32
        assert np.abs(back - X).max() <= STEP / 2 * 1.001


def test_each_dimension_may_have_a_range():
    low = X.min(axis=0)
    high = X.max(axis=0)
    back = dequantized(steps(X, np.int8, low, high), (low, high))
    assert (np.abs(back - X).max(axis=0) <= (high - low) / 255 / 2 * 1.001).all()


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "x.npy", steps(X, np.int8))
    np.save(tmp_path / "y.npy", Y)
    return tmp_path / "x.npy", tmp_path / "y.npy"


def test_a_side_of_8_bits_is_refused_or_dequantized(files):
    with pytest.raises(PairsError, match=r"x as an array .*8 bits.*--dequantize LOW HIGH"):
        PairedEmbeddings.load(*files)
    expected = PairedEmbeddings(X, Y)
    for ranges in ((LOW, HIGH), {"x": (LOW, HIGH)}):
        loaded = PairedEmbeddings.load(*files, dequantize=ranges)
        np.testing.assert_allclose(loaded.x, expected.x, atol=0.02)
        np.testing.assert_array_equal(loaded.y, expected.y)


def test_lists_of_8_bits_are_refused_or_dequantized(tmp_path):
    columns = {}
    for name, side in (("x", X), ("y", Y)):
        values = pyarrow.array(steps(side, np.uint8).ravel())
        columns[name] = pyarrow.FixedSizeListArray.from_arrays(values, 4)
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(PairsError, match="dtype uint8: embeddings of 8 bits"):
        PairedEmbeddings.load(path)
    loaded = PairedEmbeddings.load(path, dequantize=(LOW, HIGH))
    np.testing.assert_allclose(loaded.y, PairedEmbeddings(X, Y).y, atol=0.02)


WRONG = {
    r"Expected a range as two finite numbers, low < high; got \(1, 1\)": (1, 1),
    r"low < high; got \(0, nan\)": (0, np.nan),
    "low < high; got 5": 5,
    "low < high; got 'ab'": "ab",
    "Expected ranges under x and y; got": {"z": (0, 1)},
    "Expected int8 or uint8 to dequantize in y; got float32: leave dequantize out": {"y": (0, 1)},
    r"Expected a range .* got shape \(3,\)": (np.zeros(3), np.ones(3)),
}


@pytest.mark.parametrize("message", WRONG)
def test_ranges_that_are_none_are_refused(files, message):
    with pytest.raises(PairsError, match=message):
        PairedEmbeddings.load(*files, dequantize=WRONG[message])


def test_numbers_are_not_dequantized(tmp_path):
    PairedEmbeddings(X, Y).save(tmp_path / "a.npz")
    with pytest.raises(PairsError, match=r"Expected int8 or uint8 .*got float32 and float32"):
        PairedEmbeddings.load(tmp_path / "a.npz", dequantize=(0, 1))


def test_the_command_takes_a_range_for_both_or_for_each(files, tmp_path, capsys):
    np.save(tmp_path / "y.npy", steps(Y, np.uint8))
    start = ["report", *map(str, files), "--quiet"]
    one = ["--dequantize", str(LOW), str(HIGH)]
    assert cli.main([*start, *one, "--out", str(tmp_path / "a.md")]) == 0
    assert cli.main([*start, *one, *one, "--out", str(tmp_path / "b.md")]) == 0
    assert (tmp_path / "a.md").read_text() == (tmp_path / "b.md").read_text()
    assert cli.main([*start, *one * 3]) == 2
    assert "once for both sides or twice" in capsys.readouterr().err
    assert cli.main(["report", str(tmp_path), *one]) == 2
    assert "--dequantize is for files; " in capsys.readouterr().err
