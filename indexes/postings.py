"""The inverted file: segments of rows, what is waiting to become one, and counts over live rows.

Rows are added in batches and deleted one by one; the segments are brought up to date at the next
read.  A small batch becomes a small segment, and segments of one range are merged while the older
is less than twice the size of the newer: a row is copied a few times in its life, and a change
costs the same in a large index as in a small one.

Document frequencies and lengths are whole numbers over the live rows, so they are those of a fresh
build of these rows, whatever has happened before.
"""

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.candidates import Mask, Rows, as_new_rows, as_rows
from indexes.inverting import ONES
from indexes.lists import RANGE
from indexes.opened import DamagedFile, check, facts_in, opened, whole
from indexes.segment import Segment

MOST_ROWS = 1 << 32
"""Rows stay below: a search has 32 bits for them."""

_ENOUGH = 1 << 23  # waiting postings that are made into segments at once, so that memory is bounded
_SPARSE = 0.7  # a segment with a smaller share of live rows is written anew


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that wait for a segment: terms and amounts as in a CSR matrix."""

    rows: Rows
    offsets: NDArray[np.int64]
    ids: NDArray[np.uint32]
    amounts: NDArray[Any]


class Postings:
    """Posting lists over integer terms.

    Parameters
    ----------
    weighted : bool
        Whether the amounts are float32 weights; otherwise they are counts.

    Attributes
    ----------
    live : ndarray of bool, shape (rows ever seen,)
        Which rows are held.
    version : int
        Goes up whenever `segments` or the counts change.
    """

    def __init__(self, *, weighted: bool = False) -> None:
        self.weighted = weighted
        self.live: Mask = np.empty(0, np.bool_)
        self.version = 0
        self._count = 0
        self._length = 0
        self._segments: list[Segment] = []
        self._dfs: NDArray[np.uint32] = np.empty(0, np.uint32)
        self._waiting: list[Batch] = []
        self._size = 0  # of what waits
        self._gone: list[Rows] = []
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return self._count

    @property
    def segments(self) -> list[Segment]:
        """The segments, by their first row."""
        self.settle()
        return self._segments

    @property
    def dfs(self) -> NDArray[np.uint32]:
        """How many live rows hold each term, by term; shorter than the vocabulary may be."""
        self.settle()
        return self._dfs

    @property
    def average_length(self) -> float:
        """The mean sum of counts of a live row; 1 where there is none."""
        self.settle()
        return self._length / max(self._count, 1) or 1.0

    def add(
        self,
        rows: ArrayLike,
        offsets: NDArray[np.int64],
        ids: NDArray[np.uint32],
        amounts: NDArray[Any] = ONES,
    ) -> None:
        """Add rows.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            New rows, in any order.
        offsets : ndarray of int64, shape (n + 1,)
            Where the terms of each row start in `ids`.
        ids : ndarray of uint32
            Terms; they may repeat.
        amounts : ndarray of uint32 or float32
            How often each counts; left out: once.

        Raises
        ------
        ValueError
            If a row is there already, or stands twice in `rows`, or is not below 2**32, or the
            lengths differ.
        """
        with self._lock:
            new = self.as_new(rows, len(offsets) - 1)
            if not len(new):
                return
            most = max(int(new.max()) + 1, len(self.live))
            self.live = np.pad(self.live, (0, most - len(self.live)))
            self.live[new] = True
            self._waiting.append(Batch(new, offsets, ids, amounts))
            self._count += len(new)
            self._size += len(ids)
            if self._size > _ENOUGH:
                self.settle()

    def as_new(self, rows: ArrayLike, count: int) -> Rows:
        """Return the rows of `count` new items, or raise ValueError as `add`."""
        new = as_new_rows(rows, count)
        if (new >= MOST_ROWS).any():
            raise ValueError(f"expected rows below {MOST_ROWS}, not {new.max()}")
        known = new[new < len(self.live)]
        known = known[self.live[known]]
        if len(known):
            raise ValueError(f"row {known[0]} is there already: delete it first")
        return new

    def delete(self, rows: ArrayLike) -> None:
        """Delete rows; those that are not held are passed over."""
        with self._lock:
            gone = np.unique(as_rows(rows))
            gone = gone[gone < len(self.live)]
            gone = gone[self.live[gone]]
            if not len(gone):
                return
            if any(np.isin(gone, batch.rows).any() for batch in self._waiting):
                self.settle()
            self._gone.append(gone)
            self.live[gone] = False
            self._count -= len(gone)

    def settle(self) -> None:
        """Bring the segments and the counts up to date."""
        if not (self._waiting or self._gone):
            return
        with self._lock:
            dfs, segments, length = self._dfs.copy(), list(self._segments), self._length
            if self._gone:  # first: a row that came back waits in a batch
                gone = np.concatenate(self._gone)
                for number, segment in enumerate(segments):
                    inside = _inside(segment, gone)
                    if len(inside):
                        length -= int(segment.row_lengths[inside].sum())
                        segments[number] = segment.without(inside, dfs)
            for segment in self._made():
                dfs = _added(dfs, segment)
                length += int(segment.row_lengths.sum())
                segments.append(segment)
            self._segments, self._dfs, self._length = _tidy(segments), dfs, length
            self.version += 1  # before others can see that nothing waits
            self._waiting, self._gone, self._size = [], [], 0

    def compact(self) -> None:
        """Have one segment in each range, with live rows alone."""
        with self._lock:
            self.settle()
            merged: list[Segment] = []
            for segment in self._segments:
                if not segment.held:
                    continue
                if segment.held < segment.size:
                    segment = segment.compacted()
                if merged and merged[-1].first == segment.first:
                    segment = merged.pop().merged(segment)
                merged.append(segment)
            self._segments = merged
            self.version += 1

    def save(self, folder: Path) -> None:
        """Write the segments into a folder that exists; those that are written are linked."""
        with self._lock:
            self.settle()
            self._segments = [
                segment.save(folder / f"segment-{number:04d}")
                for number, segment in enumerate(self._segments)
            ]
            live = np.array([segment.live for segment in self._segments], np.uint8)
            np.save(folder / "live.npy", np.packbits(live.reshape(-1, RANGE), axis=1))
            np.save(folder / "dfs.npy", self._dfs)
            facts = {
                "weighted": self.weighted,
                "rows": len(self.live),
                "length": self._length,
                "segments": [[one.first, one.size, one.span] for one in self._segments],
            }
            (folder / "postings.json").write_text(json.dumps(facts), "utf-8")

    @classmethod
    def load(cls, folder: Path, below: int = MOST_ROWS) -> Self:
        """Open what `save` wrote; the lists stay on disk until they are read.

        Raises
        ------
        ValueError
            If a file is damaged so that a search could fail, or live rows are not `below`.
        """
        facts = facts_in(folder / "postings.json")
        check(isinstance(facts.get("weighted"), bool), "weighted or counted postings")
        postings = cls(weighted=facts["weighted"])
        places = _places_in(facts)
        packed = opened(folder / "live.npy", "|u1", (len(places), RANGE // 8), mode=None)
        live = np.unpackbits(packed, axis=1)
        rows = whole(facts.get("rows"), "rows", 0, MOST_ROWS)
        end = max((first + RANGE for first, _, _ in places), default=0)
        postings.live = np.zeros(min(rows, end), np.bool_)  # behind it none is live
        for number, (first, size, span) in enumerate(places):
            name = folder / f"segment-{number:04d}"
            postings._segments.append(
                Segment.load(name, first, live[number], size, span, postings.weighted)
            )
            room = postings.live[first : first + RANGE]
            room |= live[number, : len(room)].astype(np.bool_)
            postings._count += int(np.count_nonzero(live[number]))
        held = sum(
            int(np.count_nonzero(postings.live[first : first + RANGE]))
            for first in {first for first, _, _ in places}
        )
        check(held == postings._count, "each row in one segment")
        check(not postings.live[below:].any(), f"rows below {below}")
        postings._length = whole(facts.get("length"), "length", 0, postings._count << 32)
        postings._dfs = dfs = opened(folder / "dfs.npy", "<u4", (None,))
        check(dfs.max(initial=0) <= postings._count, "no term in more rows than there are")
        known = (not len(one.terms) or one.terms[-1] < len(dfs) for one in postings._segments)
        check(all(known), "a count for each term")
        return postings

    def _made(self) -> list[Segment]:
        """Return a segment of each range that rows wait for."""
        if not self._waiting:
            return []
        make = Segment.of_weights if self.weighted else Segment.of_tokens
        batch = _joined(self._waiting)
        bounds = np.flatnonzero(np.diff(batch.rows // RANGE)) + 1
        segments = []
        for start, stop in zip([0, *bounds], [*bounds, len(batch.rows)], strict=True):
            first = int(batch.rows[start]) // RANGE * RANGE
            begin, end = batch.offsets[start], batch.offsets[stop]
            amounts = batch.amounts if len(batch.amounts) == 1 else batch.amounts[begin:end]
            rows = (batch.rows[start:stop] - first).astype(np.uint16)
            offsets = batch.offsets[start : stop + 1] - begin
            segments.append(make(first, rows, offsets, batch.ids[begin:end], amounts))
        return segments


def _places_in(facts: dict[str, Any]) -> list[tuple[int, int, int]]:
    """Return first row, size and span of each segment, as `Postings.save` wrote them."""
    places, before = [], 0
    for facts_of_one in _listed(facts.get("segments")):
        first, size, span = (
            whole(value, name, least, most)
            for value, name, least, most in zip(
                _listed(facts_of_one, 3),
                ("a first row", "a size", "a span"),
                (before, 0, 64),
                (MOST_ROWS - RANGE, RANGE, RANGE),
                strict=True,
            )
        )
        check(first % RANGE == 0 and span % 64 == 0, "segments of whole ranges")
        places.append((first, size, span))
        before = first
    return places


def _listed(value: object, size: int | None = None) -> list[Any]:
    if not isinstance(value, list) or size not in (None, len(value)):
        raise DamagedFile(f"expected a list of {size or 'segments'}, not {str(value)[:40]}")
    return value


def _inside(segment: Segment, rows: Rows) -> Rows:
    """Return which of some rows are live in a segment, relative to its first."""
    inside = rows[(rows >= segment.first) & (rows < segment.first + RANGE)] - segment.first
    return inside[segment.live[inside] > 0]


def _joined(batches: list[Batch]) -> Batch:
    """Return one batch with the rows of all, ascending."""
    rows = np.concatenate([batch.rows for batch in batches])
    sizes = np.concatenate([np.diff(batch.offsets) for batch in batches])
    ids = np.concatenate([batch.ids for batch in batches])
    plain = all(len(batch.amounts) == 1 and batch.amounts is ONES for batch in batches)
    amounts = ONES if plain else np.concatenate([_amounts(batch) for batch in batches])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    if (np.diff(rows) > 0).all():
        return Batch(rows, starts, ids, amounts)
    order = np.argsort(rows)
    taken = np.concatenate([np.arange(starts[at], starts[at + 1]) for at in order])
    offsets = np.concatenate([[0], np.cumsum(sizes[order])])
    return Batch(rows[order], offsets, ids[taken], ONES if plain else amounts[taken])


def _amounts(batch: Batch) -> NDArray[Any]:
    """Return how much each term of a batch counts."""
    plain = batch.amounts is ONES
    return np.ones(len(batch.ids), np.uint32) if plain else batch.amounts


def _added(dfs: NDArray[np.uint32], segment: Segment) -> NDArray[np.uint32]:
    """Return the counts with those of a segment."""
    most = int(segment.terms[-1]) + 1 if len(segment.terms) else 0
    if most > len(dfs):
        dfs = np.pad(dfs, (0, most - len(dfs)))
    dfs[segment.terms] += np.diff(segment.starts)
    return dfs


def _tidy(segments: list[Segment]) -> list[Segment]:
    """Return segments of the same live rows: few in each range, and none of mostly dead rows."""
    tidy: list[Segment] = []
    for segment in sorted(segments, key=lambda one: one.first):  # stable: older before newer
        held = segment.held
        if held < _SPARSE * segment.size:
            if not held:
                continue
            segment = segment.compacted()
        while tidy and tidy[-1].first == segment.first and _small(tidy[-1], segment):
            segment = tidy.pop().merged(segment)
        tidy.append(segment)
    return tidy


def _small(older: Segment, newer: Segment) -> bool:
    """Return whether two segments should be one; those without any term should."""
    return len(older.rows) <= 2 * len(newer.rows)
