"""Types of numbers in safetensors."""

import struct

import pytest
import safetensors.torch
import torch
from helpers import sample

from gapbook.array_files import read_pairs
from gapbook.exceptions import PairsError

X, Y = sample(40, 8)


def safetensors_file(path, dtype, size, content=bytes(1000)):
    """Write two arrays of shape (2, 4) whose numbers have this type and ``size`` bytes together."""
    entry = '{"dtype":"%s","shape":[2,4],"data_offsets":[%d,%d]}'
    x = entry % (dtype, 0, size)
    y = entry % (dtype, size, 2 * size)
    header = f'{{"x":{x},"y":{y}}}'.encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content[: 2 * size])
    return path


@pytest.mark.parametrize(("dtype", "size"), [("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6)])
def test_numbers_that_share_bytes_are_refused(tmp_path, dtype, size):
    path = safetensors_file(tmp_path / "a.safetensors", dtype, size)
    with pytest.raises(PairsError, match=f"x in .* has numbers of type {dtype}, which share bytes"):
        read_pairs(path)


def test_tensors_of_eight_bit_floats_are_read(tmp_path):
    x = torch.tensor(X).to(torch.float8_e4m3fn)
    safetensors.torch.save_file({"x": x, "y": torch.tensor(Y)}, tmp_path / "a.safetensors")
    read, _ = read_pairs(tmp_path / "a.safetensors")
    assert read.dtype == torch.float8_e4m3fn
    assert read.double().equal(x.double())


def test_double_precision_is_read(tmp_path):
    rows = torch.arange(8, dtype=torch.float64).reshape(2, 4) + 1
    safetensors.torch.save_file({"x": rows, "y": -rows}, tmp_path / "a.safetensors")
    x, y = read_pairs(tmp_path / "a.safetensors")
    assert x.dtype == torch.float64
    assert torch.equal(x, rows)
    assert torch.equal(y, -rows)
