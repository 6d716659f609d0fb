"""Segments with what their postings are worth, ready to be searched: one state of an index."""

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes import kernels, lists, lookups
from indexes.base import Statistics
from indexes.candidates import Candidates, Mask, Rows, Scores, is_allowed
from indexes.lists import RANGE
from indexes.segment import Segment
from indexes.selection import LEAST_ROOM

MOST_TERMS = 100_000
"""Terms whose places are remembered at most; then a view is made anew."""

F32 = np.float32
_TOGETHER = 32  # queries of one call of compiled code
_KEPT = 1 << 20  # candidates of these, at most
_EVERYTHING: Mask = np.empty(0, np.bool_)
_scratch = threading.local()


class Asked(NamedTuple):
    """A query in numbers.

    Attributes
    ----------
    slots : ndarray of int64, shape (m,)
        Its distinct terms, as `View.slot` knows them; -1 for those that no row holds.  Terms that
        are equally rare are summed in this order, and rarer ones before them.
    amounts : ndarray of float64, shape (m,)
        How much of each term is asked for, >= 0.
    absent : float
        Which share of the weights of all its terms a row gets for nothing.
    """

    slots: NDArray[np.int64]
    amounts: NDArray[np.float64]
    absent: float


class View:
    """One state of the segments of an index.

    Parameters
    ----------
    segments : sequence of Segment
        By their first row.
    gains : sequence of ndarray of float32
        What each code of each segment is worth; empty where the payload is the value.

    Attributes
    ----------
    known : dict
        For the index to remember what it knows of a term in this state.
    """

    def __init__(self, segments: Sequence[Segment], gains: Sequence[NDArray[np.float32]]) -> None:
        self.known: dict[Any, Any] = {}
        self._held: list[Any] = [segments, gains]  # the table has the addresses of their arrays
        self._zero = _zero_of(segments)
        self._table = np.zeros((len(segments), lists.COLUMNS), np.int64)
        for number, (segment, gain) in enumerate(zip(segments, gains, strict=True)):
            self._fill(self._table[number], segment, gain)
        blocks = max((segment.first // RANGE + 1 for segment in segments), default=0)
        firsts = [segment.first // RANGE for segment in segments]
        self._blocks = np.searchsorted(firsts, np.arange(blocks + 1)).astype(np.int64)
        self._places = np.zeros((16, len(segments), 3), np.uint32)
        self._facts = np.zeros((16, 2))  # of each slot: df, idf
        self._slots: dict[int, int] = {}
        self._moments: dict[int, tuple[float, float, float]] = {}
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether no more terms should be remembered."""
        return len(self._slots) > MOST_TERMS or len(self.known) > MOST_TERMS

    def slot(self, term: int, df: int = 0, idf: float = 0.0) -> int:
        """Return the number under which the lists of a term are known here.

        Parameters
        ----------
        term : int
        df, idf : int, float
            How many live rows hold it, and what its amount is multiplied with.
        """
        slot = self._slots.get(term)
        if slot is not None:
            return slot
        with self._lock:
            if term not in self._slots:
                slot = len(self._slots)
                if slot == len(self._places):  # searches that are under way keep the old arrays
                    self._places = np.concatenate([self._places, np.zeros_like(self._places)])
                    self._facts = np.concatenate([self._facts, np.zeros_like(self._facts)])
                lookups.locate(self._table, np.uint32(term), self._places[slot])
                self._facts[slot] = df, idf
                self._slots[term] = slot  # last: others look without the lock
            return self._slots[term]

    def search(self, asked: Asked, depth: int, allowed: Mask | None) -> Candidates:
        """Return the best `depth` rows, with scores above that of a row without the terms."""
        mask = _EVERYTHING if allowed is None else np.ascontiguousarray(allowed, np.bool_)
        filtered = allowed is not None
        rows, scores = kernels.search(
            self._table,
            self._places,
            self._facts,
            self._zero,
            *asked,
            depth,
            mask,
            filtered,
            *_memory(depth),
        )
        return Candidates(rows, scores)

    def search_many(
        self, asked: Sequence[Asked], depth: int, allowed: Mask | None
    ) -> list[Candidates]:
        """Return `search` of every query; the GIL is free for many queries at a time."""
        mask = _EVERYTHING if allowed is None else np.ascontiguousarray(allowed, np.bool_)
        together, ranked = max(1, min(_TOGETHER, _KEPT // depth)), []
        for start in range(0, len(asked), together):
            some = asked[start : start + together]
            rows, scores = np.empty((len(some), depth), np.int64), np.empty((len(some), depth), F32)
            counts = np.empty(len(some), np.int64)
            kernels.search_each(
                self._table,
                self._places,
                self._facts,
                self._zero,
                np.concatenate([one.slots for one in some]),
                np.concatenate([one.amounts for one in some]),
                some[0].absent,
                np.cumsum([0, *(len(one.slots) for one in some)]),
                depth,
                mask,
                allowed is not None,
                *_memory(depth),
                rows,
                scores,
                counts,
            )
            for number, count in enumerate(counts.tolist()):
                ranked.append(Candidates(rows[number, :count], scores[number, :count]))
        return ranked

    def score(self, asked: Asked, rows: Rows) -> Scores:
        """Return the score of each of `rows`, 0 where it is not held."""
        out = np.empty(len(rows), np.float32)
        lookups.score(
            self._table,
            self._places,
            self._facts,
            self._zero,
            *asked,
            self._blocks,
            rows,
            out,
        )
        return out

    def ranks(self, asked: Asked, rows: Rows, allowed: Mask | None) -> Rows:
        """Return the place of each of `rows` on the complete list, 0 for those not on it.

        Only rows that score as high as the worst of these are looked at, and none are sorted.
        """
        found = self.score(asked._replace(absent=0.0), rows)  # what its terms give a row
        ranked = found > 0
        if allowed is not None:
            ranked &= is_allowed(rows, allowed)
        ranks = np.zeros(len(rows), np.int64)
        if not ranked.any():
            return ranks
        scores = found[ranked] + F32(self.unranked(asked))
        marks, back = np.unique(keys_of(scores, rows[ranked]), return_inverse=True)
        above = np.zeros(len(marks), np.int64)
        kernels.count_above(
            self._table,
            self._places,
            self._facts,
            self._zero,
            *asked,
            marks,
            _EVERYTHING if allowed is None else np.ascontiguousarray(allowed, np.bool_),
            allowed is not None,
            *_memory(1),
            above,
        )
        ranks[ranked] = above[back] + 1
        return ranks

    def unranked(self, asked: Asked) -> float:
        """Return the score of a row without any of the terms."""
        return float(lookups.weighed(*asked, self._facts)[2])

    def statistics(self, asked: Asked, rows: int) -> Statistics:
        """Return the spread of the score over `rows` live rows.

        The terms are taken as independent: their variances add.  It needs no scores, and fuses as
        well as the true deviation does (measured on six collections, ``docs/adr/0004``).
        """
        slots, weights, base = lookups.weighed(*asked, self._facts)
        mean = floor = ceiling = float(base)
        variance = 0.0
        for slot, weight in zip(slots.tolist(), weights.tolist(), strict=True):
            total, squares, peak = self.moments(slot)
            average = total / rows
            mean += weight * average
            variance += weight**2 * (squares / rows - average**2)
            floor += min(weight * peak, 0.0)
            ceiling += max(weight * peak, 0.0)
        return Statistics(mean, max(variance, 0.0) ** 0.5, floor, ceiling)

    def moments(self, slot: int) -> tuple[float, float, float]:
        """Return sum, sum of squares and maximum of a list's values over live rows."""
        if slot not in self._moments:
            self._moments[slot] = lookups.moments(self._table, self._places[slot], self._zero)
        return self._moments[slot]

    def _fill(self, facts: NDArray[np.int64], segment: Segment, gain: NDArray[Any]) -> None:
        payload = segment.payload
        if payload.dtype != self._zero.dtype and len(payload):
            payload = payload.astype(self._zero.dtype)
            self._held.append(payload)
        bound = gain.max() if len(gain) else 0  # of what a code is worth
        if segment.payload.dtype == np.uint16:  # then a code in a damaged file is inside, too
            gain = np.concatenate([gain, np.zeros(max(RANGE - len(gain), 0), F32)])
            self._held.append(gain)
        peaks = (
            segment.peaks if len(segment.peaks) else np.full(len(segment.long), bound, np.float32)
        )
        self._held.append(peaks)
        for column, array in (
            (lists.ROWS, segment.rows),
            (lists.PAYLOAD, payload),
            (lists.GAIN, gain),
            (lists.LIVE, segment.live),
            (lists.WORDS, segment.bits),
            (lists.RANKS, segment.ranks),
            (lists.PEAKS, peaks),
            (lists.TERMS, segment.terms),
            (lists.STARTS, segment.starts),
            (lists.LONG, segment.long),
        ):
            facts[column] = array.ctypes.data
        facts[lists.FIRST], facts[lists.SPAN] = segment.first, segment.span
        facts[lists.HOLES] = segment.held < segment.size
        facts[lists.SIZE], facts[lists.LONGS] = len(segment.terms), len(segment.long)


def _zero_of(segments: Sequence[Segment]) -> Any:
    """Return a zero of the type that holds the payload of every segment."""
    types = {segment.payload.dtype for segment in segments}
    return np.result_type(*types).type(0) if types else np.uint16(0)


def keys_of(scores: Scores, rows: Rows) -> NDArray[np.uint64]:
    """Return rows with scores above 0 as candidates, as `indexes.selection.key_of` makes them."""
    bits = np.asarray(scores, np.float32).view(np.uint32).astype(np.uint64)
    return bits << np.uint64(32) | (lists.NONE - rows).astype(np.uint64)


def _memory(depth: int) -> tuple[NDArray[np.float32], NDArray[np.uint64]]:
    """Return what a thread keeps from search to search: sums, all zero, and room for candidates."""
    try:
        sums, keys = _scratch.memory
    except AttributeError:
        sums, keys = np.zeros(RANGE, np.float32), np.empty(0, np.uint64)
    if len(keys) < 2 * depth + RANGE + LEAST_ROOM:
        keys = np.empty(2 * depth + RANGE + LEAST_ROOM, np.uint64)
        _scratch.memory = sums, keys
    return sums, keys
