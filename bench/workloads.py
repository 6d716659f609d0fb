"""Made-up passages and questions whose statistics are those of real text.

Word frequencies follow Zipf's law in two regimes [1]_: 1 / (rank + shift) for the words that
everyone uses, a steeper power for the rest, so that the vocabulary grows with the passages as
Heaps' law has it (about 230,000 words in 100,000 passages, a million in a million).  Lengths are
log-normal with a mean of 65, and a word that a passage has used tends to come back.  Everything
follows from a seed.

References
----------
.. [1] Ferrer i Cancho, Sole, "Two Regimes in the Frequency of Words and the Origins of Complex
   Lexicons", Journal of Quantitative Linguistics 8, 2001.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled
from indexes.terms import TermBatch

MEAN_LENGTH = 65
LENGTH_SPREAD = 0.5  # sigma of the logarithm
SHIFT = 0.5
COMMON_WORDS = 10_000  # where the second regime begins
TAIL_EXPONENT = 1.7
MOST_WORDS = 1 << 24
REPEATS = 0.12  # how often a word is one that the passage has had: 0.8 of the postings have tf 1
STOP_WORDS = 40  # the most frequent words, from which questions draw their stop words
WIDEST_DF = 0.041  # of the rows: no other word of a question is in more of them
LETTERS = np.frombuffer(b"bdghklnw", np.uint8)  # no vowel: an English stemmer finds no suffix
SHORTEST = 4
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages as numbers of words; the lower the number, the more frequent the word.

    Attributes
    ----------
    ids : ndarray of uint32, shape (tokens,)
        The words of all passages one after the other.
    offsets : ndarray of int64, shape (passages + 1,)
        Where each passage starts in `ids`.
    words : list of str
        The words that occur.
    df : ndarray of int64, shape (words,)
        How many passages have each word.
    """

    ids: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    words: list[str]
    df: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def postings(self) -> int:
        """The number of pairs of a passage and a word in it."""
        return int(self.df.sum())

    def passage(self, row: int) -> NDArray[np.uint32]:
        """Return the words of one passage."""
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def batch(self, start: int = 0, stop: int | None = None) -> TermBatch:
        """Return passages as an index of ours takes them."""
        stop = len(self) if stop is None else min(stop, len(self))
        offsets = self.offsets[start : stop + 1]
        return TermBatch(self.ids[offsets[0] : offsets[-1]], offsets - offsets[0], self.words)

    def texts(self, start: int = 0, stop: int | None = None) -> Iterator[str]:
        """Yield the text of each passage: a capital, blanks between the words, a full stop."""
        bounds = self.offsets[start : None if stop is None else stop + 1].tolist()
        for low, high in pairwise(bounds):
            words = [self.words[number] for number in self.ids[low:high].tolist()]
            yield " ".join(words).capitalize() + "."


def passages(count: int, seed: int = 1) -> Passages:
    """Return `count` made-up passages."""
    lengths_from, words_from, repeats_from = (
        np.random.default_rng([seed, stream]) for stream in range(3)
    )
    middle = np.log(MEAN_LENGTH) - LENGTH_SPREAD**2 / 2
    lengths = np.maximum(lengths_from.lognormal(middle, LENGTH_SPREAD, count).round(), 1)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = np.empty(offsets[-1], np.uint32)
    for start in range(0, len(ids), _BLOCK):
        block = ids[start : start + _BLOCK]
        block[:] = _ranks(words_from.random(len(block)))
    ids = _with_repeats(ids, offsets, repeats_from)
    occurring = np.bincount(ids) > 0
    ids = (np.cumsum(occurring) - 1).astype(np.uint32)[ids]
    words = spell(int(occurring.sum()))
    return Passages(ids, offsets, words, document_frequencies(ids, offsets, len(words)))


def questions(
    of: Passages, count: int, *, stop_words: bool = False, terms: int = 4, seed: int = 2
) -> list[list[str]]:
    """Return questions: each has a few words of some passage, so that an answer exists.

    Parameters
    ----------
    of : Passages
        Where the words come from, alike for every word that a passage has.
    count : int
        How many.
    stop_words : bool
        Whether each question begins with 1 to 3 of the most frequent words.
    terms : int
        How many other words, none of them in more than `WIDEST_DF` of the passages.
    seed : int
        The other words do not depend on `stop_words`.
    """
    draw, draw_stop = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    common = np.flatnonzero(of.df > max(WIDEST_DF * len(of), 1))
    first = int(common[-1]) + 1 if len(common) else 0  # numbers follow frequency, but not strictly
    found: list[list[str]] = []
    while len(found) < count:
        row = int(draw.integers(len(of)))
        usable = np.unique(of.passage(row))
        usable = usable[usable >= first]
        if len(usable) < terms:
            continue
        chosen = draw.choice(usable, terms, replace=False).tolist()
        if stop_words:
            frequent = min(STOP_WORDS, len(of.words))
            some = min(int(draw_stop.integers(1, 4)), frequent)
            chosen = draw_stop.choice(frequent, some, replace=False).tolist() + chosen
        found.append([of.words[number] for number in chosen])
    return found


def mean_postings(of: Passages, queries: Sequence[Sequence[str]]) -> float:
    """Return how many postings the terms of a query have, on average."""
    wanted = {term for query in queries for term in query}
    df = {word: int(n) for word, n in zip(of.words, of.df, strict=True) if word in wanted}
    return sum(df.get(term, 0) for query in queries for term in query) / max(len(queries), 1)


def spell(count: int) -> list[str]:
    """Return distinct words of consonants, the first ones shortest.

    Consonants alone, since then every tokenizer keeps a word whole, no stop list has it, and the
    English stemmer does not change it.
    """
    words: list[str] = []
    length = SHORTEST
    while len(words) < count:
        size = len(LETTERS) ** length
        numbers = np.arange(min(size, count - len(words)), dtype=np.uint64)
        # An odd factor permutes the numbers below a power of two: neighbours look unlike.
        numbers = numbers * np.uint64(0x9E3779B1) % np.uint64(size)
        digits = numbers[:, None] // len(LETTERS) ** np.arange(length, dtype=np.uint64)
        letters = LETTERS[(digits % len(LETTERS)).astype(np.intp)]
        words += letters.view(f"S{length}").ravel().astype(str).tolist()
        length += 1
    return words


def _ranks(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank, from 0, of the word below which each share of the tokens is."""
    bend = COMMON_WORDS + SHIFT
    head = np.log(bend / (1 + SHIFT))
    power = TAIL_EXPONENT - 1
    tail = COMMON_WORDS / bend / power * (1 - (MOST_WORDS / COMMON_WORDS) ** -power)
    mass = shares * (head + tail)
    common = np.exp(np.minimum(mass, head)) * (1 + SHIFT) - SHIFT
    left = 1 - np.maximum(mass - head, 0) * power * bend / COMMON_WORDS
    rare = COMMON_WORDS * left ** (-1 / power)
    return np.asarray(np.where(mass < head, common, np.minimum(rare, MOST_WORDS)) - 1)


def _with_repeats(
    ids: NDArray[np.uint32], offsets: NDArray[np.int64], draw: np.random.Generator
) -> NDArray[np.uint32]:
    """Return the words with some of them replaced by an earlier one of the same passage."""
    changed = ids.copy()
    for start in range(0, len(ids), _BLOCK):
        places = start + np.flatnonzero(draw.random(min(_BLOCK, len(ids) - start)) < REPEATS)
        begins = offsets[np.searchsorted(offsets, places, "right") - 1]
        changed[places] = ids[begins + (draw.random(len(places)) * (places - begins)).astype(int)]
    return changed


@compiled
def document_frequencies(
    ids: NDArray[np.uint32], offsets: NDArray[np.int64], words: int
) -> NDArray[np.int64]:
    """Return in how many passages each word is; one pass, where NumPy would sort every passage."""
    df = np.zeros(words, np.int64)
    last = np.full(words, -1, np.int64)
    for row in range(len(offsets) - 1):
        for place in range(offsets[row], offsets[row + 1]):
            word = ids[place]
            if last[word] != row:
                last[word] = row
                df[word] += 1
    return df
