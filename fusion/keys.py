"""Rows with scores as whole numbers: sorted ascending they are the best first, ties by row."""

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Rows, Scores

LOW = 0xFFFFFFFF
"""The highest row that fits into the lower half of a key."""


def packed(rows: Rows, scores: Scores) -> NDArray[np.uint64]:
    """Return a key of each row: its score, inverted, above its number, which is at most `LOW`.

    Floats are ordered like their bits, negative ones the other way round.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # and -0 is 0
    inverted = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFFFFFF))
    return (inverted.astype(np.uint64) << np.uint64(32)) | rows.astype(np.uint64)


def unpacked(keys: NDArray[np.uint64]) -> tuple[Rows, Scores]:
    """Return the rows and scores of keys."""
    inverted = (keys >> np.uint64(32)).astype(np.uint32)
    bits = np.where(inverted >> 31, inverted, ~inverted & np.uint32(0x7FFFFFFF))
    return (keys & np.uint64(LOW)).astype(np.int64), bits.view(np.float32)
