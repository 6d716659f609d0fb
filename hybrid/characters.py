"""Which code points tokens are made of, and what they become: tables for compiled code."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray

from hybrid.token_kernels import BITS, CJK, DIGIT, ORDER, UNSPACED, WORD
from hybrid.token_tables import Characters

_COMPOSES = re.compile("[\u1100-\u11ff\u1025]").search
"""Finds what can become one character with another one: conjoining jamo and, of all others in these
scripts, the Myanmar letter U alone, with a vowel sign."""
_BITS, _ORDER = int(BITS), int(ORDER)


class Kinds(NamedTuple):
    """Kinds of tokens, each by two sets of characters: the first of a token, and all others.

    A set is the inside of a character class of `regex`, version 1.  The first characters of the
    kinds have nothing in common.

    Attributes
    ----------
    word : tuple of str
        Tokens that are analysed whole.
    cjk : tuple of str
        Runs that become single characters and bigrams.
    unspaced : tuple of str
        Runs that become bigrams and trigrams.
    digit : str
        Numbers: digits with a point or comma inside are one token before all others.  Empty: none.
    marks : str
        What continues an unspaced run so often that n-grams must be quick.
    """

    word: tuple[str, str]
    cjk: tuple[str, str]
    unspaced: tuple[str, str]
    digit: str
    marks: str


@cache
def characters(kinds: Kinds, normalise: Callable[[str], str], planes: int) -> Characters:
    """Return the tables for the first planes of Unicode: 50 ms for one, 300 ms for all.

    Parameters
    ----------
    kinds : Kinds
        The kinds of tokens.
    normalise : callable
        What is done to the text of a run before it is cut into n-grams; a function of a module,
        since the tables are kept.
    planes : int
        How many times 65,536 code points.
    """
    every = np.arange(planes << 16, dtype=np.uint32)
    text = every.tobytes().decode("utf-32-le", "surrogatepass")
    classes = np.zeros(len(every), np.uint8)
    for flag, (first, rest) in ((WORD, kinds.word), (CJK, kinds.cjk), (UNSPACED, kinds.unspaced)):
        _mark(classes, text, first, flag)
        _mark(classes, text, rest, 2 * flag)
    if kinds.digit:
        _mark(classes, text, kinds.digit, DIGIT)
    return Characters(classes, _folds(text, kinds, normalise))


def _mark(classes: NDArray[np.uint8], text: str, members: str, flag: int) -> None:
    for run in regex.finditer(f"(?V1)[{members}]+", text):
        classes[run.start() : run.end()] |= flag


def _folds(text: str, kinds: Kinds, normalise: Callable[[str], str]) -> NDArray[np.uint64]:
    """Return the normalised form of each character of a run, where it does not hang on others.

    A run is then normalised by putting the forms together, as long as its marks are in canonical
    order: none of these characters composes with another one.
    """
    folds = np.zeros(len(text), np.uint64)
    members = f"(?V1)[[{kinds.cjk[0]}][{kinds.unspaced[0]}][{kinds.marks}]]"
    found = "".join(regex.findall(f"{members}+", text))
    forms = normalise("\n".join(found)).split("\n")
    places = np.fromiter(map(ord, found), np.int64, len(found))
    folds[places] = np.fromiter(map(_packed, forms), np.uint64, len(forms))
    return folds


def _packed(form: str) -> int:
    """Return one or two code points and the combining class, 0 if that does not hold the form."""
    if form.isdecimal() or _COMPOSES(form):
        return 0
    if len(form) == 1:
        return ord(form) | unicodedata.combining(form) << _ORDER
    if len(form) == 2 and not any(map(unicodedata.combining, form)):
        return ord(form[0]) | ord(form[1]) << _BITS
    return 0
