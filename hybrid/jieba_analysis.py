"""Chinese cut into words by jieba, with the extra ``jieba``; all else as the default analyzer."""

import hashlib
import logging
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Self

import regex

from hybrid.analysis import KINDS, Analyzer, Span
from hybrid.errors import MissingDependency
from indexes.terms import TermBatch

VERSION = 1
"""Of the rules in this file; stored with an index.  Change it when the terms change."""

_RUN = regex.compile(f"(?V1)[{KINDS.cjk[0]}][{KINDS.cjk[1]}]*")
_CHINESE = regex.compile(r"\p{Han}[\p{Han}\p{M}\u200C\u200D]*")
_CANARY = "南京市长江大桥，研究生命起源。走る猫の世界 running cats"
_lock = threading.Lock()

Cut = Callable[[str], Iterator[tuple[str, int, int]]]


@dataclass(frozen=True, slots=True)
class JiebaAnalyzer:
    """The analyzer for Chinese by words: those of jieba's search mode.

    Parameters
    ----------
    prose : Analyzer
        For all that is not in Chinese characters, and for runs with kana or hangul in them.

    Raises
    ------
    MissingDependency
        If jieba is not installed.
    """

    prose: Analyzer = field(default_factory=Analyzer)

    def __post_init__(self) -> None:
        jieba_cut()

    def terms(self, text: str) -> list[str]:
        """Return all terms of a document's text, in order."""
        return [span.term for span in self.spans(text)]

    def batch(self, texts: Sequence[str]) -> TermBatch:
        """Return the `terms` of many texts as one value."""
        return TermBatch.of(map(self.terms, texts))

    def query_terms(self, text: str) -> list[str]:
        """Return the terms of a question: without stop words, unless there are no others."""
        spans = list(self.spans(text))
        return [span.term for span in spans if not span.stop] or [span.term for span in spans]

    def spans(self, text: str) -> Iterator[Span]:
        """Yield every term of `terms` with its place in the text."""
        done = 0
        for match in _RUN.finditer(text):
            if not _CHINESE.fullmatch(match[0]):
                continue
            yield from self._prose_spans(text, done, match.start())
            yield from _words(match[0], match.start())
            done = match.end()
        yield from self._prose_spans(text, done, len(text))

    def settings(self) -> dict[str, Any]:
        """Return all that decides about the terms, as JSON values."""
        canary = hashlib.sha256("\n".join(self.terms(_CANARY)).encode()).hexdigest()[:16]
        prose = self.prose.settings()
        return {"name": "jieba", "version": VERSION, "prose": prose, "canary": canary}

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        """Return the analyzer that `settings` described."""
        return cls(Analyzer.from_settings(settings["prose"]))

    def _prose_spans(self, text: str, start: int, end: int) -> Iterator[Span]:
        for span in self.prose.spans(text[start:end]):
            yield span._replace(start=start + span.start, end=start + span.end)


def _words(run: str, start: int) -> Iterator[Span]:
    plain = unicodedata.normalize("NFKC", run)
    same = len(plain) == len(run)  # else the characters no longer match one to one
    for word, first, last in jieba_cut()(plain):
        place = (start + first, start + last) if same else (start, start + len(run))
        yield Span(word, *place, False)


@cache
def _loaded() -> Cut:
    """Return the search mode of a tokenizer of our own.

    Its dictionary is read directly: jieba itself would keep a copy in the temporary folder, and
    read one that anybody put there.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pkg_resources, and escapes in jieba's source
        try:
            import jieba
        except ImportError as error:
            raise MissingDependency("jieba", "jieba") from error
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    with resources.files("jieba").joinpath("dict.txt").open("rb") as file:
        tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(file)
    tokenizer.initialized = True

    def cut(text: str) -> Iterator[tuple[str, int, int]]:
        yield from tokenizer.tokenize(text, mode="search")

    return cut


def jieba_cut() -> Cut:
    """Return what cuts a text into words with their places, loaded once for all threads."""
    with _lock:
        return _loaded()
