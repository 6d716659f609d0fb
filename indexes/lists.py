"""What compiled code is told of posting lists.

The segments of an index are known by one table of addresses and counts, and where the lists of a
term are in each of them by another.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RANGE = 65_536
"""Rows of a segment at most; a row's number within it fits in two bytes."""

COLUMNS = 15
ROWS, PAYLOAD, GAIN, LIVE, WORDS, RANKS, PEAKS, TERMS, STARTS, LONG = range(10)
FIRST, SPAN, HOLES, SIZE, LONGS = range(10, COLUMNS)
"""What the table of segments holds of each: addresses of arrays, its first row, counts."""

START, STOP, BITMAP = range(3)
"""What the table of places holds of a list in a segment."""
NONE = 0xFFFFFFFF
"""Instead of the number of a bitmap."""


class Lists(NamedTuple):
    """The posting lists of a query.

    Attributes
    ----------
    table : ndarray of int64, shape (segments, COLUMNS)
        Where the arrays of the segments are.
    places : ndarray of uint32, shape (slots, segments, 3)
        Where lists start and stop, and which bitmap they have.
    slots : ndarray of int64, shape (m,)
        Which of `places` are asked for, in the order of the sum.
    weights : ndarray of float32, shape (m,)
        What their values are multiplied with, above 0.
    base : float32
        What every score is raised by.
    zero : uint16, uint32 or float32
        Of the type of the payload: codes into the gains of the segment, or the values themselves.
    """

    table: NDArray[np.int64]
    places: NDArray[np.uint32]
    slots: NDArray[np.int64]
    weights: NDArray[np.float32]
    base: np.float32
    zero: Any
