"""Columns of metadata, for batches of documents that follow each other."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hybrid.key_values import Part, listed, values_under
from hybrid.ordered_values import narrow
from indexes.candidates import Mask

Names = tuple[str, ...]
"""A key, a name for each level."""

MOST_DOCUMENTS = 1 << 16
"""Of a batch."""

MOST_COLUMNS = 64
"""Of a batch; other keys are read from the store when a condition names them."""

DEEPEST_KEY = 4
"""Names of a key that gets a column."""


class Columns(Protocol):
    """The columns of a batch, in memory or in files."""

    def __contains__(self, names: object) -> bool: ...
    def __getitem__(self, names: Names) -> Part: ...
    def __iter__(self) -> Iterator[Names]: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """What documents that follow each other hold under every key.

    Attributes
    ----------
    first, last : int
        The keys of the first and the last document; between them some may be gone.
    size : int
        How many documents there are.
    row : int
        The first row of their chunks.
    owners : range or ndarray of unsigned int, shape (rows,)
        How far the document of each row is behind the first; of a row that is gone, anything.
    columns : Columns
        By key.
    complete : bool
        Whether no document has a key of at most `DEEPEST_KEY` names that has no column.
    """

    first: int
    last: int
    size: int
    row: int
    owners: range | NDArray[Any]
    columns: Columns
    complete: bool

    @property
    def end(self) -> int:
        """The row behind the last."""
        return self.row + len(self.owners)

    def knows(self, names: Names) -> bool:
        """Return whether the columns tell what documents hold under a key."""
        return names in self.columns or (self.complete and len(names) <= DEEPEST_KEY)

    def by_row(self, documents: Mask) -> Mask:
        """Return a mask of the rows, for one of documents by their keys."""
        if isinstance(self.owners, range):
            start = self.first + self.owners.start
            return documents[start : start + len(self.owners)]
        found: Mask = documents[self.first : self.last + 1][self.owners]
        return found

    def joined(self, other: "Batch") -> "Batch":
        """Return this batch and the one that follows as one."""
        names = [*self.columns, *(name for name in other.columns if name not in self.columns)]
        known = [name for name in names if self.knows(name) and other.knows(name)]
        columns: dict[Names, Part] = {}
        for name in known[:MOST_COLUMNS]:
            parts = [batch.columns[name] for batch in (self, other) if name in batch.columns]
            columns[name] = parts[0] if len(parts) == 1 else parts[0].joined(parts[1])
        complete = self.complete and other.complete and len(columns) == len(names)
        gap = np.zeros(other.row - self.end if len(self.owners) else 0, np.int64)
        behind = np.asarray(other.owners, np.int64) + (other.first - self.first)
        owners = np.concatenate([np.asarray(self.owners, np.int64), gap, behind])
        row = self.row if len(self.owners) else other.row
        size = self.size + other.size
        return Batch(self.first, other.last, size, row, packed_owners(owners), columns, complete)

    def only(self, live: Mask) -> "Batch":
        """Return the batch without what documents held that are not marked."""
        parts = ((name, self.columns[name].only(live)) for name in self.columns)
        columns = {name: part for name, part in parts if len(part)}
        size = int(live[self.first : self.last + 1].sum())
        return Batch(self.first, self.last, size, self.row, self.owners, columns, self.complete)


def batch_of(
    documents: Sequence[tuple[int, str]], chunks: Sequence[tuple[int, int]], row: int
) -> Batch:
    """Return the columns of some documents.

    Parameters
    ----------
    documents : sequence of (int, str)
        Keys, ascending, and metadata as JSON; at least one.
    chunks : sequence of (int, int)
        All rows of these documents, ascending, and the keys of the documents.
    row : int
        The first row that can be theirs.
    """
    found: dict[Names, tuple[list[int], list[Any]]] = {}
    complete = True
    for key, text in documents:
        for name, value in json.loads(text).items():
            complete &= _collect(found, key, (name,), [value])
    columns = {names: Part.of(*column) for names, column in found.items()}
    first, last = documents[0][0], documents[-1][0]
    owners = np.zeros(chunks[-1][0] + 1 - row if chunks else 0, np.int64)
    if chunks:
        rows, keys = np.array(chunks, np.int64).T
        owners[rows - row] = keys - first
    return Batch(first, last, len(documents), row, packed_owners(owners), columns, complete)


def column_of(documents: Iterable[tuple[int, str]], names: Names) -> Part:
    """Return what documents, given as for `batch_of`, hold under one key."""
    keys: list[int] = []
    values: list[Any] = []
    for key, text in documents:
        under = values_under(json.loads(text), names)
        keys += [key] * len(under)
        values += under
    return Part.of(keys, values)


def packed_owners(owners: NDArray[np.int64]) -> range | NDArray[Any]:
    """Return the documents of rows in little space: a range where each has one chunk."""
    if len(owners) and (np.diff(owners) == 1).all():
        return range(int(owners[0]), int(owners[-1]) + 1)
    return narrow(owners, int(owners.max(initial=0)) + 1)


def _collect(
    found: dict[Names, tuple[list[int], list[Any]]], key: int, names: Names, values: list[Any]
) -> bool:
    """Note what a document holds under a key and the keys below; return whether all had room."""
    column = found.get(names)
    if column is None:
        if len(found) >= MOST_COLUMNS:
            return False
        column = found[names] = [], []
    keys, held = column
    below: dict[str, list[Any]] = {}
    for value in values:
        for one in listed(value) if type(value) is list else (value,):
            keys.append(key)
            held.append(one)
            if type(one) is dict:
                for name, inner in one.items():
                    below.setdefault(name, []).append(inner)
    if not below or len(names) == DEEPEST_KEY:
        return True
    return all([_collect(found, key, (*names, name), some) for name, some in below.items()])
