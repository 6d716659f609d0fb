"""The inner loops of tokenizing: code points to words and n-grams, those to numbers of terms.

A *word* here is a token as it stands in the text: a word or number, or a run of characters that
only the full analysis can cut into n-grams.  An n-gram is found by its code points packed into one
integer, and so is a short word of ASCII, which is nearly every word of many languages: one place in
memory tells its number.  Other words are found by a hash of their code points and compared with the
code points that are kept, so two words never share a number.

`scan` stops when a table is full, and goes on from there with a larger one.  What it calls for each
word takes arrays, not tables, and returns in one place: else numba counts references to arrays at
each call, which took longer than the rest.
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
_HALF = np.uint64(32)
_PACKED, _ASCII_BITS, _ASCII = 8, np.uint64(7), np.uint64(127)  # so many code points have room
_HASHED = np.uint64(1 << 63)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_FNV_BASIS, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_DOT, _COMMA = np.uint32(ord(".")), np.uint32(ord(","))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@compiled
def scan(piece: Piece, characters: Characters, words: Words, grams: Grams) -> int:
    """Read on in a piece; return `DONE` or what is full."""
    buffer, classes, codes = piece.buffer, characters.classes, piece.codes
    slots, starts, pool, mask = words.slots, words.starts, words.pool, words.mask[0]
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
                key = _key(buffer, at, end) or _tag(buffer, at, end, mask)
                place = _find(buffer, at, end, key, slots, starts, pool, mask)
                if not slots[place]:
                    status = _add_word(buffer, at, end, key, place, words)
                codes[count] = slots[place + _ONE]
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
    codes, ends, term_ends, start = piece.codes, piece.ends, meanings.ends, 0
    sizes = np.zeros(len(ends), np.int64)
    for row in range(len(sizes)):
        for i in range(start, ends[row]):
            code = codes[i]
            sizes[row] += 1 if code & GRAM else term_ends[code + 1] - term_ends[code]
        start = ends[row]
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
    words, ends, grams, at = meanings.words, meanings.ends, meanings.grams, 0
    for code in piece.codes:
        first, last = (0, 1) if code & GRAM else (ends[code], ends[code + 1])
        for i in range(first, last):
            term = grams[code ^ GRAM] if code & GRAM else words[i]
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
    slots, starts, pool, mask = words.slots, words.starts, words.pool, words.mask[0]
    for number in range(words.used[0]):
        start, end = starts[number], starts[number + 1]
        key = _key(pool, start, end) or _tag(pool, start, end, mask)
        place = _find(pool, start, end, key, slots, starts, pool, mask)
        slots[place] = key
        slots[place + _ONE] = number


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
    flags, end = classes[buffer[at]], at
    if flags & DIGIT:
        while classes[buffer[end]] & DIGIT:
            end += 1
        whole = end
        while (buffer[end] == _DOT or buffer[end] == _COMMA) and classes[buffer[end + 1]] & DIGIT:
            end += 2
            while classes[buffer[end]] & DIGIT:
                end += 1
        end = end if end > whole else at  # digits alone are a word, and letters may follow
    if end == at and flags & _FIRST:
        rest = (flags & _FIRST) << 1
        end += 1
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
def _find(  # noqa: PLR0913
    buffer: NDArray[np.uint32],
    at: int,
    end: int,
    key: np.uint64,
    slots: NDArray[np.uint64],
    starts: NDArray[np.int64],
    pool: NDArray[np.uint32],
    mask: np.uint64,
) -> np.uint64:
    """Return where the slot of a word is, a free one when it is new."""
    last = np.uint64(slots.size - 1)
    place = _place(key) & mask
    looking = True
    while looking:
        place = place << _ONE & last
        looking = slots[place] != key and slots[place] != _ZERO
        if slots[place] == key and key >= _HASHED:
            number = slots[place + _ONE]
            looking = not _same(buffer, at, end, pool, starts[number], starts[number + _ONE])
        place = place if not looking else (place >> _ONE) + _ONE
    return place


@compiled
def _same(
    buffer: NDArray[np.uint32], at: int, end: int, pool: NDArray[np.uint32], start: int, stop: int
) -> bool:
    """Return whether a word in the pool is the one that stands here."""
    size = end - at
    i = 0 if stop - start == size else size + 1
    while i < size and pool[start + i] == buffer[at + i]:
        i += 1
    return i == size


@compiled
def _add_word(
    buffer: NDArray[np.uint32], at: int, end: int, key: np.uint64, place: np.uint64, words: Words
) -> int:
    """Keep a word that is new; return `DONE` or what is full."""
    number = words.used[0]
    start = words.starts[number]
    if number == len(words.starts) - 1:
        return WORDS_FULL
    if start + end - at > len(words.pool):
        return POOL_FULL
    for i in range(at, end):
        words.pool[start + i - at] = buffer[i]
    words.starts[number + 1] = start + end - at
    words.slots[place] = key
    words.slots[place + _ONE] = number
    words.used[0] += 1
    return DONE


@compiled
def _key(buffer: NDArray[np.uint32], at: int, end: int) -> np.uint64:
    """Return a short word of ASCII packed into a number, after a 1, and 0 for any other."""
    key, every = _ONE, _ZERO
    for i in range(at, end):
        code_point = np.uint64(buffer[i])
        every |= code_point
        key = key << _ASCII_BITS | code_point
    return key if end - at <= _PACKED and every <= _ASCII else _ZERO


@compiled
def _tag(buffer: NDArray[np.uint32], at: int, end: int, mask: np.uint64) -> np.uint64:
    """Return the FNV-1a hash of code points, with a bit set that no short word has."""
    value = _FNV_BASIS
    for i in range(at, end):
        value = (value ^ np.uint64(buffer[i])) * _FNV_PRIME
    return (value ^ (value >> _HALF)) & mask | _HASHED


@compiled
def _place(packed: np.uint64) -> np.uint64:
    """Return a hash of a packed n-gram, or of the key of a word."""
    value = packed * _GOLDEN
    return value ^ (value >> _HALF)
