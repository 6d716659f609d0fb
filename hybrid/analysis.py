"""Text to terms, right for several scripts in one text.

===============================  ===============================================================
Words of letters and digits      NFKC, case folded, stemmed by the Snowball stemmer of the script's
                                 language; accents dropped after stemming
Chinese, Japanese, Korean        single characters and overlapping bigrams
Thai, Lao, Khmer, Myanmar        overlapping bigrams and trigrams
===============================  ===============================================================

Documents are indexed with all their terms.  Queries leave out stop words, unless they consist of
nothing else: so "The Who" and a question of one Chinese character find what they name, and common
questions stay fast.  In Chinese and Japanese, n-grams of function characters alone are stop words.
"""

import hashlib
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, Self

import regex
import Stemmer

from hybrid.characters import Kinds
from hybrid.languages import BY_SCRIPT, FIXED, FUNCTION_CHARACTERS, detect, stop_words
from hybrid.tokenizing import Tokenizer
from indexes.terms import TermBatch

VERSION = 2
"""Of the rules in this file; stored with an index.  Change it when the terms change."""

_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\u30FC\uFF70"
_UNSPACED_SCRIPTS = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_UNSPACED = rf"[{_UNSPACED_SCRIPTS}]&&\p{{L}}"
_JOINING = r"\p{M}\u200C\u200D"  # vowel signs and accents belong to the letter before them
KINDS = Kinds(
    word=(
        rf"[\p{{L}}\p{{N}}]--[{_CJK}]--[{_UNSPACED}]",
        rf"[\p{{L}}\p{{N}}{_JOINING}]--[{_CJK}]--[{_UNSPACED}]",
    ),
    cjk=(_CJK, _CJK + _JOINING),
    unspaced=(_UNSPACED, f"[{_UNSPACED}]{_JOINING}"),
    digit=r"\p{N}",
    marks=rf"[{_UNSPACED_SCRIPTS}]&&\p{{M}}",
)
_TOKEN = regex.compile(
    rf"""(?xV1)
    [{KINDS.digit}]+ (?: [.,] [{KINDS.digit}]+ )+
    | [{KINDS.cjk[0]}] [{KINDS.cjk[1]}]*
    | [{KINDS.unspaced[0]}] [{KINDS.unspaced[1]}]*
    | [{KINDS.word[0]}] [{KINDS.word[1]}]*
    """
)
_ASCII_TOKEN = re.compile(r"[0-9]+(?:[.,][0-9]+)+|[A-Za-z0-9]+")  # the same tokens, quicker
_CJK_FIRST = regex.compile(f"[{_CJK}]")
_UNSPACED_FIRST = regex.compile(f"(?V1)[{_UNSPACED}]")
_JOINERS = {0x200C: None, 0x200D: None}
_ACCENTLESS = {"latin", "greek", "hebrew"}
_SAMPLE_TEXTS, _SAMPLE_CHARS = 400, 2_000
_CANARY = (
    "Running cats' naïve cafés 3.14 Fußgänger бегущие коты القطط الجارية बिल्लियाँ 走る猫の世界 แมววิ่ง"
)


class Span(NamedTuple):
    """A term and the characters of the text that it stands for."""

    term: str
    start: int
    end: int
    stop: bool


class _Token(NamedTuple):
    terms: tuple[str, ...]
    asked: tuple[str, ...]  # those without stop words


@dataclass(frozen=True, slots=True)
class Analyzer:
    """The default analyzer.

    Parameters
    ----------
    latin, cyrillic, arabic, devanagari : str or None
        The language that words in this script are stemmed in, by Snowball's name, and whose stop
        words are left out of queries; None for neither.

    Examples
    --------
    >>> Analyzer().terms("The sleeping cats 猫咪")
    ['the', 'sleep', 'cat', '猫', '咪', '猫咪']
    >>> Analyzer().query_terms("Why do cats purr?")
    ['cat', 'purr']
    """

    latin: str | None = "english"
    cyrillic: str | None = "russian"
    arabic: str | None = "arabic"
    devanagari: str | None = "hindi"
    _words: dict[str, _Token] = field(default_factory=dict, init=False, repr=False, compare=False)
    _stemmers: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    _tokenizer: Tokenizer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for script in BY_SCRIPT:
            language = getattr(self, script)
            if language is not None and language not in Stemmer.algorithms():
                raise ValueError(
                    f"expected a language of {', '.join(Stemmer.algorithms())} or None for words "
                    f"in {script} script, not {language!r}"
                )
        tokenizer = Tokenizer(
            KINDS,
            plain=self.terms,
            terms_of=lambda token: self._analyse(token).terms,
            normalise=normalised,
        )
        object.__setattr__(self, "_tokenizer", tokenizer)

    @classmethod
    def named(cls, language: str) -> Self:
        """Return the analyzer for a collection in one language, by Snowball's name."""
        for script, languages in BY_SCRIPT.items():
            if language in languages.values():
                return cls(**{script: language})
        if language in FIXED.values():
            return cls()
        known = sorted({name for group in BY_SCRIPT.values() for name in group.values()})
        raise ValueError(f"expected a language of {', '.join(known)}, or 'auto', not {language!r}")

    @classmethod
    def detected(cls, texts: Iterable[str]) -> Self:
        """Return the analyzer for a collection, from the languages of its first texts."""
        words: dict[str, list[str]] = {script: [] for script in BY_SCRIPT}
        for text in islice(texts, _SAMPLE_TEXTS):
            for match in _TOKEN.finditer(text[:_SAMPLE_CHARS]):
                words.get(_script_of(match[0]), []).append(match[0])
        standard = cls()
        return cls(
            **{script: detect(words[script], script, getattr(standard, script)) for script in words}
        )

    def terms(self, text: str) -> list[str]:
        """Return all terms of a document's text, in order."""
        found: list[str] = []
        for token in _tokens(text):
            found += (self._words.get(token) or self._learn(token)).terms
        return found

    def batch(self, texts: Sequence[str]) -> TermBatch:
        """Return `terms` of each text: the same terms, from compiled code when there are many.

        Threads may share an analyzer.
        """
        return self._tokenizer.batch(texts)

    def query_terms(self, text: str) -> list[str]:
        """Return the terms of a question: without stop words, unless there are no others."""
        found: list[str] = []
        for token in _tokens(text):
            found += (self._words.get(token) or self._learn(token)).asked
        return found or self.terms(text)

    def spans(self, text: str) -> Iterator[Span]:
        """Yield every term of `terms` with its place in the text."""
        for match in _TOKEN.finditer(text):
            sizes = _gram_sizes(match[0])
            if sizes:
                yield from _grams(match[0], match.start(), sizes)
            else:
                known = self._words.get(match[0]) or self._learn(match[0])
                yield Span(known.terms[0], match.start(), match.end(), not known.asked)

    def settings(self) -> dict[str, Any]:
        """Return all that decides about the terms, as JSON values."""
        chosen = {item.name: getattr(self, item.name) for item in fields(self) if item.init}
        canary = hashlib.sha256("\n".join(self.terms(_CANARY)).encode()).hexdigest()[:16]
        return {"name": "default", "version": VERSION, **chosen, "canary": canary}

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        """Return the analyzer that `settings` described."""
        return cls(**{script: settings[script] for script in BY_SCRIPT})

    def _learn(self, token: str) -> _Token:
        """Return what a token stands for; words are remembered, runs of n-grams are not."""
        known = self._analyse(token)
        if _gram_sizes(token) is None:
            if len(self._words) > 2_000_000:
                self._words.clear()  # memory stays bounded on endless streams
            self._words[token] = known
        return known

    def _analyse(self, token: str) -> _Token:
        sizes = _gram_sizes(token)
        if sizes:
            spans = list(_grams(token, 0, sizes))
            asked = tuple(span.term for span in spans if not span.stop)
            return _Token(tuple(span.term for span in spans), asked)
        plain = normalised(token)
        script = _script_of(plain)
        language = FIXED.get(script) or (getattr(self, script) if script in BY_SCRIPT else None)
        term, stop = plain, False
        if language is not None:
            stop = plain in stop_words(language)
            with self._lock:  # a stemmer must not be used by two threads at once
                term = self._stemmer(language)(plain)
        if script in _ACCENTLESS and not term.isascii():
            term = "".join(c for c in unicodedata.normalize("NFD", term) if not _is_mark(c))
        return _Token((term,), () if stop else (term,))

    def _stemmer(self, language: str) -> Callable[[str], str]:
        if language not in self._stemmers:
            self._stemmers[language] = Stemmer.Stemmer(language, 0)  # its cache costs more
        stem: Callable[[str], str] = self._stemmers[language].stemWord
        return stem


def _tokens(text: str) -> list[str]:
    """Return the words, numbers and runs of characters of a text."""
    found: list[str] = (_ASCII_TOKEN if text.isascii() else _TOKEN).findall(text)
    return found


def normalised(word: str) -> str:
    """Return a word as it is compared: without differences of case, width and composition."""
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKC", word.translate(_JOINERS)).casefold()
    if plain.isdecimal():
        return "".join(str(unicodedata.decimal(digit)) for digit in plain)
    return unicodedata.normalize("NFKC", plain)


def _gram_sizes(token: str) -> tuple[int, int] | None:
    """Return the n of the n-grams that a token is cut into, None for a word."""
    if token.isascii():
        return None
    if _CJK_FIRST.match(token):
        return 1, 2
    return (2, 3) if _UNSPACED_FIRST.match(token) else None


def _grams(run: str, start: int, sizes: tuple[int, int]) -> Iterator[Span]:
    """Yield the overlapping n-grams of a run of characters; a short run also as it is."""
    plain = normalised(run)
    same = len(plain) == len(run)  # else the characters no longer match one to one
    if len(plain) < sizes[0]:
        yield Span(plain, start, start + len(run), False)
    for size in sizes:
        for at in range(len(plain) - size + 1):
            place = (start + at, start + at + size) if same else (start, start + len(run))
            gram = plain[at : at + size]
            yield Span(gram, *place, FUNCTION_CHARACTERS.issuperset(gram))


def _script_of(word: str) -> str:
    """Return the script of a word's first letter, in lower case; "" when it has none."""
    for character in word:
        if character.isalpha():
            return _script_of_letter(character)
    return ""


@cache
def _script_of_letter(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0].lower()


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) != 0
