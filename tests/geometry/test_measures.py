"""The registry of measures, and what all functions of geometry have in common."""

import numpy as np
import pytest
import torch
from helpers import sample

from gapbook.exceptions import PairsError
from gapbook.geometry import (
    MEASURES,
    alignment,
    cka,
    gap_report,
    gap_share_by_dimension,
    gap_vector,
    hubness,
    k_occurrence,
    linear_separability,
    mmd,
    modality_gap,
    neighbor_agreement,
    neighbor_overlap,
    relative_modality_gap,
    retrieval,
    retrieval_ranks,
)
from gapbook.pairs import PairedEmbeddings

OF_PAIRS = [
    gap_vector,
    modality_gap,
    relative_modality_gap,
    gap_share_by_dimension,
    linear_separability,
    retrieval,
    retrieval_ranks,
    hubness,
    k_occurrence,
    neighbor_agreement,
    neighbor_overlap,
    alignment,
    mmd,
    cka,
]
each = pytest.mark.parametrize("measure", OF_PAIRS, ids=lambda measure: measure.__name__)


def flat(result):
    if isinstance(result, dict):
        return np.concatenate(list(result.values()))
    if hasattr(result, "columns"):
        return np.ravel(result.iloc[:, -1])
    return np.ravel(result)


@pytest.mark.parametrize("n", [7, 60])
def test_each_measure_of_the_registry_is_a_row_of_the_report(n):
    pairs = PairedEmbeddings(*sample(n, 6))
    table = gap_report(pairs, replicates=2).set_index("metric")
    assert list(MEASURES) == table.index.tolist()
    for name, measure in MEASURES.items():
        assert name == measure.name
        assert measure.unit == table.loc[name, "unit"]
        if measure.function is not None:
            value = measure.function(pairs.x, pairs.y)
            assert value == pytest.approx(table.loc[name, "value"], abs=1e-9), name


def test_labels_are_different_and_name_the_modalities():
    labels = [measure.label.format(x="sound", y="score") for measure in MEASURES.values()]
    assert len(set(labels)) == len(labels)
    assert MEASURES["hubness_text_to_image"].label.format(x="sound", y="score") == (
        "Hubness, score to sound"
    )
    assert {measure.better for measure in MEASURES.values()} == {None, "higher", "lower"}


def test_a_side_has_the_same_unit_and_direction_as_the_other():
    for name, measure in MEASURES.items():
        for suffix, other in (("_x", "_y"), ("_image_to_text", "_text_to_image")):
            if name.endswith(suffix):
                twin = MEASURES[name.removesuffix(suffix) + other]
                assert (measure.unit, measure.better) == (twin.unit, twin.better)


@each
def test_measures_take_any_array_and_leave_it_alone(measure):
    x, y = sample(30, 6)
    expected = flat(measure(x, y))
    with_gradient = [torch.tensor(side, requires_grad=True) * 1 for side in (x, y)]
    in_columns = [np.asfortranarray(side.astype(np.float64)) for side in (x, y)]
    lists = [side.tolist() for side in (x, y)]
    for form in (with_gradient, in_columns, lists):
        np.testing.assert_allclose(flat(measure(*form)), expected, atol=1e-6)
    half = [torch.tensor(side).half() for side in (x, y)]
    np.testing.assert_allclose(flat(measure(*half)), expected, atol=0.1)
    kept_x = x.copy()
    kept_y = y.copy()
    x.flags.writeable = False
    y.flags.writeable = False
    measure(x, y)
    assert np.array_equal(x, kept_x)
    assert np.array_equal(y, kept_y)


@each
def test_measures_share_the_gate(measure):
    x, y = sample(30, 6)
    shapes = r"Expected x and y of the same shape \(n, d\); got \(30, 6\) and \(29, 6\)"
    with pytest.raises(PairsError, match=shapes):
        measure(x, y[1:])
    x[17] = np.nan
    with pytest.raises(PairsError, match=r"x has non-finite values in 1 row \(first: 17\)"):
        measure(x, y)
