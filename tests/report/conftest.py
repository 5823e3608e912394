"""Pairs with a gap and what was measured on them, for all tests of the report."""

import pytest

from gapbook.geometry.table import measure
from gapbook.pairs import load_pairs


@pytest.fixture(scope="session")
def pairs():
    return load_pairs("glyphclip").subset(slice(0, 120))


@pytest.fixture(scope="session")
def measured(pairs):
    return measure(pairs)
