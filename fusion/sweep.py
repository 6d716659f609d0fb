"""Where on [0, 1] fewer than k of many straight lines are above 0."""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Stretches = tuple[Numbers, Numbers]


class Sweep(NamedTuple):
    """The places for lines that are known up to rounding only.

    Attributes
    ----------
    possible, certain : tuple of two ndarray of float64
        Where the stretches begin and end in which fewer than k lines are above 0, when every line
        is taken as low, and as high, as it may be.
    crossings : ndarray of float64
        Where lines cross 0, ascending.
    """

    possible: Stretches
    certain: Stretches
    crossings: Numbers

    @classmethod
    def of(cls, ends: Numbers, starts: Numbers, k: int, slack: float) -> Self:
        """Return the sweep over lines whose values at 1 and at 0 may be off by `slack`."""
        crossing = (ends > 0) != (starts > 0)
        return cls(
            stretches(ends - slack, starts - slack, k),
            stretches(ends + slack, starts + slack, k),
            np.sort(_crossing(ends[crossing], starts[crossing])),
        )

    @classmethod
    def nowhere(cls) -> Self:
        """Return the sweep that has no place."""
        none = np.empty(0)
        return cls((none, none), (none, none), none)


def stretches(ends: Numbers, starts: Numbers, k: int) -> Stretches:
    """Return where fewer than `k` straight lines over [0, 1] are above 0.

    Parameters
    ----------
    ends, starts : ndarray of float64, shape (n,)
        The lines at 1 and at 0.
    k : int

    Returns
    -------
    tuple of two ndarray of float64
        Where the closed stretches begin and end, ascending; one may be a point.
    """
    rising, falling = (ends > 0) & (starts <= 0), (ends <= 0) & (starts > 0)
    ups = np.sort(_crossing(ends[rising], starts[rising]))
    downs = np.sort(_crossing(ends[falling], starts[falling]))
    points = np.unique(np.concatenate([[0.0, 1.0], ups, downs]))
    always = np.count_nonzero((ends > 0) & (starts > 0))
    left = always + len(downs) - np.searchsorted(downs, points, "right")
    at_points = left + np.searchsorted(ups, points, "left") < k
    behind = (left + np.searchsorted(ups, points, "right") < k)[:-1]
    firsts = at_points & ~np.concatenate([[False], behind])
    lasts = at_points & ~np.concatenate([behind, [False]])
    return points[firsts], points[lasts]


def _crossing(ends: Numbers, starts: Numbers) -> Numbers:
    return np.clip(starts / (starts - ends), 0.0, 1.0)


def clipped(found: Stretches, low: float, high: float) -> Iterator[tuple[float, float]]:
    """Yield the parts of stretches that lie between two numbers."""
    for first, last in zip(*found, strict=True):
        if last >= low and first <= high:
            yield max(float(first), low), min(float(last), high)
