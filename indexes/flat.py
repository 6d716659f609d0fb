"""The exact best rows: codes say which can be among them, float64 says which are.

All codes are read once, a byte for each number, and give an upper and a lower bound of every score
(`indexes.dense_kernels`).  What the bounds leave over, some dozen to some thousand rows, is scored
from the stored vectors.  So the answer does not depend on the codes, nor on how many queries are
asked at once; they only decide how long it takes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Candidates, Mask, Rows, top
from indexes.dense_chunks import CHUNK, Chunks
from indexes.dense_kernels import (
    BAR,
    exact_many,
    scan,
    score_from,
    tighten,
)
from indexes.dense_native import LANES, TILE, largest_code
from indexes.query_coding import encode_queries
from indexes.vectors import Metric, Vectors

TOGETHER = 256
"""Queries of one scan."""

SCORED_FOR_SCANNED = 8
"""How many codes are scanned in the time in which one row is scored."""

SHARE = 4
"""After which part of all slots the bars are raised to exact scores."""

_ROOM = 16_384  # slots that are kept for a query before its bounds count as useless


@dataclass(frozen=True, slots=True)
class Pool:
    """What a search may find.

    Attributes
    ----------
    chunks : Chunks
    rows : ndarray of int64, shape (slots,)
        The row in each slot.
    usable : ndarray of bool, shape (slots,)
        Which slots may be found.
    count : int
        How many these are.
    longest : float
        The length of the longest vector that is live.
    """

    chunks: Chunks
    rows: Rows
    usable: Mask
    count: int
    longest: float

    def ranked(
        self, slots: NDArray[np.int64], query: NDArray[np.float64], depth: int
    ) -> Candidates:
        """Return the best of some slots for a padded query."""
        scores = np.empty(len(slots), np.float32)
        table = self.chunks.table
        exact_many(slots, table.numbers, query, scores)
        return top(self.rows[slots], scores, depth)

    @property
    def few(self) -> bool:
        """Whether it takes less time to score all than to scan the codes."""
        return SCORED_FOR_SCANNED * self.count < len(self.usable)

    def best(
        self, queries: Sequence[Vectors], depth: int, *, scan: bool = False
    ) -> list[Candidates]:
        """Return the best rows for each query.

        Parameters
        ----------
        queries : sequence of ndarray of float32, shape (dimension,)
        depth : int
        scan : bool
            Whether to scan the codes though few slots are usable: they lie together.
        """
        padded = np.array([self.chunks.padded(query) for query in queries])
        depth = min(depth, self.count)
        if (self.few and not scan) or not self.chunks.coded or 4 * depth >= self.count:
            slots = np.flatnonzero(self.usable)
            return [self.ranked(slots, query, depth) for query in padded]
        found: list[Candidates] = []
        for start in range(0, len(queries), TOGETHER):
            part = slice(start, start + TOGETHER)
            found += self._scan(queries[part], padded[part], depth)
        return found

    def _scan(
        self, queries: Sequence[Vectors], padded: NDArray[np.float64], depth: int
    ) -> list[Candidates]:
        """Return the best rows for each of some queries by one pass over the codes."""
        chunks, table = self.chunks, self.chunks.table
        asked, terms = _coded(queries, chunks.metric, self.longest)
        count, room = len(queries), max(_ROOM, 8 * depth)
        counts, limits = np.zeros(count, np.int64), np.full(count, 256 + 2 * depth)
        slots = np.empty((count, room), np.int64)
        bounds = np.empty((count, 2, room), np.float32)
        words = _words(self.usable)
        state = terms, counts, slots, bounds
        for first, stop, last in _pieces(len(self.usable)):
            chunk, start = chunks.chunks[first // CHUNK], first % CHUNK // LANES
            blocks = slice(start, start + -(-(stop - first) // LANES))
            usable = words[first // LANES : -(-stop // LANES)]
            scan(
                chunk.codes[blocks], chunk.factors[blocks], usable, first, asked, terms, depth,
                counts, limits, slots, bounds,
            )  # fmt: skip
            if last:
                tighten(depth, table.numbers, padded, *state)
        found = []
        for number, query in enumerate(padded):
            kept = int(counts[number])
            if kept < 0:
                found.append(self.ranked(np.flatnonzero(self.usable), query, depth))
                continue
            score_from(
                np.float32(-np.inf), table.numbers, query, kept, slots[number], bounds[number]
            )
            found.append(top(self.rows[slots[number, :kept]], bounds[number, 0, :kept], depth))
        return found


def _pieces(slots: int) -> Iterator[tuple[int, int, bool]]:
    """Yield ranges of slots, none across chunks, and whether the bars are tightened after each."""
    mark = slots // SHARE // LANES * LANES
    ends = sorted({mark, *range(CHUNK, slots, CHUNK), slots} - {0})
    for first, stop in zip([0, *ends], ends, strict=False):
        yield first, stop, stop in (mark, slots)


def _words(usable: Mask) -> NDArray[np.uint64]:
    """Return a mask as bits, 64 slots in a number."""
    bits = np.zeros(-(-len(usable) // LANES) * 8, np.uint8)
    packed = np.packbits(usable, bitorder="little")
    bits[: len(packed)] = packed
    return bits.view(np.uint64)


def _coded(
    queries: Sequence[Vectors], metric: Metric, longest: float
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return queries as codes and terms, as `scan` takes them."""
    array = np.array(queries, np.float32)
    count, dimension = array.shape
    width = 1 if count == 1 else TILE
    tiles, groups = -(-count // width), -(-dimension // 4)
    terms = np.zeros((tiles * width, 8), np.float32)
    terms[:, BAR] = np.inf
    words = np.zeros((tiles, 1 + groups, width), np.int32)
    codes = words.view(np.int8).reshape(tiles, 1 + groups, width, 4)
    encode_queries(array, largest_code(), longest, metric == "l2", (codes, words, terms))
    return codes, terms
