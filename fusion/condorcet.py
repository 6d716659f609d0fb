"""Who defeats whom, counted by compiled loops: all pairs of candidates."""

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled


def victories(preferences: NDArray[np.float64], votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many rows each row defeats, shared among the indexes whose votes brought it.

    Parameters
    ----------
    preferences : ndarray of float64, shape (m, n)
        Of two rows an index prefers the one whose number is higher, and none where they are equal.
    votes : ndarray of float64, shape (m,)
        How many votes each index has, > 0.

    Returns
    -------
    ndarray of float64, shape (m, n)
        The sums of the columns are the victories, a draw being half of one.  A victory is shared in
        the proportion of the votes for it, and a draw in that of all votes.
    """
    shares = np.zeros(preferences.shape)
    if preferences.size:
        _count(np.ascontiguousarray(preferences.T), votes, shares)
    return shares


@compiled
def _count(
    preferences: NDArray[np.float64], votes: NDArray[np.float64], shares: NDArray[np.float64]
) -> None:
    """Add up the shares; `preferences` has a line for each row."""
    total = votes.sum()
    for row in range(preferences.shape[0]):
        for other in range(preferences.shape[0]):
            if row == other:
                continue
            won, lost = 0.0, 0.0
            for index in range(votes.size):
                if preferences[row, index] > preferences[other, index]:
                    won += votes[index]
                elif preferences[row, index] < preferences[other, index]:
                    lost += votes[index]
            for index in range(votes.size):
                if won > lost and preferences[row, index] > preferences[other, index]:
                    shares[index, row] += votes[index] / won
                elif won == lost:
                    shares[index, row] += 0.5 * votes[index] / total
