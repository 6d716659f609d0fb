"""Bringing the scores of different indexes onto one scale.

Every norm is an increasing straight line whose two numbers depend on the query and the corpus
only, never on k, a depth or a filter.
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
    """The line ``(score - origin) * slope``, with slope >= 0."""

    origin: float
    slope: float

    def of(self, scores: Scores) -> NDArray[np.float64]:
        """Return the scores on the common scale."""
        return (scores.astype(np.float64) - self.origin) * self.slope


def zscore(index: Index[Any], query: Any) -> Scale:
    """Count standard deviations above the corpus mean; a constant score is 0 everywhere."""
    spread = index.statistics(query)
    return Scale(spread.mean, 1 / spread.std if spread.std > 0 else 0.0)


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
    width = float(best[0]) - floor if len(best) else 0.0
    return Scale(floor, 1 / width if width > 0 else 0.0)


def none(index: Index[Any], query: Any) -> Scale:
    """Leave the scores as they are."""
    return Scale(0.0, 1.0)


NORMS: dict[str, Callable[[Index[Any], Any], Scale]] = {
    "zscore": zscore,
    "minmax": minmax,
    "none": none,
}
