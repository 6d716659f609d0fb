"""Chunks: the passages of a document that are indexed and found.

The boundaries come from semantic-text-splitter: as many whole headings, paragraphs, sentences or
statements as fit in a chunk.  What it returns is checked, so that no text is lost silently.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hybrid.documents import Document
from hybrid.errors import HybridError

_STRETCH = 32
"""A line of more than this many times the size of a chunk is cut before it is split.

The splitter's time is quadratic in the length of a line that has no sentences: a line of a million
random CJK characters took 125 s at size 2000, and cut like this 8 s.
"""

_DEEPEST = 200
"""More brackets within brackets than CPython takes; the splitter's time is cubic in the depth."""

_LINE = re.compile(r"[^\r\n]+")
_BRACKET = re.compile(r"[()\[\]{}]")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document: ``text == document.text[start:end]``.

    Parameters
    ----------
    doc_id : str
        The document's.
    ordinal : int
        The chunk's number in the document, from 0.
    text : str
        With a character that is not a space.
    start, end : int
        Offsets in the document's text, in characters.
    """

    doc_id: str
    ordinal: int
    text: str
    start: int
    end: int

    @property
    def chunk_id(self) -> str:
        """The document's id and the ordinal, as in ``guide.md#3``."""
        return f"{self.doc_id}#{self.ordinal}"


@dataclass(frozen=True, slots=True)
class Chunker:
    """How documents are split.

    Markdown is split at headings, blocks and sentences, Python at statements, and all else,
    source code of other languages included, at blank lines, lines and sentences.

    Parameters
    ----------
    size : int, optional
        Largest size of a chunk, in units.  None leaves documents whole.
    overlap : int
        How much of a chunk, at most, the next one repeats, in units.
    unit : {"chars", "tokens"}
        What is counted.
    tokenizer : str
        For tokens: a model of OpenAI, such as "gpt-4o", or the path of a Hugging Face
        ``tokenizer.json``.  It is read when the first document is split.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    size: int | None = 2000
    overlap: int = 0
    unit: str = "chars"
    tokenizer: str = "gpt-4o"

    def __post_init__(self) -> None:
        if self.unit not in ("chars", "tokens"):
            raise ValueError(f'expected the unit to be "chars" or "tokens", not {self.unit!r}')
        if self.size is not None and self.size < 1:
            raise ValueError(f"expected a size of 1 or more, or None, not {self.size}")
        if not 0 <= self.overlap < (self.size or 1):
            raise ValueError(
                f"expected an overlap from 0 to less than the size, "
                f"not {self.overlap} with the size {self.size}"
            )

    def split(self, document: Document) -> list[Chunk]:
        """Return the chunks of a document, by ascending start.

        Parameters
        ----------
        document : Document
            What to split.

        Returns
        -------
        list of Chunk
            Every character that is not white space is in one of them, and with an overlap maybe
            in more.  Empty when the text is white space.

        Raises
        ------
        ValueError
            If there is no such tokenizer.
        HybridError
            If the splitter lost text, which is a bug to report.
        """
        pieces = [piece for piece in self._pieces(document) if piece[1].strip()]
        _check(document, pieces)
        return [
            Chunk(document.doc_id, ordinal, text, start, start + len(text))
            for ordinal, (start, text) in enumerate(pieces)
        ]

    def settings(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> "Chunker":
        """Return the chunker that has these settings."""
        return cls(**settings)

    def _pieces(self, document: Document) -> Iterator[tuple[int, str]]:
        text = document.text
        if self.size is None:
            yield 0, text
            return
        kind = document.format if document.format in _KINDS else "text"
        if kind == "python" and _depth(text) > _DEEPEST:
            kind = "text"
        splitter = self._splitter(kind, self.size - self.overlap)
        pieces: Iterator[tuple[int, str]] = (
            (offset + start, piece)
            for offset, stretch in _stretches(text, _STRETCH * self.size)
            for start, piece in splitter.chunk_indices(stretch)
        )
        if self.overlap:
            ends, wholes = self._splitter(kind, self.overlap), self._splitter(kind, self.size)
            pieces = _overlapping(text, pieces, ends, wholes)
        yield from pieces

    def _splitter(self, kind: str, size: int) -> Any:
        return _splitter(kind, size, self.unit, self.tokenizer)


_KINDS = {"text": "TextSplitter", "markdown": "MarkdownSplitter", "python": "CodeSplitter"}


@lru_cache(maxsize=32)
def _splitter(kind: str, size: int, unit: str, tokenizer: str) -> Any:
    import semantic_text_splitter

    splitter: Any = getattr(semantic_text_splitter, _KINDS[kind])
    grammar: tuple[object, ...] = ()
    if kind == "python":
        import tree_sitter_python

        grammar = (tree_sitter_python.language(),)
    if unit == "chars":
        return splitter(*grammar, size)
    try:
        if not tokenizer.endswith(".json"):
            return splitter.from_tiktoken_model(*grammar, tokenizer, size)
        # Truncation would count any long text as short, and padding any short text as long.
        model = json.loads(Path(tokenizer).read_text("utf-8"))
        plain = json.dumps(model | {"truncation": None, "padding": None})
        return splitter.from_huggingface_tokenizer_str(*grammar, plain, size)
    except Exception as error:  # the library raises bare Exceptions
        raise ValueError(
            f"expected a model known to tiktoken or the path of a tokenizer.json, "
            f"not {tokenizer!r}: {error}"
        ) from error


def _overlapping(
    text: str, pieces: Iterator[tuple[int, str]], ends: Any, wholes: Any
) -> Iterator[tuple[int, str]]:
    """Begin each piece with the end of the one before, where the two fit in a chunk.

    The library has an overlap of its own, but with it returned chunks that are the beginning of
    the next one, and panicked on text that is not ASCII (0.33.1, splitter.rs:737).
    """
    last_start, last = 0, ""
    for start, piece in pieces:
        begin, end = start, start + len(piece)
        if last:
            offset = ends.chunk_indices(last)[-1][0]
            shared = last_start + offset
            # Not when all of the last piece would come again.
            if offset and len(wholes.chunk_indices(text[shared:end])) == 1:
                begin = shared
        yield begin, text[begin:end]
        last_start, last = start, piece


def _stretches(text: str, longest: int) -> Iterator[tuple[int, str]]:
    """Cut a text within its overlong lines, after a space if possible; yield offsets and parts."""
    begin = 0
    for line in _LINE.finditer(text):
        cut = line.start()
        while line.end() - cut > longest:
            space = text.rfind(" ", cut + longest // 2, cut + longest)
            cut = cut + longest if space < 0 else space + 1
            yield begin, text[begin:cut]
            begin = cut
    yield begin, text[begin:]


def _depth(text: str) -> int:
    """Return how deep brackets are nested in a text."""
    deepest = depth = 0
    for bracket in _BRACKET.findall(text):
        depth = depth + 1 if bracket in "([{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest


def _check(document: Document, pieces: list[tuple[int, str]]) -> None:
    """Raise an error unless the pieces ascend, are where they say, and leave out only spaces."""
    text, last, covered = document.text, -1, 0
    for start, piece in [*pieces, (len(text), "")]:
        if start <= last or not text.startswith(piece, start) or text[covered:start].strip():
            raise HybridError(
                f"expected the chunks of document {document.doc_id!r} to hold all of its text, but "
                f"they do not around character {start}: please report it with the document"
            )
        last, covered = start, max(covered, start + len(piece))
