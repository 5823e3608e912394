"""The files of NumPy: headers that promise more than there is, and what unpacks to too much."""

import os
import warnings
import zipfile

import numpy as np
import pytest
from helpers import most_memory, npy, npy_header, sample, zipped

from gapbook.array_files import read_pairs
from gapbook.checks.memory import total_memory
from gapbook.exceptions import PairsError

X, Y = sample(40, 8)


PROMISES = {
    "numbers that do not follow": npy_header((2, 10**9, 64)) + bytes(1000),
    "a size that no machine has": npy_header((2, 2**40, 2**40)) + bytes(1000),
    "a number that is larger than the file": npy_header((2, 2, 4), "|V2000000000") + bytes(1000),
    "fewer than no rows": npy_header((2, -1, 8)) + bytes(1000),
    "no rows of endless length": npy_header((2, 0, 2**62)),
    "a type that there is not": npy_header((2, 2, 4), "<f3") + bytes(1000),
    "rows of rows": npy_header((2, 2, 4), "(3,)f4") + bytes(1000),
    "more brackets than a parser takes": b"\x93NUMPY\x01\x00\x28\x23" + b"(" * 9000,
    "a header of any length": b"\x93NUMPY\x02\x00\x00\x00\x01\x00" + b" " * 2**16,
    "another version": b"\x93NUMPY\x09\x00" + bytes(1000),
}


@pytest.mark.parametrize("content", PROMISES.values(), ids=PROMISES)
def test_a_header_is_not_believed(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    zipped(tmp_path / "a.npz", [("x.npy", content), ("y.npy", npy(Y))])
    for name in ("a.npy", "a.npz"):
        error, peak = most_memory(read_pairs, tmp_path / name)
        assert isinstance(error, PairsError)
        assert f"{name} is damaged" in str(error)
        assert "pickle" not in str(error)
        assert str(error).isprintable()
        assert peak < 2**24


def test_an_array_that_is_larger_than_memory_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.npy"
    n = total_memory() // 256
    header = npy_header((2, n, 64))
    path.write_bytes(header)
    # A hole, which takes no room on the disk.
    os.truncate(path, len(header) + 2 * n * 64 * 4)
    error, peak = most_memory(read_pairs, path)
    assert "a.npy needs" in str(error) and "of memory; this machine has" in str(error)
    assert peak < 2**24


def test_an_array_that_unpacks_to_far_more_than_its_file_is_refused(tmp_path):
    zeros = (npy_header((2**20 + 2**16, 64)), 2**28 + 2**24)
    path = zipped(tmp_path / "a.npz", [("x.npy", zeros), ("y.npy", zeros)])
    error, peak = most_memory(read_pairs, path)
    assert "x in" in str(error) and "takes 285.2 MB unpacked from" in str(error)
    assert peak < 2**24


def test_other_compressions_than_those_of_numpy_are_refused(tmp_path):
    members = [("x.npy", npy(X)), ("y.npy", npy(Y))]
    path = zipped(tmp_path / "a.npz", members, zipfile.ZIP_BZIP2)
    with pytest.raises(PairsError, match="compressed in another way than"):
        read_pairs(path)


def test_the_header_that_python_2_wrote_is_read_without_a_word(tmp_path):
    path = tmp_path / "a.npy"
    header = npy_header((2, 2, 4)).replace(b"4), } ", b"4L), }")
    path.write_bytes(header + np.arange(1, 17, dtype="<f4").tobytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_pairs(path)[1].tolist() == [[9, 10, 11, 12], [13, 14, 15, 16]]
