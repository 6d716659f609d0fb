"""What a rank is worth, from 1; rank 0 is that of a row which is not on the list."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lists:
    """What a gain may depend on besides the rank.

    Attributes
    ----------
    length : int
        Rows on the list.
    candidates : int
        Rows on any of the lists.
    """

    length: int
    candidates: int


def reciprocal(ranks: Ranks, k: float) -> Values:
    """Return ``1 / (k + rank)`` of each rank; 0 for rank 0, which is none."""
    return np.where(ranks > 0, 1 / (k + np.maximum(ranks, 1)), 0.0)


def inverse_square(ranks: Ranks) -> Values:
    """Return ``1 / rank ** 2``, of Mourao et al. 2015 (see `fusion.combining`)."""
    return np.where(ranks > 0, 1 / np.maximum(ranks, 1).astype(np.float64) ** 2, 0.0)


def borda(ranks: Ranks, lists: Lists) -> Values:
    """Return how many candidates stand behind, and one; those not listed share what is left [1]_.

    References
    ----------
    .. [1] Aslam, Montague, "Models for Metasearch", SIGIR 2001.
    """
    left = (lists.candidates - lists.length + 1) / 2
    return np.where(ranks > 0, lists.candidates - ranks + 1.0, left)


def linear(ranks: Ranks, lists: Lists) -> Values:
    """Return 1 for the first, then evenly less, and 0 behind the last."""
    return np.where(ranks > 0, 1 - (ranks - 1) / max(lists.length, 1), 0.0)


BY_LISTS: dict[str, Callable[[Ranks, Lists], Values]] = {"borda": borda, "linear": linear}
"""Gains that need to know how long the lists are, by name."""
