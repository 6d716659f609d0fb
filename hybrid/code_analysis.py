"""Source code to terms, so that questions in words find it.

===================  ===============================================================================
``getHTTPResponse``  its parts get, http, response, as words are analysed, and itself in lower case
``utf8_decode``      utf, 8, decode, and itself
``attr``, ``mkdir``  the words that they stand for: attribute; make, directory, and mkdir itself
``def parse(...)``   a name counts `NAME_WEIGHT` times where it is defined
other scripts        as the analyzer of prose does it: comments in Chinese are found
===================  ===============================================================================

All of it was chosen by measurement (docs/adr/0008).
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import regex

from hybrid.analysis import KINDS, Analyzer, Span, normalised
from hybrid.code_words import FULL, LANGUAGES
from hybrid.tokenizing import Tokenizer
from indexes.terms import TermBatch

VERSION = 1
"""Of the rules in this file; stored with an index.  Change it when the terms change."""

NAME_WEIGHT = 5
"""How often the name of a function counts where it is defined: nothing tells more about it."""

_CODE_KINDS = KINDS._replace(
    word=(rf"[{KINDS.word[0]}]_", rf"[{KINDS.word[1]}]_"),  # identifiers are tokens
    digit="",  # f(1,2) has two numbers
)
_ASCII_TOKEN = re.compile(r"[A-Za-z0-9_]+")
_TOKEN = regex.compile("(?V1)" + "|".join(f"[{first}][{rest}]*" for first, rest in _CODE_KINDS[:3]))
_RUN = regex.compile(f"(?V1)[[{KINDS.cjk[0]}][{KINDS.unspaced[0]}]]")
# In this order: URLs, then HTTP and Response of HTTPResponse, then numbers.
_ASCII_PART = re.compile(r"[A-Z]{2,}s(?![A-Za-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PART = regex.compile(
    r"""(?xV1)
    \p{Lu}{2,}s(?![\p{L}\p{M}]) | \p{Lu}+(?![\p{Ll}\p{M}])
    | \p{Lu}?[[\p{L}\p{M}]--\p{Lu}]+ | \p{N}+
    """
)
_DEFINED = regex.compile(
    r"""(?x)
    \b (?: def | fn ) [ \t]+ ([\w\p{M}]+)
    | \b func [ \t]+ (?: \( [^()\n]{0,80} \) [ \t]* )? ([\w\p{M}]+)
    | \b (?: class | function | interface | struct | trait | enum ) [ \t]+ ([\w\p{M}]+)
      (?= [ \t]* (?: [(:<{] | extends\b | implements\b ) )
    """
)
_CANARY = (
    "getHTTPResponseCode utf8_decode __init__ SHA256Hash URLs naïveCafé 变量名 def f(x): is 3.14"
)


class _Part(NamedTuple):
    terms: tuple[str, ...]
    start: int
    end: int


class _Token(NamedTuple):
    terms: tuple[str, ...]
    stop: bool


@dataclass(frozen=True, slots=True)
class CodeAnalyzer:
    """The analyzer for source code.

    Parameters
    ----------
    prose : Analyzer
        Gives the terms of single words, and of scripts without spaces.

    Examples
    --------
    >>> CodeAnalyzer().terms("getHTTPResponse(url)")
    ['get', 'http', 'respons', 'gethttpresponse', 'url']
    >>> CodeAnalyzer().query_terms("how to get the response in python?")
    ['get', 'respons']
    """

    prose: Analyzer = field(default_factory=Analyzer)
    _known: dict[str, _Token] = field(default_factory=dict, init=False, repr=False, compare=False)
    _tokenizer: Tokenizer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tokenizer = Tokenizer(
            _CODE_KINDS,
            plain=lambda text: self._terms_of(_tokens(text)),
            terms_of=lambda token: self._analyse(token).terms,
            normalise=normalised,
        )
        object.__setattr__(self, "_tokenizer", tokenizer)

    def terms(self, text: str) -> list[str]:
        """Return all terms of a document's text, in order; then those of defined names again."""
        return self._terms_of(_tokens(with_names(text)))

    def batch(self, texts: Sequence[str]) -> TermBatch:
        """Return the `terms` of many texts as one value, from compiled code when there are many."""
        return self._tokenizer.batch([with_names(text) for text in texts])

    def query_terms(self, text: str) -> list[str]:
        """Return the terms of a question: without stop words, unless there are no others.

        Names of programming languages are stop words here: they say what the code is written in,
        which the code itself does not.
        """
        found: list[str] = []
        tokens = _tokens(text)
        for token in tokens:
            known = self._known.get(token) or self._learn(token)
            if not known.stop:
                found += known.terms
        return found or self._terms_of(tokens)

    def spans(self, text: str) -> Iterator[Span]:
        """Yield every term with its place in the text: those of defined names once only."""
        for match in _pattern(text).finditer(text):
            start, token = match.start(), match[0]
            if _RUN.match(token):
                for span in self.prose.spans(token):
                    yield span._replace(start=start + span.start, end=start + span.end)
                continue
            parts = self._parts(token)
            inside = [Span(t, start + a, start + b, False) for terms, a, b in parts for t in terms]
            terms, stop = self._known.get(token) or self._learn(token)
            whole = [Span(t, start, match.end(), False) for t in terms[len(inside) :]]
            yield from (span._replace(stop=stop) for span in inside + whole)

    def settings(self) -> dict[str, Any]:
        """Return all that decides about the terms, as JSON values."""
        sample = " ".join([_CANARY, *FULL])
        canary = hashlib.sha256("\n".join(self.terms(sample)).encode()).hexdigest()[:16]
        prose = self.prose.settings()
        return {"name": "code", "version": VERSION, "prose": prose, "canary": canary}

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        """Return the analyzer that `settings` described."""
        return cls(Analyzer.from_settings(settings["prose"]))

    def _terms_of(self, tokens: Iterable[str]) -> list[str]:
        found: list[str] = []
        for token in tokens:
            found += (self._known.get(token) or self._learn(token)).terms
        return found

    def _learn(self, token: str) -> _Token:
        """Return what a token stands for; identifiers are remembered, runs of n-grams are not."""
        known = self._analyse(token)
        if not _RUN.match(token):
            if len(self._known) > 2_000_000:
                self._known.clear()  # memory stays bounded on endless streams
            self._known[token] = known
        return known

    def _analyse(self, token: str) -> _Token:
        if _RUN.match(token):
            return _Token(tuple(self.prose.terms(token)), False)
        found = [term for part in self._parts(token) for term in part.terms]
        if len(found) > 1:
            whole = _plain(token).lower()
            found += [whole] if "_" in whole else self.prose.terms(whole)
        return _Token(tuple(found), self._is_stop(token))

    def _parts(self, token: str) -> list[_Part]:
        """Return the parts of an identifier, each with the terms of the words it stands for."""
        plain = _plain(token)
        same = len(plain) == len(token)  # else the places no longer match one to one
        pattern = _ASCII_PART if plain.isascii() else _PART
        found = []
        for match in pattern.finditer(plain):
            words = FULL.get(match[0].lower(), (match[0],))
            terms = tuple(term for word in words for term in self.prose.terms(word))
            found.append(_Part(terms, *(match.span() if same else (0, len(token)))))
        return found

    def _is_stop(self, token: str) -> bool:
        """Whether a question does without this token: a whole word, not the part of a name."""
        if token.lower() in LANGUAGES:
            return True
        spans = [] if "_" in token else list(self.prose.spans(token))
        return len(spans) == 1 and spans[0].stop


def with_names(text: str) -> str:
    """Return a text with the names that it defines, as often as they count, at its end."""
    names = [match[match.lastindex or 0] for match in _DEFINED.finditer(text)]
    return "\n".join([text, *names * (NAME_WEIGHT - 1)]) if names else text


def _pattern(text: str) -> "re.Pattern[str] | regex.Pattern[str]":
    return _ASCII_TOKEN if text.isascii() else _TOKEN


def _tokens(text: str) -> list[str]:
    found: list[str] = _pattern(text).findall(text)
    return found


def _plain(token: str) -> str:
    """Return a token as its letters are compared; its case stays, for splitting."""
    if token.isascii():
        return token
    bare = token.replace("\u200c", "").replace("\u200d", "")
    return unicodedata.normalize("NFKC", bare)
