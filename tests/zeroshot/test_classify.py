"""Predictions, sweeps and exact curves against plain float64 arithmetic on shifted rows."""

import numpy as np
import pytest
import torch
from helpers import rotation, unit
from hypothesis import given, settings
from hypothesis import strategies as st

from gapbook.exceptions import PairsError
from gapbook.landscape import shift
from gapbook.landscape.shifts import SHARES
from gapbook.pairs import unit_rows
from gapbook.zeroshot import accuracy_curve, shift_sweep, shifted_predictions

DELTAS = np.arange(-5, 5, 0.25)
SIZES = {
    "n": st.integers(4, 40),
    "k": st.integers(2, 8),
    "d": st.integers(2, 12),
    "seed": st.integers(0, 10**6),
}


def task(
    n: int = 60, k: int = 5, d: int = 8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit rows about two centers, images drawn to the text of their label; every class has one."""
    rng = np.random.default_rng(seed)
    texts = rng.normal(size=(k, d))
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n)])[-max(n, k) :]
    labels[:k] = np.arange(k)
    images = rng.normal(size=(len(labels), d)) + 0.7 * texts[labels] + 0.5 * rng.normal(size=d)
    texts += 0.5 * rng.normal(size=d)
    return unit_rows(images), unit_rows(texts), labels


def moved(
    images: np.ndarray,
    texts: np.ndarray,
    delta: float,
    sides: str = "both",
    along: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Shift rows in float64 and bring them to unit length, as the definition says."""
    x = images.astype(float)
    t = texts.astype(float)
    g = x.mean(0) - t.mean(0) if along is None else along
    g = g / np.linalg.norm(g)
    share_x, share_t = SHARES[sides]
    return unit(x - share_x * delta * g), unit(t + share_t * delta * g)


def clear_answers(images: np.ndarray, texts: np.ndarray, margin: float) -> np.ndarray:
    """Say for which images the best class leads the second by more than a margin."""
    return leads(images @ texts.T) > margin


def leads(scores: np.ndarray) -> np.ndarray:
    ordered = np.sort(scores, axis=1)
    return ordered[:, -1] - ordered[:, -2]


# ---- the sweep


@pytest.mark.parametrize("sides", SHARES)
@given(**SIZES)
@settings(max_examples=25)
def test_sweep_is_that_of_shifted_rows(sides: str, n: int, k: int, d: int, seed: int) -> None:
    images, texts, labels = task(n, k, d, seed)
    deltas = [-4.75, -1, -0.3, 0, 0.15, 0.6, 3]
    table = shift_sweep(images, texts, labels, deltas, sides)
    predicted = shifted_predictions(images, texts, deltas, sides)
    assert list(table) == ["delta", "distance", "accuracy"]
    assert table["delta"].tolist() == deltas
    for m, delta in enumerate(deltas):
        x, t = moved(images, texts, delta, sides)
        clear = clear_answers(x, t, 1e-6)
        assert (predicted[m] == (x @ t.T).argmax(1))[clear].all()
        distance = np.linalg.norm(x.mean(0) - t.mean(0))
        assert table["distance"][m] == pytest.approx(distance, abs=1e-6)
        assert table["accuracy"][m] == pytest.approx((predicted[m] == labels).mean())


@pytest.mark.parametrize("kind", ["array", "tensor", "list"])
def test_another_vector_of_any_length_and_kind_can_be_followed(kind: str) -> None:
    images, texts, _ = task(2500, 7, 16)
    vector = np.random.default_rng(1).normal(size=16)
    along = {"array": 3 * vector, "tensor": torch.tensor(vector), "list": vector.tolist()}[kind]
    predicted = shifted_predictions(images, texts, [0.4], "both", along)[0]
    x, t = moved(images, texts, 0.4, along=vector)
    assert (predicted == (x @ t.T).argmax(1)).mean() > 0.9995  # the rest are near ties


def test_images_in_several_blocks_are_classified_as_alone() -> None:
    images, texts, labels = task(2500, 7, 16)
    along = np.random.default_rng(1).normal(size=16)
    table = shift_sweep(images, texts, labels, DELTAS, along=along)
    whole = shifted_predictions(images, texts, DELTAS, along=along)
    first = shifted_predictions(images[:1000], texts, DELTAS, along=along)
    second = shifted_predictions(images[1000:], texts, DELTAS, along=along)
    assert np.array_equal(np.concatenate([first, second], axis=1), whole)
    assert table["accuracy"].tolist() == (whole == labels).mean(1).tolist()


def test_the_shift_closes_the_gap_and_goes_through() -> None:
    """Two points move onto each other: distance 0 near delta = gap, 2 in both limits."""
    images = np.array([[1.0, 0], [1, 0]])
    texts = np.array([[-0.6, 0.8], [-0.6, -0.8]])
    table = shift_sweep(images, texts, [0, 1], [-100, 0, 1.6, 100])
    assert table["distance"][1] == pytest.approx(1.6)
    assert table["distance"][[0, 3]].tolist() == pytest.approx([2, 2], abs=1e-3)
    assert table["distance"][2] < 0.8  # the texts turn as they are brought to length 1


@given(**SIZES, delta=st.floats(-3, 3), sides=st.sampled_from(sorted(SHARES)))
@settings(max_examples=60)
def test_answers_ignore_scale_rotation_and_order(
    n: int, k: int, d: int, seed: int, delta: float, sides: str
) -> None:
    images, texts, _ = task(n, k, d, seed)
    rng = np.random.default_rng(seed)
    along = images.mean(0) - texts.mean(0)
    plain = shifted_predictions(images, texts, [delta], sides)[0]
    clear = clear_answers(*moved(images, texts, delta, sides), 1e-5)
    scales = rng.uniform(0.1, 9, (len(images), 1))
    scaled = shifted_predictions(scales * images, texts, [delta], sides, along)[0]
    assert (scaled == plain)[clear].all()
    turn = rotation(d, seed)
    turned = shifted_predictions(images @ turn, texts @ turn, [delta], sides)[0]
    assert (turned == plain)[clear].all()
    rows = rng.permutation(len(images))
    classes = rng.permutation(k)
    reordered = shifted_predictions(images[rows], texts[classes], [delta], sides, along)[0]
    assert (classes[reordered] == plain[rows])[clear[rows]].all()


@given(**SIZES, delta=st.floats(-3, 3))
@settings(max_examples=40)
def test_a_shift_of_images_alone_is_a_bias_of_each_class(
    n: int, k: int, d: int, seed: int, delta: float
) -> None:
    images, texts, _ = task(n, k, d, seed)
    predicted = shifted_predictions(images, texts, [delta], "images")[0]
    gap = images.mean(0) - texts.mean(0)
    bias = texts @ (gap / np.linalg.norm(gap))
    clear = clear_answers(*moved(images, texts, delta, "images"), 1e-5)
    biased = images.astype(float) @ texts.T - delta * bias
    assert (biased.argmax(1) == predicted)[clear].all()


@given(**SIZES)
@settings(max_examples=25)
def test_large_shifts_of_both_sides_drop_the_component_along_the_gap(
    n: int, k: int, d: int, seed: int
) -> None:
    images, texts, _ = task(n, k, d, seed)
    p, q = components(images, texts)
    scores = images.astype(float) @ texts.T.astype(float) - np.outer(p, q) - q**2 / 2
    clear = leads(scores) > 1e-2
    for predicted in shifted_predictions(images, texts, [-1000, 1000]):
        assert (predicted == scores.argmax(1))[clear].all()


@given(**SIZES)
@settings(max_examples=25)
def test_large_shifts_of_images_give_all_of_them_one_class(
    n: int, k: int, d: int, seed: int
) -> None:
    images, texts, _ = task(n, k, d, seed)
    _, q = components(images, texts)
    wide, close = shifted_predictions(images, texts, [-1e6, 1e6], "images")
    ordered = np.sort(q)
    if ordered[-1] - ordered[-2] > 1e-4:
        assert (wide == q.argmax()).all()
    if ordered[1] - ordered[0] > 1e-4:
        assert (close == q.argmin()).all()


def components(images: np.ndarray, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the components of images and texts along their unit gap vector."""
    x = images.astype(float)
    t = texts.astype(float)
    gap = x.mean(0) - t.mean(0)
    gap /= np.linalg.norm(gap)
    return x @ gap, t @ gap


@pytest.mark.parametrize("sides", SHARES)
def test_the_shift_is_that_of_the_landscape(sides: str) -> None:
    images, texts, labels = task(12, 12, 6)
    x, t = shift(images, texts, 0.3, sides)
    delta = 0.6 if sides == "both" else 0.3
    table = shift_sweep(images, texts, labels, [delta], sides)
    distance = np.linalg.norm(x.mean(0) - t.mean(0))
    assert table["distance"][0] == pytest.approx(distance, abs=1e-6)
    predicted = shifted_predictions(images, texts, [delta], sides)[0]
    clear = clear_answers(x, t, 1e-5)
    assert (predicted == (x @ t.T).argmax(1))[clear].all()


@pytest.mark.parametrize("sides", SHARES)
@pytest.mark.parametrize("along", [None, np.eye(8)[0]], ids=["gap", "axis"])
def test_no_shift_is_the_same_on_every_side_and_along_any_vector(
    sides: str, along: np.ndarray | None
) -> None:
    images, texts, labels = task(100, 6, 8)
    predicted = shifted_predictions(images, texts, [0], sides, along)[0]
    assert np.array_equal(predicted, (images.astype(float) @ texts.T).argmax(1))
    assert 0.4 < (predicted == labels).mean() < 1


def test_of_equal_texts_the_first_class_wins() -> None:
    """Copies of a column of a product of matrices may differ by rounding; the answer must not."""
    images, texts, _ = task(200, 70, 9)
    copies = np.array([7, 30, 69])
    texts[copies] = texts[3]
    predicted = shifted_predictions(images, texts, DELTAS)
    assert (predicted == 3).any()
    assert not np.isin(predicted, copies).any()
    along = images.mean(0) - texts.mean(0)
    reversed_order = shifted_predictions(images, texts[::-1], DELTAS, along=along)
    assert (reversed_order == 0).any()
    assert not np.isin(reversed_order, 69 - np.array([3, 7, 30])).any()


@pytest.mark.parametrize("kind", ["float16", "int", "torch", "strided", "list", "gradient"])
def test_any_kind_of_array_and_nothing_changes(kind: str) -> None:
    images, texts, labels = task(30, 3, 6)
    images = np.round(20 * images) + 1
    texts = np.round(20 * texts) + 1
    make = {
        "float16": lambda x: x.astype(np.float16),
        "int": lambda x: x.astype(int),
        "torch": torch.tensor,
        "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        "list": lambda x: x.tolist(),
        "gradient": lambda x: torch.tensor(x, requires_grad=True),
    }[kind]
    arguments = [make(images), make(texts)]
    before = [torch.as_tensor(side).clone() for side in arguments]
    table = shift_sweep(*arguments, torch.tensor(labels), DELTAS)
    expected = shift_sweep(images, texts, labels, DELTAS)
    np.testing.assert_allclose(table, expected, rtol=1e-12, atol=1e-12)
    for side, copy in zip(arguments, before, strict=True):
        assert torch.equal(torch.as_tensor(side), copy)


IMAGES, TEXTS, LABELS = task(20, 3, 4)


def relabeled(image: int, label: int) -> np.ndarray:
    labels = LABELS.copy()
    labels[image] = label
    return labels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_texts": TEXTS[:1]}, "at least 2 rows of class_texts are needed; got 1"),
        ({"class_texts": TEXTS[:, :3]}, r"one dimension; got \(20, 4\) and \(3, 3\)"),
        ({"labels": LABELS[:-1]}, r"labels as 20 integers, one an image; got int64 \(19,\)"),
        ({"labels": LABELS / 2}, "labels as 20 integers, one an image; got float64"),
        ({"labels": relabeled(5, 3)}, "labels from 0 to 2; got 3 at image 5"),
        ({"labels": relabeled(5, -1)}, "labels from 0 to 2; got -1 at image 5"),
        ({"labels": np.zeros(20, int)}, "class 1 has no images: leave its text out"),
        ({"deltas": []}, "deltas as a list of finite numbers"),
        ({"deltas": [0, np.nan]}, "deltas as a list of finite numbers"),
        ({"sides": "left"}, "sides as one of both, images, texts; got 'left'"),
        ({"along": [1, 0]}, r"along of shape \(4,\)"),
        ({"along": np.zeros(4)}, "along of positive, finite length; got 0: give another"),
        (
            {"images": np.r_[TEXTS, TEXTS], "labels": [0, 1, 2] * 2},
            "the two means agree, so there is no gap to move along: give one",
        ),
        ({"images": np.r_[IMAGES[:-1], [[np.nan] * 4]]}, "images has non-finite values in 1 row"),
    ],
)
def test_bad_input_of_a_sweep_is_named(change: dict, message: str) -> None:
    good = {"images": IMAGES, "class_texts": TEXTS, "labels": LABELS, "deltas": [0]}
    with pytest.raises(PairsError, match=message):
        shift_sweep(**(good | change))


@pytest.mark.parametrize(
    ("deltas", "sides", "along", "name"),
    [([1], "images", [0, 1, 0, 0], "images"), ([0, 2], "both", [-1, 0, 0, 0], "class_texts")],
)
def test_a_shift_to_the_origin_is_refused(
    deltas: list[float], sides: str, along: list[float], name: str
) -> None:
    with pytest.raises(PairsError, match=f"a move of 1 takes a row of {name} to the origin"):
        shifted_predictions(np.eye(4), np.eye(4)[:3], deltas, sides, along)


def test_predictions_need_no_image_of_each_class() -> None:
    assert shifted_predictions(IMAGES[:2], TEXTS, [0]).shape == (1, 2)


# ---- the exact curve


@given(**SIZES)
@settings(max_examples=60)
def test_curve_is_a_step_function_without_gaps(n: int, k: int, d: int, seed: int) -> None:
    curve = accuracy_curve(*task(n, k, d, seed))
    assert list(curve) == ["low", "high", "correct", "accuracy"]
    assert curve["low"].iloc[0] == -np.inf
    assert curve["high"].iloc[-1] == np.inf
    assert (curve["low"].iloc[1:].to_numpy() == curve["high"].iloc[:-1].to_numpy()).all()
    assert (curve["low"] < curve["high"]).all()


@given(**SIZES)
@settings(max_examples=60)
def test_curve_agrees_with_the_sweep_on_a_fine_grid_and_in_every_interval(
    n: int, k: int, d: int, seed: int
) -> None:
    images, texts, labels = task(n, k, d, seed)
    curve = accuracy_curve(images, texts, labels)
    edges = curve["low"].to_numpy()[1:]
    inside = np.r_[(edges[:-1] + edges[1:]) / 2, np.linspace(-6, 6, 400)]
    away_from_edges = np.abs(inside[:, None] - np.r_[edges, np.inf]).min(1) > 5e-7
    deltas = inside[away_from_edges]
    swept = shift_sweep(images, texts, labels, deltas, "images")["accuracy"].to_numpy()
    interval = np.searchsorted(edges, deltas)
    assert swept == pytest.approx(curve["accuracy"].to_numpy()[interval])


def test_curve_ends_where_one_class_takes_all() -> None:
    """Far to the left the class nearest to g wins every image, far to the right the farthest."""
    images, texts, labels = task(300, 6, 8)
    curve = accuracy_curve(images, texts, labels)
    _, q = components(images, texts)
    ends = [(labels == q.argmax()).sum(), (labels == q.argmin()).sum()]
    assert [curve["correct"].iloc[0], curve["correct"].iloc[-1]] == ends
    assert curve["correct"].max() > max(ends)
    assert len(curve) > 100


def test_curve_over_parallel_lines_is_constant_and_ties_go_to_the_first() -> None:
    images = [[0, 4, 3], [0, 3, 4], [0, 1, 1]]
    texts = [[0, 1, 0], [0, 0, 1]]
    along = [1, 0, 0]
    curve = accuracy_curve(images, texts, [0, 1, 0], along)
    assert curve.to_numpy().tolist() == [[-np.inf, np.inf, 3, 1]]
    assert accuracy_curve(images, texts, [0, 1, 1], along)["correct"].tolist() == [2]


def test_classes_with_an_earlier_text_never_win_in_the_curve() -> None:
    images, texts, _ = task(200, 70, 9)
    texts[[7, 30, 69]] = texts[3]
    labels = np.arange(71) % 70
    curve = accuracy_curve(images[:71], texts, labels)
    assert curve["correct"].max() <= 71 - 3


@pytest.mark.parametrize(
    ("texts", "message"),
    [(TEXTS, "class 1 has no images"), (TEXTS[:1], "at least 2 rows of class_texts")],
)
def test_curve_errors_are_those_of_the_sweep(texts: np.ndarray, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        accuracy_curve(IMAGES, texts, np.zeros(20, int))
