"""The modality gap while a model trains: batch by batch, in constant memory, over processes."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gapbook.checks.arrays import as_numpy
from gapbook.checks.parameters import require_integer, require_number
from gapbook.exceptions import PairsError
from gapbook.extras import from_extra
from gapbook.geometry.shape import uniformity
from gapbook.geometry.sum_measures import exact_measures
from gapbook.geometry.sums import PairSums, require_room
from gapbook.pairs import unit_pair

with from_extra("models", "GapMetric"):
    import torch

# Pairs that uniformity rests on, where there are more: it compares 2 million rows of a side then.
SAMPLE = 2048
# Rows that get their keys at once, so that the keys of a large batch need little memory.
ROWS_PER_BLOCK = 4096
# What a state holds of the sums.
SUMS = ("x", "y", "xx", "yy", "xy")


class GapMetric:
    """Measure pairs that come batch by batch, as the metrics of torchmetrics do.

    What the metric keeps does not grow with the number of pairs: sums of rows and of their
    products, and a sample of pairs for uniformity. It depends neither on how the pairs are split
    into batches nor on their order, so that the metrics of several processes merge to that of all
    pairs.

    Parameters
    ----------
    covariances : bool
        Whether to measure what needs sums of products (d, d): effective ranks, IsoScores and CKA.
        Each batch then takes three products of matrices, (d, n) by (n, d), in float64.
    sample : int
        The largest number of pairs that uniformity rests on, at least 2.

    Raises
    ------
    PairsError
        If sample is not an integer of at least 2.

    Notes
    -----
    All values but uniformity are those of ``gap_report`` on the same rows, to the rounding of
    float64. Uniformity compares all rows with all rows, which would all have to be kept, so that
    beyond ``sample`` pairs it is that of a sample: of the pairs with the smallest keys, where the
    key of a pair is a random function of its two rows, the same in every process.

    Sums and sample lie in memory of the CPU: 14 MB for 512 dimensions, of which 6 MB are sums.

    Examples
    --------
    >>> metric = GapMetric()
    >>> metric.update([[4, 3], [4, -3]], [[-4, 3], [-4, -3]], tau=0.07)
    >>> metric.update([[5, 0]], [[-5, 0]], tau=0.07)
    >>> values = metric.compute()
    >>> round(values["modality_gap"], 4), round(values["cosine_paired"], 4), round(values["tau"], 4)
    (1.7333, -0.52, 0.07)
    """

    def __init__(self, *, covariances: bool = True, sample: int = SAMPLE) -> None:
        require_integer("sample", sample, low=2)
        self.covariances = covariances
        self.sample = sample
        self.reset()

    def reset(self) -> None:
        """Forget all pairs."""
        self._sums: PairSums | None = None
        self._keys = np.empty(0, np.uint64)
        self._rows = np.empty((0, 2, 0), np.float32)
        self._tau_total = 0.0
        self._tau_pairs = 0

    @property
    def n_pairs(self) -> int:
        """The number of pairs so far."""
        return 0 if self._sums is None else self._sums.n

    def update(self, x: ArrayLike, y: ArrayLike, tau: float | None = None) -> None:
        """Take in a batch of pairs.

        Parameters
        ----------
        x, y : array or tensor (n, d)
            Pairs: row i of x belongs to row i of y. Rows are brought to unit length. Tensors may be
            on any device and have gradients, which are left alone.
        tau : float, optional
            The temperature at this batch.

        Raises
        ------
        PairsError
            If x and y are not pairs of embeddings, or differ in dimension from earlier batches, or
            tau is not above 0. What was taken in before is unchanged.
        """
        if tau is not None:
            require_number("tau", tau, low=0)
            if tau == 0:
                raise PairsError("Expected tau above 0; got 0")
        unit_x, unit_y = unit_pair(x, y, at_least=1)
        n, d = unit_x.shape
        self._require_dimension(d)
        if self.covariances and self._sums is None:
            # Of more pairs than dimensions.
            require_room(d + 1, d)
        sums = PairSums.of(
            torch.as_tensor(unit_x), torch.as_tensor(unit_y), diagonals_only=not self.covariances
        )
        self._add_sums(PairSums(n, *(getattr(sums, name).cpu() for name in SUMS)))
        rows = np.stack([as_numpy(unit_x), as_numpy(unit_y)], axis=1)
        for start in range(0, n, ROWS_PER_BLOCK):
            block = rows[start : start + ROWS_PER_BLOCK]
            self._add_to_sample(_keys(block), block)
        if tau is not None:
            self._tau_total += float(tau) * n
            self._tau_pairs += n

    def _require_dimension(self, d: int) -> None:
        if self._sums is not None and d != len(self._sums.x):
            raise PairsError(
                f"Expected pairs of {len(self._sums.x)} dimensions, as before; got {d}"
            )

    def _add_sums(self, sums: PairSums) -> None:
        self._sums = sums if self._sums is None else self._sums + sums

    def _add_to_sample(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Keep the pairs with the smallest keys, in the order of these."""
        if len(self._keys):
            keys = np.concatenate([self._keys, keys])
            rows = np.concatenate([self._rows, rows])
        smallest = np.argsort(keys, kind="stable")[: self.sample]
        self._keys = keys[smallest]
        self._rows = rows[smallest]

    def merge(self, other: "GapMetric") -> None:
        """Take in all pairs of another metric, such as that of another process.

        Parameters
        ----------
        other : GapMetric
            A metric with the same ``covariances`` and ``sample``. It stays as it is.

        Raises
        ------
        PairsError
            If its settings or its dimension are others. This metric is then unchanged.
        """
        self._require_settings(other.covariances, other.sample)
        if other._sums is not None:
            self._require_dimension(len(other._sums.x))
            self._add_sums(other._sums)
            self._add_to_sample(other._keys, other._rows)
        self._tau_total += other._tau_total
        self._tau_pairs += other._tau_pairs

    def _require_settings(self, covariances: bool, sample: int) -> None:
        if (covariances, sample) != (self.covariances, self.sample):
            raise PairsError(
                f"Expected a metric with covariances={self.covariances} and sample={self.sample}; "
                f"got one with covariances={covariances} and sample={sample}"
            )

    def compute(self) -> dict[str, float]:
        """Return the measures of all pairs so far.

        Returns
        -------
        dict of str to float
            ``n_pairs``, then measures by the names of ``gap_report``: the modality gap, cosines
            within, across and of partners, alignment and more; with ``covariances`` effective
            ranks, IsoScores and CKA; ``n_sampled`` and the uniformities of so many pairs. And
            ``tau``, the mean over the pairs for which it was stated, where it was.

        Raises
        ------
        PairsError
            For fewer than 2 pairs.
        """
        if self._sums is None or self._sums.n < 2:
            raise PairsError(f"at least 2 pairs are needed; got {self.n_pairs}")
        values: dict[str, float] = {"n_pairs": self._sums.n}
        values |= exact_measures(self._sums)
        values["n_sampled"] = len(self._keys)
        values["uniformity_x"] = uniformity(self._rows[:, 0])
        values["uniformity_y"] = uniformity(self._rows[:, 1])
        if self._tau_pairs:
            values["tau"] = self._tau_total / self._tau_pairs
        return values

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return what the metric keeps, as tensors that a checkpoint can hold.

        Returns
        -------
        dict of str to torch.Tensor
            What ``load_state_dict`` takes, on the CPU.
        """
        state = {
            "settings": torch.tensor([int(self.covariances), self.sample]),
            "n_pairs": torch.tensor(self.n_pairs),
            "tau": torch.tensor([self._tau_total, self._tau_pairs], dtype=torch.float64),
        }
        if self._sums is not None:
            for name in SUMS:
                state[name] = getattr(self._sums, name).clone()
            # PyTorch computes little with unsigned integers.
            state["sample_keys"] = torch.from_numpy(self._keys.view(np.int64).copy())
            state["sample_rows"] = torch.from_numpy(self._rows.copy())
        return state

    def load_state_dict(self, state_dict: Mapping[str, torch.Tensor]) -> None:
        """Take over what another metric kept, in the place of all pairs so far.

        Parameters
        ----------
        state_dict : mapping of str to torch.Tensor
            Of ``state_dict``, of a metric with the same settings.

        Raises
        ------
        PairsError
            If it is of a metric with other settings, lacks something, or holds something of
            another shape. This metric is then unchanged.
        """
        names = ["settings", "n_pairs", "tau"]
        for name, shape in (("n_pairs", ()), ("settings", (2,)), ("tau", (2,))):
            if name in state_dict:
                _require_shape(state_dict, name, shape)
        n_pairs = int(state_dict.get("n_pairs", torch.tensor(0)))
        if n_pairs:
            names += [*SUMS, "sample_keys", "sample_rows"]
        missing = [name for name in names if name not in state_dict]
        if missing:
            raise PairsError(f"Expected the state of a GapMetric; it lacks {', '.join(missing)}")
        covariances, sample = state_dict["settings"].tolist()
        self._require_settings(bool(covariances), sample)
        if n_pairs:
            _require_shapes(state_dict, bool(covariances))
        self.reset()
        total, pairs = state_dict["tau"].tolist()
        self._tau_total = total
        self._tau_pairs = int(pairs)
        if n_pairs:
            self._sums = PairSums(n_pairs, *(state_dict[name].cpu().clone() for name in SUMS))
            self._keys = state_dict["sample_keys"].cpu().numpy().view(np.uint64).copy()
            self._rows = state_dict["sample_rows"].cpu().numpy().copy()

    def gathered(self) -> "GapMetric":
        """Return the metric of the pairs of all processes of ``torch.distributed``.

        Every process must call it, and gets the same values. Each holds the states of all processes
        for a moment.

        Returns
        -------
        GapMetric
            A new metric; where there is one process, a copy of this one.

        Raises
        ------
        PairsError
            If the settings or the dimensions of two processes differ: in all of them.
        """
        from safetensors.torch import load, save

        contents = [save(self.state_dict())]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            contents = _all_gather(contents[0])
        total = GapMetric(covariances=self.covariances, sample=self.sample)
        for content in contents:
            part = GapMetric(covariances=self.covariances, sample=self.sample)
            part.load_state_dict(load(content))
            total.merge(part)
        return total


def _require_shapes(state: Mapping[str, torch.Tensor], covariances: bool) -> None:
    """Refuse sums and samples whose shapes do not fit one another."""
    if state["x"].ndim != 1:
        raise PairsError(
            f"Expected the state of a GapMetric with x of shape (d,); got {tuple(state['x'].shape)}"
        )
    d = len(state["x"])
    n_sampled = len(state["sample_keys"]) if state["sample_keys"].ndim else 0
    of_products = (d, d) if covariances else (d,)
    _require_shape(state, "y", (d,))
    for name in ("xx", "yy", "xy"):
        _require_shape(state, name, of_products)
    _require_shape(state, "sample_keys", (n_sampled,))
    _require_shape(state, "sample_rows", (n_sampled, 2, d))


def _require_shape(state: Mapping[str, torch.Tensor], name: str, shape: tuple[int, ...]) -> None:
    if tuple(state[name].shape) != shape:
        raise PairsError(
            f"Expected the state of a GapMetric with {name} of shape {shape}; "
            f"got {tuple(state[name].shape)}"
        )


def _keys(rows: np.ndarray) -> np.ndarray:
    """Return random 64-bit keys of pairs (n, 2, d) of float32, the same wherever a pair occurs.

    The key is the sum of the words of both rows with random odd weights, modulo 2^64, of which the
    leading bits are evenly spread (multiply-shift hashing of vectors).
    """
    words = rows.reshape(len(rows), -1).view(np.uint32).astype(np.uint64)
    draws = np.random.default_rng(0).integers(
        np.iinfo(np.uint64).max, size=words.shape[1], dtype=np.uint64, endpoint=True
    )
    return words @ (draws | np.uint64(1))


def _all_gather(content: bytes) -> list[bytes]:
    """Return the bytes of every process, in the order of their ranks."""
    distributed = torch.distributed
    # A group of its own, since that of a training on GPUs takes no tensors on the CPU.
    group = distributed.new_group(backend="gloo")
    own_length = torch.tensor([len(content)])
    lengths = [torch.zeros_like(own_length) for _ in range(group.size())]
    distributed.all_gather(lengths, own_length, group)
    padded = torch.zeros(int(max(lengths)), dtype=torch.uint8)
    padded[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    gathered = [torch.empty_like(padded) for _ in range(group.size())]
    distributed.all_gather(gathered, padded, group)
    distributed.destroy_process_group(group)
    return [
        part[: int(length)].numpy().tobytes()
        for part, length in zip(gathered, lengths, strict=True)
    ]
