"""One pass over the indexes: what an index has found for a query is not searched for again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fusion import Arm
from indexes.base import Index, Statistics
from indexes.candidates import Candidates, Mask, Rows, Scores


class Remembered:
    """An index with the deepest list that one query has had of it so far.

    The best k rows begin the best k + 1, also of an approximate index; so a shallower list is cut
    from a deeper one, and whatever is fused from remembered indexes has the bits that the indexes
    themselves would give.  The scores of rows that were asked for one by one are kept as well.

    Parameters
    ----------
    index : Index
        What is asked where memory does not reach.
    query
        The one query, in the form that the index takes.
    """

    def __init__(self, index: Index[Any], query: Any) -> None:
        self._index, self._query = index, query
        self._found, self._depth = Candidates.none(), 0
        self._spread: Statistics | None = None
        self._scores = np.full(0, np.nan, np.float32)  # by row; NaN: not asked yet
        self._ranks = np.full(0, -1, np.int64)  # by row; -1: not asked yet

    @property
    def exact(self) -> bool:
        """Whether searches are exact."""
        return self._index.exact

    @property
    def scans(self) -> bool:
        """Whether a search reads every row."""
        return self._index.scans

    def __len__(self) -> int:
        return len(self._index)

    def search(self, query: Any, depth: int, allowed: Mask | None = None) -> Candidates:
        """Return the best rows; the index is asked only for more than there is."""
        if query is not self._query or allowed is not None:
            return self._index.search(query, depth, allowed)
        ended = self._index.exact and len(self._found) < self._depth
        if depth > self._depth and not ended:
            self._found, self._depth = self._index.search(query, depth), depth
        return self._found.first(depth)

    def search_many(
        self, queries: Any, depth: int, allowed: Mask | None = None
    ) -> list[Candidates]:
        """Return `search` of every query."""
        return [self.search(query, depth, allowed) for query in queries]

    def score(self, query: Any, rows: Rows) -> Scores:
        """Return the exact score of each of `rows`; the index is asked for new ones."""
        if query is not self._query or not len(rows):
            return self._index.score(query, rows)
        self._scores = _longer(self._scores, rows, np.nan)
        new = np.unique(rows[np.isnan(self._scores[rows])])
        if len(new):
            self._scores[new] = self._index.score(query, new)
        return np.asarray(self._scores[rows])

    def ranks(self, query: Any, rows: Rows, allowed: Mask | None = None) -> Rows:
        """Return the place of each of `rows` on the complete list; the index counts new ones."""
        if query is not self._query or allowed is not None or not len(rows):
            return self._index.ranks(query, rows, allowed)
        self._ranks = _longer(self._ranks, rows, -1)
        new = np.unique(rows[self._ranks[rows] < 0])
        if len(new):
            self._ranks[new] = self._index.ranks(query, new)
        return np.asarray(self._ranks[rows])

    def unranked(self, query: Any) -> float:
        """Return the most that `score` gives a row that the complete list lacks."""
        return self._index.unranked(query)

    def statistics(self, query: Any) -> Statistics:
        """Return the spread of the query's score."""
        if query is not self._query:
            return self._index.statistics(query)
        if self._spread is None:
            self._spread = self._index.statistics(query)
        return self._spread


def remembering(arms: Mapping[str, Arm]) -> dict[str, Arm]:
    """Return the same arms over indexes that remember what the query has found."""
    return {
        name: replace(arm, index=Remembered(arm.index, arm.query)) for name, arm in arms.items()
    }


def _longer(values: Any, rows: Rows, filling: float) -> Any:
    """Return values by row that reach to the last of some rows."""
    missing = int(rows.max()) + 1 - len(values)
    if missing <= 0:
        return values
    return np.concatenate([values, np.full(missing, filling, values.dtype)])
