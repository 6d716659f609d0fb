"""The inner loops of the sparse indexes: sums of impacts over posting lists.

A query is a list of weighted posting lists.  All sums run in float64 over the lists in the order
of the query and are rounded to float32 once, so a score has the same bits whether it was found by
`best`, asked for by `at`, or computed after a rebuild.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Candidates, Mask, Rows, Scores, is_allowed, top


class Impacts(NamedTuple):
    """What one query term adds to the score of each row that holds it.

    Attributes
    ----------
    rows : ndarray of int32, shape (n,)
        Live rows, ascending.
    values : ndarray of float64, shape (n,)
        Positive amounts, the term's weight in the query included.
    """

    rows: NDArray[np.int32]
    values: NDArray[np.float64]


def best(lists: Sequence[Impacts], depth: int, allowed: Mask | None) -> Candidates:
    """Return the best `depth` rows by the sum of their impacts."""
    if not lists:
        return Candidates.none()
    sums = np.zeros(1 + max(int(rows[-1]) for rows, _ in lists))
    for rows, values in lists:
        sums[rows] += values
    found = np.flatnonzero(sums)
    if allowed is not None:
        found = found[is_allowed(found, allowed)]
    return top(found, sums[found].astype(np.float32), depth)


def at(lists: Sequence[Impacts], rows: Rows) -> Scores:
    """Return the sum of impacts of each of `rows`; 0 where no list holds the row."""
    sums = np.zeros(len(rows))
    for held, values in lists:
        where = np.minimum(np.searchsorted(held, rows), len(held) - 1)
        sums += np.where(held[where] == rows, values[where], 0.0)
    return sums.astype(np.float32)


def moments(lists: Sequence[Impacts], live: int) -> tuple[float, float]:
    """Return mean and standard deviation of the score over all `live` rows.

    The terms are taken as independent: their variances add.  It needs no scores, and fuses as
    well as the true deviation does (measured on six collections, ``docs/adr/0004``).
    """
    mean = variance = 0.0
    for _, values in lists:
        term_mean = float(values.sum()) / live
        mean += term_mean
        variance += float(np.square(values).sum()) / live - term_mean**2
    return mean, max(variance, 0.0) ** 0.5
