"""What was learned about tokens so far: the terms of each distinct word and of each n-gram."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hybrid.token_kernels import (
    BITS,
    CODE_POINT,
    DONE,
    GRAMS_FULL,
    POOL_FULL,
    WORDS_FULL,
    count_terms,
    number_terms,
    rehash_grams,
    rehash_words,
    scan,
)
from hybrid.token_tables import Characters, Codes, Grams, Meanings, Piece, Words
from indexes.terms import TermBatch

_FIRST_ROOM = 1 << 12


class Lexicon:
    """Words and n-grams with their terms; for one thread at a time.

    Parameters
    ----------
    terms_of : callable
        The terms of a word as it stands in a text: none or several.
    hash_bits : int
        How many bits of a hash are used; with few, all words collide and the answer is the same.
    """

    def __init__(self, terms_of: Callable[[str], Sequence[str]], hash_bits: int = 64) -> None:
        self._terms_of = terms_of
        mask = np.array([(1 << hash_bits) - 1], np.uint64)
        self._words = Words(*_words_room(_FIRST_ROOM), np.zeros(0, np.uint32), _zeros(1), mask)
        self._grams = Grams(*_grams_room(_FIRST_ROOM), _zeros(1))
        self._numbers: dict[str, int] = {}
        self._terms: list[str] = []
        self._meanings = Meanings(np.zeros(0, np.uint32), _zeros(1), np.zeros(0, np.uint32))

    def __len__(self) -> int:
        """Return how many code points the words have, an n-gram counting as a word of eight."""
        return int(self._words.starts[self._words.used[0]] + 8 * self._grams.used[0])

    def read(self, texts: Sequence[str], tables: Callable[[int], Characters]) -> Codes:
        """Return the tokens of texts; those that are new get a number and, for now, no terms.

        Parameters
        ----------
        texts : sequence of str
            One or more; a copy is made that takes up to 28 bytes for a character.
        tables : callable
            The tables up to some code point.
        """
        joined = "\n".join([*texts, ""]).encode("utf-32-le", "surrogatepass")
        buffer = np.frombuffer(joined, np.uint32)
        starts = _cumulative(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        codes, plain = (np.empty(times * len(buffer), np.uint32) for times in (4, 2))
        piece = Piece(buffer, starts, codes, _zeros(len(texts)), plain, _zeros(3))
        characters = tables(int(buffer.max()))
        while (full := scan(piece, characters, self._words, self._grams)) != DONE:
            self._make_room(full)
        return Codes(codes[: piece.cursor[2]].copy(), piece.ends)

    def batch(self, pieces: Sequence[Codes]) -> TermBatch:
        """Return the terms of what was read, numbered by their first occurrence."""
        self._learn()
        sizes = [count_terms(piece, self._meanings) for piece in pieces]
        offsets = _cumulative(np.concatenate([_zeros(0), *sizes]))
        ids = np.empty(offsets[-1], np.uint32)
        places = np.zeros(len(self._terms), np.uint32)
        order = np.empty(len(self._terms), np.uint32)
        start = distinct = 0
        for piece, counts in zip(pieces, sizes, strict=True):
            stop = start + int(counts.sum())
            distinct = number_terms(piece, self._meanings, ids[start:stop], places, order, distinct)
            start = stop
        return TermBatch(ids, offsets, [self._terms[term] for term in order[:distinct].tolist()])

    def _make_room(self, full: int) -> None:
        """Double what is full."""
        words, grams = self._words, self._grams
        if full == POOL_FULL:
            self._words = words._replace(
                pool=_longer(words.pool, 2 * len(words.pool) + _FIRST_ROOM)
            )
        elif full == WORDS_FULL:
            slots, starts = _words_room(2 * (len(words.starts) - 1))
            starts[: len(words.starts)] = words.starts
            self._words = words._replace(slots=slots, starts=starts)
            rehash_words(self._words)
        elif full == GRAMS_FULL:
            slots, packed = _grams_room(2 * len(grams.packed))
            packed[: len(grams.packed)] = grams.packed
            self._grams = grams._replace(slots=slots, packed=packed)
            rehash_grams(self._grams)

    def _learn(self) -> None:
        """Ask for the terms of the words that are new, and number those of the n-grams."""
        words, ends, grams = self._meanings
        if len(ends) > self._words.used[0] and len(grams) == self._grams.used[0]:
            return
        starts = self._words.starts[len(ends) - 1 : self._words.used[0] + 1]
        new: list[int] = []
        new_ends = []
        for word in _cut(self._words.pool[starts[0] : starts[-1]], starts - starts[0]):
            new += map(self._number_of, self._terms_of(word))
            new_ends.append(len(words) + len(new))
        packed = self._grams.packed[len(grams) : self._grams.used[0]]
        new_grams = [self._number_of(gram) for gram in _unpacked(packed)]
        self._meanings = Meanings(
            np.append(words, np.array(new, np.uint32)),
            np.append(ends, np.array(new_ends, np.int64)),
            np.append(grams, np.array(new_grams, np.uint32)),
        )

    def _number_of(self, term: str) -> int:
        number = self._numbers.setdefault(term, len(self._terms))
        if number == len(self._terms):
            self._terms.append(term)
        return number


def _words_room(most: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    return np.zeros(4 * most, np.uint64), _zeros(most + 1)


def _grams_room(most: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    return np.zeros(4 * most, np.uint64), np.zeros(most, np.uint64)


def _zeros(size: int) -> NDArray[np.int64]:
    return np.zeros(size, np.int64)


def _longer(array: NDArray[np.uint32], size: int) -> NDArray[np.uint32]:
    longer = np.empty(size, np.uint32)
    longer[: len(array)] = array
    return longer


def _cumulative(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each part starts, and where the last one ends."""
    return np.concatenate([_zeros(1), np.cumsum(sizes)])


def _cut(code_points: NDArray[np.uint32], starts: NDArray[np.int64]) -> Iterable[str]:
    """Yield the texts that stand one after the other."""
    text = code_points.tobytes().decode("utf-32-le", "surrogatepass")
    bounds = starts.tolist()
    return (text[start:stop] for start, stop in pairwise(bounds))


def _unpacked(packed: NDArray[np.uint64]) -> Iterable[str]:
    """Yield n-grams as texts."""
    parts = [packed >> (BITS * np.uint64(place)) & CODE_POINT for place in range(3)]
    table = np.stack(parts, axis=1).astype(np.uint32)
    return _cut(table[table > 0], _cumulative(np.count_nonzero(table, axis=1)))
