"""One analyzer for titles, another for texts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid.text_analyzer import TextAnalyzer
from indexes.terms import TermBatch

if TYPE_CHECKING:
    from hybrid.analysis import Span


@dataclass(frozen=True, slots=True)
class FieldAnalyzer:
    """Analyses the title of a chunk by one analyzer, and its text by another.

    Both give their terms to the same index: BM25 counts a term, whichever field it is from.

    Parameters
    ----------
    title, text : TextAnalyzer
        For each field.

    Notes
    -----
    A question does not say which field it is about.  So it has the terms of both analyzers, each
    as often as the one that has it more often.
    """

    title: TextAnalyzer
    text: TextAnalyzer

    def terms(self, text: str) -> list[str]:
        """Return the terms of the title, then those of the text."""
        end = title_end(text)
        return [*self.title.terms(text[:end]), *self.text.terms(text[end:])]

    def batch(self, texts: Sequence[str]) -> TermBatch:
        """Return the `terms` of many texts as one value."""
        return TermBatch.of(map(self.terms, texts))

    def query_terms(self, text: str) -> list[str]:
        """Return the terms that either analyzer makes of a question."""
        both = Counter(self.title.query_terms(text)) | Counter(self.text.query_terms(text))
        return list(both.elements())

    def spans(self, text: str) -> "Iterator[Span]":
        """Yield every term of `terms` with its place."""
        end = title_end(text)
        yield from self.title.spans(text[:end])
        for span in self.text.spans(text[end:]):
            yield span._replace(start=end + span.start, end=end + span.end)

    def settings(self) -> dict[str, Any]:
        """Return all that decides about the terms, as JSON values."""
        return {"name": "fields", "title": self.title.settings(), "text": self.text.settings()}


def title_end(text: str) -> int:
    """Return where the title of a chunk ends; 0 for a text without one, such as a question."""
    end: int = getattr(text, "title_end", 0)
    return end
