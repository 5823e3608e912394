import json

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import sample

from gapbook.exceptions import PairsError
from gapbook.geometry.table import measure
from gapbook.landscape import loss_landscape
from gapbook.pairs import PairedEmbeddings
from gapbook.report.model import mean_landscape, report_on


def look_alikes():
    """Pairs in 12 groups of look-alikes, in the order of the groups."""
    rng = np.random.default_rng(0)
    groups = np.repeat(rng.standard_normal((12, 16)), 50, axis=0)
    apart = np.array([[[0.5]], [[-0.5]]])
    x, y = groups + 0.1 * rng.standard_normal((2, 600, 16)) + apart
    return PairedEmbeddings(x, y)


def test_the_landscape_does_not_depend_on_the_order_of_the_file():
    """In the order of groups the loss of consecutive batches is far higher."""
    pairs = look_alikes()
    rng = np.random.default_rng(1)
    mixed = pairs.subset(rng.permutation(len(pairs)))
    deltas = [-0.2, 0.0, 0.2]
    of_ordered = mean_landscape(pairs, deltas, 0.05, seed=3)
    of_mixed = mean_landscape(mixed, deltas, 0.05, seed=3)
    spread = of_ordered["loss_std"].to_numpy()
    difference = (of_ordered["loss"] - of_mixed["loss"]).abs().to_numpy()
    assert (spread > 0).all()
    assert (difference < 3 * spread * (2 / 5) ** 0.5).all()
    ordered_as_it_is = loss_landscape(pairs.x, pairs.y, deltas, [0.05])["loss"].to_numpy()
    mixed_as_it_is = loss_landscape(mixed.x, mixed.y, deltas, [0.05])["loss"].to_numpy()
    assert (ordered_as_it_is - mixed_as_it_is > 20 * spread).all()


def test_the_landscape_is_a_mean_over_random_orders():
    pairs = look_alikes()
    deltas = [-0.2, 0.0, 0.2]
    landscape = mean_landscape(pairs, deltas, 0.05, seed=3)
    rng = np.random.default_rng(1)
    losses = []
    for _ in range(30):
        mixed = pairs.subset(rng.permutation(len(pairs)))
        losses.append(loss_landscape(mixed.x, mixed.y, deltas, [0.05])["loss"])
    sd = np.std(losses, axis=0, ddof=1)
    standard_error = sd * (1 / 5 + 1 / 30) ** 0.5
    assert (np.abs(landscape["loss"] - np.mean(losses, axis=0)) < 3 * standard_error).all()
    # Of 5 orders a standard deviation scatters as chi of 4.
    ratio = landscape["loss_std"] / sd
    assert ratio.between(0.3, 2).all()


def test_a_landscape_needs_two_orders():
    pairs = PairedEmbeddings(np.eye(4), np.eye(4)[::-1] + 1)
    with pytest.raises(PairsError, match="Expected orders as an integer of at least 2; got 1"):
        mean_landscape(pairs, [0.0], 0.05, orders=1)


def test_figures_rest_on_the_sample_and_cosines_of_partners_on_all_pairs(pairs):
    report = report_on(measure(pairs, replicates=2, sample=60), "mine", splits=3)
    assert len(report.measured.pairs) == 60
    assert any("60 pairs" in note for note in report.notes)
    counts = report.measured.partner_cosine_counts
    cosines = (pairs.x.astype(float) * pairs.y).sum(1)
    of_all, _ = np.histogram(cosines, len(counts), (-1, 1))
    assert counts.sum() == len(pairs)
    # In float32 one of them may fall on the other side of an edge.
    assert np.abs(counts - of_all).sum() <= 2


def test_a_report_without_a_gap_has_no_landscape_and_a_note():
    rows = np.random.default_rng(0).normal(size=(8, 4))
    report = report_on(measure(PairedEmbeddings(rows, rows), replicates=2), "same")
    assert report.landscape is None
    assert any(note.startswith("No loss landscape: Expected") for note in report.notes)
    assert json.loads(report.to_json())["landscape"] == []


def test_a_report_on_few_pairs_has_no_recommendations_and_notes(pairs):
    report = report_on(measure(pairs.subset(slice(0, 8)), replicates=2), "few")
    assert report.recommendations is None
    assert "With fewer than 30 pairs the intervals mean little." in report.notes
    assert "No comparison of mitigations: Expected at least 32 pairs; got 8." in report.notes
    assert json.loads(report.to_json())["recommendations"] == []


def test_each_stage_is_announced(pairs):
    stages = []
    measured = measure(pairs.subset(slice(0, 8)), replicates=2)
    report_on(measured, "few", on_stage=stages.append)
    assert stages == ["landscape", "mitigations"]


def test_a_model_stands_beside_the_reference_models(measured):
    report = report_on(measured, "mine", splits=2)
    compared = report.with_references()
    assert compared.columns[0] == "mine"
    assert compared.index.tolist() == report.table["metric"].tolist()
    assert compared.loc["relative_modality_gap", "clip-coco"] == pytest.approx(0.5915, abs=5e-5)
    assert compared.loc["modality_gap", "mine"] == report.value("modality_gap")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_tensors_have_the_report_of_arrays(dtype):
    x, y = (side.astype(dtype) for side in sample(120, 8))
    of_arrays, of_tensors = (
        report_on(measure(PairedEmbeddings(*sides), replicates=50), "pairs", splits=2)
        for sides in ((x, y), (torch.as_tensor(x), torch.as_tensor(y)))
    )
    for ours, theirs in (
        (of_arrays.table, of_tensors.table),
        (of_arrays.landscape, of_tensors.landscape),
        (of_arrays.candidates, of_tensors.candidates),
    ):
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-5, atol=1e-6)
