"""An index that does not search again for what it has found."""

from typing import Any

from indexes.base import Index, Statistics
from indexes.candidates import Candidates, Mask, Rows, Scores


class Remembered:
    """An index with the deepest list that one query has had of it so far.

    The best k rows begin the best k + 1, also of an approximate index; so a shallower list is cut
    from a deeper one, and whatever is fused from remembered indexes has the bits that the indexes
    themselves would give.

    Parameters
    ----------
    index : Index
        What is asked where memory does not reach.
    query
        The one query, in the form that the index takes.
    allowed : ndarray of bool, optional
        The one filter.
    """

    def __init__(self, index: Index[Any], query: Any, allowed: Mask | None = None) -> None:
        self._index, self._query, self._allowed = index, query, allowed
        self._found, self._depth = Candidates.none(), 0
        self._spread: Statistics | None = None

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
        if not self._is_own(query, allowed):
            return self._index.search(query, depth, allowed)
        ended = self._index.exact and len(self._found) < self._depth
        if depth > self._depth and not ended:
            self._found, self._depth = self._index.search(query, depth, allowed), depth
        return self._found.first(depth)

    def search_many(
        self, queries: Any, depth: int, allowed: Mask | None = None
    ) -> list[Candidates]:
        """Return `search` of every query."""
        return [self.search(query, depth, allowed) for query in queries]

    def score(self, query: Any, rows: Rows) -> Scores:
        """Return the exact score of each of `rows`."""
        return self._index.score(query, rows)

    def ranks(self, query: Any, rows: Rows, allowed: Mask | None = None) -> Rows:
        """Return the place of each of `rows` on the complete list."""
        return self._index.ranks(query, rows, allowed)

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

    def _is_own(self, query: Any, allowed: Mask | None) -> bool:
        return query is self._query and allowed is self._allowed
