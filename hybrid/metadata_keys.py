"""Metadata by key, in memory, for masks of rows.

A key is read from the store when a condition first names it: the distinct values in their order,
and for every document the numbers of its values.  So a test is a look at the distinct values
and one pass over an array.  What was read stays: a stored document never changes, so after a
change only the documents that are new are read.

All that SQL is given is a number of a document, or a key as a bound value.
"""

import json
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid.filters import AllOf, Condition, KeyTest, Not, Value
from hybrid.key_values import NO_VALUE, OTHER, Part, values_under
from indexes.candidates import Mask

Read = Callable[..., Iterator[tuple[Any, ...]]]
"""Runs SQL with bound values at the store's generation and returns what it finds."""

State = tuple[int, int]
"""A generation, and how often the store was changed by this process."""

MOST_MASKS = 16
"""How many conditions are remembered until the next change."""

MOST_VALUES = 10_000
"""Of a condition that is remembered."""

MOST_BYTES = 1 << 30
"""About what keys may take in memory; those that were not asked for the longest go first."""

_DOCUMENTS = "FROM documents WHERE key > :first AND key <= :last ORDER BY key"
_LAST = "SELECT key FROM documents WHERE born <= :generation ORDER BY key DESC LIMIT 1"
_DIED = "SELECT key FROM documents WHERE died >= :since AND died <= :generation"
_CHUNKS = "SELECT row, document FROM chunks WHERE row >= :row AND +document <= :last ORDER BY row"


class MetadataKeys:
    """What conditions need to know of the documents of one store.

    A generation that it is asked for is never written again, unless `back_to` says so.
    """

    def __init__(self) -> None:
        self._forget()

    def back_to(self, generation: int) -> None:
        """Drop what was read when the store had come further than a generation."""
        if self._state is not None and self._state[0] > generation:
            self._forget()

    def _forget(self) -> None:
        self._state: State | None = None
        self._live: Mask = np.zeros(1, np.bool_)  # of documents by their key, from 1; any in gaps
        self._document: NDArray[np.int64] = np.zeros(0, np.int64)  # of each row; 0: none
        self._shift: int | None = None  # from rows to documents, where each has one chunk
        self._columns: OrderedDict[tuple[str, ...], Column] = OrderedDict()
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
        while sum(column.bytes for column in self._columns.values()) > MOST_BYTES:
            self._columns.popitem(last=False)
        return mask

    def counts(
        self, read: Read, state: State, names: tuple[str, ...], condition: Condition
    ) -> Counter[Value]:
        """Return in how many of the documents that a condition lets through each value stands."""
        mask = self.documents(read, state, condition)
        found: Counter[Value] = Counter()
        for part in self._column(read, names).parts:
            numbers = np.bincount(part.codes[mask[part.documents]], minlength=len(part.values))
            for code in np.flatnonzero(numbers).tolist():
                found[part.kind_of(code), part.values[code]] += int(numbers[code])
        del found[OTHER, NO_VALUE]
        return found

    def _keep_up(self, read: Read, state: State) -> None:
        """Take in what was added and deleted since the last state."""
        if state == self._state:
            return
        since = 0 if self._state is None else self._state[0]
        if since > state[0]:
            self._forget()
            since = 0
        known = len(self._live) - 1
        last = max((key for (key,) in read(_LAST)), default=known)
        if last > known:
            self._live = np.append(self._live, np.ones(last - known, np.bool_))
            known = len(self._document)
            rows, documents = _numbers(read(_CHUNKS, row=known, last=last)).reshape(-1, 2).T
            more = np.zeros(int(rows.max(initial=known - 1)) + 1 - known, np.int64)
            more[rows - known] = documents
            self._document = np.append(self._document, more)
            self._shift = _shift_of(self._document)
        self._live[_numbers(read(_DIED, since=since))] = False
        self._masks.clear()
        self._state = state

    def _by_row(self, documents: Mask) -> Mask:
        """Return a mask of rows for one of documents."""
        if self._shift is not None:
            return documents[self._shift : self._shift + len(self._document)]
        return documents[self._document]

    def _evaluated(self, read: Read, condition: Condition) -> Mask:
        if isinstance(condition, KeyTest):
            mask = np.zeros(len(self._live), np.bool_)
            self._column(read, condition.names).mark(condition, mask)
            return mask
        if isinstance(condition, Not):
            return ~self._evaluated(read, condition.part)
        every = isinstance(condition, AllOf)
        mask = np.full(len(self._live), every)
        for part in condition.parts:
            combine = np.logical_and if every else np.logical_or
            combine(mask, self._evaluated(read, part), out=mask)
        return mask

    def _column(self, read: Read, names: tuple[str, ...]) -> "Column":
        column = self._columns.setdefault(names, Column(names))
        self._columns.move_to_end(names)
        column.extend(read, len(self._live) - 1)
        return column


class Column:
    """The values of all documents under one key, in parts that do not change.

    Parameters
    ----------
    names : tuple of str
        The key, a name for each level.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names, self.last = names, 0
        self.parts: list[Part] = []

    @property
    def bytes(self) -> int:
        """About what it takes in memory."""
        return sum(part.bytes for part in self.parts)

    def mark(self, test: KeyTest, mask: Mask) -> None:
        """Mark the documents that pass a test."""
        for part in self.parts:
            part.mark(test, mask)

    def extend(self, read: Read, last: int) -> None:
        """Read the documents up to one; what is there is merged when as much has come again."""
        if last <= self.last:
            return
        documents, texts = self._texts(read, last)
        part = Part.of(documents, texts, self.names[1:])
        if len(part):
            self.parts.append(part)
        while len(self.parts) > 1 and len(self.parts[-2]) <= 2 * len(self.parts[-1]):
            self.parts[-2:] = [self.parts[-2].joined(self.parts[-1])]
        self.last = last

    def _texts(self, read: Read, last: int) -> tuple[NDArray[np.int64], list[str]]:
        """Return the documents that have the first name, and what stands there as JSON."""
        name, span = self.names[0], {"first": self.last, "last": last}
        if _is_plain(name):
            found = read(f"SELECT key, metadata -> :path {_DOCUMENTS}", path=f'$."{name}"', **span)
        else:
            whole = read(f"SELECT key, metadata {_DOCUMENTS}", **span)
            found = ((key, values_under(json.loads(text), name)) for key, text in whole)
        documents: list[int] = []
        texts: list[str] = []
        for key, text in found:
            if text is not None:
                documents.append(key)
                texts.append(text)
        return np.array(documents, np.int64), texts


def _is_plain(name: str) -> bool:
    """Return whether SQLite finds this name: its paths know no escapes, and `->` is from 3.38."""
    known = sqlite3.sqlite_version_info >= (3, 38)
    return known and name.isprintable() and '"' not in name and "\\" not in name


def _shift_of(document: NDArray[np.int64]) -> int | None:
    """Return by how much documents are ahead of rows, if all are by the same."""
    shifts = document - np.arange(len(document))
    return int(shifts[0]) if len(shifts) and (shifts == shifts[0]).all() else None


def _values_in(condition: Condition) -> int:
    """Return how many values a condition compares with."""
    if isinstance(condition, KeyTest):
        return len(condition.values)
    parts = [condition.part] if isinstance(condition, Not) else condition.parts
    return sum(map(_values_in, parts))


def _numbers(found: Iterable[tuple[int, ...]]) -> NDArray[np.int64]:
    """Return the whole numbers of all records, one after the other."""
    return np.fromiter(chain.from_iterable(found), np.int64)
