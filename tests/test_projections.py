"""Views in two dimensions, against what each promises and against scikit-learn."""

import numpy as np
import pytest
from sklearn.decomposition import PCA, TruncatedSVD

from gapbook.geometry import modality_gap
from gapbook.projections import project


def two_cones(n: int = 60, d: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw unit rows around two directions, with a different variance in every dimension."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(0.1, 1, d)
    x = rng.normal(size=(n, d)) * spread + 2 * np.eye(d)[0]
    y = rng.normal(size=(n, d)) * spread + 2 * np.eye(d)[1]
    return tuple(rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))


def test_along_the_gap_the_means_lie_a_gap_apart_around_zero() -> None:
    x, y = two_cones()
    a, b = project(x, y)
    assert a.shape == b.shape == (60, 2)
    assert a[:, 0].mean() - b[:, 0].mean() == pytest.approx(modality_gap(x, y))
    assert a[:, 0].mean() + b[:, 0].mean() == pytest.approx(0, abs=1e-12)


def test_across_the_gap_the_means_coincide() -> None:
    a, b = project(*two_cones())
    assert a[:, 1].mean() == pytest.approx(b[:, 1].mean(), abs=1e-8)
    assert a[:, 1].std() > 0.1


@pytest.mark.parametrize(
    ("method", "reference"),
    [("pca", PCA(2)), ("svd", TruncatedSVD(2, algorithm="arpack", random_state=0))],
)
def test_components_are_those_of_scikit_learn(method, reference) -> None:
    x, y = two_cones()
    expected = reference.fit_transform(np.concatenate([x, y]))
    np.testing.assert_allclose(
        np.abs(np.concatenate(project(x, y, method))), np.abs(expected), atol=1e-10
    )


@pytest.mark.parametrize("method", ["gap", "pca", "svd"])
def test_the_order_of_rows_does_not_turn_the_view(method) -> None:
    x, y = two_cones()
    a, b = project(x, y, method)
    reversed_a, reversed_b = project(x[::-1], y[::-1], method)
    np.testing.assert_allclose(reversed_a[::-1], a, atol=1e-10)
    np.testing.assert_allclose(reversed_b[::-1], b, atol=1e-10)


@pytest.mark.parametrize("method", ["gap", "pca", "svd"])
def test_rows_of_very_many_dimensions_have_the_same_view(method) -> None:
    x, y = two_cones()
    padded = [np.pad(rows, ((0, 0), (3000, 17_000))) for rows in (x, y)]
    np.testing.assert_allclose(project(*padded, method), project(x, y, method), atol=1e-8)
    same = padded[0][[0, 0]]
    assert np.isfinite(project(same, same, method)).all()


def test_rows_without_variance_across_the_gap_stay_on_the_axis() -> None:
    x = np.eye(3)[[0, 0]]
    y = np.eye(3)[[1, 1]]
    a, b = project(x, y)
    np.testing.assert_allclose(np.concatenate([a, b])[:, 1], 0, atol=1e-12)


def test_equal_means_give_finite_places() -> None:
    x = np.eye(4)
    a, b = project(x, x)
    assert np.isfinite(a).all()
    np.testing.assert_array_equal(a, b)


def test_neither_input_is_changed() -> None:
    x, y = two_cones()
    kept = x.copy(), y.copy()
    for method in ("gap", "pca", "svd"):
        project(x, y, method)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])


def test_another_method_is_named() -> None:
    with pytest.raises(ValueError, match='"gap", "pca", "svd", "umap"; got \'tsne\''):
        project(*two_cones(), "tsne")
