"""What every analyzer can do."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from hybrid.analysis import Span
    from indexes.terms import TermBatch


class TextAnalyzer(Protocol):
    """Text to terms.  `hybrid.Analyzer` is the default one."""

    def terms(self, text: str) -> list[str]:
        """Return all terms of a document's text, in order."""
        ...

    def batch(self, texts: Sequence[str]) -> "TermBatch":
        """Return the `terms` of many texts as one value."""
        ...

    def query_terms(self, text: str) -> list[str]:
        """Return the terms of a question: without stop words, unless there are no others."""
        ...

    def spans(self, text: str) -> "Iterator[Span]":
        """Yield the terms with their places in the text, to mark what was found."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return all that decides about the terms, as JSON values; `name` says which class."""
        ...
