"""The values that some documents have under one key, as numbers in the order of the values."""

import bisect
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hybrid.filters import MOMENT, NULL, NUMBER, TEXT, TRUTH, KeyTest, Value, moment_of
from indexes.candidates import Mask

OTHER = 5
"""The kind of what is there and cannot be compared: a mapping, or a list without a value."""

_KINDS = OTHER + 1
NO_VALUE = ...  # stands for it
_KIND = {type(None): NULL, bool: TRUTH, int: NUMBER, float: NUMBER, str: TEXT}
_VALUE_BYTES = 100  # about what a distinct value takes
_NO_MOMENT = np.iinfo(np.int64).min
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "$gt": np.greater, "$gte": np.greater_equal, "$lt": np.less, "$lte": np.less_equal
}  # fmt: skip


class Part:
    """The values of a range of documents, immutable.

    Parameters
    ----------
    documents : ndarray of int64, shape (n,)
        Ascending; a document stands once for each of its values.
    codes : ndarray of int32, shape (n,)
        The values, by their places.
    values : list
        Distinct values by kind, ascending within each.
    """

    def __init__(
        self, documents: NDArray[np.int64], codes: NDArray[np.int32], values: list[Any]
    ) -> None:
        self.documents, self.codes, self.values = documents, codes, values
        self._ends = np.bincount(_kinds(values), minlength=_KINDS).cumsum().tolist()
        self._moments: NDArray[np.int64] | None = None
        dense = len(documents) > 0 and bool((np.diff(documents) == 1).all())
        self._span = slice(documents[0], documents[-1] + 1) if dense else None

    @classmethod
    def of(cls, documents: NDArray[np.int64], texts: Sequence[str], names: Sequence[str]) -> Self:
        """Return what documents hold.

        Parameters
        ----------
        documents : ndarray of int64, shape (n,)
            Ascending.
        texts : sequence of str
            Under the first name of the key, as JSON.
        names : sequence of str
            The other names of the key.
        """
        numbers: dict[str, int] = {}
        found = (numbers.setdefault(text, len(numbers)) for text in texts)
        which = np.fromiter(found, np.int64, len(texts))
        held = json.loads(f"[{','.join(numbers)}]")
        if not names and not {list, dict} & set(map(type, held)):
            codes, values = _encoded(held)
            return cls(documents, codes[which], values)
        under = [_values_of(value, names) for value in held]
        flat, values = _encoded([value for some in under for value in some])
        owners = np.repeat(np.arange(len(under)), [len(some) for some in under])
        many = max(len(values), 1)
        pairs = np.sort(owners * many + flat, kind="stable")  # they are sorted but for a few
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # a value once for each text
        flat = (pairs % many).astype(np.int32)
        counts = np.bincount(pairs // many, minlength=len(under))
        starts, times = (counts.cumsum() - counts)[which], counts[which]
        steps = np.arange(times.sum()) - np.repeat(times.cumsum() - times, times)
        return cls(np.repeat(documents, times), flat[np.repeat(starts, times) + steps], values)

    def __len__(self) -> int:
        return len(self.documents)

    @property
    def bytes(self) -> int:
        """About what it takes in memory."""
        return self.documents.nbytes + self.codes.nbytes + _VALUE_BYTES * len(self.values)

    def kind_of(self, code: int) -> int:
        """Return the kind of a value."""
        return bisect.bisect_right(self._ends, code)

    def joined(self, other: "Part") -> "Part":
        """Return this part and one of later documents as one."""
        codes, values = _encoded(self.values + other.values)
        ours, theirs = codes[: len(self.values)], codes[len(self.values) :]
        documents = np.concatenate([self.documents, other.documents])
        return Part(documents, np.concatenate([ours[self.codes], theirs[other.codes]]), values)

    def mark(self, test: KeyTest, mask: Mask) -> None:
        """Mark the documents that pass a test, in a mask by documents."""
        between = self._between(test)
        if between is None:
            passing = self._passing(test)[self.codes]
        else:  # one comparison: what is below the first wraps around to a large number
            first, count = np.uint32(between.start), np.uint32(between.stop - between.start)
            passing = self.codes.view(np.uint32) - first < count
        if self._span is not None:
            mask[self._span] = passing
        else:
            mask[self.documents[passing]] = True

    def _between(self, test: KeyTest) -> slice | None:
        """Return where the values that pass are, if they stand side by side."""
        if test.operator == "$exists":
            return slice(0, len(self.values))
        if test.operator == "$in" and len(test.values) != 1:
            return None
        ((kind, wanted),) = test.values
        if kind == MOMENT:
            return None
        section = self._section(kind)
        if kind == NULL:
            return section
        low = bisect.bisect_left(self.values, wanted, section.start, section.stop)
        high = bisect.bisect_right(self.values, wanted, section.start, section.stop)
        return {
            "$in": slice(low, high),
            "$gt": slice(high, section.stop),
            "$gte": slice(low, section.stop),
            "$lt": slice(section.start, low),
            "$lte": slice(section.start, high),
        }[test.operator]

    def _passing(self, test: KeyTest) -> Mask:
        """Return which of the values pass, where these may stand anywhere."""
        passing = np.zeros(len(self.values), np.bool_)
        if test.operator == "$in":
            known = self._known(test.values) if len(test.values) > len(self.values) else test.values
            self._mark_equal(known, passing)
            return passing
        ((_, wanted),) = test.values
        moments = self._known_moments()
        fits = _COMPARE[test.operator](moments, wanted) & (moments != _NO_MOMENT)
        passing[self._section(TEXT)] = fits
        return passing

    def _known(self, wanted: frozenset[Value]) -> list[Value]:
        """Return what can be equal to a value here, of a long list."""
        present = ((self.kind_of(code), value) for code, value in enumerate(self.values))
        moments = [value for value in wanted if value[0] == MOMENT]
        return moments + [value for value in present if value in wanted]

    def _mark_equal(self, wanted: Iterable[Value], passing: Mask) -> None:
        """Mark the values that are equal to some."""
        moments: list[int] = []
        for kind, value in wanted:
            if kind == MOMENT:
                moments.append(value)
                continue
            section = self._section(kind)
            if kind == NULL:
                passing[section] = True
                continue
            at = bisect.bisect_left(self.values, value, section.start, section.stop)
            if at < section.stop and self.values[at] == value:
                passing[at] = True
        if moments:
            passing[self._section(TEXT)] |= np.isin(self._known_moments(), moments)

    def _section(self, kind: int) -> slice:
        """Return where the values of a kind are."""
        return slice(self._ends[kind - 1] if kind else 0, self._ends[kind])

    def _known_moments(self) -> NDArray[np.int64]:
        """Return the points in time that the texts are."""
        if self._moments is None:
            found = map(moment_of, self.values[self._section(TEXT)])
            self._moments = np.array([_NO_MOMENT if at is None else at for at in found], np.int64)
        return self._moments


def values_under(metadata: Any, name: str) -> str | None:
    """Return what stands under a name, as JSON; None when there is nothing."""
    return json.dumps(metadata[name], ensure_ascii=False) if name in metadata else None


def _values_of(found: Any, names: Sequence[str]) -> list[Any]:
    """Return the values below `found` under further names; what cannot be compared, as it is."""
    listed = found if isinstance(found, list) else [found]
    if not names:
        return listed or [NO_VALUE]
    inner = [one[names[0]] for one in listed if isinstance(one, dict) and names[0] in one]
    return [value for one in inner for value in _values_of(one, names[1:])]


def _kinds(values: Sequence[Any]) -> NDArray[np.int64]:
    """Return the kind of each of some JSON values."""
    return np.fromiter((_KIND.get(kind, OTHER) for kind in map(type, values)), np.int64)


def _encoded(values: list[Any]) -> tuple[NDArray[np.int32], list[Any]]:
    """Return the place of each of some JSON values among the distinct ones, and these in order."""
    kinds = _kinds(values)
    codes, ordered = np.empty(len(values), np.int32), list[Any]()
    for kind in range(_KINDS):
        at = np.flatnonzero(kinds == kind)
        if not len(at):
            continue
        if kind in (NULL, OTHER):
            codes[at] = len(ordered)
            ordered.append(None if kind == NULL else NO_VALUE)
            continue
        some = values if len(at) == len(values) else [values[place] for place in at.tolist()]
        distinct = sorted(set(some))
        places = dict(zip(distinct, range(len(ordered), len(ordered) + len(distinct)), strict=True))
        codes[at] = np.fromiter(map(places.__getitem__, some), np.int32, len(some))
        ordered += distinct
    return codes, ordered
