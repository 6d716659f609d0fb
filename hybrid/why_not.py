"""Why a chunk is not among the hits of a question, and which weights would bring it there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusion.features import resolved
from fusion.lifting import Lift
from fusion.why_not import why_not as fused_why_not
from hybrid.results import Part, listed
from hybrid.searching import Filter, Search, Wanted, check_question
from indexes.candidates import Scores


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Where a chunk stands among all that a question finds, and what it lacks to be a hit.

    Attributes
    ----------
    chunk_id, query, k
        What was asked; of a document the chunk that stands first.
    rank : int or None
        Place in the complete answer, from 1; None: it is not in it.
    candidates : int
        How many chunks are in the complete answer.
    score : float
        Fused score; -inf where the method gives it none.
    kth_chunk_id, kth_score : str or None, float or None
        The last hit.
    gap : float or None
        How much the score is below that of the last hit.  0: the two are equal, and the other was
        added before.
    missed_because : {"score", "unlisted", "filter"} or None
        None: it is a hit.  "score": others have more.  "unlisted": no index with a weight finds
        it.  "filter": the condition on the metadata leaves it out; all numbers are those without
        the condition.
    parts : mapping of str to Part
        What each index says, with the place on its complete list.
    terms : mapping of str to float
        The terms of the question that the chunk has, with what each adds to the BM25 score,
        largest first.
    missing_terms : tuple of str
        Those that it does not have.
    lexical_terms : mapping of str to float
        What each token adds to the score of the learned weights, largest first.
    lifts : mapping of str to (Lift or None)
        For each index the smallest change of its weight that makes the chunk a hit, the others
        keeping their proportions; None where no weight does.  See `fusion.Lift`.
    lift : Lift or None
        The smallest of these.
    no_lifts : str
        Why `lifts` is empty or lacks an index; empty when it is complete.
    notes : tuple of str
        What else bears on the answer: indexes that are approximate, or that rescored.
    """

    chunk_id: str
    query: str
    k: int
    rank: int | None
    candidates: int
    score: float
    kth_chunk_id: str | None
    kth_score: float | None
    gap: float | None
    missed_because: str | None
    parts: Mapping[str, Part]
    terms: Mapping[str, float]
    missing_terms: tuple[str, ...]
    lexical_terms: Mapping[str, float]
    lifts: Mapping[str, Lift | None]
    lift: Lift | None
    no_lifts: str
    notes: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"question: {self.query}", f"{self.chunk_id}: {self._place()}"]
        for name, part in self.parts.items():
            place = "not ranked" if part.rank is None else f"rank {part.rank}"
            lines.append(
                f"   {name:11} {place:>11}  score {part.score:9.4f}  -> "
                f"{part.normalised:8.4f} x {part.weight:.2f} = {part.contribution:8.4f}"
            )
        lines.append(f"   has       {listed(self.terms) or '(no term of the question)'}")
        if self.missing_terms:
            lines.append(f"   lacks     {', '.join(self.missing_terms)}")
        if self.lexical_terms:
            lines.append(f"   weights   {listed(self.lexical_terms)}")
        if self.missed_because in ("score", "unlisted"):
            lines.append(f"weights: {self._remedy()}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _place(self) -> str:
        """Return where the chunk stands, in words."""
        stands = f"rank {self.rank} of {self.candidates}, score {self.score:.4f}"
        if self.missed_because == "filter":
            without = "no index finds it either" if self.rank is None else f"it has {stands}"
            return f"no hit, as the filter leaves it out; without the filter {without}"
        if self.rank is None or self.gap is None:
            return "no hit, as no index that has a weight finds it"
        last = f"hit {min(self.k, self.candidates)} ({self.kth_chunk_id})"
        if self.missed_because is None:
            return f"a hit: {stands}; {last} has {self.kth_score:.4f}"
        if not self.gap:
            return f"{stands}, as much as {last}, which was added before it"
        return f"{stands}, needs {self.gap:.4g} more: {last} has {self.kth_score:.4f}"

    def _remedy(self) -> str:
        """Return which weight would make the chunk a hit, in words."""
        found = [lift for lift in self.lifts.values() if lift is not None]
        told = [
            f"it would be a hit with {lift.index} at {lift.rounded:.10g} (now {lift.now:.4g})"
            for lift in sorted(found, key=lambda lift: lift != self.lift)
        ]
        if not told and self.lifts:
            told = ["no weight of one index alone would make it a hit"]
        return "; or ".join([*told, *([self.no_lifts] if self.no_lifts else [])])


def why_not(
    search: Search, query: str, chunk_id: str, k: int = 10, condition: Filter | None = None
) -> WhyNot:
    """Return why a chunk is not among the first `k` hits of a question.

    Parameters
    ----------
    search : Search
    query : str
    chunk_id : str
        ``doc_id#ordinal`` as in `Hit.chunk_id`, or a document for the best of its chunks.
    k : int
        How many hits the question has.
    condition : mapping, optional
        On the metadata; see `hybrid.filters`.

    Raises
    ------
    ValueError
        If there is no such chunk or document, or the question is blank.
    """
    check_question(query)
    wanted = Wanted(k, condition)
    rows = _rows_named(search, chunk_id)
    (arms,) = search.indexes.arms([query])
    if not arms:
        raise ValueError("expected a question with words in it: a blank one has no hits at all")
    allowed = search.allowed(condition)
    method = resolved(search.fusion, arms)
    told = fused_why_not(arms, method, rows, wanted.k, allowed)
    reason = told.missed_because
    if reason == "filter":
        told = fused_why_not(arms, method, rows, wanted.k)
    own, *last = search.store.chunks([told.row, *([told.kth.row] if told.kth else [])])
    terms = search.indexes.analyzer.query_terms(query)
    has, lacks = _terms(search, terms, told.row)
    learned = search.indexes.lexical_parts(arms, [told.row])
    excluded = reason == "filter"
    return WhyNot(
        chunk_id=own.chunk_id,
        query=query,
        k=k,
        rank=told.rank,
        candidates=told.candidates,
        score=told.score,
        kth_chunk_id=last[0].chunk_id if last else None,
        kth_score=told.kth.score if told.kth else None,
        gap=told.gap,
        missed_because=reason,
        parts={
            name: Part(part.rank, part.score, part.normalised, part.weight, part.contribution)
            for name, part in told.parts.items()
        },
        terms=has,
        missing_terms=lacks,
        lexical_terms=_largest_first(
            {n: float(scores[0]) for n, scores in learned.items() if scores[0]}
        ),
        lifts={} if excluded else told.lifts,
        lift=None if excluded else told.lift,
        no_lifts="the filter leaves it out, whatever the weights" if excluded else told.no_lifts,
        notes=told.notes,
    )


def _rows_named(search: Search, chunk_id: str) -> tuple[int, ...]:
    """Return the row of a chunk, or the rows of a document.

    Raises
    ------
    ValueError
        If there is neither.
    """
    if not isinstance(chunk_id, str):
        raise TypeError(f"expected a chunk as text, not {type(chunk_id).__name__}")
    store = search.store
    doc_id, mark, _ = chunk_id.rpartition("#")
    rows = store.rows_of(doc_id) if mark else ()
    chunks = {chunk.chunk_id: chunk.row for chunk in store.chunks(rows)}
    if chunk_id in chunks:
        return (chunks[chunk_id],)
    if found := store.rows_of(chunk_id):
        return found
    if chunks:
        names = list(chunks)
        raise ValueError(
            f"expected a chunk of {doc_id!r}, from {names[0]} to {names[-1]}, not {chunk_id!r}"
        )
    if any(store.hash_of(name) is not None for name in (chunk_id, doc_id)):
        raise ValueError(f"expected a chunk, but {chunk_id!r} is of a document without any text")
    raise ValueError(
        f"expected a chunk or a document of this index, not {chunk_id!r}: it was never added, or "
        f"deleted; a chunk is named like 'doc_id#0'"
    )


def _terms(search: Search, terms: list[str], row: int) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return which terms of a question a chunk has, with what they add, and which it lacks."""
    bm25 = search.indexes.bm25
    parts: Mapping[Any, Scores] = bm25.parts(terms, [row])
    # by some formulas also a row without the term gets something
    has = {
        term: float(scores[0])
        for term, scores in parts.items()
        if scores[0] > bm25.unranked([term] * terms.count(term))
    }
    return _largest_first(has), tuple(term for term in parts if term not in has)


def _largest_first(added: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(added.items(), key=lambda item: -item[1]))
