"""Bringing the scores of different indexes onto one scale.

Every norm is an increasing straight line.  Those in `NORMS` depend on the query and the corpus
only, never on k, a depth or a filter.  Those in `LIST_NORMS`, which is what other systems have,
depend on a list, and so on how long it is; they are taken over the first `depth` rows of each list,
and that depth is a part of the method.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.base import Index
from indexes.candidates import Scores


@dataclass(frozen=True, slots=True)
class Scale:
    """The line ``(score - origin) * slope``, with slope >= 0.

    Attributes
    ----------
    origin, slope : float
    constant : float
        What is added: 0 but for a list that has one value only.
    """

    origin: float
    slope: float
    constant: float = 0.0

    def of(self, scores: Scores) -> NDArray[np.float64]:
        """Return the scores on the common scale."""
        return (scores.astype(np.float64) - self.origin) * self.slope + self.constant

    def of_one(self, score: float) -> float:
        """Return one score on the common scale, with the bits that `of` gives it."""
        return (score - self.origin) * self.slope + self.constant


def zscore(index: Index[Any], query: Any) -> Scale:
    """Count standard deviations above the corpus mean; a constant score is 0 everywhere."""
    spread = index.statistics(query)
    return Scale(spread.mean, _inverse(spread.std))


def dbsf(index: Index[Any], query: Any) -> Scale:
    """Map three standard deviations below the corpus mean to 0, three above it to 1.

    Distribution-based score fusion, as Qdrant has it, but with the moments of the corpus in place
    of those of the list.
    """
    spread = index.statistics(query)
    return Scale(spread.mean - 3 * spread.std, _inverse(6 * spread.std))


def minmax(index: Index[Any], query: Any) -> Scale:
    """Map the lowest score there can be to 0 and the best of the query to 1: TM2C2 of [1]_.

    References
    ----------
    .. [1] Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023.
    """
    floor = index.statistics(query).floor
    if not np.isfinite(floor):
        raise ValueError("expected scores with a lowest value for norm 'minmax': use 'zscore'")
    best = index.search(query, 1).scores
    return Scale(floor, _inverse(float(best[0]) - floor if len(best) else 0.0))


def maximum(index: Index[Any], query: Any) -> Scale:
    """Map the best of the query to 1, and 0 to 0."""
    best = index.search(query, 1).scores
    return Scale(0.0, _inverse(abs(float(best[0])) if len(best) else 0.0))


def none(index: Index[Any], query: Any) -> Scale:
    """Leave the scores as they are."""
    return Scale(0.0, 1.0)


NORMS: dict[str, Callable[[Index[Any], Any], Scale]] = {
    "zscore": zscore,
    "minmax": minmax,
    "dbsf": dbsf,
    "max": maximum,
    "none": none,
}
"""Norms that do not depend on a depth, by name."""


def list_zscore(scores: Scores) -> Scale:
    """Count standard deviations above the mean of the list."""
    values = scores.astype(np.float64)
    return Scale(float(values.mean()), _inverse(_spread(values)))


def list_dbsf(scores: Scores) -> Scale:
    """Map three standard deviations below the mean of the list to 0, three above it to 1."""
    values = scores.astype(np.float64)
    std = _spread(values)
    return Scale(float(values.mean()) - 3 * std, _inverse(6 * std), 0.0 if std else 0.5)


def list_minmax(scores: Scores) -> Scale:
    """Map the last of the list to 0 and the first to 1; equal scores, or a lone one, to 1."""
    width = float(scores[0]) - float(scores[-1])
    return Scale(float(scores[-1]), _inverse(width), 0.0 if width else 1.0)


def list_max(scores: Scores) -> Scale:
    """Map the first of the list to 1, and 0 to 0."""
    return Scale(0.0, _inverse(abs(float(scores[0]))))


def list_sum(scores: Scores) -> Scale:
    """Map the last of the list to 0, such that the values of the list sum to 1."""
    last = float(scores[-1])
    total = float((scores.astype(np.float64) - last).sum())
    return Scale(last, _inverse(total), 0.0 if total else 1 / len(scores))


LIST_NORMS: dict[str, Callable[[Scores], Scale]] = {
    "list-minmax": list_minmax,
    "list-max": list_max,
    "list-sum": list_sum,
    "list-zscore": list_zscore,
    "list-dbsf": list_dbsf,
}
"""Norms of the scores of one list, descending and at least one, by name."""


def _inverse(width: float) -> float:
    return 1 / width if width > 0 else 0.0


def _spread(values: NDArray[np.float64]) -> float:
    """Return the standard deviation, exactly 0 where all values are equal."""
    return float(values.std()) if values[0] != values[-1] else 0.0
