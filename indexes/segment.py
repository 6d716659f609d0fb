"""The inverted file of one range of 65,536 rows: immutable, but for which of its rows are live.

A posting is the row's number within the range, in two bytes, and a payload: for BM25 the number of
the pair (term frequency, length of the row) in the segment's code book, nearly always two bytes as
well; for learned weights the weight.  What a pair is worth is computed again whenever the average
length changes: for some thousand codes, not for millions of postings.
"""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from indexes.inverting import ONES, Lists, bitmaps, code_book, count_terms, invert, merge
from indexes.lists import RANGE
from indexes.opened import DamagedFile, check, opened, rising

_LONG, _LONG_WEIGHTS = 32, 8  # a list with more than one row in so many has a bitmap
_FEW = 4  # deleted rows that are looked for one by one
_FILES = (
    *("terms", "starts", "rows", "payload"),
    *("tfs", "lengths", "row_lengths"),
    *("long", "bits", "ranks", "peaks"),
)


@dataclass(frozen=True, slots=True)
class Segment:
    """Posting lists of the rows from `first` to ``first + RANGE - 1``, or of some of them.

    Attributes
    ----------
    first : int
        A multiple of RANGE.
    live : ndarray of uint8, shape (RANGE,)
        1 for rows that are held.
    size : int
        How many rows there were at first; the lists still hold those that are not live any more.
    span : int
        A multiple of 64 that all rows of the lists are below.
    terms : ndarray of uint32, shape (lists,)
        Ascending.
    starts : ndarray of uint32, shape (lists + 1,)
        Where each list starts in `rows` and `payload`.
    rows : ndarray of uint16, shape (postings,)
        Ascending in each list, relative to `first`.
    payload : ndarray of uint16, uint32 or float32, shape (postings,)
        Codes, or weights.
    tfs, lengths : ndarray of uint32, shape (codes,)
        What each code stands for; empty for weights.
    row_lengths : ndarray of uint32, shape (RANGE,)
        Sum of the tfs of each row; zeros for weights.
    long : ndarray of uint32, shape (long lists,)
        Which lists have a bitmap, ascending.
    bits, ranks : ndarray of uint64 and uint16, shape (long lists, RANGE / 64)
        Their bitmaps, and how many of their rows are before each word of it.
    peaks : ndarray of float32, shape (long lists,)
        The largest weight of each; empty for codes.
    home : Path or None
        The folder with its files, once it was saved or opened.
    """

    first: int
    live: NDArray[np.uint8]
    size: int
    span: int
    terms: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    rows: NDArray[np.uint16]
    payload: NDArray[Any]
    tfs: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    row_lengths: NDArray[np.uint32]
    long: NDArray[np.uint32]
    bits: NDArray[np.uint64]
    ranks: NDArray[np.uint16]
    peaks: NDArray[np.float32]
    home: Path | None = field(default=None, compare=False)

    @property
    def held(self) -> int:
        """How many rows are live."""
        return int(np.count_nonzero(self.live))

    @staticmethod
    def of_tokens(
        first: int,
        rows: NDArray[np.uint16],
        offsets: NDArray[np.int64],
        ids: NDArray[np.uint32],
        amounts: NDArray[np.uint32],
    ) -> "Segment":
        """Return the segment of rows that consist of terms; see `invert`."""
        lists = invert(rows, offsets, ids, amounts)
        sizes = np.zeros(RANGE, np.uint32)
        if amounts is ONES:
            sizes[rows] = np.diff(offsets)
        else:
            np.add.at(sizes, np.repeat(rows, np.diff(offsets)), amounts)
        return _of_counts(first, _marked(rows), lists, sizes)

    @staticmethod
    def of_weights(
        first: int,
        rows: NDArray[np.uint16],
        offsets: NDArray[np.int64],
        ids: NDArray[np.uint32],
        amounts: NDArray[np.float32],
    ) -> "Segment":
        """Return the segment of rows that consist of weighted terms; see `invert`."""
        return _of_weights(first, _marked(rows), invert(rows, offsets, ids, amounts))

    def entries(self, asked: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return the postings of some rows: the place of each row in `asked`, term and value."""
        inside = np.flatnonzero((asked >= self.first) & (asked < self.first + RANGE))
        inside = inside[self.live[asked[inside] - self.first] > 0]
        place = np.full(RANGE, -1, np.int64)
        place[asked[inside] - self.first] = inside
        places = place[self.rows]
        kept = np.flatnonzero(places >= 0) if len(inside) else np.empty(0, np.int64)
        terms = self.terms[np.searchsorted(self.starts, kept, "right") - 1]
        return places[kept], terms, self._values()[kept]

    def merged(self, other: "Segment") -> "Segment":
        """Return one segment of the live rows of two that share none."""
        a, b = ((one.terms, one.starts, one.rows, one._values(), one.live) for one in (self, other))
        live = self.live | other.live
        lists = merge(*a, *b)
        if self.payload.dtype == np.float32:
            return _of_weights(self.first, live, lists)
        sizes = np.where(self.live, self.row_lengths, 0)
        sizes = np.where(other.live, other.row_lengths, sizes).astype(np.uint32)
        return _of_counts(self.first, live, lists, sizes)

    def compacted(self) -> "Segment":
        """Return the segment without what is left of deleted rows."""
        nothing = replace(
            self,
            live=np.zeros(RANGE, np.uint8),
            terms=self.terms[:0].copy(),
            starts=np.zeros(1, np.uint32),
            rows=self.rows[:0].copy(),
            payload=self.payload[:0].copy(),
        )
        return self.merged(nothing)

    def without(self, gone: NDArray[np.int64], counts: NDArray[np.uint32]) -> Self:
        """Return the segment without some live rows.

        Parameters
        ----------
        gone : ndarray of int64
            Rows, relative to `first`.
        counts : ndarray of uint32, shape (all terms,)
            How many live rows hold each term; lowered in place.
        """
        if len(gone) <= _FEW:
            for row in gone:
                at = np.flatnonzero(self.rows == np.uint16(row))  # each list holds it once
                counts[self.terms[np.searchsorted(self.starts, at, "right") - 1]] -= np.uint32(1)
        else:
            marks = np.zeros(RANGE, np.uint8)
            marks[gone] = 1
            count_terms(self.terms, self.starts, self.rows, marks, counts)
        live = self.live.copy()
        live[gone] = 0
        return replace(self, live=live)

    def save(self, folder: Path) -> Self:
        """Write the files that never change into a new folder, or link those that are written."""
        folder.mkdir()
        for name in _FILES:
            save_once(getattr(self, name), f"{name}.npy", folder, self.home)
        return replace(self, home=folder)

    @classmethod
    def load(
        cls, folder: Path, first: int, live: NDArray[np.uint8], size: int, span: int, weighted: bool
    ) -> Self:
        """Open what `save` wrote; its arrays stay on disk until they are read.

        Raises
        ------
        ValueError
            If a search in it could leave its arrays.
        """

        def array(name: str, kinds: str, *shape: int | None) -> NDArray[Any]:
            return opened(folder / f"{name}.npy", kinds, shape)

        terms, rows = array("terms", "<u4", None), array("rows", "<u2", None)
        long = array("long", "<u4", None)
        tfs = array("tfs", "<u4", 0 if weighted else None)
        segment = cls(
            first=first,
            live=live,
            size=size,
            span=span,
            terms=terms,
            starts=array("starts", "<u4", len(terms) + 1),
            rows=rows,
            payload=array("payload", "<f4" if weighted else "<u2 <u4", len(rows)),
            tfs=tfs,
            lengths=array("lengths", "<u4", len(tfs)),
            row_lengths=array("row_lengths", "<u4", RANGE),
            long=long,
            bits=array("bits", "<u8", len(long), RANGE // 64),
            ranks=array("ranks", "<u2", len(long), RANGE // 64),
            peaks=array("peaks", "<f4", len(long) if weighted else 0),
            home=folder,
        )
        segment._check()
        return segment

    def _check(self) -> None:
        """Raise ValueError unless searches stay inside; the postings themselves are not read.

        A row of two bytes is always inside, and so is a code of two bytes (`indexes.view`).
        """
        starts, terms, long = self.starts, self.terms, self.long
        check(rising(starts, 0, len(self.rows)), "lists of postings one behind the other")
        sizes = np.diff(starts)
        check(sizes.max(initial=0) <= RANGE, "lists of different rows")
        check((terms[1:] > terms[:-1]).all(), "terms that go up")
        check((long[1:] > long[:-1]).all(), "long lists in their order")
        check(not len(long) or long[-1] < len(terms), "long lists that there are")
        check(sizes[long].min(initial=1) > 0, "rows in long lists")
        check(not self.live[self.span :].any(), "live rows within the span")
        if self.span < RANGE:  # such a segment is small
            check(self.rows.max(initial=0) < self.span, "rows within the span")
        if self.payload.dtype == np.uint32:  # rare
            check(self.payload.max(initial=0) < max(len(self.tfs), 1), "codes in the code book")

    def _values(self) -> NDArray[Any]:
        """Return the tf of each posting, or its weight."""
        if self.payload.dtype == np.float32:
            return self.payload
        try:
            return np.asarray(self.tfs[self.payload])
        except IndexError:
            raise DamagedFile(f"expected codes in the code book of {self.home}: damaged") from None


def _of_counts(
    first: int,
    live: NDArray[np.uint8],
    lists: Lists,
    row_lengths: NDArray[np.uint32],
) -> Segment:
    """Return the segment of lists whose values are tfs."""
    terms, starts, rows, tfs = lists
    payload, of_tf, of_length = code_book(rows, tfs, row_lengths)
    long, bits, ranks = _bitmaps(starts, rows, _LONG)
    return Segment(
        first=first,
        live=live,
        size=int(np.count_nonzero(live)),
        span=_span_of(live),
        terms=terms,
        starts=starts,
        rows=rows,
        payload=payload,
        tfs=of_tf,
        lengths=of_length,
        row_lengths=row_lengths,
        long=long,
        bits=bits,
        ranks=ranks,
        peaks=np.empty(0, np.float32),
    )


def _of_weights(first: int, live: NDArray[np.uint8], lists: Lists) -> Segment:
    """Return the segment of lists whose values are weights."""
    terms, starts, rows, weights = lists
    none = np.empty(0, np.uint32)
    long, bits, ranks = _bitmaps(starts, rows, _LONG_WEIGHTS)
    return Segment(
        first=first,
        live=live,
        size=int(np.count_nonzero(live)),
        span=_span_of(live),
        terms=terms,
        starts=starts,
        rows=rows,
        payload=weights,
        tfs=none,
        lengths=none,
        row_lengths=np.zeros(RANGE, np.uint32),
        long=long,
        bits=bits,
        ranks=ranks,
        peaks=np.maximum.reduceat(weights, starts[:-1])[long] if len(long) else weights[:0],
    )


def _bitmaps(
    starts: NDArray[np.uint32], rows: NDArray[np.uint16], one_in: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint16]]:
    """Return which lists are long, their bitmaps, and the ranks of the words of these."""
    long = np.flatnonzero(np.diff(starts) > RANGE // one_in).astype(np.uint32)
    bits = np.zeros((len(long), RANGE // 64), np.uint64)
    ranks = np.zeros((len(long), RANGE // 64), np.uint16)
    bitmaps(starts, rows, long, bits, ranks)
    return long, bits, ranks


def _span_of(live: NDArray[np.uint8]) -> int:
    last = int(np.flatnonzero(live)[-1]) if live.any() else 0
    return (last // 64 + 1) * 64


def _marked(rows: NDArray[np.uint16]) -> NDArray[np.uint8]:
    marks = np.zeros(RANGE, np.uint8)
    marks[rows] = 1
    return marks


def save_once(array: NDArray[Any], name: str, folder: Path, home: Path | None) -> None:
    """Write an array that never changes, or give the file that has it already a second name."""
    if home is not None:
        try:
            os.link(home / name, folder / name)
        except OSError:  # on another disk, or one that knows no links, or removed since
            pass
        else:
            return
    np.save(folder / name, array, allow_pickle=False)
