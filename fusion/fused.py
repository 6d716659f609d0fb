"""What a fusion gives back: rows with scores, the parts they are made of, and a certificate."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fusion.table import Table, best_places, total
from indexes.candidates import Candidates, Rows, Scores


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
        The score, or the rank, on the common scale of the method.
    weight : float
        Weight of the index.
    contributions : ndarray of float64
        What the index adds to the fused scores.
    """

    ranks: NDArray[np.int64]
    scores: Scores
    normalised: NDArray[np.float64]
    weight: float
    contributions: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why the fused rows are the best there are, and over which lists.

    Attributes
    ----------
    exact : bool
        True: no row of any index could belong to the answer and is missing from it.  False when an
        index is approximate or scored a pool only, when the method looks at the first rows of each
        list only, or when a limit was reached; then the answer is exact over what was read.
    approximate : tuple of str
        Indexes that are approximate themselves; then the answer is exact over their lists only.
    depths : mapping of str to int
        How many rows of each index were read.
    bound : float
        No row that was not read can reach a fused score above this; -inf when there is none.
    kth : float
        Score of the last row of the answer; -inf when it is empty.
    proved : int
        How many rows of the answer, from the first, are the best there are over what was read:
        all of them, unless a limit was reached.
    rescored : tuple of str
        Indexes that scored a pool only, the best rows of the others; see `fusion.rescored`.
    pool : int
        How many rows they scored.
    window : int
        How many rows of each list the method looks at; 0: all.
    stopped : bool
        Whether a limit was reached before the answer was proved.
    """

    exact: bool
    approximate: tuple[str, ...]
    depths: Mapping[str, int]
    bound: float
    kth: float = -np.inf
    proved: int = 0
    rescored: tuple[str, ...] = ()
    pool: int = 0
    window: int = 0
    stopped: bool = False

    def __str__(self) -> str:
        read = ", ".join(f"{name} {depth}" for name, depth in self.depths.items())
        told = ["exact"]
        if self.window:
            told.append(f"over the first {self.window} rows of each list")
        if self.rescored:
            told.append(f"over the first {self.pool} of {', '.join(self.depths)}")
        if self.approximate:
            told.append(f"over the approximate list of {', '.join(self.approximate)}")
        if self.stopped:
            told[0] = f"first {self.proved} exact"
            told.append(f"(unread rows may reach {self.bound:.4f}, the last has {self.kth:.4f})")
        late = f"; {', '.join(self.rescored)} scored those" if self.rescored else ""
        return f"{' '.join(told)}{late} (rows read: {read or 'none'})"


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

    def first(self, count: int) -> "Fused":
        """Return the best `count` rows of this answer."""
        parts = {
            name: Parts(
                part.ranks[:count],
                part.scores[:count],
                part.normalised[:count],
                part.weight,
                part.contributions[:count],
            )
            for name, part in self.parts.items()
        }
        scores = self.scores[:count]
        return Fused(self.rows[:count], scores, parts, _told(self.certificate, scores))

    @classmethod
    def none(cls) -> Self:
        """Return the empty answer, of no index."""
        empty = Candidates.none()
        return cls(empty.rows, empty.scores, {}, Certificate(True, (), {}, -np.inf))


def cut(
    table: Table, contributions: NDArray[np.float64], k: int, certificate: Certificate
) -> Fused:
    """Return the best `k` rows of a table with their parts.

    Parameters
    ----------
    table : Table
        All that is known.
    contributions : ndarray of float64, shape (m, n)
        Of each index to each row.
    k : int
    certificate : Certificate
        Without `kth` and `proved`, which are filled in.
    """
    scores = total(contributions)
    best = best_places(table.rows, scores, k)
    parts = {
        name: Parts(
            table.ranks[line, best],
            table.scores[line, best],
            table.values[line, best],
            float(table.weights[line, 0]),
            contributions[line, best],
        )
        for line, name in enumerate(table.names)
    }
    return Fused(table.rows[best], scores[best], parts, _told(certificate, scores[best]))


def _told(certificate: Certificate, scores: Scores) -> Certificate:
    """Return a certificate that knows the scores of the answer."""
    proved = int(np.count_nonzero(scores > np.float32(certificate.bound)))
    kth = float(scores[-1]) if len(scores) else -np.inf
    return replace(certificate, kth=kth, proved=proved)
