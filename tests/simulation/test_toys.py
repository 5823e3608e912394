"""Six pairs on a sphere and nine points: published tables, closed forms and limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gapbook.landscape import contrastive_loss
from gapbook.press.paper import paper_value
from gapbook.simulation import (
    NINE_LABELS,
    best_logit_scale,
    nine_point_loss,
    nine_points,
    sphere_loss,
    sphere_points,
)

DEGREES = np.arange(90, -91, -1)
HEIGHTS = np.linspace(-1, 1, 100)  # the authors' grid, which has no 0: its middle is 1 / 99
scales = st.floats(0.001, 1000)


# ---- six pairs on a sphere


@pytest.mark.parametrize(
    ("scale", "least", "at", "closed", "matched"),
    [
        (1, 1.54774, 0, 1.54774, 1.52764),
        (5, 1.09522, 0, 1.09522, 0.99471),
        (35, 0.80953, 53, 0.88665, 0.18306),
        (50, 0.80952, 65, 1.08345, 0.07833),
        (100, 0.80961, 78, 2.01424, 0.00400),
    ],
)
def test_the_published_sphere(
    scale: int, least: float, at: int, closed: float, matched: float
) -> None:
    losses = sphere_loss(scale, DEGREES)
    assert losses.min() == pytest.approx(least, abs=1e-5)
    assert abs(DEGREES[losses.argmin()]) == at
    assert sphere_loss(scale, 0) == pytest.approx(closed, abs=1e-5)
    in_order = sphere_loss(scale, DEGREES, matched=True)
    assert in_order.min() == pytest.approx(matched, abs=1e-5)
    assert sphere_loss(scale, 0, matched=True) == pytest.approx(in_order.min(), abs=1e-12)


@pytest.mark.parametrize("matched", [True, False])
@pytest.mark.parametrize("spacing", [15, 20])
@given(scale=scales, angle=st.floats(-90, 90))
def test_the_closed_form_of_the_sphere_is_the_loss_of_its_points(
    matched: bool, spacing: float, scale: float, angle: float
) -> None:
    direct = float(contrastive_loss(*sphere_points(angle, matched, spacing), 1 / scale))
    closed = sphere_loss(scale, angle, matched, spacing)
    assert closed == pytest.approx(direct, abs=1e-9 * (1 + scale))


@pytest.mark.parametrize("angle", [-40, 0, 90])
def test_images_are_on_the_equator_and_texts_below_it(angle: float) -> None:
    images, texts = sphere_points(angle)
    assert np.allclose(np.linalg.norm([*images, *texts], axis=1), 1)
    assert np.allclose(images[:, 2], 0)
    assert np.allclose(texts[:, 2], -math.sin(math.radians(angle)))


def test_texts_have_the_longitudes_of_their_images_or_two_are_exchanged() -> None:
    images, texts = sphere_points(0, matched=True, spacing=15)
    assert np.allclose(images, texts)
    neighbors = (images[:-1] * images[1:]).sum(1)
    assert np.allclose(neighbors, math.cos(math.radians(15)))
    images, texts = sphere_points(0)
    assert np.allclose(texts, images[[1, 0, 2, 3, 4, 5]])


@pytest.mark.parametrize("scale", [0, 1, 35, 1000])
def test_without_contrast_the_loss_is_that_of_a_guess(scale: float) -> None:
    assert sphere_loss(scale, [-90, 90]) == pytest.approx(math.log(6), abs=1e-12)
    assert nine_point_loss(scale, [-1, 1], "swapped") == pytest.approx(math.log(9), abs=1e-12)
    assert sphere_loss(0, 10) == pytest.approx(math.log(6))


@pytest.mark.parametrize(("spacing", "minima"), [("code", [53, 65, 78]), ("paper", [0, 42, 68])])
def test_only_twenty_degrees_put_a_barrier_at_one_thirty_fifth(
    spacing: str, minima: list[int]
) -> None:
    apart = paper_value(f"sphere.spacing.{spacing}")
    angles = [
        abs(DEGREES[sphere_loss(scale, DEGREES, spacing=apart).argmin()]) for scale in (35, 50, 100)
    ]
    assert angles == minima


def test_one_scale_is_best_at_all_temperatures() -> None:
    best = best_logit_scale()
    assert best.scale == pytest.approx(21.216, abs=1e-3)
    assert best.loss == pytest.approx(0.80952, abs=1e-5)
    for scale, at in ((35, 52.69), (50, 64.89), (100, 77.75)):
        angle = math.degrees(math.acos(best.scale / scale))
        assert angle == pytest.approx(at, abs=0.005)
        assert sphere_loss(scale, angle) == pytest.approx(best.loss, abs=1e-12)
    assert best_logit_scale(15).scale > 35  # hence no barrier there at 1/35


def slope(scale: float, angle: float, matched: bool = False, step: float = 0.01) -> float:
    """Return dL / d angle of the points, per radian, from a step of some degrees to both sides."""
    nearer = contrastive_loss(*sphere_points(angle - step, matched), 1 / scale)
    farther = contrastive_loss(*sphere_points(angle + step, matched), 1 / scale)
    return float(farther - nearer) / math.radians(2 * step)


def test_gradient_along_the_gap_vanishes_without_a_gap_and_at_the_best_scale() -> None:
    best = best_logit_scale().scale
    for scale in (35, 50, 100):
        assert slope(scale, 0) == pytest.approx(0, abs=1e-8)
        assert slope(scale, math.degrees(math.acos(best / scale))) == pytest.approx(0, abs=1e-4)
        assert slope(scale, 20) < -0.1  # between the two the gap widens
        assert slope(scale, 85) > 0.1
    assert slope(1, 20) > 0.01
    assert slope(100, 20, matched=True) > 0.01


def test_the_gradient_of_matched_pairs_dies_exponentially_in_the_scale() -> None:
    slopes = [slope(scale, 20, matched=True, step=0.2) / scale for scale in (200, 250, 300)]
    cosine = math.cos(math.radians(20))
    lead_over_neighbors = cosine * (1 - cosine)
    assert np.diff(np.log(slopes)) == pytest.approx(-50 * lead_over_neighbors, rel=1e-3)


# ---- nine points

NINE = {
    1: (1.44425, 1.44475, 0.01, 1.44475, 1.44524, 0.01, 1.44524),
    5: (0.53790, 0.54037, 0.01, 0.54037, 0.54283, 0.01, 0.54283),
    10: (0.25352, 0.25845, 0.01, 0.25845, 0.26338, 0.01, 0.26338),
    50: (0.13075, 0.15481, 0.556, 0.15540, 0.16836, 0.717, 0.18005),
    100: (0.11015, 0.15482, 0.818, 0.15946, 0.16855, 0.859, 0.20876),
    500: (0.02294, 0.15492, 0.960, 0.26947, 0.17070, 0.980, 0.51600),
    1000: (0.00261, 0.15494, 0.980, 0.49567, 0.17466, 0.980, 0.98874),
}


@pytest.mark.parametrize("scale", NINE)
def test_the_published_nine_points(scale: int) -> None:
    in_order, *wrong = NINE[scale]
    losses = nine_point_loss(scale, HEIGHTS)
    assert losses.min() == pytest.approx(in_order, abs=1e-5)
    assert losses[49] == pytest.approx(in_order, abs=1e-5)
    for labels, (least, height, middle) in {
        "published": wrong[:3],
        "swapped": wrong[3:],
    }.items():
        losses = nine_point_loss(scale, HEIGHTS, labels)
        assert losses.min() == pytest.approx(least, abs=1e-5)
        assert abs(HEIGHTS[losses.argmin()]) == pytest.approx(height, abs=1e-3)
        assert losses[49] == pytest.approx(middle, abs=1e-5)


@pytest.mark.parametrize("labels", NINE_LABELS)
@given(scale=scales, z=st.floats(-1, 1))
def test_the_closed_form_of_the_nine_points_is_the_loss_of_its_points(
    labels: str, scale: float, z: float
) -> None:
    direct = float(contrastive_loss(*nine_points(z), 1 / scale, labels=NINE_LABELS[labels]))
    assert nine_point_loss(scale, z, labels) == pytest.approx(direct, abs=1e-9 * (1 + scale))


def test_the_published_labels_come_from_a_swap_of_views() -> None:
    labels = torch.arange(9)
    labels[3], labels[8] = labels[8], labels[3]
    assert labels.tolist() == NINE_LABELS["published"]
    assert sorted(NINE_LABELS["swapped"]) == NINE_LABELS["none"]


def test_arrays_broadcast_and_numbers_stay_numbers() -> None:
    assert isinstance(sphere_loss(1, 0), float)
    assert isinstance(nine_point_loss(1, 0), float)
    grid = sphere_loss([[1], [5]], DEGREES)
    assert grid.shape == (2, 181)
    assert grid[1, 90] == sphere_loss(5, 0)
    assert sphere_loss(35, []).shape == (0,)


def test_more_losses_than_are_computed_at_once_are_the_same() -> None:
    angles = np.linspace(-90, 90, 5000)
    many = sphere_loss(35, angles)
    assert many[[0, 2499, 4999]] == pytest.approx(sphere_loss(35, angles[[0, 2499, 4999]]))


def test_bad_input_gets_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"spacing above 0 and up to 60 degrees.*got 0"):
        sphere_points(0, spacing=0)
    with pytest.raises(ValueError, match=r"z in \[-1, 1\]; got 1.5"):
        nine_points(1.5)
    with pytest.raises(ValueError, match=r"heights z in \[-1, 1\]; got 0.0 to 2.0"):
        nine_point_loss(1, [0, 2])
    with pytest.raises(ValueError, match="none, published, swapped; got 'real'"):
        nine_point_loss(1, 0, "real")  # type: ignore[arg-type]
