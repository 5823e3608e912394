"""Sums over rows that add up over parts of the data, and give every first-order measure of the whole."""

from dataclasses import dataclass

import torch

from gapbook.geometry.tiles import gram


@dataclass(frozen=True, eq=False)
class Sums:
    """What second-order measures need of n pairs of unit rows: sums of rows (d,) and of their products (d, d).

    Sums of different pairs add, in any order; a part can be taken away again.
    """

    n: int
    x: torch.Tensor
    y: torch.Tensor
    xx: torch.Tensor
    yy: torch.Tensor
    xy: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor, y: torch.Tensor) -> "Sums":
        """Sum over unit rows x and y, both (n, d)."""
        total_x, total_y = x.sum(0, dtype=torch.float64), y.sum(0, dtype=torch.float64)
        return cls(len(x), total_x, total_y, gram(x, x), gram(y, y), gram(x, y))

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            *(
                mine + others
                for mine, others in zip(vars(self).values(), vars(other).values(), strict=True)
            )
        )

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(
            *(
                mine - others
                for mine, others in zip(vars(self).values(), vars(other).values(), strict=True)
            )
        )
