"""Close the modality gap after training: transformers that learn on some pairs and move others.

Each has ``fit(x, y)`` on pairs (n, d) and ``transform(x, y)``, which returns new unit rows of both sides, float32
NumPy arrays; row counts may differ there, as of images and class prompts. Parameters, ``clone``, ``set_params`` and
what happens before fit are scikit-learn's. What was learned ends in an underscore. Nothing of the rows that are
transformed enters: what a transformer promises for the pairs it learned on, others get only as far as they are alike.
"""

from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from gapbook.exceptions import PairsError
from gapbook.pairs import unit_pair, unit_rows

SHORT = 1e-6  # a length that is rounding: float32 rows have no direction below it
BLOCK = 512  # rows compared with all references at once

Rows = tuple[torch.Tensor, torch.Tensor]


class Mitigation(BaseEstimator):
    """What all transformers of this module share: the input gate, the check against fit, rows of unit length.

    ``PairsError`` for bad input or parameters, other dimensions than in fit, or a row of which nothing is left;
    ``NotFittedError`` before fit. Subclasses fill in ``_learn`` and ``_move``.
    """

    def fit(self, x: Any, y: Any) -> Self:
        """Learn from pairs, row i of x with row i of y, ``(n, d)`` each; return the transformer itself."""
        a, b = unit_pair(x, y)
        self._learn(a, b)
        self.n_features_in_ = a.shape[1]
        return self

    def transform(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Move rows of both sides by what fit learned; return new unit rows, float32."""
        check_is_fitted(self, "n_features_in_")
        a, b = unit_rows(x, "x"), unit_rows(y, "y")
        for name, rows in (("x", a), ("y", b)):
            if rows.shape[1] != self.n_features_in_:
                raise PairsError(
                    f"Expected {name} of {self.n_features_in_} dimensions, as in fit; got {rows.shape[1]}"
                )
        moved = self._move(a, b.to(a.device))
        first, second = (self._unit(rows, name) for rows, name in zip(moved, "xy", strict=True))
        return first, second

    def fit_transform(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Fit and transform the same pairs: for looking at them, not for judging the transformer."""
        return self.fit(x, y).transform(x, y)

    def _learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        raise NotImplementedError

    def _move(self, x: torch.Tensor, y: torch.Tensor) -> Rows:
        raise NotImplementedError

    def _unit(self, rows: torch.Tensor, name: str) -> np.ndarray:
        short = (torch.linalg.vector_norm(rows, dim=1) < SHORT).nonzero()[:, 0].tolist()
        if short:
            raise PairsError(
                f"{type(self).__name__} leaves nothing of row {short[0]} of {name}; drop this row"
            )
        return unit_rows(rows, name).cpu().numpy()


def _center(rows: torch.Tensor) -> np.ndarray:
    return rows.mean(0, dtype=torch.float64).cpu().numpy()


def _like(array: np.ndarray, rows: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=rows.device)


def _direction(vector: np.ndarray) -> np.ndarray:
    """Return a vector at unit length, or zeros where its length is rounding."""
    length = np.linalg.norm(vector)
    return vector / length if length > SHORT else np.zeros_like(vector)


def _number(
    name: str, value: Any, low: float = -np.inf, whole: bool = False, high: float = np.inf
) -> None:
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if (
        isinstance(value, bool)
        or not isinstance(value, kinds)
        or not (np.isfinite(value) and low <= value <= high)
    ):
        limits = f" from {low:g}" * (low > -np.inf) + f" to {high:g}" * (high < np.inf)
        raise PairsError(
            f"Expected {name} as {'an integer' if whole else 'a finite number'}{limits}; got {value!r}"
        )


class Center(Mitigation):
    """Subtract from each modality its own mean: x' = N(x - mean_x), y' = N(y - mean_y), N to unit length.

    The means of the pairs it learned on become 0 before N, and near 0 after it: the gap closes but for what N bends.
    Takes away what the modalities share as well, so the cones go, and the dot product before N ranks candidates as
    `NearestNeighborNormalization` does with all references as neighbors and alpha 1. Follows a joint rotation.
    Source: the "collapse" of Zhang et al. 2024 (C3).

    >>> x, y = Center().fit_transform([[1, 0], [0.6, 0.8]], [[0, 1], [-0.6, 0.8]])
    >>> x[0].round(3), y[0].round(3)
    (array([ 0.447, -0.894], dtype=float32), array([0.949, 0.316], dtype=float32))
    """

    def _learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.mean_x_, self.mean_y_ = _center(x), _center(y)

    def _move(self, x: torch.Tensor, y: torch.Tensor) -> Rows:
        return x - _like(self.mean_x_, x), y - _like(self.mean_y_, y)


class Standardize(Center):
    """Center each modality and divide each of its dimensions by its own standard deviation (population).

    A dimension that did not vary, to rounding, is only centered. Depends on the axes: a joint rotation changes it.

    >>> x, y = Standardize().fit_transform([[1, 0], [0.6, 0.8]], [[0, 1], [-0.6, 0.8]])
    >>> x[0].round(3), y[0].round(3)
    (array([ 0.707, -0.707], dtype=float32), array([0.707, 0.707], dtype=float32))
    """

    def _learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        super()._learn(x, y)
        spread = [
            (rows.double() - torch.from_numpy(_center(rows)).to(rows.device)).square().mean(0)
            for rows in (x, y)
        ]
        self.scale_x_, self.scale_y_ = (np.sqrt(s.cpu().numpy()) for s in spread)
        for scale in (self.scale_x_, self.scale_y_):
            scale[scale < SHORT] = 1

    def _move(self, x: torch.Tensor, y: torch.Tensor) -> Rows:
        a, b = super()._move(x, y)
        return a / _like(self.scale_x_, x), b / _like(self.scale_y_, y)


class ShiftAlongGap(Mitigation):
    """Translate both modalities toward each other: x' = N(x - amount g), y' = N(y + amount g), g the unit gap vector.

    ``amount`` None is half the gap's length, so that the means meet before N; negative widens; 0 changes nothing, and
    neither does any amount where there is no gap. Keeps what the modalities share. Follows a joint rotation.
    Source: Liang et al. 2022, section 4.2, whose lambda is amount / ||gap||.

    >>> x, y = ShiftAlongGap(0.2).fit_transform([[0.8, 0.6], [0.8, -0.6]], [[-0.8, 0.6], [-0.8, -0.6]])
    >>> x[0].round(3), y[0].round(3)
    (array([0.707, 0.707], dtype=float32), array([-0.707,  0.707], dtype=float32))
    """

    def __init__(self, amount: float | None = None) -> None:
        self.amount = amount

    def _learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        if self.amount is not None:
            _number("amount", self.amount)
        gap = _center(x) - _center(y)
        self.direction_ = _direction(gap)
        self.amount_ = float(np.linalg.norm(gap)) / 2 if self.amount is None else float(self.amount)

    def _move(self, x: torch.Tensor, y: torch.Tensor) -> Rows:
        move = _like(self.amount_ * self.direction_, x)
        return x - move, y + move


class RotateTogether(Mitigation):
    """Turn each modality, in the plane of the two centers, by half the angle between them, so that they point alike.

    Two rotations: nothing within a modality changes, not even its cosines. What is left of the gap is the difference
    of the centers' lengths. Follows a joint rotation. ``PairsError`` where a center is 0 or they are antipodal.

    >>> x, y = RotateTogether().fit_transform([[1, 0], [0.8, 0.6]], [[0, 1], [-0.6, 0.8]])
    >>> x.round(3).tolist() == y.round(3).tolist()
    True
    """

    def _learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        centers = [_direction(_center(rows)) for rows in (x, y)]
        middle = _direction(centers[0] + centers[1])
        if not all(part.any() for part in (*centers, middle)):
            raise PairsError(
                "Expected centers that are neither at the origin nor antipodal; no one rotation joins them"
            )
        self.center_x_, self.center_y_, self.middle_ = *centers, middle

    def _move(self, x: torch.Tensor, y: torch.Tensor) -> Rows:
        return self._turn(x, self.center_x_), self._turn(y, self.center_y_)

    def _turn(self, rows: torch.Tensor, center: np.ndarray) -> torch.Tensor:
        """Rotate center onto middle: z - (z.s) s / (1 + c.m) + 2 (z.c) m, with s = c + m."""
        both = center + self.middle_
        onto, back = _like(both, rows), _like(both / (1 + center @ self.middle_), rows)
        return (
            rows
            - torch.outer(rows @ onto, back)
            + 2 * torch.outer(rows @ _like(center, rows), _like(self.middle_, rows))
        )


class ProcrustesAlign(Mitigation):
    """Rotate y, reflections allowed, onto x: y' = y W, W orthogonal with the least sum ||x_i - y_i W||^2; x stays.

    W is the orthogonal part of y^T x + ``ridge`` I: as if ``ridge`` more pairs held each axis where it is. With fewer
    pairs than dimensions, y^T x alone leaves W open wherever no pair looks; the default is just enough to choose there
    what turns least. A ridge like the number of pairs keeps W near the identity. d (d - 1) / 2 free angles overfit:
    n should be many times d. Cosines within a modality stay. Follows a joint rotation.
    Source: Schönemann 1966; Liang et al. 2022, section 4.4, at the start of training.

    >>> x, y = ProcrustesAlign().fit_transform([[1, 0], [0, 1]], [[0, 1], [-1, 0]])
    >>> bool(np.allclose(x, y, atol=1e-5))
    True
    """

    def __init__(self, ridge: float = 1e-6) -> None:
        self.ridge = ridge

    def _learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        from scipy.linalg import polar

        _number("ridge", self.ridge, low=0)
        product = (y.double().T @ x.double()).cpu().numpy()
        self.rotation_ = polar(product + self.ridge * np.eye(len(product)))[0]

    def _move(self, x: torch.Tensor, y: torch.Tensor) -> Rows:
        return x, y @ _like(self.rotation_, y)


class ProjectOut(Mitigation):
    """Remove the k directions that carry most of the gap from both modalities, and bring rows back to unit length.

    ``by`` "coordinate": the k dimensions with the largest squared difference of means, as in Schrodi et al. 2025, for
    models that put the gap on few of them. "direction": the gap's own direction, whatever the axes; N makes a new gap,
    and the next direction is the one of that, orthogonal to those before. One direction takes the whole gap before N.
    Rows keep d dimensions; ``directions_`` (k, d) are orthonormal. Doing it twice changes nothing more. Only
    "direction" follows a joint rotation. Where no gap is left, nothing is removed (rows of zeros in ``directions_``).

    >>> x, y = ProjectOut(1).fit_transform([[3, 4, 0], [3, 0, 4]], [[-3, 4, 0], [-3, 0, 4]])
    >>> x.tolist() == y.tolist() == [[0, 1, 0], [0, 0, 1]]
    True
    """

    def __init__(self, k: int = 2, by: str = "coordinate") -> None:
        self.k = k
        self.by = by

    def _learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        d = x.shape[1]
        _number("k", self.k, low=1, whole=True, high=d - 1)
        if self.by not in ("coordinate", "direction"):
            raise PairsError(f"Expected by as 'coordinate' or 'direction'; got {self.by!r}")
        if self.by == "coordinate":
            order = np.argsort(-np.abs(_center(x) - _center(y)), kind="stable")
            self.directions_ = np.eye(d)[order[: self.k]]
            return
        self.directions_ = np.zeros((self.k, d))
        for i in range(self.k):
            a, b = (torch.nn.functional.normalize(rows) for rows in self._move(x, y))
            found = _direction(_center(a) - _center(b))
            # float32 rows leave a trace of the earlier directions
            self.directions_[i] = _direction(found - found @ self.directions_.T @ self.directions_)

    def _move(self, x: torch.Tensor, y: torch.Tensor) -> Rows:
        along = _like(self.directions_, x)
        return x - (x @ along.T) @ along, y - (y @ along.T) @ along


class Noise(Mitigation):
    """Add Gaussian noise to y alone: y' = N(y + e), entries of e from N(0, scale^2 / d); x stays.

    ``scale`` is the noise's length beside 1, the row's; cos(y, y') is about 1 / sqrt(1 + scale^2). For a decoder that
    learns on noisy texts and then reads images: it covers the gap, and does not align pairs. Fit learns d alone; the
    same ``seed`` gives row i the same noise each time. Source: Nukrai et al. 2022 (CapDec), whose variance of an entry
    is scale^2 / d: 0.016, scale 3.2 in 640 dimensions.

    >>> x, y = Noise(0.5).fit_transform(np.eye(50), np.eye(50))
    >>> round(float(np.trace(x @ y.T)) / 50, 2), round(1 / 1.25**0.5, 2)
    (0.89, 0.89)
    """

    def __init__(self, scale: float = 1.0, seed: int = 0) -> None:
        self.scale = scale
        self.seed = seed

    def _learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        _number("scale", self.scale, low=0)
        _number("seed", self.seed, low=0, whole=True)

    def _move(self, x: torch.Tensor, y: torch.Tensor) -> Rows:
        noise = np.random.default_rng(self.seed).standard_normal(tuple(y.shape), np.float32)
        return x, y + _like(noise, y) * (self.scale / y.shape[1] ** 0.5)


class NearestNeighborNormalization(Mitigation):
    """Correct scores for candidates that are near to everything: s_ij - alpha b(candidate), s_ij = x_i . y_j.

    b of a candidate is the mean cosine with its k nearest queries among the pairs of fit, which are the other side's
    rows there. A correction of scores, not a move: for x_i as query b(y_j) counts, for y_j as query b(x_i), and since a
    query's own b orders nothing, one number serves both. So transform appends four dimensions,
    x' = (x, -r b_x, r, r sqrt(1 - b_x^2), 0), y' = (y, r, -r b_y, 0, r sqrt(1 - b_y^2)), with r^2 = alpha, all over
    sqrt(1 + 2 alpha), whose cosine is (s_ij - alpha b_x - alpha b_y) / (1 + 2 alpha): any search by cosine across the
    modalities gives the method's exact order. The first d dimensions are the embeddings, unmoved; gap, clusters and
    cosines within a modality are to be taken from those. alpha 0 changes no score. Invariant under a joint rotation.
    Source: Chowdhury et al. 2024, whose defaults are alpha 0.75 and k 128, for larger sets of references than here.

    >>> x, y = [[1, 0], [0.8, 0.6]], [[0.8, 0.6], [0, 1]]  # the first text is nearest to both images
    >>> a, b = NearestNeighborNormalization(k=1, alpha=0.75).fit_transform(x, y)
    >>> (a @ b.T * 2.5).round(2)  # the first: 0.8 - 0.75 * 0.8 - 0.75 * 1
    array([[-0.55, -1.05],
           [-0.5 , -0.6 ]], dtype=float32)
    """

    def __init__(self, k: int = 16, alpha: float = 0.75) -> None:
        self.k = k
        self.alpha = alpha

    def _learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        _number("k", self.k, low=1, whole=True, high=len(x))
        _number("alpha", self.alpha, low=0)
        self.reference_x_, self.reference_y_ = x.cpu().numpy(), y.cpu().numpy()

    def _move(self, x: torch.Tensor, y: torch.Tensor) -> Rows:
        bias_x, bias_y = self._bias(x, self.reference_y_), self._bias(y, self.reference_x_)
        one, none, r = (
            torch.ones(1, device=x.device),
            torch.zeros(1, device=x.device),
            self.alpha**0.5,
        )
        moved = []
        for rows, b, order in ((x, bias_x, (0, 1, 2, 3)), (y, bias_y, (1, 0, 3, 2))):
            parts = (-b, one.expand_as(b), (1 - b**2).clamp(min=0).sqrt(), none.expand_as(b))
            moved.append(torch.cat([rows, r * torch.stack([parts[i] for i in order], 1)], 1))
        return moved[0], moved[1]

    def _bias(self, candidates: torch.Tensor, references: np.ndarray) -> torch.Tensor:
        queries = _like(references, candidates).T
        blocks = (candidates[i : i + BLOCK] @ queries for i in range(0, len(candidates), BLOCK))
        return torch.cat([block.topk(self.k, dim=1).values.mean(1) for block in blocks])
