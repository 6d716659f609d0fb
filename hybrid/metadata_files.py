"""Batches of metadata in files: an array of bytes, and JSON that says what is where.

A file is opened when a condition first asks for it; what compiled code and numpy would follow
without looking, numbers of values and of documents, is checked then.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid.filters import NUMBER, TEXT, TRUTH
from hybrid.key_values import NO_MOMENT, Part
from hybrid.metadata_batches import MOST_COLUMNS, Batch, Names
from hybrid.ordered_values import KINDS, NO_VALUE, OTHER, Texts, Values
from indexes.opened import check, facts_in, facts_of, listed, opened, whole

_ALIGNED = 8
_MOST = 1 << 62


class StoredColumns:
    """The columns of a batch in files, each opened when it is asked for.

    Parameters
    ----------
    home : Path
        The two files, without the endings of their names.
    facts : dict
        What the JSON says.
    first, last : int
        The documents of the batch.
    """

    def __init__(self, home: Path, facts: dict[str, Any], first: int, last: int) -> None:
        self.home, self._first, self._last = home, first, last
        self.blob: NDArray[np.uint8] = opened(home.with_suffix(".npy"), "|u1", (None,), mode="r")
        self._facts: dict[Names, dict[str, Any]] = {}
        self._parts: dict[Names, Part] = {}
        for column in listed(facts, "columns"):
            check(isinstance(column, dict), "columns as JSON objects")
            names = tuple(listed(column, "names"))
            check(names and all(isinstance(one, str) for one in names), "names of keys as text")
            self._facts[names] = column
        check(len(self._facts) <= MOST_COLUMNS, f"at most {MOST_COLUMNS} columns")

    def __contains__(self, names: object) -> bool:
        return names in self._facts

    def __iter__(self) -> Iterator[Names]:
        return iter(self._facts)

    def __getitem__(self, names: Names) -> Part:
        if names not in self._parts:
            self._parts[names] = self._opened(self._facts[names])
        return self._parts[names]

    def _opened(self, facts: dict[str, Any]) -> Part:
        blob = self.blob
        values = _values_in(blob, facts)
        codes = array_in(blob, facts_of(facts, "codes"), "|u1 <u2 <u4")
        check(codes.max(initial=0) < max(len(values), 1), "numbers of values that are there")
        documents = _documents_in(blob, facts, len(codes), self._first, self._last)
        moments = array_in(blob, facts_of(facts, "moments"), "<i8")
        check(len(moments) in (0, len(values.sections[TEXT])), "a point in time for each text")
        if not len(moments):
            moments = np.full(len(values.sections[TEXT]), NO_MOMENT)
        return Part(documents, codes, values, moments)


def save_batch(batch: Batch, home: Path) -> None:
    """Write a batch, or give the files that have it already a second name.

    Parameters
    ----------
    batch : Batch
    home : Path
        The two files, without the endings of their names.
    """
    if isinstance(batch.columns, StoredColumns) and _linked(batch.columns.home, home):
        return
    parts: list[NDArray[Any]] = []
    facts = {
        "first": batch.first,
        "last": batch.last,
        "size": batch.size,
        "row": batch.row,
        "complete": batch.complete,
        "owners": _put_range(parts, batch.owners),
        "columns": [_put_column(parts, names, batch.columns[names]) for names in batch.columns],
    }
    blob = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
    np.save(home.with_suffix(".npy"), blob, allow_pickle=False)
    home.with_suffix(".json").write_text(json.dumps(facts), "utf-8")


def open_batch(home: Path) -> Batch:
    """Return a batch that `save_batch` wrote.

    Raises
    ------
    ValueError, OSError
        If the files are damaged.
    """
    facts = facts_in(home.with_suffix(".json"))
    first = whole(facts.get("first"), "the first document", 1, _MOST)
    last = whole(facts.get("last"), "the last document", first, _MOST)
    size = whole(facts.get("size"), "the number of documents", 0, last - first + 1)
    row = whole(facts.get("row"), "the first row", 0, _MOST)
    check(isinstance(facts.get("complete"), bool), "complete as true or false")
    columns = StoredColumns(home, facts, first, last)
    owners = range_in(columns.blob, facts_of(facts, "owners"), "|u1 <u2 <u4")
    furthest = owners.stop - 1 if isinstance(owners, range) else owners.max(initial=0)
    check(furthest <= last - first, "rows of documents that are there")
    return Batch(first, last, size, row, owners, columns, facts["complete"])


def array_in(blob: NDArray[np.uint8], facts: dict[str, Any], kinds: str) -> NDArray[Any]:
    """Return an array within the bytes of a file; ValueError if it is not within."""
    check(facts.get("type") in kinds.split(), f"numbers of a type of {kinds}")
    kind = np.dtype(facts["type"])
    count = whole(facts.get("count"), "a number of numbers", 0, len(blob) // kind.itemsize)
    size = count * kind.itemsize
    start = whole(facts.get("start"), "where numbers begin", 0, len(blob) - size)
    check(start % _ALIGNED == 0, f"numbers that begin at a multiple of {_ALIGNED} bytes")
    return blob[start : start + size].view(kind)


def range_in(blob: NDArray[np.uint8], facts: dict[str, Any], kinds: str) -> range | NDArray[Any]:
    """Return a range or an array that `save_batch` put into a file."""
    if "array" in facts:
        return array_in(blob, facts_of(facts, "array"), kinds)
    start = whole(facts.get("start"), "the start of a range", 0, _MOST)
    return range(start, start + whole(facts.get("count"), "the length of a range", 0, 1 << 40))


def _documents_in(
    blob: NDArray[np.uint8], facts: dict[str, Any], count: int, first: int, last: int
) -> range | NDArray[np.int64]:
    """Return the documents that have values, checked."""
    documents = range_in(blob, facts_of(facts, "documents"), "<i8")
    check(len(documents) == count, "a document for each value")
    if count:
        check(documents[0] >= first and documents[-1] <= last, "documents of the batch")
    if not isinstance(documents, range):
        check((documents[1:] >= documents[:-1]).all(), "documents that ascend")
    return documents


def _values_in(blob: NDArray[np.uint8], facts: dict[str, Any]) -> Values:
    """Return the distinct values of a column."""
    none, other = (whole(facts.get(name), name, 0, 1) for name in ("none", "other"))
    truths = [bool(whole(one, "a truth value", 0, 1)) for one in listed(facts, "truths")]
    check(truths in ([], [False], [True], [False, True]), "truth values in order")
    sections: list[Sequence[Any]] = [[]] * KINDS
    sections[0], sections[TRUTH], sections[OTHER] = [None] * none, truths, [NO_VALUE] * other
    sections[NUMBER] = _numbers_in(blob, facts_of(facts, "numbers"))
    starts = array_in(blob, facts_of(facts, "starts"), "<i8")
    letters = array_in(blob, facts_of(facts, "letters"), "|u1")
    check(len(starts) and starts[0] >= 0 and starts[-1] <= len(letters), "texts within the file")
    check((starts[1:] >= starts[:-1]).all(), "texts one after the other")
    sections[TEXT] = Texts(starts, letters)
    return Values(tuple(sections))


def _numbers_in(blob: NDArray[np.uint8], facts: dict[str, Any]) -> Sequence[Any]:
    """Return the numbers of a column: as they are in the file, or from JSON."""
    if facts.get("type") != "|u1":
        return memoryview(array_in(blob, facts, "<i8 <f8").data)
    found = json.loads(array_in(blob, facts, "|u1").tobytes())
    whole_or_not = isinstance(found, list) and all(type(one) in (int, float) for one in found)
    check(whole_or_not, "numbers in JSON")
    return list(found)


def _put(parts: list[NDArray[Any]], array: NDArray[Any]) -> dict[str, Any]:
    """Add the bytes of an array, and return what finds it."""
    start = sum(map(len, parts))
    letters = np.ascontiguousarray(array).view(np.uint8)
    parts.append(letters)
    parts.append(np.zeros(-len(letters) % _ALIGNED, np.uint8))
    return {"start": start, "count": len(array), "type": array.dtype.str}


def _put_range(parts: list[NDArray[Any]], numbers: range | NDArray[Any]) -> dict[str, Any]:
    if isinstance(numbers, range):
        return {"start": numbers.start, "count": len(numbers)}
    return {"array": _put(parts, numbers)}


def _put_column(parts: list[NDArray[Any]], names: Names, part: Part) -> dict[str, Any]:
    none, truths, numbers, texts, _, other = part.values.sections
    letters = [text.encode() for text in texts]
    starts = np.cumsum([0, *map(len, letters)], dtype=np.int64)
    moments = part.moments if (part.moments != NO_MOMENT).any() else part.moments[:0]
    return {
        "names": names,
        "none": len(none),
        "truths": [int(one) for one in truths],
        "numbers": _put(parts, _numbers_of(numbers)),
        "starts": _put(parts, starts),
        "letters": _put(parts, np.frombuffer(b"".join(letters), np.uint8)),
        "moments": _put(parts, moments),
        "other": len(other),
        "codes": _put(parts, part.codes),
        "documents": _put_range(parts, part.documents),
    }


def _numbers_of(numbers: Sequence[Any]) -> NDArray[Any]:
    """Return numbers as they are kept: in 64 bits each or, where that is not exact, as JSON."""
    kinds = set(map(type, numbers))
    if kinds == {int} and numbers[0] >= -(1 << 63) and numbers[-1] < 1 << 63:
        return np.array(numbers, np.int64)
    if kinds <= {float}:
        return np.array(numbers, np.float64)
    return np.frombuffer(json.dumps(list(numbers)).encode(), np.uint8)


def _linked(home: Path, target: Path) -> bool:
    """Give both files of a batch a second name; return whether that could be done."""
    try:
        for ending in (".npy", ".json"):
            os.link(home.with_suffix(ending), target.with_suffix(ending))
    except OSError:  # on another disk, or one that knows no links, or removed since
        target.with_suffix(".npy").unlink(missing_ok=True)  # to write there is to write to both
        return False
    return True
