"""Close the modality gap after training: transformers that learn from some pairs and move others.

Each transformer has ``fit(x, y)`` for pairs (n, d) and ``transform(x, y)``, which returns new unit
rows of both sides as float32 NumPy arrays. Their numbers of rows may differ there, as for images
and class prompts. ``transform_x`` and ``transform_y`` move one side alone, from one query on.
Parameters, ``clone``, ``set_params`` and the error before fit are scikit-learn's. The names of
learned attributes end in an underscore. ``transform`` uses only what ``fit`` learned, so that rows
from another distribution may not end up centered, aligned and so on.
"""

import hashlib
from typing import Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from gapbook.checks.arrays import as_numpy
from gapbook.checks.memory import require_memory
from gapbook.checks.parameters import require_integer, require_number
from gapbook.exceptions import PairsError
from gapbook.geometry.rotations import turn_onto
from gapbook.geometry.sums import is_over_pairs
from gapbook.mitigation.rows import MIN_LENGTH, is_one_vector, move_rows, move_unit_rows
from gapbook.mitigation.saved import Savable
from gapbook.pairs import unit_pair

ROWS_PER_BLOCK = 512  # candidates that are compared with all references at once
ROWS_IN_FINGERPRINT = 256  # of each side, spread evenly


class Mitigation(Savable, BaseEstimator):
    """The base class of all mitigations: it checks the input and returns rows of unit length.

    Subclasses fill in ``_learn``, ``_move_x`` and ``_move_y``. ``NotFittedError`` is raised by
    ``transform`` before ``fit``.
    """

    def fit(self, x: ArrayLike, y: ArrayLike) -> Self:
        """Learn from pairs.

        Parameters
        ----------
        x, y : array_like or tensor of shape (n, d)
            Embeddings of n pairs: row i of x belongs to row i of y.

        Returns
        -------
        Mitigation
            The transformer itself. ``n_features_in_`` is d, ``n_pairs_`` is n, and
            ``fingerprint_`` the ``fingerprint`` of the pairs.

        Raises
        ------
        PairsError
            For bad input or bad parameters of the transformer.
        """
        a, b = (as_numpy(rows) for rows in unit_pair(x, y))
        self._fit_unit_rows(a, b)
        self.fingerprint_ = fingerprint(a, b)
        return self

    def _fit_unit_rows(self, x: np.ndarray, y: np.ndarray) -> None:
        """Learn from pairs of unit rows, float32, that were checked before; no fingerprint."""
        self._learn(x, y)
        self.n_features_in_ = x.shape[1]
        self.n_pairs_ = len(x)

    def _transform_unit_rows(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what ``transform`` does, for unit rows, float32, that were checked before."""
        owner = type(self).__name__
        moved_x, _ = move_unit_rows(x, "x", self._move_x, skip=False, owner=owner)
        moved_y, _ = move_unit_rows(y, "y", self._move_y, skip=False, owner=owner)
        return moved_x, moved_y

    def transform(self, x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Move rows of both sides by what ``fit`` learned.

        Parameters
        ----------
        x : array_like or tensor of shape (n, d)
            Embeddings of the first side.
        y : array_like or tensor of shape (m, d)
            Embeddings of the second side.

        Returns
        -------
        tuple of ndarray
            The new unit rows of both sides, float32: what ``transform_x`` and ``transform_y``
            return.

        Raises
        ------
        PairsError
            For bad input, for another number of dimensions than in ``fit``, and for a row of which
            nothing is left.
        """
        return self.transform_x(x), self.transform_y(y)

    @overload
    def transform_x(self, rows: ArrayLike, skip: Literal[False] = False) -> np.ndarray: ...

    @overload
    def transform_x(
        self, rows: ArrayLike, skip: Literal[True]
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def transform_x(
        self, rows: ArrayLike, skip: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Move rows of the first side by what ``fit`` learned, from one row on.

        Parameters
        ----------
        rows : array_like or tensor of shape (n, d) or (d,)
            Embeddings of the first side, or one of them, such as a query.
        skip : bool
            Whether to skip rows that have no direction, before or after the move, rather than to
            raise ``PairsError``.

        Returns
        -------
        ndarray, or tuple of two ndarrays
            The new unit rows, float32, of the same number of axes as ``rows``. With ``skip``, row i
            of the result still belongs to row i of ``rows``: skipped rows are zeros, and a mask
            (n,) says which rows were moved.

        Raises
        ------
        PairsError
            For bad input, for another number of dimensions than in ``fit``, and, without ``skip``,
            for rows that have no direction. The message names them.

        Examples
        --------
        >>> fitted = Center().fit([[1, 0], [0.6, 0.8]], [[0, 1], [-0.6, 0.8]])
        >>> fitted.transform_x([1, 0]).round(3)
        array([ 0.447, -0.894], dtype=float32)
        >>> moved, kept = fitted.transform_x([[1, 0], [0, 0]], skip=True)
        >>> moved[1].tolist(), kept.tolist()
        ([0.0, 0.0], [True, False])
        """
        return self._transform_side(rows, "x", skip)

    @overload
    def transform_y(self, rows: ArrayLike, skip: Literal[False] = False) -> np.ndarray: ...

    @overload
    def transform_y(
        self, rows: ArrayLike, skip: Literal[True]
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def transform_y(
        self, rows: ArrayLike, skip: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Move rows of the second side by what ``fit`` learned, from one row on.

        Parameters
        ----------
        rows : array_like or tensor of shape (n, d) or (d,)
            Embeddings of the second side, or one of them, such as a query.
        skip : bool
            As in ``transform_x``.

        Returns
        -------
        ndarray, or tuple of two ndarrays
            As in ``transform_x``.

        Raises
        ------
        PairsError
            As in ``transform_x``.

        Examples
        --------
        >>> fitted = Center().fit([[1, 0], [0.6, 0.8]], [[0, 1], [-0.6, 0.8]])
        >>> fitted.transform_y([0, 1]).round(3)
        array([0.949, 0.316], dtype=float32)
        """
        return self._transform_side(rows, "y", skip)

    def fit_transform(self, x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Fit and transform the same pairs: to look at them, not to judge the transformer.

        Parameters
        ----------
        x, y : array_like or tensor of shape (n, d)
            As in ``fit``.

        Returns
        -------
        tuple of ndarray
            As in ``transform``.
        """
        return self.fit(x, y).transform(x, y)

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        raise NotImplementedError

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _move_y(self, rows: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _transform_side(
        self, rows: ArrayLike, side: Literal["x", "y"], skip: bool
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self, "n_features_in_")
        result, kept = move_rows(
            rows,
            side,
            self.n_features_in_,
            self._move_x if side == "x" else self._move_y,
            skip=skip,
            owner=type(self).__name__,
        )
        if is_one_vector(rows):
            result = result[0]
        return (result, kept) if skip else result


def fingerprint(x: np.ndarray, y: np.ndarray) -> str:
    """Return what tells pairs from other pairs: a digest of their shape and of some rows.

    Parameters
    ----------
    x, y : numpy.ndarray of shape (n, d)
        Unit rows, float32.

    Returns
    -------
    str
        Sixteen hexadecimal digits. At most 256 rows of each side count, spread evenly, so that it
        takes no time worth speaking of.

    Examples
    --------
    >>> rows = np.eye(2, dtype=np.float32)
    >>> fingerprint(rows, rows) == fingerprint(rows, rows), fingerprint(rows, rows[::-1])
    (True, '...')
    """
    n, d = x.shape
    places = np.unique(np.linspace(0, n - 1, ROWS_IN_FINGERPRINT).astype(int))
    digest = hashlib.sha256(f"{n} {d}".encode())
    for rows in (x, y):
        there = places[places < len(rows)]
        digest.update(np.ascontiguousarray(rows[there], np.float32).tobytes())
    return digest.hexdigest()[:16]


def _mean_row(rows: np.ndarray) -> np.ndarray:
    """Return the mean of the rows, (d,) in float64."""
    return rows.mean(axis=0, dtype=np.float64)


def _float32(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32)


def _unit_vector(vector: np.ndarray) -> np.ndarray:
    """Return a vector at unit length, or zeros where its length is rounding."""
    length = np.linalg.norm(vector)
    if length > MIN_LENGTH:
        return vector / length
    return np.zeros_like(vector)


class Center(Mitigation):
    """Subtract from each modality its own mean: x' = N(x - a mean_x), y' = N(y - a mean_y).

    N brings rows to unit length, and a is ``amount``.

    Parameters
    ----------
    amount : float
        The part of the mean that is subtracted: 0 changes nothing, 1 takes the whole mean away.

    Notes
    -----
    With amount 1, on the pairs that it was fitted to, both means are exactly 0 before N and close
    to 0 after it. So the gap closes up to what N changes. Centering also removes what the
    modalities share, and with it the cones. The dot product before N ranks candidates as
    ``NearestNeighborNormalization`` does with all references as neighbors and alpha 1. The result
    follows a joint rotation of both modalities.

    References
    ----------
    Zhang et al. 2024 (C3), who call it "collapse".

    Examples
    --------
    >>> x, y = Center().fit_transform([[1, 0], [0.6, 0.8]], [[0, 1], [-0.6, 0.8]])
    >>> x[0].round(3), y[0].round(3)
    (array([ 0.447, -0.894], dtype=float32), array([0.949, 0.316], dtype=float32))
    """

    def __init__(self, amount: float = 1.0) -> None:
        self.amount = amount

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        require_number("amount", self.amount)
        self.mean_x_ = _mean_row(x)
        self.mean_y_ = _mean_row(y)

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        return rows - _float32(self.amount * self.mean_x_)

    def _move_y(self, rows: np.ndarray) -> np.ndarray:
        return rows - _float32(self.amount * self.mean_y_)


class Standardize(Center):
    """Center each modality and divide each of its dimensions by its own standard deviation.

    Notes
    -----
    The standard deviation is that of the population. A dimension that does not vary, to rounding,
    is only centered. The result depends on the axes: a joint rotation changes it.

    Examples
    --------
    >>> x, y = Standardize().fit_transform([[1, 0], [0.6, 0.8]], [[0, 1], [-0.6, 0.8]])
    >>> x[0].round(3), y[0].round(3)
    (array([ 0.707, -0.707], dtype=float32), array([0.707, 0.707], dtype=float32))
    """

    def __init__(self) -> None:
        super().__init__()

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        super()._learn(x, y)
        self.scale_x_ = self._scale(x, self.mean_x_)
        self.scale_y_ = self._scale(y, self.mean_y_)

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        return super()._move_x(rows) / _float32(self.scale_x_)

    def _move_y(self, rows: np.ndarray) -> np.ndarray:
        return super()._move_y(rows) / _float32(self.scale_y_)

    @staticmethod
    def _scale(rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return the standard deviation of each dimension, 1 where it is rounding."""
        centered = rows.astype(np.float64) - mean
        scale = np.sqrt(np.square(centered).mean(axis=0))
        scale[scale < MIN_LENGTH] = 1
        return scale


class ShiftAlongGap(Mitigation):
    """Translate both modalities toward each other: x' = N(x - amount g), y' = N(y + amount g).

    N brings rows to unit length, and g is the unit gap vector.

    Parameters
    ----------
    amount : float, optional
        How far each side moves. By default, it is half the gap's length, so that the means meet
        before N. A negative amount widens the gap, and 0 changes nothing.

    Notes
    -----
    Where there is no gap, no amount changes anything. What the modalities share stays. The result
    follows a joint rotation of both modalities.

    References
    ----------
    Liang et al. 2022, section 4.2, whose lambda is ``amount / ||gap||``.

    Examples
    --------
    >>> x, y = [[0.8, 0.6], [0.8, -0.6]], [[-0.8, 0.6], [-0.8, -0.6]]
    >>> x, y = ShiftAlongGap(0.2).fit_transform(x, y)
    >>> x[0].round(3), y[0].round(3)
    (array([0.707, 0.707], dtype=float32), array([-0.707,  0.707], dtype=float32))
    """

    def __init__(self, amount: float | None = None) -> None:
        self.amount = amount

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        if self.amount is not None:
            require_number("amount", self.amount)
        gap = _mean_row(x) - _mean_row(y)
        half_gap = float(np.linalg.norm(gap)) / 2
        self.along_ = _unit_vector(gap)
        self.amount_ = half_gap if self.amount is None else float(self.amount)

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        return rows - _float32(self.amount_ * self.along_)

    def _move_y(self, rows: np.ndarray) -> np.ndarray:
        return rows + _float32(self.amount_ * self.along_)


class RotateTogether(Mitigation):
    """Turn each modality by half the angle between the two centers, so that they point alike.

    Notes
    -----
    The turns are two rotations in the plane of the centers: nothing within a modality changes, not
    even its cosines. What is left of the gap is the difference of the centers' lengths. The result
    follows a joint rotation of both modalities. ``fit`` raises ``PairsError`` where a center is 0
    or the two are antipodal.

    Examples
    --------
    >>> x, y = RotateTogether().fit_transform([[1, 0], [0.8, 0.6]], [[0, 1], [-0.6, 0.8]])
    >>> x.round(3).tolist() == y.round(3).tolist()
    True
    """

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        self.center_x_ = _unit_vector(_mean_row(x))
        self.center_y_ = _unit_vector(_mean_row(y))
        self.middle_ = _unit_vector(self.center_x_ + self.center_y_)
        if not (self.center_x_.any() and self.center_y_.any() and self.middle_.any()):
            raise PairsError(
                "Expected centers that are neither at the origin nor antipodal; "
                "no one rotation joins them"
            )

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        return turn_onto(rows, self.center_x_, self.middle_)

    def _move_y(self, rows: np.ndarray) -> np.ndarray:
        return turn_onto(rows, self.center_y_, self.middle_)


class ProcrustesAlign(Mitigation):
    """Rotate y onto x, with reflections allowed: y' = y W; x stays.

    W is the orthogonal matrix with the least sum of ``||x_i - y_i W||^2``.

    Parameters
    ----------
    ridge : float
        W is the orthogonal part of y^T x + ridge I, as if ``ridge`` more pairs held each axis where
        it is. A ridge like the number of pairs keeps W near the identity.

    Notes
    -----
    With fewer pairs than dimensions, y^T x alone leaves W open wherever no pair looks. The default
    ridge is just enough to choose there what turns least. The d (d - 1) / 2 free angles overfit, so
    that n should be many times d. Cosines within a modality stay. The result follows a joint
    rotation of both modalities.

    The matrix W is ``rotation_``. With far fewer pairs than dimensions it is kept as a rotation of
    the few directions that pairs span (``turn_``, in the coordinates of the rows of ``basis_``),
    since W leaves all others as they are; where there are enough pairs, ``basis_`` is None.

    References
    ----------
    Schönemann 1966; Liang et al. 2022, section 4.4, at the start of training.

    Examples
    --------
    >>> x, y = ProcrustesAlign().fit_transform([[1, 0], [0, 1]], [[0, 1], [-1, 0]])
    >>> bool(np.allclose(x, y, atol=1e-5))
    True
    """

    def __init__(self, ridge: float = 1e-6) -> None:
        self.ridge = ridge

    @property
    def rotation_(self) -> np.ndarray:
        """The matrix W (d, d), float64."""
        if self.basis_ is None:
            return self.turn_
        d = self.basis_.shape[1]
        require_memory(2 * 8 * d**2, f"a rotation in {d:,} dimensions")
        change = self.turn_ - np.eye(len(self.turn_))
        return np.eye(d) + self.basis_.T @ change @ self.basis_

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        from scipy.linalg import polar

        require_number("ridge", self.ridge, low=0)
        n, d = x.shape
        a = x.astype(np.float64)
        b = y.astype(np.float64)
        self.basis_: np.ndarray | None = None
        if is_over_pairs(2 * n, d):
            # W turns nothing that is orthogonal to all rows.
            basis, coordinates = np.linalg.qr(np.concatenate([a, b]).T)
            a = coordinates[:, :n].T
            b = coordinates[:, n:].T
            self.basis_ = np.ascontiguousarray(basis.T)
        product = b.T @ a
        self.turn_: np.ndarray = polar(product + self.ridge * np.eye(len(product)))[0]

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def _move_y(self, rows: np.ndarray) -> np.ndarray:
        if self.basis_ is None:
            return rows @ _float32(self.turn_)
        basis = _float32(self.basis_)
        change = _float32(self.turn_ - np.eye(len(self.turn_)))
        return rows + rows @ basis.T @ change @ basis


class ProjectOut(Mitigation):
    """Remove the k dimensions that carry most of the gap from both modalities.

    The rows are then brought back to unit length and keep d dimensions.

    Parameters
    ----------
    k : int
        The number of dimensions to remove, from 1 to d - 1.
    by : {"coordinate", "gap"}
        "coordinate" removes the k coordinates with the largest squared difference of means, for
        models that put the gap on few of them. "gap" removes the gap vector, whatever the axes.
        Bringing rows to unit length makes a new gap; the next vector is the one of that, orthogonal
        to the earlier ones. One vector takes away the whole gap before rows are brought to unit
        length.

    Notes
    -----
    The rows of the learned ``removed_`` (k, d) are orthonormal. Doing it twice changes nothing
    more. Only "gap" follows a joint rotation of both modalities. Where no gap is left, nothing is
    removed, and the rest of ``removed_`` has rows of zeros.

    References
    ----------
    Schrodi et al. 2025 for "coordinate".

    Examples
    --------
    >>> x, y = [[3, 4, 0], [3, 0, 4]], [[-3, 4, 0], [-3, 0, 4]]
    >>> x, y = ProjectOut(1).fit_transform(x, y)
    >>> x.tolist() == y.tolist() == [[0, 1, 0], [0, 0, 1]]
    True
    """

    def __init__(self, k: int = 2, by: Literal["coordinate", "gap"] = "coordinate") -> None:
        self.k = k
        self.by = by

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        d = x.shape[1]
        require_integer("k", self.k, low=1, high=d - 1)
        if self.by not in ("coordinate", "gap"):
            raise PairsError(f"Expected by as 'coordinate' or 'gap'; got {self.by!r}")
        if self.by == "coordinate":
            order = np.argsort(-np.abs(_mean_row(x) - _mean_row(y)), kind="stable")
            self.removed_ = np.eye(d)[order[: self.k]]
            return
        self.removed_ = np.zeros((self.k, d))
        for i in range(self.k):
            mean_x = _mean_row(_normalized(self._move_x(x)))
            mean_y = _mean_row(_normalized(self._move_y(y)))
            gap = _unit_vector(mean_x - mean_y)
            # float32 rows leave a trace of the earlier vectors
            trace = gap @ self.removed_.T @ self.removed_
            self.removed_[i] = _unit_vector(gap - trace)

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        removed = _float32(self.removed_)
        return rows - (rows @ removed.T) @ removed

    def _move_y(self, rows: np.ndarray) -> np.ndarray:
        return self._move_x(rows)


class Noise(Mitigation):
    """Add Gaussian noise to y alone: y' = N(y + e), with the entries of e from N(0, scale^2 / d).

    Parameters
    ----------
    scale : float
        The length of the noise; that of a row is 1.
    seed : int
        The seed of the noise. The same seed gives row i the same noise each time.

    Notes
    -----
    The cosine of y and y' is about 1 / sqrt(1 + scale^2). The noise is meant for a decoder that
    learns on noisy texts and then reads images: it covers the gap and does not align pairs. ``fit``
    learns d alone.

    References
    ----------
    Nukrai et al. 2022 (CapDec), whose variance of an entry is scale^2 / d: 0.016, which is scale
    3.2 in 640 dimensions.

    Examples
    --------
    >>> x, y = Noise(0.5).fit_transform(np.eye(50), np.eye(50))
    >>> round(float(np.trace(x @ y.T)) / 50, 2), round(1 / 1.25**0.5, 2)
    (0.89, 0.89)
    """

    def __init__(self, scale: float = 1.0, seed: int = 0) -> None:
        self.scale = scale
        self.seed = seed

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        require_number("scale", self.scale, low=0)
        require_integer("seed", self.seed, low=0)

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def _move_y(self, rows: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        noise = rng.standard_normal(rows.shape, np.float32)
        return rows + noise * np.float32(self.scale / rows.shape[1] ** 0.5)


class DotProducts(Mitigation):
    """Move rows as another mitigation does, and score by their dot products: no unit length.

    Parameters
    ----------
    mitigation : Mitigation
        What moves the rows: ``ShiftAlongGap()`` or ``Center()``, say.

    Notes
    -----
    This tells apart what a move does and what bringing rows back to unit length does.
    ``transform`` divides all moved rows by one length, twice that of the longest in ``fit``, and
    appends two dimensions, x' = (x, sqrt(1 - ||x||^2), 0) and y' = (y, 0, sqrt(1 - ||y||^2)). The
    cosine of x' and y' is the dot product of the moved rows, up to one factor for all, so that any
    search by cosine across the modalities gives their order. The first d dimensions are the moved
    rows. A row that is longer than that one length is refused.

    Examples
    --------
    >>> x, y = [[1, 0], [0.6, 0.8]], [[0, 1], [-0.6, 0.8]]
    >>> a, b = DotProducts(Center()).fit_transform(x, y)
    >>> (a @ b.T).round(3)  # 0.02 and -0.02, over four times the longest squared length, 0.2
    array([[ 0.025, -0.025],
           [-0.025,  0.025]], dtype=float32)
    """

    def __init__(self, mitigation: Mitigation) -> None:
        self.mitigation = mitigation

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        if not isinstance(self.mitigation, Mitigation):
            raise PairsError(f"Expected a mitigation that moves rows; got {self.mitigation!r}")
        self.fitted_ = clone(self.mitigation).fit(x, y)
        moved = (self.fitted_._move_x(x), self.fitted_._move_y(y))
        longest = max(float(np.linalg.norm(rows, axis=1).max()) for rows in moved)
        self.length_ = 2 * longest
        if self.length_ < MIN_LENGTH:
            raise PairsError("DotProducts leaves nothing of any row; all rows of a side are equal")

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        moved, rest = self._at_one_length(self.fitted_._move_x(rows), "x")
        return np.column_stack([moved, rest, np.zeros_like(rest)])

    def _move_y(self, rows: np.ndarray) -> np.ndarray:
        moved, rest = self._at_one_length(self.fitted_._move_y(rows), "y")
        return np.column_stack([moved, np.zeros_like(rest), rest])

    def _at_one_length(self, moved: np.ndarray, side: str) -> tuple[np.ndarray, np.ndarray]:
        """Return moved rows over the one length, and what each lacks to unit length."""
        rows = moved / np.float32(self.length_)
        lengths = np.linalg.norm(rows, axis=1)
        if (lengths > 1).any():
            raise PairsError(
                f"Expected rows like those of fit; row {int(lengths.argmax())} of {side} is "
                f"more than twice as long, once it is moved"
            )
        return rows, _rest(lengths)


class NearestNeighborNormalization(Mitigation):
    """Correct the scores of candidates that are near to everything: s_ij - alpha b(candidate).

    Here s_ij = x_i . y_j, and the bias b of a candidate is its mean cosine with its k nearest
    queries among the pairs of ``fit``, which are the rows of the other side there.

    Parameters
    ----------
    k : int
        The number of nearest queries, at most the number of pairs in ``fit``.
    alpha : float
        The weight of the bias. With 0 no score changes.

    Notes
    -----
    This is a correction of scores, not a move. For x_i as query b(y_j) counts, for y_j as query
    b(x_i). A query's own b orders nothing, so that one number serves both. ``transform`` appends
    four dimensions: x' = (x, -r b_x, r, r sqrt(1 - b_x^2), 0) and y' = (y, r, -r b_y, 0, r sqrt(1 -
    b_y^2)), with r^2 = alpha, all over sqrt(1 + 2 alpha). Their cosine is (s_ij - alpha b_x - alpha
    b_y) / (1 + 2 alpha), so that any search by cosine across the modalities gives the method's
    exact order. The first d dimensions are the embeddings, unmoved; the gap, clusters and cosines
    within a modality should be computed on those. A joint rotation of both modalities changes no
    score.

    References
    ----------
    Chowdhury et al. 2024, whose defaults are alpha 0.75 and k 128, for larger sets of references
    than here.

    Examples
    --------
    >>> x, y = [[1, 0], [0.8, 0.6]], [[0.8, 0.6], [0, 1]]  # text 0 is nearest to both images
    >>> a, b = NearestNeighborNormalization(k=1, alpha=0.75).fit_transform(x, y)
    >>> (a @ b.T * 2.5).round(2)  # the first: 0.8 - 0.75 * 0.8 - 0.75 * 1
    array([[-0.55, -1.05],
           [-0.5 , -0.6 ]], dtype=float32)
    """

    def __init__(self, k: int = 16, alpha: float = 0.75) -> None:
        self.k = k
        self.alpha = alpha

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        require_integer("k", self.k, low=1, high=len(x))
        require_number("alpha", self.alpha, low=0)
        self.reference_x_ = x
        self.reference_y_ = y

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        bias = self._bias(rows, self.reference_y_)
        # Each side's bias meets the other side's ones, and its rest meets zeros.
        return self._appended(rows, [-bias, np.ones_like(bias), _rest(bias), np.zeros_like(bias)])

    def _move_y(self, rows: np.ndarray) -> np.ndarray:
        bias = self._bias(rows, self.reference_x_)
        return self._appended(rows, [np.ones_like(bias), -bias, np.zeros_like(bias), _rest(bias)])

    def _appended(self, rows: np.ndarray, more: list[np.ndarray]) -> np.ndarray:
        return np.column_stack([rows, np.float32(self.alpha**0.5) * np.column_stack(more)])

    def _bias(self, candidates: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the mean cosine of each candidate with its k nearest references."""
        biases = np.empty(len(candidates), np.float32)
        for start in range(0, len(candidates), ROWS_PER_BLOCK):
            block = slice(start, start + ROWS_PER_BLOCK)
            cosines = candidates[block] @ references.T
            nearest = np.partition(cosines, -self.k, axis=1)[:, -self.k :]
            biases[block] = nearest.mean(axis=1)
        return biases


def _normalized(rows: np.ndarray) -> np.ndarray:
    """Return rows at unit length, in their type; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, np.float32(1e-12))


def _rest(bias: np.ndarray) -> np.ndarray:
    """Return sqrt(1 - bias^2), which brings all rows to one length."""
    return np.sqrt(np.maximum(1 - bias**2, 0))
