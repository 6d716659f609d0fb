"""One pass over the indexes: what an index has said of a query is not asked for again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fusion import Arm
from fusion.remembered import Remembered
from indexes.base import Index
from indexes.candidates import Mask, Rows, Scores


class Noted(Remembered):
    """An index that keeps the scores and places of rows as well, for one query.

    Parameters
    ----------
    index : Index
    query
        As in `Remembered`.
    """

    def __init__(self, index: Index[Any], query: Any) -> None:
        super().__init__(index, query)
        self._scores = np.full(0, np.nan, np.float32)  # by row; NaN: not asked yet
        self._ranks = np.full(0, -1, np.int64)  # by row; -1: not asked yet

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
        if not self._is_own(query, allowed) or not len(rows):
            return self._index.ranks(query, rows, allowed)
        self._ranks = _longer(self._ranks, rows, -1)
        new = np.unique(rows[self._ranks[rows] < 0])
        if len(new):
            self._ranks[new] = self._index.ranks(query, new)
        return np.asarray(self._ranks[rows])


def remembering(arms: Mapping[str, Arm]) -> dict[str, Arm]:
    """Return the same arms over indexes that remember what the query has found."""
    return {name: replace(arm, index=Noted(arm.index, arm.query)) for name, arm in arms.items()}


def _longer(values: Any, rows: Rows, filling: float) -> Any:
    """Return values by row that reach to the last of some rows."""
    missing = int(rows.max()) + 1 - len(values)
    if missing <= 0:
        return values
    return np.concatenate([values, np.full(missing, filling, values.dtype)])
