"""Metadata by key, in columns, for masks of rows.

A column has the distinct values under a key in their order, and for every document the numbers of
its values.  So a test is a look at the distinct values and one pass over an array.  A stored
document never changes: columns come in batches of documents, which are written once, with the
generation in which they came (docs/adr/0016).  Documents that are not committed yet are read from
the store when a condition asks; so are rare kinds of keys that have no column.

All that SQL is given is numbers of documents.
"""

import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid.damaged import told_as_damage
from hybrid.filters import AllOf, Condition, KeyTest, Not, Value
from hybrid.key_values import Part
from hybrid.metadata_batches import MOST_DOCUMENTS, Batch, Names, batch_of, column_of
from hybrid.metadata_check import differing, drawn
from hybrid.metadata_files import open_batch, save_batch
from hybrid.ordered_values import NO_VALUE, OTHER
from hybrid.store_reading import told_as_unreadable
from indexes.candidates import Mask
from indexes.opened import check, facts_in, listed, opened, whole

Read = Callable[..., Iterator[tuple[Any, ...]]]
"""Runs SQL with bound values at the store's generation and returns what it finds."""

State = tuple[int, int]
"""A generation, and how often the store was changed by this process."""

MOST_MASKS = 16
"""How many conditions are remembered until the next change."""

MOST_VALUES = 10_000
"""Of a condition that is remembered."""

MOST_BYTES = 1 << 28
"""About what keys without columns may take in memory; what was not asked for longest goes first."""

_SPARSE = 0.75  # a batch of which fewer documents live is written anew when an index is compacted
_DOCUMENTS = """SELECT key, metadata FROM documents
    WHERE key > :first AND key <= :last ORDER BY key LIMIT :most"""
_LAST = "SELECT key FROM documents WHERE +born <= :generation ORDER BY key DESC LIMIT 1"
_DIED = "SELECT key FROM documents WHERE died >= :since AND died <= :generation"
_CHUNKS = "SELECT row, document FROM chunks WHERE row >= :row ORDER BY row"


class MetadataKeys:
    """What conditions need to know of the documents of one store.

    Parameters
    ----------
    folder : Path, optional
        What `save` wrote at a generation.  It is opened with the first condition.
    generation : int
    below : int
        A number that all rows of the store are below.
    """

    def __init__(self, folder: Path | None = None, generation: int = 0, below: int = 0) -> None:
        self._folder = folder if folder is not None and folder.is_dir() else None
        self._saved_at, self._below = generation, below
        self._forget()

    def back_to(self, generation: int) -> None:
        """Drop what was read when the store had come further than a generation."""
        if self._state is not None and self._state[0] > generation:
            self._forget()

    def _forget(self) -> None:
        self._state: State | None = None
        self._live: Mask = np.zeros(1, np.bool_)  # of documents by their key, from 1; any in gaps
        self._batches: list[Batch] = []
        self._others: OrderedDict[tuple[Names, int], Part] = OrderedDict()
        self._masks: OrderedDict[Condition, Mask] = OrderedDict()

    def rows(self, read: Read, state: State, condition: Condition) -> Mask:
        """Return which rows a condition lets through.

        Parameters
        ----------
        read : callable
            Asks the store.
        state : (int, int)
            What the store is like now.
        condition : Condition

        Returns
        -------
        ndarray of bool, shape (rows,)
            Not to be written to.

        Raises
        ------
        IndexFormatError
            If files of columns are damaged.
        """
        self._keep_up(read, state)
        mask = self._masks.pop(condition, None)
        if mask is None:
            mask = self._by_row(self.documents(read, state, condition))
        if _values_in(condition) <= MOST_VALUES:
            self._masks[condition] = mask
        while len(self._masks) > MOST_MASKS:
            self._masks.popitem(last=False)
        return mask

    def documents(self, read: Read, state: State, condition: Condition) -> Mask:
        """Return which documents a condition lets through, by their keys."""
        self._keep_up(read, state)
        mask = self._evaluated(read, condition) & self._live
        while sum(part.bytes for part in self._others.values()) > MOST_BYTES:
            self._others.popitem(last=False)
        return mask

    def counts(
        self, read: Read, state: State, names: Names, condition: Condition
    ) -> Counter[Value]:
        """Return in how many of the documents that a condition lets through each value stands."""
        mask = self.documents(read, state, condition)
        found: Counter[Value] = Counter()
        for part in self._parts(read, names):
            passing = part.codes[mask[np.asarray(part.documents, np.int64)]]
            numbers = np.bincount(passing, minlength=len(part.values))
            for code in np.flatnonzero(numbers).tolist():
                found[part.values.kind_of(code), part.values[code]] += int(numbers[code])
        del found[OTHER, NO_VALUE]
        return found

    def thin(self, read: Read, state: State) -> None:
        """Drop what dead documents held from batches in which many are dead."""
        self._keep_up(read, state)
        batches, self._batches = self._batches, []
        for batch in batches:
            live = int(self._live[batch.first : batch.last + 1].sum())
            self._append(batch.only(self._live) if live < _SPARSE * batch.size else batch)

    def save(self, read: Read, state: State, folder: Path) -> None:
        """Write the columns at a generation; files that were written before are linked.

        Parameters
        ----------
        read, state
            As for `rows`.
        folder : Path
            Exists, and is empty.
        """
        self._keep_up(read, state)
        names = [f"batch-{number:04d}" for number in range(len(self._batches))]
        for name, batch in zip(names, self._batches, strict=True):
            save_batch(batch, folder / name)
        np.save(folder / "live.npy", np.packbits(self._live), allow_pickle=False)
        facts = {"batches": names, "documents": len(self._live)}
        (folder / "metadata.json").write_text(json.dumps(facts), "utf-8")

    def differing(self, read: Read, state: State, most: int | None = None) -> list[str]:
        """Return in which columns something else stands than in the store, one line each.

        Of the documents, `most` at most are compared.
        """
        self._keep_up(read, state)

        def documents(batch: Batch) -> list[tuple[int, str]]:
            return list(read(_DOCUMENTS, first=batch.first - 1, last=batch.last, most=-1))

        with told_as_damage(self._folder or Path()):
            return list(differing(self._batches, drawn(self._live, most), documents))

    def _open(self, folder: Path) -> None:
        facts = facts_in(folder / "metadata.json")
        packed = opened(folder / "live.npy", "|u1", (None,), mode=None)
        documents = whole(facts.get("documents"), "the number of documents", 1, 8 * len(packed))
        check(len(packed) == -(-documents // 8), "a bit for each document")
        for name in listed(facts, "batches"):
            check(isinstance(name, str) and name.isascii(), "names of batches")
            check(name.replace("-", "").isalnum(), "names of batches without a path")
            batch = open_batch(folder / name)
            before = self._batches[-1] if self._batches else None
            check(before is None or batch.first > before.last, "batches one after the other")
            check(before is None or batch.row >= before.end, "rows that ascend")
            check(batch.last < documents, "documents that are there")
            check(batch.end <= self._below, "rows of the store")
            self._batches.append(batch)
        self._live = np.unpackbits(packed, count=documents).view(np.bool_)
        self._state = self._saved_at, -1

    def _keep_up(self, read: Read, state: State) -> None:
        """Take in what was added and deleted since the last state."""
        if state == self._state:
            return
        if self._state is None and self._folder is not None and self._saved_at <= state[0]:
            with told_as_damage(self._folder.parent):
                self._open(self._folder)
        since = 0 if self._state is None else self._state[0]
        if since > state[0]:
            self._forget()
            since = 0
        known = len(self._live) - 1
        last = max((key for (key,) in read(_LAST)), default=known)
        if last > known:
            self._live = np.append(self._live, np.ones(last - known, np.bool_))
            self._extend(read, known, last)
        self._live[_numbers(read(_DIED, since=since))] = False
        self._masks.clear()
        self._state = state

    def _extend(self, read: Read, known: int, last: int) -> None:
        """Make batches of the documents after one, up to another."""
        while known < last:
            span = {"first": known, "last": last, "most": MOST_DOCUMENTS}
            documents = list(read(_DOCUMENTS, **span))
            if not documents:
                break
            known, row = documents[-1][0], self._batches[-1].end if self._batches else 0
            chunks = _up_to(read(_CHUNKS, row=row), known)
            with told_as_unreadable(None):
                self._append(batch_of(documents, chunks, row))

    def _append(self, batch: Batch) -> None:
        """Add a batch, and join the last ones when as much has come again."""
        self._batches.append(batch)
        while len(self._batches) > 1:
            before, after = self._batches[-2:]
            if before.size > 2 * after.size or before.size + after.size > MOST_DOCUMENTS:
                break
            self._batches[-2:] = [before.joined(after)]

    def _by_row(self, documents: Mask) -> Mask:
        """Return a mask of rows for one of documents."""
        pieces: list[Mask] = []
        end = 0
        for batch in self._batches:
            if batch.row > end:
                pieces.append(np.zeros(batch.row - end, np.bool_))
            pieces.append(batch.by_row(documents))
            end = batch.end
        return np.concatenate(pieces) if pieces else np.zeros(0, np.bool_)

    def _evaluated(self, read: Read, condition: Condition) -> Mask:
        if isinstance(condition, KeyTest):
            mask = np.zeros(len(self._live), np.bool_)
            for part in self._parts(read, condition.names):
                part.mark(condition, mask)
            return mask
        if isinstance(condition, Not):
            return ~self._evaluated(read, condition.part)
        every = isinstance(condition, AllOf)
        mask = np.full(len(self._live), every)
        combine = np.logical_and if every else np.logical_or
        for inner in condition.parts:
            combine(mask, self._evaluated(read, inner), out=mask)
        return mask

    def _parts(self, read: Read, names: Names) -> Iterator[Part]:
        """Yield what the documents hold under a key."""
        for batch in self._batches:
            if names in batch.columns:
                with told_as_damage(self._folder or Path()):
                    part = batch.columns[names]
                yield part
            elif not batch.knows(names):
                yield self._other(read, names, batch)

    def _other(self, read: Read, names: Names, batch: Batch) -> Part:
        """Return what is held under a key that has no column, read from the store once."""
        key = names, batch.first
        if key not in self._others:
            span = {"first": batch.first - 1, "last": batch.last, "most": -1}
            self._others[key] = column_of(read(_DOCUMENTS, **span), names)
        self._others.move_to_end(key)
        return self._others[key]


def _values_in(condition: Condition) -> int:
    """Return how many values a condition compares with."""
    if isinstance(condition, KeyTest):
        return len(condition.values)
    parts = [condition.part] if isinstance(condition, Not) else condition.parts
    return sum(map(_values_in, parts))


def _up_to(chunks: Iterable[tuple[int, ...]], document: int) -> list[tuple[int, int]]:
    """Return the first rows of chunks, with their documents, up to those of a document."""
    found: list[tuple[int, int]] = []
    for row, key in chunks:
        if key > document:
            break
        found.append((row, key))
    return found


def _numbers(found: Iterable[tuple[int, ...]]) -> NDArray[np.int64]:
    """Return the whole numbers of all records, one after the other."""
    return np.fromiter(chain.from_iterable(found), np.int64)
