"""The question whether there is memory, before any is taken."""

import pytest

from gapbook.checks.memory import require_memory, size_text, total_memory
from gapbook.exceptions import PairsError


def test_what_fits_passes_and_what_does_not_is_told_both_sizes():
    there = total_memory()
    require_memory(there, "all of it")
    with pytest.raises(PairsError, match=r"x needs .* of memory; this machine has .*: take fewer"):
        require_memory(there + 1, "x")


def test_sizes_are_written_with_a_unit():
    sizes = [0, 999, 1000, 2_500_000, 3_200_000_000, 10**15]
    expected = ["0 bytes", "999 bytes", "1.0 kB", "2.5 MB", "3.2 GB", "1000.0 TB"]
    assert [size_text(size) for size in sizes] == expected
