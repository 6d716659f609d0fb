"""Hits to context: what is put before a language model, with its sources."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hybrid.results import Hit


@dataclass(frozen=True, slots=True)
class Citation:
    """A source in the context.

    Attributes
    ----------
    number : int
        As it stands in the text, in square brackets.
    chunk_id, doc_id, title
        The chunk and its document.
    start, end : int
        Where the chunk is in its document, in characters.
    score : float
        The hit's score.
    """

    number: int
    chunk_id: str
    doc_id: str
    title: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was put in, what was left out, and how much room it takes.

    Attributes
    ----------
    max_tokens, tokens : int
        The budget, and what the text takes of it by the counter that was used.
    included : tuple of str
        Chunks in the text, best first.
    dropped : tuple of str
        Hits that no longer fitted, best first.
    """

    max_tokens: int
    tokens: int
    included: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """Text for a prompt, its sources, and a receipt."""

    text: str
    citations: tuple[Citation, ...]
    receipt: Receipt

    def __str__(self) -> str:
        return self.text


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a language model counts: no tokenizer, rather too many.

    A quarter of the ASCII characters, and every other character as one.
    """
    plain = sum(character < "\x80" for character in text)
    return -(-plain // 4) + len(text) - plain


def build_context(
    hits: Iterable[Hit], max_tokens: int, count_tokens: Callable[[str], int] = estimate_tokens
) -> Context:
    """Return the best hits that fit into a budget together.

    A hit that does not fit is dropped, and smaller ones after it may still fit.

    Parameters
    ----------
    hits : iterable of Hit
        Best first.
    max_tokens : int
        The budget, >= 1.
    count_tokens : callable
        How many tokens a text has; the tokenizer of the model that will read it, if at hand.
    """
    if max_tokens < 1:
        raise ValueError(f"expected max_tokens of at least 1, not {max_tokens}")
    text = ""
    citations: list[Citation] = []
    dropped: list[str] = []
    for hit in hits:
        number = len(citations) + 1
        heading = f"{hit.title} ({hit.chunk_id})" if hit.title else hit.chunk_id
        longer = f"{text}\n\n[{number}] {heading}\n{hit.text}".lstrip("\n")
        if count_tokens(longer) > max_tokens:
            dropped.append(hit.chunk_id)
            continue
        text = longer
        citations.append(
            Citation(number, hit.chunk_id, hit.doc_id, hit.title, hit.start, hit.end, hit.score)
        )
    included = tuple(citation.chunk_id for citation in citations)
    receipt = Receipt(max_tokens, count_tokens(text) if text else 0, included, tuple(dropped))
    return Context(text, tuple(citations), receipt)
