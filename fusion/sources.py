"""What the threshold algorithm reads: an index, its query, and how its list becomes values."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fusion.fused import Fused
from fusion.gains import inverse_square, reciprocal
from fusion.normalize import Scale
from indexes.base import Index
from indexes.candidates import Candidates, Mask, Rows, Scores

SHOWN = 100
"""Places on the list of an index that are shown with a hit, where they do not decide."""

VOUCHED = 256
"""Places of an approximate list that set how high a row can score which is not on the list: far
down lists around centroids miss many, and the score of their last would hold these down."""

_PLACES = 1024  # of which gains are kept


@dataclass(frozen=True, slots=True)
class Arm:
    """An index with the query in the form that it understands.

    Attributes
    ----------
    index, query
        The two.
    rescores : bool
        Whether a search of the index is too slow for large collections, as it scores every row.
        `fusion.rescored.top_k` then asks for the scores of what the others found; `exact_top_k`
        searches it all the same.
    """

    index: Index[Any]
    query: Any
    rescores: bool = False


class Fetched(NamedTuple):
    """What an index says of rows that are not on its list as far as it was read."""

    ranks: NDArray[np.int64] | int
    scores: Scores | float
    values: NDArray[np.float64]
    listed: NDArray[np.bool_] | bool


class Source(Protocol):
    """One index of a fusion.

    `found` is its list as far as it was read, and `ended` says whether that is all of it.
    """

    @property
    def arm(self) -> Arm: ...  # noqa: D102

    @property
    def weight(self) -> float: ...  # noqa: D102

    def values(self, found: Candidates) -> NDArray[np.float64]:
        """Return the value of each row of the list."""

    def ceiling(self, found: Candidates, *, ended: bool) -> float:
        """Return the most that the value of a row can be which is not on the list."""

    def lists_others(self, *, ended: bool) -> bool:
        """Return whether a row may count as listed that is not among those read."""

    def knows_others(self, *, ended: bool) -> bool:
        """Return whether the value of rows that are not among those read is the ceiling."""

    def fetch(self, rows: Rows, found: Candidates) -> Fetched:
        """Return the values of rows that are not on the list."""

    def finish(self, name: str, fused: Fused) -> Fused:
        """Return an answer with this index's part of it complete."""


@dataclass(frozen=True, slots=True)
class ScoreSource:
    """Scores on a scale of their own."""

    arm: Arm
    weight: float
    scale: Scale

    def values(self, found: Candidates) -> NDArray[np.float64]:
        """Return the scores of the list on the scale."""
        return self.scale.of(found.scores)

    def ceiling(self, found: Candidates, *, ended: bool) -> float:
        """Return the value of the last row, or that of a row behind the complete list."""
        index = self.arm.index
        if index.exact:
            rest = index.unranked(self.arm.query)
            highest = rest if ended else max([rest, *found.scores[-1:].tolist()])
        else:  # a list without a row, under a filter, says nothing of the others
            last = found.scores[:VOUCHED][-1:].tolist()
            highest = last[0] if last else index.statistics(self.arm.query).ceiling
        return -np.inf if highest == -np.inf else self.scale.of_one(highest)

    def lists_others(self, *, ended: bool) -> bool:
        """Return True: every row has a score."""
        return True

    def knows_others(self, *, ended: bool) -> bool:
        """Return False: scores are computed."""
        return False

    def fetch(self, rows: Rows, found: Candidates) -> Fetched:
        """Return the scores of rows; what an approximate list lacks is held down."""
        index = self.arm.index
        scores = index.score(self.arm.query, rows)
        values = self.scale.of(scores)
        if not index.exact:
            values = np.minimum(values, self.ceiling(found, ended=True))
        return Fetched(0, scores, values, True)

    def finish(self, name: str, fused: Fused) -> Fused:
        """Return an answer without the places that depend on how deep was read."""
        part = fused.parts[name]
        shown = replace(part, ranks=np.where(part.ranks <= SHOWN, part.ranks, 0))
        return replace(fused, parts={**fused.parts, name: shown})


@dataclass(frozen=True, slots=True)
class RankSource:
    """What ranks on the complete list are worth.

    Attributes
    ----------
    k : float or None
        Of reciprocal ranks; None: inverse squares.
    """

    arm: Arm
    weight: float
    allowed: Mask | None
    k: float | None

    def values(self, found: Candidates) -> NDArray[np.float64]:
        """Return the gains of the first ranks."""
        return _gains_of_places(self.k, len(found))

    def ceiling(self, found: Candidates, *, ended: bool) -> float:
        """Return the gain of the next rank."""
        return 0.0 if ended else float(_gains_of_places(self.k, len(found) + 1)[-1])

    def lists_others(self, *, ended: bool) -> bool:
        """Return whether there is more to read."""
        return not ended

    def knows_others(self, *, ended: bool) -> bool:
        """Return whether all is read: who is not on the list gains nothing."""
        return ended

    def fetch(self, rows: Rows, found: Candidates) -> Fetched:
        """Return the gains of the ranks, which are counted."""
        ranks = self.arm.index.ranks(self.arm.query, rows, self.allowed)
        return Fetched(ranks, np.nan, _gains(self.k, ranks), ranks > 0)

    def finish(self, name: str, fused: Fused) -> Fused:
        """Return an answer with the scores besides the ranks."""
        part = fused.parts[name]
        unknown = np.isnan(part.scores)
        if not unknown.any():
            return fused
        scores = part.scores.copy()
        scores[unknown] = self.arm.index.score(self.arm.query, fused.rows[unknown])
        return replace(fused, parts={**fused.parts, name: replace(part, scores=scores)})


def _gains(k: float | None, ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    return inverse_square(ranks) if k is None else reciprocal(ranks, k)


def _gains_of_places(k: float | None, count: int) -> NDArray[np.float64]:
    """Return the gains of the first places of a list, to be read only."""
    if count <= _PLACES:
        return _first_gains(k)[:count]
    return _gains(k, np.arange(1, count + 1))


@lru_cache(maxsize=16)
def _first_gains(k: float | None) -> NDArray[np.float64]:
    """Return the gains of the places that almost every question asks for."""
    gains = _gains(k, np.arange(1, _PLACES + 1))
    gains.setflags(write=False)
    return gains
