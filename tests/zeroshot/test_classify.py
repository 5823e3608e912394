import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, fisher_exact, t

from gapbook.exceptions import PairsError
from gapbook.geometry import gap_vector, retrieval, retrieval_ranks
from gapbook.pairs import unit_rows
from gapbook.zeroshot import (
    accuracy_curve,
    mcnemar,
    retrieval_under_shift,
    shift_sweep,
    shifted_predictions,
    shifted_ranks,
)
from gapbook.zeroshot.paired_tests import holm, paired_test
from gapbook.zeroshot.selection import best_of_grid_p, choose_delta, redrawn_gains, split_gains

DELTAS = np.arange(-5, 5, 0.25)
SIDES = ("both", "images", "texts")
SIZES = {
    "n": st.integers(4, 40),
    "k": st.integers(2, 8),
    "d": st.integers(2, 12),
    "seed": st.integers(0, 10**6),
}


def task(
    n: int = 60, k: int = 5, d: int = 8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit rows about two centers, images drawn to the text of their label; every class has an image."""
    rng = np.random.default_rng(seed)
    texts, labels = (
        rng.normal(size=(k, d)),
        np.concatenate([np.arange(k), rng.integers(0, k, n)])[-max(n, k) :],
    )
    labels[:k] = np.arange(k)
    images = rng.normal(size=(len(labels), d)) + 0.7 * texts[labels] + 0.5 * rng.normal(size=d)
    return unit_rows(images).numpy(), unit_rows(texts + 0.5 * rng.normal(size=d)).numpy(), labels


def moved(
    x: np.ndarray, t: np.ndarray, delta: float, sides: str = "both", g: np.ndarray | None = None
):
    """The definition, in float64: shift rows, bring them to unit length."""
    x, t = x.astype(float), t.astype(float)
    g = (
        gap_vector(x, t)
        if g is None and len(x) == len(t)
        else x.mean(0) - t.mean(0)
        if g is None
        else g
    )
    g = g / np.linalg.norm(g)
    a, b = {"both": (delta / 2, delta / 2), "images": (delta, 0), "texts": (0, delta)}[sides]
    x, t = x - a * g, t + b * g
    return x / np.linalg.norm(x, axis=1, keepdims=True), t / np.linalg.norm(
        t, axis=1, keepdims=True
    )


def margins(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    best = np.sort(x @ t.T, axis=1)
    return best[:, -1] - best[:, -2]


# ---- the sweep


@pytest.mark.parametrize("sides", SIDES)
@given(**SIZES)
@settings(max_examples=25)
def test_sweep_is_that_of_shifted_rows(sides: str, n: int, k: int, d: int, seed: int) -> None:
    images, texts, labels = task(n, k, d, seed)
    deltas = [-4.75, -1, -0.3, 0, 0.15, 0.6, 3]
    table, predicted = (
        shift_sweep(images, texts, labels, deltas, sides),
        shifted_predictions(images, texts, deltas, sides),
    )
    assert list(table) == ["delta", "distance", "accuracy"] and table["delta"].tolist() == deltas
    for m, delta in enumerate(deltas):
        x, t = moved(images, texts, delta, sides)
        clear = margins(x, t) > 1e-6
        assert (predicted[m] == (x @ t.T).argmax(1))[clear].all()
        assert table["distance"][m] == pytest.approx(
            np.linalg.norm(x.mean(0) - t.mean(0)), abs=1e-6
        )
        assert table["accuracy"][m] == pytest.approx((predicted[m] == labels).mean())


def test_sweep_over_several_blocks_and_along_another_direction() -> None:
    images, texts, labels = task(2500, 7, 16)
    g = np.random.default_rng(1).normal(size=16)
    for direction in (3 * g, torch.tensor(g), g.tolist()):
        predicted = shifted_predictions(images, texts, [0.4], "both", direction)[0]
        x, t = moved(images, texts, 0.4, g=g)
        assert (predicted == (x @ t.T).argmax(1)).mean() > 0.9995
    whole = shift_sweep(images, texts, labels, DELTAS, direction=g)
    parts = [
        shifted_predictions(part, texts, DELTAS, direction=g)
        for part in (images[:1000], images[1000:])
    ]
    assert np.array_equal(
        np.concatenate(parts, axis=1), shifted_predictions(images, texts, DELTAS, direction=g)
    )
    assert whole["accuracy"].tolist() == (np.concatenate(parts, axis=1) == labels).mean(1).tolist()


def test_the_shift_closes_the_gap_and_goes_through() -> None:
    """Two points moved onto each other: distance 0 at delta = gap, and 2 in the limit on both sides."""
    images, texts = np.array([[1.0, 0], [1, 0]]), np.array([[-0.6, 0.8], [-0.6, -0.8]])
    table = shift_sweep(images, texts, [0, 1], [-100, 0, 1.6, 100])
    assert table["distance"][1] == pytest.approx(1.6)
    assert table["distance"][[0, 3]].tolist() == pytest.approx([2, 2], abs=1e-3)
    assert table["distance"][2] < 0.8  # the texts turn as they are brought to length 1


@given(**SIZES, delta=st.floats(-3, 3))
@settings(max_examples=40)
def test_argmax_invariances(n: int, k: int, d: int, seed: int, delta: float) -> None:
    """Scale of rows, rotation, order of images, order of classes; an image-only shift is a bias of each class."""
    images, texts, _ = task(n, k, d, seed)
    rng = np.random.default_rng(seed)
    g = images.mean(0) - texts.mean(0)
    g /= np.linalg.norm(g)
    plain = {sides: shifted_predictions(images, texts, [delta], sides)[0] for sides in SIDES}
    clear = {sides: margins(*moved(images, texts, delta, sides)) > 1e-5 for sides in SIDES}
    scale, turn = rng.uniform(0.1, 9, (len(images), 1)), np.linalg.qr(rng.normal(size=(d, d)))[0]
    rows, classes = rng.permutation(len(images)), rng.permutation(k)
    for sides, keep in clear.items():
        scaled = shifted_predictions(scale * images, texts, [delta], sides, g)[0]
        turned = shifted_predictions(images @ turn, texts @ turn, [delta], sides)[0]
        other = shifted_predictions(images[rows], texts[classes], [delta], sides, g)[0]
        assert (scaled == plain[sides])[keep].all() and (turned == plain[sides])[keep].all()
        assert (classes[other] == plain[sides][rows])[keep[rows]].all()
    bias = (images.astype(float) @ texts.T - delta * (texts @ g)).argmax(1)
    assert (bias == plain["images"])[clear["images"]].all()


@given(**SIZES)
@settings(max_examples=25)
def test_large_shifts(n: int, k: int, d: int, seed: int) -> None:
    """On both sides the component along the gap drops out; of the images alone the lowest class along it wins all."""
    images, texts, _ = task(n, k, d, seed)
    x, t = images.astype(float), texts.astype(float)
    g = x.mean(0) - t.mean(0)
    p, q = x @ g / np.linalg.norm(g), t @ g / np.linalg.norm(g)
    scores = x @ t.T - np.outer(p, q) - q**2 / 2
    best = np.sort(scores, axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-2
    for found in shifted_predictions(images, texts, [-1000, 1000]):
        assert (found == scores.argmax(1))[clear].all()
    ends = shifted_predictions(images, texts, [-1e6, 1e6], "images")
    steps = np.diff(np.sort(q))
    assert steps[-1] < 1e-4 or (ends[0] == q.argmax()).all()
    assert steps[0] < 1e-4 or (ends[1] == q.argmin()).all()


def test_the_shift_is_that_of_the_landscape() -> None:
    """One vocabulary of sides, one sign: predictions and distances after ``landscape.shift`` are the sweep's."""
    from gapbook.landscape import shift

    images, texts, labels = task(12, 12, 6)
    for sides in SIDES:
        x, t = shift(images, texts, 0.3, sides)
        delta = 0.6 if sides == "both" else 0.3
        table = shift_sweep(images, texts, labels, [delta], sides)
        assert table["distance"][0] == pytest.approx(
            np.linalg.norm(x.mean(0) - t.mean(0)), abs=1e-6
        )
        found = shifted_predictions(images, texts, [delta], sides)[0]
        assert (found == (x @ t.T).argmax(1))[margins(x, t) > 1e-5].all()


def test_no_shift_is_the_same_on_every_side_and_along_any_direction() -> None:
    images, texts, labels = task(100, 6, 8)
    found = [
        shifted_predictions(images, texts, [0], side, g)
        for side in SIDES
        for g in (None, np.eye(8)[0])
    ]
    assert all(np.array_equal(found[0], other) for other in found)
    assert 0.4 < (found[0] == labels).mean() < 1


def test_of_equal_texts_the_first_class_wins() -> None:
    """Copies of a column of a product of matrices may differ by rounding; the answer must not."""
    images, texts, _ = task(200, 70, 9)
    texts[[7, 30, 69]] = texts[3]
    predicted = shifted_predictions(images, texts, DELTAS)
    assert (predicted == 3).any() and not np.isin(predicted, [7, 30, 69]).any()
    swapped = shifted_predictions(
        images, texts[::-1], DELTAS, direction=images.mean(0) - texts.mean(0)
    )
    assert (swapped == 0).any() and not np.isin(swapped, [69 - 3, 69 - 7, 69 - 30]).any()
    curve = accuracy_curve(images[:71], texts, np.arange(71) % 70)
    assert curve["correct"].max() <= 71 - 3


@pytest.mark.parametrize("kind", ["float16", "int", "torch", "strided", "list", "gradient"])
def test_any_kind_of_array_and_nothing_changes(kind: str) -> None:
    images, texts, labels = task(30, 3, 6)
    images, texts = np.round(20 * images) + 1, np.round(20 * texts) + 1
    make = {
        "float16": lambda x: x.astype(np.float16), "int": lambda x: x.astype(int), "torch": torch.tensor,
        "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2], "list": lambda x: x.tolist(),
        "gradient": lambda x: torch.tensor(x, requires_grad=True),
    }[kind]  # fmt: skip
    given = make(images), make(texts)
    before = [torch.as_tensor(side).clone() for side in given]
    found = shift_sweep(*given, torch.tensor(labels), DELTAS)
    assert found.equals(shift_sweep(images, texts, labels, DELTAS))
    assert all(
        torch.equal(torch.as_tensor(side), old) for side, old in zip(given, before, strict=True)
    )


def test_errors_say_what_is_wrong() -> None:
    x, t, labels = task(20, 3, 4)
    cases = [
        ((x, t[:1], labels, [0]), "at least 2 rows of class_texts are needed; got 1"),
        ((x, t[:, :3], labels, [0]), r"one dimension; got \(20, 4\) and \(3, 3\)"),
        ((x, t, labels[:-1], [0]), r"labels as 20 integers, one an image; got int64 \(19,\)"),
        ((x, t, labels / 2, [0]), "labels as 20 integers, one an image; got float64"),
        (
            (x, t, np.where(np.arange(20) == 5, 3, labels), [0]),
            "labels from 0 to 2; got 3 at image 5",
        ),
        (
            (x, t, np.where(np.arange(20) == 5, -1, labels), [0]),
            "labels from 0 to 2; got -1 at image 5",
        ),
        ((x, t, np.zeros(20, int), [0]), "class 1 has no images: leave its text out"),
        ((x, t, labels, []), "deltas as a list of finite numbers"),
        ((x, t, labels, [0, math.nan]), "deltas as a list of finite numbers"),
        ((x, t, labels, [0], "left"), "sides as one of both, images, texts; got 'left'"),
        ((x, t, labels, [0], "both", [1, 0]), r"along of shape \(4,\)"),
        ((x, t, labels, [0], "both", np.zeros(4)), "positive, finite length; got 0: give another"),
        (
            (np.r_[t, t], t, [0, 1, 2] * 2, [0]),
            "the two means agree, so there is no gap to move along: give one",
        ),
        ((np.r_[x, [[np.nan] * 4]], t, [*labels, 0], [0]), "images has non-finite values in 1 row"),
    ]
    for arguments, message in cases:
        with pytest.raises(PairsError, match=message):
            shift_sweep(*arguments)
    with pytest.raises(PairsError, match="a move of 1 takes a row of images to the origin"):
        shifted_predictions(np.eye(4), np.eye(4)[:3], [1], "images", [0, 1, 0, 0])
    with pytest.raises(PairsError, match="a move of 1 takes a row of class_texts to the origin"):
        shifted_predictions(np.eye(4), np.eye(4)[:3], [0, 2], "both", [-1, 0, 0, 0])
    assert shifted_predictions(x, t, [0]).shape == (1, 20)  # classes without images are fine here


# ---- the exact curve


@given(**SIZES)
@settings(max_examples=60)
def test_curve_is_exact_on_a_fine_grid(n: int, k: int, d: int, seed: int) -> None:
    """At 400 amounts and in the middle of every interval; the step function is whole, without gaps."""
    images, texts, labels = task(n, k, d, seed)
    curve = accuracy_curve(images, texts, labels)
    assert list(curve) == ["low", "high", "correct", "accuracy"]
    assert curve["low"].iloc[0] == -np.inf and curve["high"].iloc[-1] == np.inf
    assert (curve["low"].iloc[1:].to_numpy() == curve["high"].iloc[:-1].to_numpy()).all()
    ends = np.r_[curve["low"].iloc[1] - 1 if len(curve) > 1 else 0, curve["low"].iloc[1:]]
    middle = np.r_[(ends[:-1] + ends[1:]) / 2, ends[-1] + 1]
    wide = np.r_[True, np.diff(ends) > 1e-6]
    wide = np.r_[wide[1:], True] if len(curve) > 1 else wide
    found = shift_sweep(images, texts, labels, middle, "images")["accuracy"].to_numpy()
    assert found[wide] == pytest.approx(curve["accuracy"][wide])
    grid = np.linspace(-6, 6, 400)
    at = np.searchsorted(curve["low"], grid, side="right") - 1
    apart = np.abs(grid[:, None] - np.r_[curve["low"].iloc[1:], np.inf]).min(1) > 1e-6
    swept = shift_sweep(images, texts, labels, grid, "images")["accuracy"].to_numpy()
    assert swept[apart] == pytest.approx(curve["accuracy"].to_numpy()[at][apart])


def test_curve_ends_where_one_class_takes_all() -> None:
    """Far to the left the class nearest to g wins every image, far to the right the farthest."""
    images, texts, labels = task(300, 6, 8)
    curve = accuracy_curve(images, texts, labels)
    q = texts @ (images.mean(0) - texts.mean(0))
    ends = [(labels == q.argmax()).sum(), (labels == q.argmin()).sum()]
    assert [curve["correct"].iloc[0], curve["correct"].iloc[-1]] == ends
    assert curve["correct"].max() > max(ends) and len(curve) > 100


def test_curve_over_parallel_lines() -> None:
    """Texts at one distance along g: their lines never cross, so no shift changes anything; ties go to the first."""
    images, texts = [[0, 4, 3], [0, 3, 4], [0, 1, 1]], [[0, 1, 0], [0, 0, 1]]
    curve = accuracy_curve(images, texts, [0, 1, 0], direction=[1, 0, 0])
    assert curve.to_numpy().tolist() == [[-np.inf, np.inf, 3, 1]]
    assert accuracy_curve(images, texts, [0, 1, 1], direction=[1, 0, 0])["correct"].tolist() == [2]


def test_curve_errors_are_those_of_the_sweep() -> None:
    x, t, _ = task(20, 3, 4)
    with pytest.raises(PairsError, match="class 1 has no images"):
        accuracy_curve(x, t, np.zeros(20, int))
    with pytest.raises(PairsError, match="at least 2 rows of class_texts"):
        accuracy_curve(x, t[:1], np.zeros(20, int))


# ---- retrieval


@pytest.mark.parametrize("sides", SIDES)
def test_retrieval_is_that_of_shifted_rows(sides: str) -> None:
    """Ranks of float64 rows differ from those of rows rounded to float32 only at near ties, by half."""
    x, y, _ = task(150, 150, 8)
    deltas = [-1.5, 0, 0.4]
    table, ranks = (
        retrieval_under_shift(x, y, deltas, (1, 5), sides),
        shifted_ranks(x, y, deltas, sides),
    )
    assert list(table) == ["delta", "direction", "k", "recall"] and len(table) == 3 * 2 * 2
    for m, delta in enumerate(deltas):
        there = moved(x, y, delta, sides)
        oracle = retrieval_ranks(*there)
        for direction, rank in oracle.items():
            off = np.abs(rank - ranks[direction][m])
            assert off.max() <= 0.5 and (off > 0).mean() < 0.03
        assert (
            np.abs(
                table.query("delta == @delta")["recall"].to_numpy()
                - retrieval(*there, (1, 5))["recall"]
            ).max()
            < 0.02
        )
    assert (
        table.query("delta == 0")["recall"].tolist() == retrieval(x, y, (1, 5))["recall"].tolist()
    )


def test_ties_stay_ties_under_any_shift() -> None:
    """Copies of a candidate in several tiles share its rank, though rounding would part them after a float32 shift."""
    x, y, _ = task(300, 300, 8)
    y[[140, 299]] = y[3]
    x[[140, 299]] = x[3]
    for direction, ranks in shifted_ranks(x, y, DELTAS).items():
        assert (ranks[:, [3, 140, 299]] % 1 == 0).all(), (
            direction
        )  # two ties with itself: half of two
        assert (ranks[:, 3] == ranks[:, 140]).all() and (ranks[:, 3] == ranks[:, 299]).all()
        assert (ranks >= 0).all() and (ranks <= 299).all()
    alike = np.tile([[0.6, 0.8]], (5, 1))
    assert (shifted_ranks(alike, -alike, [0, 0.5])["image_to_text"] == 2).all()


def test_retrieval_errors() -> None:
    x, y, _ = task(20, 20, 4)
    with pytest.raises(PairsError, match="same shape"):
        retrieval_under_shift(x, y[:-1], [0])
    with pytest.raises(PairsError, match="ks as positive integers"):
        retrieval_under_shift(x, y, [0], ks=[0])
    with pytest.raises(PairsError, match="sides as one of"):
        retrieval_under_shift(x, y, [0], sides="left")


# ---- tests and choices


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80
    )
)
def test_mcnemar_against_sums_of_binomials(answers: list) -> None:
    before, after, labels = np.array(answers).T
    test = mcnemar(before, after, labels)
    gained, lost = (
        int(((before != labels) & (after == labels)).sum()),
        int(((before == labels) & (after != labels)).sum()),
    )
    changed = gained + lost
    tail = sum(math.comb(changed, i) for i in range(min(gained, lost) + 1)) / 2**changed
    assert (test.gained, test.lost) == (gained, lost) and test.p == pytest.approx(min(1, 2 * tail))
    assert test.difference == pytest.approx((after == labels).mean() - (before == labels).mean())
    assert (
        -1 <= test.low < test.high <= 1
        and test.low <= test.difference + 1e-9
        and test.difference <= test.high + 1e-9
    )


def test_the_unpaired_test_is_the_closed_form_and_the_weaker_one() -> None:
    """20 gained, 5 lost of 1,000: chi-square of the 2 x 2 table from its formula; pairing sees far more."""
    labels, before, after = np.zeros((3, 1000), int)
    before[:300] = 1
    after[20:305] = 1
    test = mcnemar(before, after, labels)
    assert (test.gained, test.lost) == (20, 5)
    statistic = 2000 * (700 * 285 - 300 * 715) ** 2 / (1000 * 1000 * 1415 * 585)
    assert test.p_unpaired == pytest.approx(chi2.sf(statistic, 1)) and test.p_unpaired > 0.4
    assert test.p_unpaired == pytest.approx(fisher_exact([[700, 300], [715, 285]]).pvalue, abs=0.06)
    assert test.p == pytest.approx(0.00408, abs=5e-6) and 0 < test.low < 0.015 < test.high
    assert mcnemar(labels, labels, labels)[:2] == (0, 0) and mcnemar(labels, labels, labels).p == 1
    assert mcnemar(labels, labels, labels).p_unpaired == 1


def test_the_interval_covers() -> None:
    """95 % of 4,000 draws of 200 images with 8 % gained, 5 % lost: two standard errors are 0.7 points."""
    rng, inside = np.random.default_rng(0), 0
    for _ in range(4000):
        u, labels = rng.random(200), np.zeros(200, int)
        test = mcnemar(u < 0.08, (u >= 0.08) & (u < 0.13), labels)
        inside += test.low <= 0.03 <= test.high
    assert inside / 4000 == pytest.approx(0.95, abs=0.015)


def test_mcnemar_wants_three_lists_of_one_length() -> None:
    for bad in (([0, 1], [0], [0, 1]), ([], [], []), ([[0]], [[0]], [[0]])):
        with pytest.raises(PairsError, match="before, after and labels of one shape"):
            mcnemar(*bad)


def noise(n: int, m: int = 40, seed: int = 0, gain: float = 0.0) -> np.ndarray:
    """Each shift changes one image in ten, to right or to wrong at random; 0 is at place 20."""
    rng = np.random.default_rng(seed)
    hits = np.tile(rng.random(n) < 0.6, (m, 1))
    change = (rng.random((m, n)) < 0.1) & (np.arange(m) != 20)[:, None]
    return np.where(change, rng.random((m, n)) < 0.6 + gain, hits)


def test_choosing_gains_on_the_half_it_was_chosen_on_and_nothing_elsewhere() -> None:
    gains = [split_gains(noise(400, seed=seed), DELTAS, splits=50, seed=seed) for seed in range(20)]
    chosen, other = (
        np.array([table[c].mean() for table in gains]) for c in ("chosen_on", "other_half")
    )
    assert chosen.mean() > 0.02 and abs(other.mean()) < 3 * other.std() / 20**0.5 + 1e-9
    real = split_gains(noise(2000, gain=0.4), DELTAS)
    assert (
        real["other_half"].mean() == pytest.approx(0.04, abs=0.012) and (real["delta"] != 0).all()
    )
    assert list(real) == ["delta", "chosen_on", "other_half"] and len(real) == 200
    assert (real["chosen_on"] >= 0).all() and real.equals(
        split_gains(noise(2000, gain=0.4), DELTAS)
    )


def test_a_split_is_two_halves() -> None:
    """Gains of both halves, weighted, are the gain of all images at the chosen shift."""
    hits = noise(41)
    whole = dict(zip(DELTAS, (hits.astype(float) - hits[20]).sum(1), strict=True))
    for delta, chosen, other in split_gains(hits, DELTAS, splits=20).to_numpy():
        assert 20 * chosen + 21 * other == pytest.approx(whole[delta])


def test_the_permutation_test_counts_the_choice() -> None:
    """Under noise p is no smaller than it should be, while the best single test of 40 rejects most of the time."""
    p = np.array([best_of_grid_p(noise(300, seed=seed), DELTAS, draws=200) for seed in range(100)])
    labels = np.zeros(300, int)
    naive = [
        min(mcnemar(~h[20], ~row, labels).p for row in h)
        for h in (noise(300, seed=s) for s in range(30))
    ]
    assert (p < 0.05).mean() <= 0.05 + 2 * (0.05 * 0.95 / 100) ** 0.5 and 0.2 < np.median(p) < 0.8
    assert np.mean(np.array(naive) < 0.05) > 0.5
    assert best_of_grid_p(noise(2000, gain=0.4), DELTAS) < 0.001
    assert best_of_grid_p(np.zeros((3, 9)), [-1, 0, 1], draws=50) == 1


def test_choices_prefer_no_shift() -> None:
    assert (
        choose_delta([-2, -1, 0, 1], [3, 5, 5, 5]) == 2
        and choose_delta([-1, 0.5, 1], [1, 0, 1]) == 0
    )


def test_choices_want_a_zero_and_matching_shapes() -> None:
    for hits, deltas in (
        (np.ones((2, 9)), [1, 2]),
        (np.ones((2, 9)), [0, 1, 2]),
        (np.ones(9), [0]),
    ):
        with pytest.raises(PairsError, match=r"hits of shape \(m, n\) and m deltas with one 0"):
            best_of_grid_p(hits, deltas)
    with pytest.raises(PairsError, match="at least 4 images"):
        split_gains(np.ones((1, 3)), [0])
    with pytest.raises(PairsError, match=r"groups of shape \(9,\)"):
        best_of_grid_p(np.ones((2, 9)), [0, 1], groups=[0, 1])
    with pytest.raises(PairsError, match="groups for 2 images, at least 2"):
        paired_test([0, 1], [1, 1], [1, 1], [0, 0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_step_down_bonferroni(p: list[float]) -> None:
    """By its definition: test from the smallest on, at alpha / (tests left), and stop at the first that fails."""
    adjusted = holm(p)
    for alpha in (0.01, 0.05, 0.5):
        left, alive = len(p), set()
        for i in np.argsort(p, kind="stable"):
            if p[i] * left > alpha:
                break
            alive.add(int(i))
            left -= 1
        assert set(np.flatnonzero(adjusted <= alpha)) == alive


def test_groups_test_and_interval_are_those_of_their_means() -> None:
    """Four writers; the same images as independent draws would pass, their writers' t-test does not."""
    groups = np.repeat(np.arange(4), 50)
    before = np.zeros(200, int)
    after = np.where(groups == 0, 1, 0)
    labels = np.ones(200, int)
    test = paired_test(before, after, labels, groups)
    mean, error = 0.25, 0.25  # of 1, 0, 0, 0
    assert (
        test.difference == mean
        and test.p == pytest.approx(2 * t.sf(mean / error, 3))
        and test.p > 0.3
    )
    assert (test.low, test.high) == pytest.approx(
        (mean - t.isf(0.025, 3) * error, mean + t.isf(0.025, 3) * error)
    )
    assert mcnemar(before, after, labels).p < 1e-9
    assert paired_test(before, after, labels, np.arange(200)) == mcnemar(before, after, labels)
    assert paired_test(before, before, labels, groups)[3:6] == (0, 0, 1)


def test_few_groups_are_swapped_in_all_ways() -> None:
    """All nine gain: only one of 2^9 patterns does as well; as 900 images the same gains leave no doubt."""
    hits = np.stack([np.zeros(900), np.arange(900) % 10 == 0])
    groups = np.arange(900) // 100
    assert best_of_grid_p(hits, [0, 1], groups=groups) == 1 / 512
    assert best_of_grid_p(hits, [0, 1], draws=5000) == 1 / 5001


def test_redrawn_gains_scatter_like_new_data() -> None:
    """One shift that gains on a share p of images: the standard error of the mean of a half, plus that of halving."""
    hits = np.stack([np.zeros(400), np.arange(400) % 5 == 0])
    table = redrawn_gains(hits, [0, 1], redraws=400, splits=20)
    assert table["other_half"].mean() == pytest.approx(0.2, abs=0.005)
    assert table["other_half"].std() == pytest.approx((0.2 * 0.8 / 400) ** 0.5, rel=0.15)
    grouped = redrawn_gains(hits, [0, 1], groups=np.arange(400) // 40)
    assert (
        grouped["other_half"].std() < 0.005
    )  # every group gains alike; a half that lost all copies gains 0
