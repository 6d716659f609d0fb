"""The values that some documents have under one key, as numbers in the order of the values."""

import bisect
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hybrid.filters import MOMENT, NULL, TEXT, KeyTest, moment_of
from hybrid.ordered_values import NO_VALUE, Codes, Values, narrow
from indexes.candidates import Mask

NO_MOMENT = np.iinfo(np.int64).min
"""Stands for a point in time where a text is none."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "$gt": np.greater, "$gte": np.greater_equal, "$lt": np.less, "$lte": np.less_equal
}  # fmt: skip


class Part:
    """The values of a range of documents, immutable.

    Parameters
    ----------
    documents : range or ndarray of int64, shape (n,)
        Ascending; a document stands once for each of its values.
    codes : ndarray of uint8, uint16 or uint32, shape (n,)
        The numbers of the values.
    values : Values
    moments : ndarray of int64, shape (texts,), optional
        The points in time that the texts are, or `NO_MOMENT`.
    """

    def __init__(
        self,
        documents: range | NDArray[np.int64],
        codes: Codes,
        values: Values,
        moments: NDArray[np.int64] | None = None,
    ) -> None:
        self.documents, self.codes, self.values = documents, codes, values
        self._moments = moments

    @classmethod
    def of(cls, documents: Sequence[int], values: Sequence[Any]) -> Self:
        """Return what documents hold: ascending, each once for every value under the key."""
        distinct = Values.of(values)
        keys, codes = np.array(documents, np.int64), distinct.numbers_of(values)
        if len(keys) > 1 and not (np.diff(keys) > 0).all():  # some have a value more than once
            pairs = np.unique(keys * len(distinct) + codes)
            keys, codes = pairs // len(distinct), narrow(pairs % len(distinct), len(distinct))
        return cls(_as_range(keys), codes, distinct)

    def __len__(self) -> int:
        return len(self.documents)

    @property
    def bytes(self) -> int:
        """About what it takes in memory."""
        held = 0 if isinstance(self.documents, range) else self.documents.nbytes
        return held + self.codes.nbytes + self.values.bytes

    @property
    def moments(self) -> NDArray[np.int64]:
        """The points in time that the texts are."""
        if self._moments is None:
            found = map(moment_of, self.values.sections[TEXT])
            self._moments = np.array([NO_MOMENT if at is None else at for at in found], np.int64)
        return self._moments

    def joined(self, other: "Part") -> "Part":
        """Return this part and one of later documents as one."""
        values = self.values.joined(other.values)
        codes = [part.values.moved_to(values)[part.codes] for part in (self, other)]
        documents = np.concatenate([self.documents, other.documents])
        return Part(_as_range(documents), narrow(np.concatenate(codes), len(values)), values)

    def only(self, live: Mask) -> "Part":
        """Return what those documents hold that are marked, by their keys."""
        documents = np.asarray(self.documents, np.int64)
        kept = live[documents]
        codes = self.codes[kept]
        present = np.bincount(codes, minlength=len(self.values)) > 0
        values, numbers = self.values.only(present), present.cumsum() - 1
        return Part(_as_range(documents[kept]), narrow(numbers[codes], len(values)), values)

    def mark(self, test: KeyTest, mask: Mask) -> None:
        """Mark the documents that pass a test, in a mask by documents."""
        between = self._between(test)
        if between is None:
            passing = self._passing(test)[self.codes]
        elif between.start >= between.stop:
            return
        else:  # one comparison: what is below the first wraps around to a large number
            first = self.codes.dtype.type(between.start)
            passing = self.codes - first < between.stop - between.start
        if isinstance(self.documents, range):
            mask[self.documents.start : self.documents.stop] = passing
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
        section = self.values.section(kind)
        if kind == NULL:
            return section
        some = self.values.sections[kind]
        low = section.start + bisect.bisect_left(some, wanted)
        high = section.start + bisect.bisect_right(some, wanted)
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
            for kind, some in test.by_kind.items():
                self._mark_equal(kind, some, passing)
            return passing
        ((_, wanted),) = test.values
        fits = _COMPARE[test.operator](self.moments, wanted) & (self.moments != NO_MOMENT)
        passing[self.values.section(TEXT)] = fits
        return passing

    def _mark_equal(self, kind: int, wanted: set[Any], passing: Mask) -> None:
        """Mark the values that are equal to some of a kind."""
        if kind == MOMENT:
            passing[self.values.section(TEXT)] |= np.isin(self.moments, list(wanted))
            return
        section, some = self.values.section(kind), self.values.sections[kind]
        if len(wanted) * _SEARCH > len(some):
            equal = np.fromiter(map(wanted.__contains__, some), np.bool_, len(some))
            passing[section] |= equal
            return
        for value in wanted:
            at = bisect.bisect_left(some, value)
            if at < len(some) and some[at] == value:
                passing[section.start + at] = True


_SEARCH = 10  # a search among the values takes so many times as long as a look into a set


def values_under(metadata: Any, names: Sequence[str]) -> list[Any]:
    """Return the values under a key; those of lists one by one, `NO_VALUE` for an empty one."""
    found = [metadata]
    for name in names:
        inner = (one for some in found for one in (some if isinstance(some, list) else [some]))
        found = [one[name] for one in inner if isinstance(one, dict) and name in one]
    return [value for some in found for value in listed(some)]


def listed(found: Any) -> list[Any]:
    """Return what stands under a key as its values."""
    if isinstance(found, list):
        return found or [NO_VALUE]
    return [found]


def _as_range(documents: NDArray[np.int64]) -> range | NDArray[np.int64]:
    """Return ascending documents as a range, if they are one."""
    if len(documents) and (np.diff(documents) == 1).all():
        return range(int(documents[0]), int(documents[-1]) + 1)
    return documents
