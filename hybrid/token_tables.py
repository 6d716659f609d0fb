"""The arrays that compiled code reads and fills while it tokenizes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Characters(NamedTuple):
    """What is known of each code point.

    Attributes
    ----------
    classes : ndarray of uint8
        A sum of `DIGIT`, `WORD`, `CJK`, `UNSPACED` and, for what continues a token, their doubles.
    folds : ndarray of uint64
        The normalised form: one or two code points of 21 bits, and the canonical combining class;
        0 where it is anything else.
    """

    classes: NDArray[np.uint8]
    folds: NDArray[np.uint64]


class Words(NamedTuple):
    """Distinct words: an open-addressing hash table over a pool of code points.

    Attributes
    ----------
    slots : ndarray of uint64
        Pairs, a power of two of them, twice as many as there can be words.  The word packed, or a
        hash of it, 0 where free, and its number.
    starts : ndarray of int64
        Where each word starts in the pool, and where the last one ends.
    pool : ndarray of uint32
    used : ndarray of int64, shape (1,)
        How many words there are.
    mask : ndarray of uint64, shape (1,)
        The bits of a hash that are used: all, but for tests.
    """

    slots: NDArray[np.uint64]
    starts: NDArray[np.int64]
    pool: NDArray[np.uint32]
    used: NDArray[np.int64]
    mask: NDArray[np.uint64]


class Grams(NamedTuple):
    """Distinct n-grams.

    Attributes
    ----------
    slots : ndarray of uint64
        Pairs, a power of two of them, twice as many as there can be n-grams.  A packed n-gram, 0
        where free, and its number.
    packed : ndarray of uint64
        Up to three code points by number, the first one lowest.
    used : ndarray of int64, shape (1,)
        How many n-grams there are.
    """

    slots: NDArray[np.uint64]
    packed: NDArray[np.uint64]
    used: NDArray[np.int64]


class Piece(NamedTuple):
    """Some texts, each followed by a code point that is in no token, and what was read of them.

    Attributes
    ----------
    buffer : ndarray of uint32
        The code points.
    starts : ndarray of int64, shape (texts + 1,)
        Where each text starts.
    codes : ndarray of uint32
        Numbers of words, and numbers of n-grams plus `GRAM`, in the order of the text.  Four for
        each code point are enough.
    ends : ndarray of int64, shape (texts,)
        Where the codes of each text end.
    plain : ndarray of uint32
        Room for the folded form of a run, twice as long as the buffer.
    cursor : ndarray of int64, shape (3,)
        Where to go on: text, place in the buffer, number of codes.
    """

    buffer: NDArray[np.uint32]
    starts: NDArray[np.int64]
    codes: NDArray[np.uint32]
    ends: NDArray[np.int64]
    plain: NDArray[np.uint32]
    cursor: NDArray[np.int64]


class Codes(NamedTuple):
    """The tokens of some texts, as a lexicon numbers them, and where those of each text end."""

    codes: NDArray[np.uint32]
    ends: NDArray[np.int64]


class Meanings(NamedTuple):
    """Terms by code, as numbers.

    Attributes
    ----------
    words : ndarray of uint32
        The terms of all words one after the other.
    ends : ndarray of int64, shape (words + 1,)
        Where those of each word start, and where those of the last one end.
    grams : ndarray of uint32, shape (n-grams,)
        The term of each n-gram.
    """

    words: NDArray[np.uint32]
    ends: NDArray[np.int64]
    grams: NDArray[np.uint32]
