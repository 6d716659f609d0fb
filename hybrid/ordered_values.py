"""Distinct JSON values in their order, each with a number: what columns of metadata are made of."""

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from hybrid.filters import NULL, NUMBER, TEXT, TRUTH

OTHER = 5
"""The kind of what is there and cannot be compared: a mapping, or a list without a value."""

NO_VALUE = ...
"""Stands for any of these."""

KINDS = OTHER + 1
_KIND = {type(None): NULL, bool: TRUTH, int: NUMBER, float: NUMBER, str: TEXT}
_VALUE_BYTES = 100  # about what a value takes that is an object of Python

Codes = NDArray[np.unsignedinteger[Any]]
"""Numbers of values, in as few bytes as they fit."""


class Texts(Sequence[str]):
    """Texts in a file, read one by one.

    Parameters
    ----------
    starts : ndarray of int64, shape (n + 1,)
        Where they begin, and where the last ends.
    letters : ndarray of uint8
        In UTF-8, one after the other.
    """

    def __init__(self, starts: NDArray[np.int64], letters: NDArray[np.uint8]) -> None:
        self.starts, self.letters = starts, letters

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):  # who iterates over a sequence waits for it
            raise IndexError(place)
        return self.letters[self.starts[place] : self.starts[place + 1]].tobytes().decode()


@dataclass(frozen=True, slots=True)
class Values:
    """Distinct values: by kind, and ascending within each.

    Attributes
    ----------
    sections : tuple of sequences
        The values of each kind.
    ends : tuple of int
        The number after that of the last value of each kind.
    """

    sections: tuple[Sequence[Any], ...]
    ends: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        ends = itertools.accumulate(map(len, self.sections))
        object.__setattr__(self, "ends", tuple(ends))

    @classmethod
    def of(cls, values: Sequence[Any]) -> Self:
        """Return the distinct ones of some JSON values; 1 and 1.0 are one, True is another."""
        found: list[set[Any]] = [set() for _ in range(KINDS)]
        alike = _kind_of_all(values)
        if alike is not None:
            found[alike].update(values)
        for value in values if alike is None else ():
            kind = _KIND.get(type(value), OTHER)
            found[kind].add(NO_VALUE if kind == OTHER else value)
        return cls(tuple(list(some) if len(some) < 2 else sorted(some) for some in found))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, number: int) -> Any:
        kind = self.kind_of(number)
        return self.sections[kind][number - self.start_of(kind)]

    @property
    def bytes(self) -> int:
        """About what they take in memory; those in files take none."""
        return sum(_VALUE_BYTES * len(some) for some in self.sections if isinstance(some, list))

    def kind_of(self, number: int) -> int:
        """Return the kind of a value."""
        return bisect.bisect_right(self.ends, number)

    def start_of(self, kind: int) -> int:
        """Return the number of the first value of a kind."""
        return self.ends[kind - 1] if kind else 0

    def section(self, kind: int) -> slice:
        """Return the numbers of the values of a kind."""
        return slice(self.start_of(kind), self.ends[kind])

    def numbers_of(self, values: Sequence[Any]) -> Codes:
        """Return the numbers of values that are among these."""
        tables: list[dict[Any, int]] = [
            dict(zip(some, range(self.start_of(kind), self.ends[kind]), strict=True))
            for kind, some in enumerate(self.sections)
        ]
        alike, other = _kind_of_all(values), self.start_of(OTHER)
        if alike is not None:
            table = tables[alike]
            return narrow(np.fromiter(map(table.__getitem__, values), np.int64), len(self))
        found = (
            other if (kind := _KIND.get(type(value), OTHER)) == OTHER else tables[kind][value]
            for value in values
        )
        return narrow(np.fromiter(found, np.int64, len(values)), len(self))

    def joined(self, other: "Values") -> "Values":
        """Return the values of both."""
        pairs = zip(self.sections, other.sections, strict=True)
        return Values(tuple(sorted({*ours, *theirs}) if theirs else ours for ours, theirs in pairs))

    def moved_to(self, others: "Values") -> NDArray[np.int64]:
        """Return the number that each value has among others, which contain it."""
        moved = np.empty(len(self), np.int64)
        for kind, some in enumerate(self.sections):
            if len(some):
                every, first = others.sections[kind], others.start_of(kind)
                places = dict(zip(every, range(first, first + len(every)), strict=True))
                moved[self.section(kind)] = [places[value] for value in some]
        return moved

    def only(self, kept: NDArray[np.bool_]) -> "Values":
        """Return the values that are marked."""
        marks = (kept[self.section(kind)].tolist() for kind in range(KINDS))
        pairs = zip(self.sections, marks, strict=True)
        return Values(tuple(list(itertools.compress(some, marked)) for some, marked in pairs))


def _kind_of_all(values: Sequence[Any]) -> int | None:
    """Return the kind of values, if all are of one that can be compared."""
    kinds = {_KIND.get(one, OTHER) for one in set(map(type, values))}
    return kinds.pop() if len(kinds) == 1 and OTHER not in kinds else None


def narrow(numbers: NDArray[Any], below: int) -> Codes:
    """Return whole numbers from 0 to below a bound in one, two or four bytes each."""
    kind = np.uint8 if below <= 1 << 8 else np.uint16 if below <= 1 << 16 else np.uint32
    return numbers.astype(kind)
