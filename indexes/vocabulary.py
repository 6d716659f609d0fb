"""Terms and their numbers.

A term gets the next number when it first comes.  What is saved is never read as a whole: a part is
a table of hashes, ascending, with the number and the spelling of each term, and a lookup reads a
few places of it.  New terms make a new part; parts are merged while the older is less than twice
the size of the newer, so a small change writes little.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from indexes.opened import check, facts_in, opened, whole
from indexes.segment import save_once

_FILES = ("hashes", "numbers", "bounds", "spelling")


class Vocabulary:
    """Numbers of terms, in the order in which they came."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._known: dict[str, int] = {}  # all that are not in a part, and those that were asked
        self._fresh: list[str] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def number(self, term: str) -> int | None:
        """Return the number of a term, None for one that never came."""
        number = self._known.get(term)
        if number is None and self._parts:
            number = self._read(term)
        return number

    def numbers(self, terms: Iterable[str]) -> NDArray[np.uint32]:
        """Return the numbers of terms; those that are new get one."""
        terms = list(terms)
        found = map(self._known.get, terms)  # one at a time: a term may come twice
        numbers = [
            self._added(term) if number is None else number
            for term, number in zip(terms, found, strict=True)
        ]
        return np.array(numbers, np.uint32)

    def save(self, folder: Path) -> None:
        """Write the terms into a folder that exists; parts that are written are linked."""
        parts = list(self._parts)  # a copy, as lookups may be under way
        if self._fresh:
            first = self._size - len(self._fresh)
            new = _Part.of(self._fresh, range(first, self._size))
            while parts and len(parts[-1]) < 2 * len(new):
                new = parts.pop().merged(new)
            parts.append(new)
        self._parts = [
            part.save(folder / f"terms-{number:02d}") for number, part in enumerate(parts)
        ]
        self._fresh = []
        facts = {"size": self._size, "parts": len(self._parts)}
        (folder / "terms.json").write_text(json.dumps(facts), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote."""
        facts = facts_in(folder / "terms.json")
        vocabulary = cls()
        parts = whole(facts.get("parts"), "parts of a vocabulary", 0, 64)
        vocabulary._parts = [_Part.load(folder / f"terms-{n:02d}") for n in range(parts)]
        vocabulary._size = sum(map(len, vocabulary._parts))
        check(facts.get("size") == vocabulary._size, "as many terms as are in the parts")
        return vocabulary

    def _added(self, term: str) -> int:
        """Return the number of a term that was not asked before; one that is new gets it now."""
        number = self._read(term) if self._parts else None
        if number is None:
            if not isinstance(term, str):
                raise TypeError(f"expected terms as strings, not {term!r}")
            number = self._known[term] = self._size
            self._fresh.append(term)
            self._size += 1
        return number

    def _read(self, term: str) -> int | None:
        """Look for a term in the parts, and remember it."""
        spelling = _spelled(term)
        wanted = np.uint64(_hash(spelling))
        for part in self._parts:
            number = part.number(wanted, spelling)
            if number is not None:
                check(number < self._size, f"a number of {term!r} below {self._size}")
                self._known[term] = number
                return number
        return None


@dataclass(frozen=True, slots=True)
class _Part:
    """Terms that are never changed, by ascending hash.

    Attributes
    ----------
    hashes : ndarray of uint64, shape (n,)
    numbers : ndarray of uint32, shape (n,)
    bounds : ndarray of int64, shape (n + 1,)
        Where each spelling starts.
    spelling : ndarray of uint8
        UTF-8 of all terms.
    home : Path or None
        The folder with the files, once they are written.
    """

    hashes: NDArray[np.uint64]
    numbers: NDArray[np.uint32]
    bounds: NDArray[np.int64]
    spelling: NDArray[np.uint8]
    home: Path | None = None

    def __len__(self) -> int:
        return len(self.hashes)

    @classmethod
    def of(cls, terms: Iterable[str], numbers: Iterable[int]) -> Self:
        """Return the part of some terms with their numbers."""
        return cls._sorted([_spelled(term) for term in terms], np.fromiter(numbers, np.uint32))

    @classmethod
    def _sorted(cls, spellings: list[bytes], numbers: NDArray[np.uint32]) -> Self:
        hashes = np.fromiter(map(_hash, spellings), np.uint64, len(spellings))
        sizes = np.fromiter(map(len, spellings), np.int64, len(spellings))
        order = np.argsort(hashes, kind="stable")
        bounds = np.concatenate([[0], np.cumsum(sizes[order])])
        joined = b"".join([spellings[place] for place in order.tolist()])
        return cls(hashes[order], numbers[order], bounds, np.frombuffer(joined, np.uint8))

    def number(self, wanted: np.uint64, spelling: bytes) -> int | None:
        """Return the number of a term, None when it is not here."""
        place = int(np.searchsorted(self.hashes, wanted))
        while place < len(self.hashes) and self.hashes[place] == wanted:
            if self._spelling(place) == spelling:
                return int(self.numbers[place])
            place += 1
        return None

    def merged(self, other: "_Part") -> "_Part":
        """Return the part with the terms of two."""
        spellings = [part._spelling(place) for part in (self, other) for place in range(len(part))]
        return self._sorted(spellings, np.concatenate([self.numbers, other.numbers]))

    def save(self, folder: Path) -> Self:
        """Write the files into a new folder, or link those that are written."""
        folder.mkdir()
        for name in _FILES:
            save_once(getattr(self, name), f"{name}.npy", folder, self.home)
        return replace(self, home=folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote; it stays on disk until it is read."""

        def array(name: str, kind: str, size: int | None) -> NDArray[Any]:
            return opened(folder / f"{name}.npy", kind, (size,), mode="r")

        hashes = array("hashes", "<u8", None)
        numbers, bounds = (
            array("numbers", "<u4", len(hashes)),
            array("bounds", "<i8", len(hashes) + 1),
        )
        return cls(hashes, numbers, bounds, array("spelling", "|u1", None), home=folder)

    def _spelling(self, place: int) -> bytes:
        return self.spelling[self.bounds[place] : self.bounds[place + 1]].tobytes()


def _spelled(term: str) -> bytes:
    return term.encode("utf-8", "surrogatepass")


def _hash(spelling: bytes) -> int:
    return int.from_bytes(blake2b(spelling, digest_size=8).digest(), "little")
