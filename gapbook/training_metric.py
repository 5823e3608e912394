"""The gap and its kin while a model trains: sums over batches, in constant memory, in any order."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.shape import uniformity
from gapbook.geometry.sum_measures import exact_measures
from gapbook.geometry.sums import PairSums, require_room
from gapbook.pairs import unit_pair

# Pairs that uniformity rests on, where there are more: 2 million cosines of a side.
SAMPLE = 2048


class GapMetric:
    """Measure pairs that come batch by batch, as metrics of torchmetrics do.

    What it keeps does not grow with the pairs: sums of rows and of their products, and a sample for
    uniformity. It depends neither on how pairs are split into batches nor on their order, so that
    the metrics of several processes merge to that of all pairs.

    Parameters
    ----------
    products : bool
        Whether to keep sums of products (d, d), for effective ranks, IsoScores and CKA. Each batch
        then takes three multiplications (d, n) by (n, d) in float64, on the device of its rows.
    sample : int
        How many pairs uniformity rests on, at most: those with the smallest hashes of their rows.
        With 0 it is left out.

    Notes
    -----
    All values but uniformity are those of ``gap_report`` on the same rows, to the rounding of
    float64. Uniformity is so up to ``sample`` pairs. Beyond, it is that of a sample: exact values
    compare all rows with all rows, and would need to keep them.

    Examples
    --------
    >>> metric = GapMetric()
    >>> metric.update([[4, 3], [4, -3]], [[-4, 3], [-4, -3]], tau=0.07)
    >>> metric.update([[5, 0]], [[-5, 0]], tau=0.07)
    >>> values = metric.compute()
    >>> round(values["modality_gap"], 4), round(values["cosine_paired"], 4), values["tau"]
    (1.7333, -0.52, 0.07)
    """

    def __init__(self, *, products: bool = True, sample: int = SAMPLE) -> None:
        if isinstance(sample, bool) or not isinstance(sample, int) or sample < 0 or sample == 1:
            raise PairsError(f"Expected sample as 0 or an integer of at least 2; got {sample!r}")
        self.products = products
        self.sample = sample
        self.reset()

    def reset(self) -> None:
        """Forget all pairs."""
        self._sums: PairSums | None = None
        self._kept: _Kept | None = None
        self._tau_total = 0.0
        self._tau_pairs = 0

    @property
    def n(self) -> int:
        """The number of pairs so far."""
        return 0 if self._sums is None else self._sums.n

    def update(self, x: ArrayLike, y: ArrayLike, tau: float | None = None) -> None:
        """Take in a batch of pairs.

        Parameters
        ----------
        x, y : array or tensor (n, d)
            Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
        tau : float, optional
            The temperature at this batch.

        Raises
        ------
        PairsError
            If x and y are not pairs of embeddings, or differ in dimension from earlier batches, or
            tau is not above 0. What was taken in before is unchanged.
        """
        rows_x = _detached(x)
        rows_y = _detached(y)
        if tau is not None and not 0 < tau < float("inf"):
            raise PairsError(f"Expected tau above 0 and finite; got {tau!r}")
        a, b = unit_pair(rows_x, rows_y, at_least=1)
        self._require_dimension(a.shape[1])
        sums = PairSums.of(a, b, diagonals_only=not self.products)
        kept = None
        if self.sample:
            kept = _Kept.of(_as_float32(rows_x), _as_float32(rows_y)).smallest(self.sample)
        self._add(sums, kept)
        if tau is not None:
            self._tau_total += float(tau) * len(a)
            self._tau_pairs += len(a)

    def _require_dimension(self, d: int) -> None:
        if self._sums is None:
            if self.products:
                # Of more pairs than dimensions.
                require_room(d + 1, d)
            return
        known = len(self._sums.x)
        if d != known:
            raise PairsError(f"Expected pairs of {known} dimensions, as before; got {d}")

    def _add(self, sums: PairSums, kept: "_Kept | None") -> None:
        if self._sums is None:
            self._sums = sums
            self._kept = kept
            return
        self._sums = self._sums + _on(sums, self._sums.x.device)
        if kept is not None and self._kept is not None:
            self._kept = self._kept.and_(kept).smallest(self.sample)

    def merge(self, other: "GapMetric") -> None:
        """Take in all pairs of another metric, such as that of another process.

        Parameters
        ----------
        other : GapMetric
            A metric with the same ``products`` and ``sample``. It stays as it is.

        Raises
        ------
        PairsError
            If its settings or its dimension are others.
        """
        if (other.products, other.sample) != (self.products, self.sample):
            raise PairsError(
                f"Expected a metric with products={self.products} and sample={self.sample}; got "
                f"one with products={other.products} and sample={other.sample}"
            )
        if other._sums is not None:
            self._require_dimension(len(other._sums.x))
            self._add(other._sums, other._kept)
        self._tau_total += other._tau_total
        self._tau_pairs += other._tau_pairs

    def compute(self) -> dict[str, float]:
        """Return the measures of all pairs so far.

        Returns
        -------
        dict
            ``n_pairs``, then measures by the names of ``gap_report``: the modality gap, cosines
            within, across and of partners, alignment and more; with ``products`` effective ranks,
            IsoScores and CKA; with ``sample`` ``n_sampled`` and uniformities. And ``tau``, where it
            was stated: the mean over pairs.

        Raises
        ------
        PairsError
            For fewer than 2 pairs.
        """
        if self._sums is None or self._sums.n < 2:
            raise PairsError(f"at least 2 pairs are needed; got {self.n}")
        values: dict[str, float] = {"n_pairs": self._sums.n}
        values |= exact_measures(self._sums)
        if self._kept is not None:
            values["n_sampled"] = len(self._kept.hashes)
            values["uniformity_x"] = uniformity(self._kept.x)
            values["uniformity_y"] = uniformity(self._kept.y)
        if self._tau_pairs:
            values["tau"] = self._tau_total / self._tau_pairs
        return values

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return what the metric keeps, as tensors on the CPU.

        Returns
        -------
        dict of str to torch.Tensor
            What ``load_state_dict`` takes: by a checkpoint, or from another process.
        """
        state = {"tau": torch.tensor([self._tau_total, self._tau_pairs], dtype=torch.float64)}
        if self._sums is not None:
            state["n"] = torch.tensor(self._sums.n)
            for name in ("x", "y", "xx", "yy", "xy"):
                state[name] = getattr(self._sums, name).to("cpu", copy=True)
        if self._kept is not None:
            state["hashes"] = torch.from_numpy(self._kept.hashes.view(np.int64).copy())
            state["sample_x"] = torch.from_numpy(self._kept.x.copy())
            state["sample_y"] = torch.from_numpy(self._kept.y.copy())
        return state

    def load_state_dict(self, state_dict: Mapping[str, torch.Tensor]) -> None:
        """Take over what another metric kept, in the place of all pairs so far.

        Parameters
        ----------
        state_dict : mapping of str to torch.Tensor
            Of ``state_dict``, of a metric with the same settings.
        """
        self.reset()
        total, pairs = state_dict["tau"].tolist()
        self._tau_total = total
        self._tau_pairs = int(pairs)
        if "n" in state_dict:
            names = ("x", "y", "xx", "yy", "xy")
            self._sums = PairSums(
                int(state_dict["n"]), *(state_dict[name].clone() for name in names)
            )
        if "hashes" in state_dict:
            self._kept = _Kept(
                state_dict["hashes"].numpy().view(np.uint64).copy(),
                state_dict["sample_x"].numpy().copy(),
                state_dict["sample_y"].numpy().copy(),
            )

    def gathered(self) -> "GapMetric":
        """Return the metric of the pairs of all processes of ``torch.distributed``.

        Returns
        -------
        GapMetric
            A new metric, the same in each process; this one where there is one process. Every
            process must call it.
        """
        distributed = torch.distributed
        if not (distributed.is_available() and distributed.is_initialized()):
            return self
        states: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(states, self.state_dict())
        total = GapMetric(products=self.products, sample=self.sample)
        for state in states:
            part = GapMetric(products=self.products, sample=self.sample)
            part.load_state_dict(state)
            total.merge(part)
        return total


class _Kept:
    """The pairs with the smallest hashes, in the order of these: hashes (k,) and rows (k, d)."""

    def __init__(self, hashes: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        self.hashes = hashes
        self.x = x
        self.y = y

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> "_Kept":
        """Hash pairs by their rows, which depend on no batch."""
        digests = []
        for a, b in zip(x, y, strict=True):
            digests.append(blake2b(a.tobytes() + b.tobytes(), digest_size=8).digest())
        return cls(np.frombuffer(b"".join(digests), np.uint64), x, y)

    def smallest(self, size: int) -> "_Kept":
        chosen = np.argsort(self.hashes, kind="stable")[:size]
        return _Kept(self.hashes[chosen], self.x[chosen], self.y[chosen])

    def and_(self, other: "_Kept") -> "_Kept":
        return _Kept(
            np.concatenate([self.hashes, other.hashes]),
            np.concatenate([self.x, other.x]),
            np.concatenate([self.y, other.y]),
        )


def _detached(rows: Any) -> Any:
    """Return rows without their gradient."""
    return rows.detach() if torch.is_tensor(rows) else rows


def _as_float32(rows: Any) -> np.ndarray:
    if torch.is_tensor(rows):
        return rows.float().cpu().numpy()
    return np.asarray(rows, np.float32)


def _on(sums: PairSums, device: torch.device) -> PairSums:
    return PairSums(
        sums.n,
        sums.x.to(device),
        sums.y.to(device),
        sums.xx.to(device),
        sums.yy.to(device),
        sums.xy.to(device),
    )
