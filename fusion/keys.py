"""Rows with scores as whole numbers: sorted ascending they are the best first, ties by row."""

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Rows, Scores
from indexes.compiled import compiled

LOW = 0xFFFFFFFF
"""The highest row that fits into the lower half of a key."""


def packed(rows: Rows, scores: Scores) -> NDArray[np.uint64]:
    """Return a key of each row: its score, inverted, above its number, which is at most `LOW`.

    Floats are ordered like their bits, negative ones the other way round.
    """
    keys = np.empty(len(rows), np.uint64)
    _pack(rows, (scores + np.float32(0)).view(np.uint32), keys)  # and -0 is 0
    return keys


@compiled
def _pack(rows: Rows, scores: NDArray[np.uint32], keys: NDArray[np.uint64]) -> None:
    """Write the keys of rows whose scores are given by their bits."""
    for at in range(len(keys)):
        bits = np.uint64(scores[at])
        inverted = bits if bits >> np.uint64(31) else bits ^ np.uint64(0x7FFFFFFF)
        keys[at] = (inverted << np.uint64(32)) | np.uint64(rows[at])


def unpacked(keys: NDArray[np.uint64]) -> tuple[Rows, Scores]:
    """Return the rows and scores of keys."""
    inverted = (keys >> np.uint64(32)).astype(np.uint32)
    bits = np.where(inverted >> 31, inverted, ~inverted & np.uint32(0x7FFFFFFF))
    return (keys & np.uint64(LOW)).astype(np.int64), bits.view(np.float32)
