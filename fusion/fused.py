"""What a fusion gives back: rows with scores, the parts they are made of, and a certificate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Candidates, Rows, Scores, top


@dataclass(frozen=True, slots=True)
class Parts:
    """One index's share in every fused row; arrays run parallel to `Fused.rows`.

    Attributes
    ----------
    ranks : ndarray of int64
        Place on the index's list, from 1; 0 where the row is not among the places that are known.
    scores : ndarray of float32
        The index's own score.
    normalised : ndarray of float64
        The score on the common scale of the method.
    weight : float
        Weight of the index.
    """

    ranks: NDArray[np.int64]
    scores: Scores
    normalised: NDArray[np.float64]
    weight: float

    @property
    def contributions(self) -> NDArray[np.float64]:
        """What the index adds to the fused scores."""
        return self.weight * self.normalised

    def at(self, places: NDArray[np.int64]) -> "Parts":
        """Return the parts of the rows at some places."""
        return Parts(self.ranks[places], self.scores[places], self.normalised[places], self.weight)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why the fused rows are the best there are, and over which lists.

    Attributes
    ----------
    exact : bool
        True: no row of any index could belong to the answer and is missing from it.  False when
        an index is approximate or scored a pool only: then the answer is exact over those rows.
    approximate : tuple of str
        Indexes that are approximate themselves; then the answer is exact over their lists only.
    depths : mapping of str to int
        How many rows of each index were read.
    bound : float
        No unread row can reach a fused score above this; -inf when every list was read to its end.
    rescored : tuple of str
        Indexes that scored a pool only, the best rows of the others; see `fusion.rescored`.
    pool : int
        How many rows they scored.
    """

    exact: bool
    approximate: tuple[str, ...]
    depths: Mapping[str, int]
    bound: float
    rescored: tuple[str, ...] = ()
    pool: int = 0

    def __str__(self) -> str:
        read = ", ".join(f"{name} {depth}" for name, depth in self.depths.items())
        over = f" over the approximate list of {', '.join(self.approximate)}"
        pooled = f" over the first {self.pool} of {', '.join(self.depths)}"
        late = f"; {', '.join(self.rescored)} scored those"
        return (
            f"exact{pooled if self.rescored else ''}{over if self.approximate else ''}"
            f"{late if self.rescored else ''} (rows read: {read or 'none'})"
        )


@dataclass(frozen=True, slots=True)
class Fused:
    """The best rows of several indexes together.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Best first; equal scores stand in the order of their rows.
    scores : ndarray of float32, shape (n,)
        The sum of the contributions of all parts.
    parts : mapping of str to Parts
        By name of index, in alphabetical order.
    certificate : Certificate
        What was proved.
    """

    rows: Rows
    scores: Scores
    parts: Mapping[str, Parts]
    certificate: Certificate

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def none(cls) -> Self:
        """Return the empty answer, of no index."""
        empty = Candidates.none()
        return cls(empty.rows, empty.scores, {}, Certificate(True, (), {}, -np.inf))


def cut(k: int, rows: Rows, parts: Mapping[str, Parts], certificate: Certificate) -> Fused:
    """Return the best `k` of all scored rows (ascending) with their parts."""
    sums = np.sum([part.contributions for part in parts.values()], axis=0)
    best = top(rows, np.asarray(sums, np.float32), k)
    at = np.searchsorted(rows, best.rows)
    chosen = {name: part.at(at) for name, part in parts.items()}
    return Fused(best.rows, best.scores, chosen, certificate)
