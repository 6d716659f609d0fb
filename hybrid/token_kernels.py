"""The inner loops of tokenizing: code points to words and n-grams, those to numbers of terms.

A *word* here is a token as it stands in the text: a word or number, or a run of characters that
only the full analysis can cut into n-grams.  Words are found by a hash of their code points and
compared with the code points that are kept, so two words never share a number.  An n-gram is found
by its code points packed into one integer, which needs no comparison.

`scan` stops when a table is full, and goes on from there with a larger one.
"""

import numpy as np
from numpy.typing import NDArray

from hybrid.token_tables import Characters, Codes, Grams, Meanings, Piece, Words
from indexes.compiled import compiled

DIGIT, WORD, CJK, UNSPACED = 1, 2, 8, 32
"""Classes of code points that start a token.  Twice the class is the one that continues it."""
_FIRST = WORD | CJK | UNSPACED

DONE, WORDS_FULL, POOL_FULL, GRAMS_FULL = 0, 1, 2, 3

# Signed and unsigned 64-bit integers in one expression would become floats.
BITS = np.uint64(21)  # of a code point
CODE_POINT = np.uint64((1 << 21) - 1)
ORDER = np.uint64(42)  # above two code points stands a canonical combining class
GRAM = np.uint32(1 << 31)  # set in the code of an n-gram, not in that of a word
_HALF, _LOW = np.uint64(32), np.uint64((1 << 32) - 1)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_FNV_BASIS, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_DOT, _COMMA = np.uint32(ord(".")), np.uint32(ord(","))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@compiled
def scan(piece: Piece, characters: Characters, words: Words, grams: Grams) -> int:
    """Read on in a piece; return `DONE` or what is full."""
    buffer, classes = piece.buffer, characters.classes
    row, at, count = piece.cursor
    status = DONE
    while row < len(piece.ends) and status == DONE:
        last = piece.starts[row + 1] - 1
        while at < last:
            end = _token_end(buffer, at, classes)
            if end == at:
                at += 1
                continue
            added, size, kind = 1, 0, classes[buffer[at]] & (CJK | UNSPACED)
            if kind:
                size = _fold(buffer, at, end, characters.folds, piece.plain)
            if size:
                added = _add_grams(piece, size, count, 1 if kind == CJK else 2, grams)
                status = DONE if added else GRAMS_FULL
            else:
                number = _word(buffer, at, end, words)
                piece.codes[count] = max(number, 0)
                status = DONE if number >= 0 else -number
            if status != DONE:
                break
            count, at = count + added, end
        if status == DONE:
            piece.ends[row] = count
            row += 1
            at = piece.starts[row]
    piece.cursor[:] = row, at, count
    return status


@compiled
def count_terms(piece: Codes, meanings: Meanings) -> NDArray[np.int64]:
    """Return how many terms each text has."""
    sizes = np.zeros(len(piece.ends), np.int64)
    start = 0
    for row in range(len(sizes)):
        for i in range(start, piece.ends[row]):
            code = piece.codes[i]
            if code & GRAM:
                sizes[row] += 1
            else:
                sizes[row] += meanings.ends[code + 1] - meanings.ends[code]
        start = piece.ends[row]
    return sizes


@compiled
def number_terms(
    piece: Codes,
    meanings: Meanings,
    ids: NDArray[np.uint32],
    places: NDArray[np.uint32],
    order: NDArray[np.uint32],
    distinct: int,
) -> int:
    """Write the terms of a piece as places in the order of first occurrence; return how many.

    `places` has the place of each term plus 1, or 0; `order` the term of each place.
    """
    at = 0
    for code in piece.codes:
        if code & GRAM:
            terms, first, last = meanings.grams, np.int64(code ^ GRAM), np.int64(code ^ GRAM) + 1
        else:
            terms, first, last = meanings.words, meanings.ends[code], meanings.ends[code + 1]
        for i in range(first, last):
            term = terms[i]
            if places[term] == 0:
                order[distinct] = term
                distinct += 1
                places[term] = distinct
            ids[at] = places[term] - 1
            at += 1
    return distinct


@compiled
def rehash_words(words: Words) -> None:
    """Fill empty slots with the words that are known."""
    last = np.uint64(len(words.slots) - 1)
    for number in range(words.used[0]):
        tag = _hash(words.pool, words.starts[number], words.starts[number + 1]) & words.mask[0]
        place = tag & last
        while words.slots[place]:
            place = (place + _ONE) & last
        words.slots[place] = _slot(tag, number)


@compiled
def rehash_grams(grams: Grams) -> None:
    """Fill empty slots with the n-grams that are known."""
    last = np.uint64(len(grams.slots) // 2 - 1)
    for number in range(grams.used[0]):
        place = _place(grams.packed[number]) & last
        while grams.slots[place << _ONE]:
            place = (place + _ONE) & last
        grams.slots[place << _ONE] = grams.packed[number]
        grams.slots[(place << _ONE) + _ONE] = number


@compiled
def _token_end(buffer: NDArray[np.uint32], at: int, classes: NDArray[np.uint8]) -> int:
    """Return where the token ends that starts here, or this place when none does."""
    flags = classes[buffer[at]]
    end = at
    if flags & DIGIT:
        while classes[buffer[end]] & DIGIT:
            end += 1
        whole = end
        while (buffer[end] == _DOT or buffer[end] == _COMMA) and classes[buffer[end + 1]] & DIGIT:
            end += 2
            while classes[buffer[end]] & DIGIT:
                end += 1
        if end > whole:
            return end
    if not flags & _FIRST:
        return at
    rest = (flags & _FIRST) << 1
    end = at + 1
    while classes[buffer[end]] & rest:
        end += 1
    return end


@compiled
def _fold(
    buffer: NDArray[np.uint32],
    at: int,
    end: int,
    folds: NDArray[np.uint64],
    plain: NDArray[np.uint32],
) -> int:
    """Write the normalised form of a run and return its size, 0 if it takes more than a table."""
    size, before = 0, _ZERO
    for i in range(at, end):
        fold = folds[buffer[i]]
        order = fold >> ORDER
        if fold == _ZERO or (order != _ZERO and order < before):  # marks to be put in order
            return 0
        before = order
        plain[size] = fold & CODE_POINT
        second = (fold >> BITS) & CODE_POINT
        plain[size + 1] = second
        size += 2 if second else 1
    return size


@compiled
def _add_grams(piece: Piece, size: int, count: int, least: int, grams: Grams) -> int:
    """Write the n-grams of the least size and the next one; return how many, 0 if out of room."""
    if grams.used[0] + 2 * size > len(grams.packed):
        return 0
    plain, start = piece.plain, count
    for n in range(min(least, size), least + 2):
        for first in range(size - n + 1):
            packed = np.uint64(plain[first])
            for i in range(1, n):
                packed |= np.uint64(plain[first + i]) << (BITS * np.uint64(i))
            piece.codes[count] = np.uint32(_gram(packed, grams)) | GRAM
            count += 1
    return count - start


@compiled
def _gram(packed: np.uint64, grams: Grams) -> int:
    """Return the number of an n-gram, a new one if it must be."""
    slots = grams.slots
    last = np.uint64(len(slots) // 2 - 1)
    place = _place(packed) & last
    while slots[place << _ONE]:
        if slots[place << _ONE] == packed:
            return int(slots[(place << _ONE) + _ONE])
        place = (place + _ONE) & last
    number = int(grams.used[0])
    slots[place << _ONE] = packed
    slots[(place << _ONE) + _ONE] = number
    grams.packed[number] = packed
    grams.used[0] += 1
    return number


@compiled
def _word(buffer: NDArray[np.uint32], at: int, end: int, words: Words) -> int:
    """Return the number of a word, a new one if it must be, or minus what is full."""
    slots, starts, pool = words.slots, words.starts, words.pool
    tag = _hash(buffer, at, end) & words.mask[0]
    last = np.uint64(len(slots) - 1)
    place = tag & last
    while slots[place]:
        if slots[place] >> _HALF == tag >> _HALF:
            number = int(slots[place] & _LOW) - 1
            start, i = starts[number], at
            if starts[number + 1] - start == end - at:
                while i < end and pool[start + i - at] == buffer[i]:
                    i += 1
                if i == end:
                    return number
        place = (place + _ONE) & last
    number = int(words.used[0])
    start = starts[number]
    if number == len(starts) - 1:
        return -WORDS_FULL
    if start + end - at > len(pool):
        return -POOL_FULL
    for i in range(at, end):
        pool[start + i - at] = buffer[i]
    starts[number + 1] = start + end - at
    slots[place] = _slot(tag, number)
    words.used[0] += 1
    return number


@compiled
def _hash(buffer: NDArray[np.uint32], at: int, end: int) -> np.uint64:
    """Return the FNV-1a hash of code points."""
    value = _FNV_BASIS
    for i in range(at, end):
        value = (value ^ np.uint64(buffer[i])) * _FNV_PRIME
    return value ^ (value >> _HALF)


@compiled
def _place(packed: np.uint64) -> np.uint64:
    """Return a hash of a packed n-gram."""
    value = packed * _GOLDEN
    return value ^ (value >> _HALF)


@compiled
def _slot(tag: np.uint64, number: int) -> np.uint64:
    return (tag >> _HALF << _HALF) | np.uint64(number + 1)
