"""What a search gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusion import Certificate, Fused, Parts
from hybrid.stored_chunks import StoredChunk


@dataclass(frozen=True, slots=True)
class Part:
    """What one index said about a hit.

    Attributes
    ----------
    rank : int or None
        Place on the index's own list, from 1, or among the rows that it rescored.  None: not
        among its first 100, or not rescored.
    score : float
        The index's own score; higher is better.
    normalised : float
        The score on the scale that is common to all indexes.
    weight : float
        Weight of the index in the fusion.
    contribution : float
        ``weight * normalised``; the contributions of all parts add up to the hit's score.
    """

    rank: int | None
    score: float
    normalised: float
    weight: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that answers a question.

    Attributes
    ----------
    rank : int
        Place in the answer, from 1.
    score : float
        Fused score; higher is better.
    chunk_id, doc_id, text, title, metadata
        The chunk, with the title and metadata of its document.
    start, end : int
        Where the chunk is in its document, in characters.
    parts : mapping of str to Part
        What each index said, by its name.
    row : int
        Number of the chunk in the store.
    proved : bool
        Whether no chunk that was not looked at can stand before it: always, unless the search had
        a limit.
    """

    rank: int
    score: float
    chunk_id: str
    doc_id: str
    text: str
    title: str
    metadata: Mapping[str, Any]
    start: int
    end: int
    parts: Mapping[str, Part]
    row: int
    proved: bool = True


def hits_of(fused: Fused, chunks: list[StoredChunk]) -> list[Hit]:
    """Return the hits of a fused ranking whose chunks were looked up."""
    scores, parts = fused.scores.tolist(), _parts_of(fused)
    proved = fused.certificate.proved
    return [
        Hit(
            rank=place + 1,
            score=scores[place],
            chunk_id=chunk.chunk_id,
            doc_id=chunk.doc_id,
            text=chunk.text,
            title=chunk.title,
            metadata=chunk.metadata,
            start=chunk.start,
            end=chunk.end,
            parts=parts[place],
            row=chunk.row,
            proved=place < proved,
        )
        for place, chunk in enumerate(chunks)
    ]


def _parts_of(fused: Fused) -> list[dict[str, Part]]:
    """Return what the indexes said about each hit."""
    said = {name: _column(part) for name, part in fused.parts.items()}
    return [
        {name: parts[place] for name, parts in said.items()} for place in range(len(fused.rows))
    ]


def _column(part: Parts) -> list[Part]:
    """Return what one index said about each hit."""
    columns = part.ranks, part.scores, part.normalised, part.contributions
    return [
        Part(rank or None, score, normalised, part.weight, contribution)
        for rank, score, normalised, contribution in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


@dataclass(frozen=True, slots=True)
class Added:
    """What `Retriever.add` did, in documents.

    Attributes
    ----------
    added, replaced, unchanged : int
        New; there before with other content; there before with the same content.
    empty : tuple of str
        Documents that hold no text, and so cannot be found.
    """

    added: int
    replaced: int
    unchanged: int
    empty: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExplainedHit:
    """A hit with the words that earned it.

    Attributes
    ----------
    hit : Hit
        Here every part has its rank, however deep.
    terms : mapping of str to float
        What each matched term of the question adds to the BM25 score, largest first.
    lexical_terms : mapping of str to float
        The same of the learned weights.
    missed_by : tuple of str
        The indexes that alone would not have it among as many hits.
    """

    hit: Hit
    terms: Mapping[str, float]
    lexical_terms: Mapping[str, float]
    missed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a question has these hits.

    Attributes
    ----------
    query : str
        The question.
    query_terms : tuple of str
        Its terms, as BM25 sees them.
    hits : tuple of ExplainedHit
        The answer.
    certificate : Certificate or None
        What was proved of the answer; None when nothing was searched.
    timings_ms : mapping of str to float
        Milliseconds for each stage; those of an index are part of those of the search.
    """

    query: str
    query_terms: tuple[str, ...]
    hits: tuple[ExplainedHit, ...]
    certificate: Certificate | None
    timings_ms: Mapping[str, float]

    def __str__(self) -> str:
        lines = [f"question: {self.query}", f"terms: {' '.join(self.query_terms) or '(none)'}"]
        for found in self.hits:
            hit = found.hit
            lines.append(f"{hit.rank}. {hit.chunk_id}  score {hit.score:.4f}")
            for name, part in hit.parts.items():
                place = "not ranked" if part.rank is None else f"rank {part.rank}"
                lines.append(
                    f"   {name:11} {place:>11}  score {part.score:9.4f}  -> "
                    f"{part.normalised:8.4f} x {part.weight:.2f} = {part.contribution:8.4f}"
                )
            lines.append(f"   matched   {listed(found.terms) or '(no term of the question)'}")
            if found.lexical_terms:
                lines.append(f"   weights   {listed(found.lexical_terms)}")
            if found.missed_by:
                lines.append(f"   missed by {', '.join(found.missed_by)}")
        spent = ", ".join(f"{stage} {ms:.1f} ms" for stage, ms in self.timings_ms.items())
        return "\n".join([*lines, f"answer: {self.certificate}", f"time: {spent}"])


def listed(impacts: Mapping[str, float]) -> str:
    """Return terms with what they add, in words."""
    return ", ".join(f"{term} {impact:.3f}" for term, impact in impacts.items())
