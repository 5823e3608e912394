"""Transformers that close the gap: what they promise, may see and refuse."""

import numpy as np
import pytest
import torch
from helpers import cones, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from gapbook import PairsError, modality_gap, retrieval
from gapbook.geometry import gap_vector
from gapbook.mitigation import (
    Center,
    DotProducts,
    Mitigation,
    NearestNeighborNormalization,
    Noise,
    ProcrustesAlign,
    ProjectOut,
    RotateTogether,
    ShiftAlongGap,
    Standardize,
)
from gapbook.pairs import load_pairs

ALL = [
    Center(),
    Center(0.5),
    Standardize(),
    ShiftAlongGap(),
    ShiftAlongGap(-0.3),
    RotateTogether(),
    ProcrustesAlign(),
    ProcrustesAlign(ridge=20),
    ProjectOut(2),
    ProjectOut(3, by="gap"),
    Noise(0.7, seed=3),
    NearestNeighborNormalization(k=3),
    DotProducts(ShiftAlongGap()),
    DotProducts(Center()),
]
DEPEND_ON_AXES = [Standardize(), ProjectOut(2), Noise(0.7, seed=3)]
FOLLOW_ROTATIONS = [m for m in ALL if repr(m) not in map(repr, DEPEND_ON_AXES)]
TREAT_SIDES_ALIKE = [m for m in ALL if not isinstance(m, ProcrustesAlign | Noise)]
each = pytest.mark.parametrize("mitigation", ALL, ids=repr)

X, Y = cones()
NEW_X, NEW_Y = (rows[60:] for rows in cones(n=90))


def fit(mitigation: Mitigation) -> Mitigation:
    """Fit a copy, so that tests share nothing."""
    return clone(mitigation).fit(X, Y)


# ---- what all of them promise


@each
def test_rows_are_new_unit_float32(mitigation: Mitigation) -> None:
    before = X.copy(), Y.copy()
    for rows in fit(mitigation).transform(X, Y):
        assert isinstance(rows, np.ndarray)
        assert rows.dtype == np.float32
        assert len(rows) == len(X)
        assert not np.shares_memory(rows, X)
        assert not np.shares_memory(rows, Y)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(before, (X, Y))


@each
def test_later_changes_of_the_pairs_do_not_reach_a_fitted_one(mitigation: Mitigation) -> None:
    x = X.copy()
    y = Y.copy()
    fitted = clone(mitigation).fit(x, y)
    expected = fitted.transform(NEW_X, NEW_Y)
    x[:] = 0
    y[:] = 0
    np.testing.assert_array_equal(fitted.transform(NEW_X, NEW_Y), expected)


@each
def test_a_held_out_row_moves_the_same_in_any_company(mitigation: Mitigation) -> None:
    fitted = fit(mitigation)
    whole_x, whole_y = fitted.transform(NEW_X, NEW_Y)
    some_x, some_y = fitted.transform(NEW_X[:5], NEW_Y[:9])
    assert (len(some_x), len(some_y)) == (5, 9)
    np.testing.assert_allclose(some_x, whole_x[:5], atol=2e-6)
    np.testing.assert_allclose(some_y, whole_y[:9], atol=2e-6)


@each
def test_transform_learns_nothing(mitigation: Mitigation) -> None:
    fitted = fit(mitigation)
    state = {name: np.copy(value) for name, value in vars(fitted).items()}
    fitted.transform(NEW_X, NEW_Y)
    assert vars(fitted).keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(value, vars(fitted)[name])


@each
def test_before_fit_it_says_so(mitigation: Mitigation) -> None:
    with pytest.raises(NotFittedError, match=type(mitigation).__name__):
        clone(mitigation).transform(X, Y)
    with pytest.raises(NotFittedError):
        clone(fit(mitigation)).transform(X, Y)


@each
def test_other_dimensions_than_in_fit_are_refused(mitigation: Mitigation) -> None:
    fitted = fit(mitigation)
    with pytest.raises(PairsError, match="Expected x of 12 dimensions, as in fit; got 11"):
        fitted.transform(X[:, :11], Y)
    with pytest.raises(PairsError, match="Expected y of 12 dimensions, as in fit; got 7"):
        fitted.transform(X, Y[:, :7])
    with pytest.raises(PairsError, match="same shape"):
        fitted.fit(X, Y[:-1])


@each
@pytest.mark.parametrize("kind", ["float64 of another length", "tensor", "list"])
def test_any_kind_of_array_can_be_fitted(mitigation: Mitigation, kind: str) -> None:
    make = {
        "float64 of another length": lambda rows: 3 * rows.astype(np.float64),
        "tensor": torch.from_numpy,
        "list": lambda rows: rows.tolist(),
    }[kind]
    moved = clone(mitigation).fit(make(X), make(Y)).transform(NEW_X, NEW_Y)
    np.testing.assert_allclose(moved, fit(mitigation).transform(NEW_X, NEW_Y), atol=2e-5)


@each
def test_tensors_with_gradients_and_half_precision_can_be_moved(mitigation: Mitigation) -> None:
    fitted = fit(mitigation)
    expected = fitted.transform(NEW_X, NEW_Y)
    tensors = [torch.from_numpy(rows).requires_grad_() for rows in (NEW_X, NEW_Y)]
    np.testing.assert_allclose(fitted.transform(*tensors), expected, atol=2e-6)
    halves = [torch.from_numpy(rows).half() for rows in (NEW_X, NEW_Y)]
    np.testing.assert_allclose(fitted.transform(*halves), expected, atol=5e-3)


@each
def test_the_same_twice(mitigation: Mitigation) -> None:
    first = fit(mitigation)
    second = fit(mitigation)
    expected = first.transform(NEW_X, NEW_Y)
    np.testing.assert_array_equal(second.transform(NEW_X, NEW_Y), expected)
    np.testing.assert_array_equal(first.transform(NEW_X, NEW_Y), expected)
    np.testing.assert_array_equal(clone(mitigation).fit_transform(X, Y), first.transform(X, Y))


@each
def test_params_are_those_of_scikit_learn(mitigation: Mitigation) -> None:
    copy = clone(mitigation).set_params(**mitigation.get_params())
    assert copy.get_params() == mitigation.get_params()
    assert type(copy).__name__ in repr(copy)


@each
def test_one_side_alone_moves_as_it_does_beside_the_other(mitigation: Mitigation) -> None:
    fitted = fit(mitigation)
    x, y = fitted.transform(NEW_X, NEW_Y)
    np.testing.assert_array_equal(fitted.transform_x(NEW_X), x)
    np.testing.assert_array_equal(fitted.transform_y(NEW_Y), y)


@each
@pytest.mark.parametrize(
    "make",
    [np.asarray, torch.from_numpy, np.ndarray.tolist],
    ids=["array", "tensor", "list"],
)
def test_one_query_moves_as_it_does_among_others(mitigation: Mitigation, make) -> None:
    fitted = fit(mitigation)
    x, y = fitted.transform(NEW_X, NEW_Y)
    for vector, row in ((make(NEW_X[0]), x[0]), (make(NEW_X[:1]), x[:1])):
        moved = fitted.transform_x(vector)
        assert moved.shape == row.shape
        np.testing.assert_allclose(moved, row, atol=1e-6)
    np.testing.assert_allclose(fitted.transform_y(make(NEW_Y[0])), y[0], atol=1e-6)


@each
def test_rows_without_direction_are_named_or_skipped_where_they_stand(mitigation) -> None:
    fitted = fit(mitigation)
    rows = NEW_X.copy()
    rows[-2] = 0
    rows[-1] = np.inf
    with pytest.raises(PairsError, match=r"2 of 30 rows of x have no direction.*rows 28, 29"):
        fitted.transform_x(rows)
    moved, kept = fitted.transform_x(rows, skip=True)
    assert kept.tolist() == [True] * 28 + [False] * 2
    assert not moved[28:].any()
    np.testing.assert_allclose(moved[:28], fitted.transform_x(NEW_X)[:28], atol=1e-6)


def test_a_query_without_direction_is_named_or_skipped() -> None:
    fitted = fit(Center())
    with pytest.raises(PairsError, match=r"1 of 1 rows of y has no direction.*row 0"):
        fitted.transform_y(np.zeros(12))
    moved, kept = fitted.transform_y(np.zeros(12), skip=True)
    assert moved.tolist() == [0] * 12
    assert kept.tolist() == [False]


def test_rows_of_which_nothing_is_left_are_skipped_too() -> None:
    fitted = ProjectOut(1).fit([[1, 0.1], [1, 0.2]], [[-1, 0.1], [-1, 0.2]])
    moved, kept = fitted.transform_y([[0, 0], [1, 0], [1, 1]], skip=True)
    assert kept.tolist() == [False, False, True]
    assert moved.tolist() == [[0, 0], [0, 0], [0, 1]]


def test_no_row_moves_to_no_row() -> None:
    assert fit(Center()).transform_x(np.zeros((0, 12))).shape == (0, 12)


def test_a_fingerprint_tells_pairs_from_other_pairs() -> None:
    one = fit(Center()).fingerprint_
    assert one == fit(NearestNeighborNormalization(k=3)).fingerprint_
    assert one != Center().fit(Y, X).fingerprint_
    assert one != Center().fit(X[1:], Y[1:]).fingerprint_


def fit_and_move_turned(mitigation: Mitigation, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return clone(mitigation).fit(X @ turn, Y @ turn).transform(NEW_X @ turn, NEW_Y @ turn)


@pytest.mark.parametrize("mitigation", FOLLOW_ROTATIONS, ids=repr)
@given(seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_a_joint_rotation_changes_no_cosine(mitigation: Mitigation, seed: int) -> None:
    x, y = fit(mitigation).transform(NEW_X, NEW_Y)
    turned_x, turned_y = fit_and_move_turned(mitigation, ortho_group.rvs(12, random_state=seed))
    np.testing.assert_allclose(turned_x @ turned_y.T, x @ y.T, atol=1e-4)
    np.testing.assert_allclose(turned_x @ turned_x.T, x @ x.T, atol=1e-4)


@pytest.mark.parametrize("mitigation", DEPEND_ON_AXES, ids=repr)
def test_the_others_depend_on_the_axes(mitigation: Mitigation) -> None:
    x, y = fit(mitigation).transform(NEW_X, NEW_Y)
    turned_x, turned_y = fit_and_move_turned(mitigation, ortho_group.rvs(12, random_state=0))
    assert np.abs(turned_x @ turned_y.T - x @ y.T).max() > 0.05


@pytest.mark.parametrize("mitigation", TREAT_SIDES_ALIKE, ids=repr)
def test_swapped_modalities_swap_the_result(mitigation: Mitigation) -> None:
    x, y = fit(mitigation).transform(NEW_X, NEW_Y)
    swapped_y, swapped_x = clone(mitigation).fit(Y, X).transform(NEW_Y, NEW_X)
    np.testing.assert_allclose(swapped_x @ swapped_y.T, x @ y.T, atol=1e-5)


# ---- each by itself


def test_center_takes_away_each_mean() -> None:
    x, y = Center().fit(X, Y).transform(NEW_X, NEW_Y)
    np.testing.assert_allclose(x, unit(NEW_X - X.astype(float).mean(0)), atol=1e-6)
    np.testing.assert_allclose(y, unit(NEW_Y - Y.astype(float).mean(0)), atol=1e-6)


def test_center_takes_away_a_part_of_each_mean_if_told_so() -> None:
    x, _ = Center(0.25).fit(X, Y).transform(NEW_X, NEW_Y)
    np.testing.assert_allclose(x, unit(NEW_X - X.astype(float).mean(0) / 4), atol=1e-6)
    for rows, new in zip(Center(0).fit(X, Y).transform(NEW_X, NEW_Y), (NEW_X, NEW_Y), strict=True):
        np.testing.assert_allclose(rows, unit(new), atol=1e-6)


@pytest.mark.parametrize("moved", [ShiftAlongGap(), Center()], ids=repr)
def test_cosines_of_dot_products_are_those_of_moved_rows_over_one_length(moved) -> None:
    gap = gap_vector(X, Y)
    steps = gap / 2, -gap / 2
    if isinstance(moved, Center):
        steps = X.astype(float).mean(0), Y.astype(float).mean(0)
    a, b = NEW_X - steps[0], NEW_Y - steps[1]
    x, y = DotProducts(moved).fit(X, Y).transform(NEW_X, NEW_Y)
    moved_pairs = X - steps[0], Y - steps[1]
    length = 2 * max(np.linalg.norm(rows, axis=1).max() for rows in moved_pairs)
    np.testing.assert_allclose(x @ y.T, a @ b.T / length**2, atol=1e-5)
    np.testing.assert_allclose(x[:, :-2], a / length, atol=1e-5)


def test_standardize_is_scikit_learns_scaler_for_each_side() -> None:
    x = X.copy()
    x[:, 3] = 0  # a dimension that does not vary
    x = unit(x)
    moved = Standardize().fit(x, Y).transform(NEW_X, NEW_Y)
    for rows, seen, new in zip(moved, (x, Y), (NEW_X, NEW_Y), strict=True):
        expected = StandardScaler().fit(seen.astype(float)).transform(new.astype(float))
        np.testing.assert_allclose(rows, unit(expected), atol=1e-5)


def test_shift_translates_by_half_the_gap() -> None:
    gap = gap_vector(X, Y)
    x, y = ShiftAlongGap().fit(X, Y).transform(NEW_X, NEW_Y)
    np.testing.assert_allclose(x, unit(NEW_X - gap / 2), atol=1e-6)
    np.testing.assert_allclose(y, unit(NEW_Y + gap / 2), atol=1e-6)


def test_negative_amounts_of_shift_widen_the_gap() -> None:
    narrow = ShiftAlongGap(0.2).fit(X, Y).transform(NEW_X, NEW_Y)
    wide = ShiftAlongGap(-0.5).fit(X, Y).transform(NEW_X, NEW_Y)
    assert modality_gap(*narrow) < modality_gap(NEW_X, NEW_Y) < modality_gap(*wide)


@pytest.mark.parametrize(
    "fitted", [ShiftAlongGap(0).fit(X, Y), ShiftAlongGap(5).fit(X, X)], ids=["0", "no gap"]
)
def test_shift_by_nothing_or_along_no_gap_moves_nothing(fitted: Mitigation) -> None:
    np.testing.assert_allclose(fitted.transform(NEW_X, NEW_Y), (NEW_X, NEW_Y), atol=1e-7)


def test_rotation_changes_no_cosine_within_a_modality() -> None:
    x, y = RotateTogether().fit_transform(X, Y)
    np.testing.assert_allclose(x @ x.T, X @ X.T, atol=1e-5)
    np.testing.assert_allclose(y @ y.T, Y @ Y.T, atol=1e-5)


def test_rotation_leaves_the_difference_of_the_centers_lengths() -> None:
    x, y = RotateTogether().fit_transform(X, Y)
    center_x = x.astype(float).mean(0)
    center_y = y.astype(float).mean(0)
    length_x = np.linalg.norm(center_x)
    length_y = np.linalg.norm(center_y)
    assert center_x @ center_y == pytest.approx(length_x * length_y, abs=1e-6)
    assert modality_gap(x, y) == pytest.approx(abs(length_x - length_y), abs=1e-6)


@pytest.mark.parametrize(
    ("x", "y"),
    [([[1, 0], [-1, 0]], [[0, 1], [0, 1]]), ([[1, 0], [1, 0]], [[-1, 0], [-1, 0]])],
    ids=["a center at the origin", "antipodal centers"],
)
def test_rotation_refuses_centers_that_no_rotation_joins(x: list, y: list) -> None:
    with pytest.raises(PairsError, match="neither at the origin nor antipodal"):
        RotateTogether().fit(x, y)


def test_procrustes_finds_a_rotation() -> None:
    turn = ortho_group.rvs(12, random_state=4)
    fitted = ProcrustesAlign().fit(X, X @ turn)
    np.testing.assert_allclose(fitted.rotation_, turn.T, atol=1e-5)


@pytest.mark.parametrize(("ridge", "atol"), [(0, 1e-9), (1e-6, 1e-4)])
def test_procrustes_is_scipys(ridge: float, atol: float) -> None:
    expected, _ = orthogonal_procrustes(Y.astype(float), X.astype(float))
    rotation = ProcrustesAlign(ridge).fit(X, Y).rotation_
    np.testing.assert_allclose(rotation, expected, atol=atol)


def test_a_ridge_is_that_many_pairs_on_the_axes() -> None:
    axes = 20**0.5 * np.eye(12)
    expected, _ = orthogonal_procrustes(np.vstack([Y, axes]), np.vstack([X, axes]))
    rotation = ProcrustesAlign(ridge=20).fit(X, Y).rotation_
    np.testing.assert_allclose(rotation, expected, atol=1e-6)
    strong = ProcrustesAlign(ridge=1e9).fit(X, Y).rotation_
    np.testing.assert_allclose(strong, np.eye(12), atol=1e-6)


def test_procrustes_turns_least_where_no_pair_looks() -> None:
    turn = ortho_group.rvs(4, random_state=1)
    x, y = np.zeros((2, 5, 12))
    x[:, :4], _ = cones(5, 4)
    y[:, :4] = x[:, :4] @ turn
    rotation = ProcrustesAlign().fit(x, y).rotation_
    np.testing.assert_allclose(rotation[4:, 4:], np.eye(8), atol=1e-9)
    np.testing.assert_allclose(rotation[:4, :4], turn.T, atol=1e-4)


@pytest.mark.parametrize("ridge", [1e-6, 20])
def test_procrustes_of_few_pairs_in_many_dimensions_turns_what_they_span(ridge: float) -> None:
    rotation = ProcrustesAlign(ridge).fit(X, Y).rotation_
    x, y = (np.pad(rows, ((0, 0), (0, 488))) for rows in (X, Y))
    fitted = ProcrustesAlign(ridge).fit(x, y)
    assert fitted.basis_.shape == (120, 500)
    np.testing.assert_allclose(fitted.rotation_[:12, :12], rotation, atol=1e-9)
    np.testing.assert_allclose(fitted.rotation_[12:, 12:], np.eye(488), atol=1e-9)
    # Rows that lie elsewhere too.
    new = unit(np.random.default_rng(0).normal(size=(5, 500)))
    np.testing.assert_allclose(fitted.transform(x, new)[1], new @ fitted.rotation_, atol=1e-6)


def test_coordinates_that_carry_most_of_the_gap_are_removed() -> None:
    fitted = ProjectOut(2).fit(X, Y)
    largest = sorted(np.argsort(-np.abs(gap_vector(X, Y)))[:2].tolist())
    assert sorted(fitted.removed_.argmax(1).tolist()) == largest
    for rows, new in zip(fitted.transform(NEW_X, NEW_Y), (NEW_X, NEW_Y), strict=True):
        assert (rows[:, largest] == 0).all()
        others = np.delete(np.arange(12), largest)
        np.testing.assert_allclose(rows[:, others], unit(new[:, others]), atol=1e-6)


@pytest.mark.parametrize("by", ["coordinate", "gap"])
def test_projecting_twice_is_projecting_once(by: str) -> None:
    fitted = ProjectOut(3, by).fit(X, Y)
    once = fitted.transform(NEW_X, NEW_Y)
    np.testing.assert_allclose(fitted.transform(*once), once, atol=1e-6)
    np.testing.assert_allclose(fitted.removed_ @ fitted.removed_.T, np.eye(3), atol=1e-6)
    for rows in once:
        np.testing.assert_allclose(rows @ fitted.removed_.T, 0, atol=1e-6)


def test_the_first_vector_that_is_removed_is_the_gap() -> None:
    gap = gap_vector(X, Y)
    fitted = ProjectOut(1, "gap").fit(X, Y)
    np.testing.assert_allclose(fitted.removed_[0], gap / np.linalg.norm(gap), atol=1e-6)


def test_without_a_gap_nothing_is_removed() -> None:
    fitted = ProjectOut(2, "gap").fit(X, X)
    assert (fitted.removed_ == 0).all()
    np.testing.assert_allclose(fitted.transform(NEW_X, NEW_Y), (NEW_X, NEW_Y), atol=1e-7)


def test_noise_has_its_length_and_leaves_x() -> None:
    """400 cosines of standard deviation 0.045: four standard errors of their mean are 0.01."""
    x = np.eye(400)
    y = np.eye(400)[::-1]
    same, noisy = Noise(2.0, seed=1).fit_transform(x, y)
    np.testing.assert_array_equal(same, x)
    assert (noisy * y).sum(1).mean() == pytest.approx(1 / 5**0.5, abs=0.01)


def test_noise_depends_on_the_seed_and_is_none_at_scale_0() -> None:
    one = Noise(2.0, seed=1).fit_transform(X, Y)[1]
    other = Noise(2.0, seed=2).fit_transform(X, Y)[1]
    assert np.abs(one - other).max() > 0.05
    np.testing.assert_array_equal(Noise(0).fit_transform(X, Y)[1], Y)


def corrected_scores(
    x: np.ndarray, y: np.ndarray, k: int, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Score by the definition, with X and Y as references: for queries from x, and from y."""
    a, b, seen_x, seen_y = (rows.astype(float) for rows in (x, y, X, Y))
    bias_y = np.sort(b @ seen_x.T, 1)[:, -k:].mean(1)
    bias_x = np.sort(a @ seen_y.T, 1)[:, -k:].mean(1)
    cosines = a @ b.T
    return cosines - alpha * bias_y, cosines - alpha * bias_x[:, None]


@given(k=st.integers(1, 60), alpha=st.floats(0, 3), seed=st.integers(0, 100))
@settings(max_examples=25)
def test_cosines_after_nnn_are_its_scores(k: int, alpha: float, seed: int) -> None:
    x, y = cones(20, 12, seed)
    moved_x, moved_y = NearestNeighborNormalization(k, alpha).fit(X, Y).transform(x, y)
    of_texts, of_images = corrected_scores(x, y, k, alpha)
    both = of_texts + of_images - x.astype(float) @ y.T
    cosines = moved_x.astype(float) @ moved_y.T
    np.testing.assert_allclose(cosines * (1 + 2 * alpha), both, atol=1e-5)


@given(k=st.integers(1, 60), alpha=st.floats(0.001, 3), seed=st.integers(0, 100))
@settings(max_examples=25)
def test_retrieval_after_nnn_is_that_of_its_scores(k: int, alpha: float, seed: int) -> None:
    x, y = cones(20, 12, seed)
    moved = NearestNeighborNormalization(k, alpha).fit(X, Y).transform(x, y)
    recall = retrieval(*moved, [1]).set_index("direction")["recall"]
    of_texts, of_images = corrected_scores(x, y, k, alpha)
    for direction, scores in (("image_to_text", of_texts), ("text_to_image", of_images.T)):
        lead = scores - np.diag(scores)[:, None]
        clearly_first = ((lead > -1e-5).sum(1) == 1).mean()
        perhaps_first = ((lead > 1e-5).sum(1) == 0).mean()
        assert clearly_first <= recall[direction] <= perhaps_first


def test_nnn_keeps_the_embeddings_in_the_first_dimensions() -> None:
    x, y = NearestNeighborNormalization(k=60).fit(X, Y).transform(NEW_X, NEW_Y)
    assert x.shape == (30, 16)
    np.testing.assert_allclose(unit(x[:, :12]), NEW_X, atol=1e-5)
    np.testing.assert_allclose(unit(y[:, :12]), NEW_Y, atol=1e-5)


def test_nnn_with_all_neighbors_orders_as_centering_before_rows_are_normalized() -> None:
    x, y = NearestNeighborNormalization(k=60, alpha=1).fit(X, Y).transform(NEW_X, NEW_Y)
    mean_x = X.astype(float).mean(0)
    mean_y = Y.astype(float).mean(0)
    centered = (NEW_X - mean_x) @ (NEW_Y - mean_y).T
    np.testing.assert_allclose(3 * (x @ y.T), centered - mean_x @ mean_y, atol=1e-5)


# ---- what they refuse


@pytest.mark.parametrize(
    ("mitigation", "message"),
    [
        (ShiftAlongGap(np.nan), "amount as a finite number; got nan"),
        (ShiftAlongGap("0.5"), "amount as a finite number; got '0.5'"),
        (Center(np.inf), "amount as a finite number; got inf"),
        (DotProducts("Center"), "a mitigation that moves rows; got 'Center'"),
        (ProcrustesAlign(-1), "ridge as a finite number from 0; got -1"),
        (ProjectOut(0), "k as an integer from 1 to 11; got 0"),
        (ProjectOut(12), "k as an integer from 1 to 11; got 12"),
        (ProjectOut(True), "k as an integer from 1 to 11; got True"),
        (ProjectOut(1, "axis"), "by as 'coordinate' or 'gap'; got 'axis'"),
        (Noise(-1), "scale as a finite number from 0; got -1"),
        (Noise(1, seed=0.5), "seed as an integer from 0; got 0.5"),
        (NearestNeighborNormalization(61), "k as an integer from 1 to 60; got 61"),
        (NearestNeighborNormalization(1, np.inf), "alpha as a finite number from 0; got inf"),
    ],
    ids=repr,
)
def test_bad_parameters_are_named_in_fit(mitigation: Mitigation, message: str) -> None:
    with pytest.raises(PairsError, match=f"Expected {message}"):
        mitigation.fit(X, Y)
    with pytest.raises(NotFittedError):
        mitigation.transform(X, Y)


def test_a_row_of_which_nothing_is_left_is_named() -> None:
    collapsed = np.tile([[0.6, 0.8]], (4, 1))
    _, texts = cones(4, 2)
    with pytest.raises(PairsError, match="Center leaves nothing of row 0 of x"):
        Center().fit_transform(collapsed, texts)
    alike = DotProducts(Center()).fit([[1, 0], [1, 0.1]], [[0, 1], [0.1, 1]])
    with pytest.raises(PairsError, match="row 1 of x is more than twice as long"):
        alike.transform([[1, 0], [-1, 0]], [[0, 1], [0.1, 1]])
    fitted = ProjectOut(1).fit([[1, 0.1], [1, 0.2]], [[-1, 0.1], [-1, 0.2]])
    with pytest.raises(PairsError, match="ProjectOut leaves nothing of row 1 of y"):
        fitted.transform([[1, 1], [1, 1]], [[1, 1], [1, 0]])


# ---- on embeddings of models

JUDGED = {
    "none": ShiftAlongGap(0),
    "translation": ShiftAlongGap(),
    "centering": Center(),
    "nnn": NearestNeighborNormalization(),
    "procrustes": ProcrustesAlign(),
}


def held_out_recalls(name: str, splits: int) -> dict[str, np.ndarray]:
    """Return the mean R@1 on held-out halves: image to text, text to image."""
    pairs = load_pairs(name)
    recalls: dict[str, list[np.ndarray]] = {key: [] for key in JUDGED}
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(pairs))
        seen = pairs.subset(order[: len(pairs) // 2])
        unseen = pairs.subset(order[len(pairs) // 2 :])
        for key, mitigation in JUDGED.items():
            moved = clone(mitigation).fit(seen.x, seen.y).transform(unseen.x, unseen.y)
            recalls[key].append(retrieval(*moved, [1])["recall"].to_numpy())
    return {key: np.mean(values, 0) for key, values in recalls.items()}


def test_on_the_authors_clip_pairs_the_mitigation_counts_more_than_the_gap_it_leaves() -> None:
    """R@1 of 250 pairs has a standard deviation of 0.02 over halves: means of 6, of 0.008."""
    recalls = held_out_recalls("clip-coco", splits=6)
    np.testing.assert_allclose(recalls["none"], (0.64, 0.60), atol=0.02)
    np.testing.assert_allclose(recalls["translation"], (0.43, 0.45), atol=0.02)
    np.testing.assert_allclose(recalls["centering"], (0.62, 0.59), atol=0.02)
    np.testing.assert_array_less(recalls["none"] + 0.01, recalls["nnn"])
    np.testing.assert_array_less(recalls["procrustes"], recalls["translation"] - 0.1)


def test_on_glyphclip_the_order_is_the_same_but_procrustes_does_not_overfit() -> None:
    """Its 536 pairs fix 64 dimensions."""
    recalls = {key: value.mean() for key, value in held_out_recalls("glyphclip", 3).items()}
    assert recalls["translation"] < recalls["none"] - 0.02
    assert abs(recalls["centering"] - recalls["none"]) < 0.015
    assert recalls["nnn"] > recalls["none"]
    assert abs(recalls["procrustes"] - recalls["translation"]) < 0.03
