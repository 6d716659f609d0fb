"""The questions that fusion hurt: one index alone answers them better."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hybrid.benchmark.relevant import ranking, relevant_to
from hybrid.benchmark.results import Result, Way
from hybrid.retriever import Retriever

MEASURE = "nDCG@10"


@dataclass(frozen=True, slots=True)
class Hurt:
    """A question that one index alone answers better than the fusion.

    Attributes
    ----------
    query_id, query : str
    index : str
        The index that is best for this question.
    alone, fused : float
        nDCG@10 of that index, and of the fusion.
    lost : str or None
        The first relevant document among that index's first 10 that the fusion has lower.
    rank_alone, rank_fused : int or None
        Its places; None: not on the list.
    explanation, why_not : str
        Why the fusion has its first hits, and why not that document; empty without a retriever.
    """

    query_id: str
    query: str
    index: str
    alone: float
    fused: float
    lost: str | None
    rank_alone: int | None
    rank_fused: int | None
    explanation: str = ""
    why_not: str = ""


def hurt_by_fusion(
    result: Result, indexes: Sequence[Way], fused: Way, worst: int, retriever: Retriever | None
) -> tuple[Hurt, ...]:
    """Return the questions that lost most by fusion."""
    alone = np.array([way.measures[MEASURE] for way in indexes])
    gains = fused.measures[MEASURE] - alone.max(axis=0)
    numbers = np.argsort(gains, kind="stable")[:worst]
    ids = list(result.queries)
    hurt = []
    for number in numbers[gains[numbers] < 0].tolist():
        best = indexes[int(alone[:, number].argmax())]
        hurt.append(_hurt_one(result, ids[number], number, (best, fused), retriever))
    return tuple(hurt)


def _hurt_one(
    result: Result,
    query_id: str,
    number: int,
    ways: tuple[Way, Way],
    retriever: Retriever | None,
) -> Hurt:
    best, fused = ways
    query = result.queries[query_id]
    lost, rank_alone, rank_fused = _lost(result, query_id, best, fused)
    return Hurt(
        query_id=query_id,
        query=query,
        index=best.name,
        alone=float(best.measures[MEASURE][number]),
        fused=float(fused.measures[MEASURE][number]),
        lost=lost,
        rank_alone=rank_alone,
        rank_fused=rank_fused,
        explanation="" if retriever is None else _untimed(retriever.explain(query)),
        why_not="" if retriever is None or lost is None else str(retriever.why_not(query, lost)),
    )


def _untimed(explanation: object) -> str:
    """Return an explanation in words without its times, which are never the same twice."""
    lines = str(explanation).splitlines()
    return "\n".join(line for line in lines if not line.startswith("time: "))


def _lost(
    result: Result, query_id: str, best: Way, fused: Way
) -> tuple[str | None, int | None, int | None]:
    """Return the first relevant document that the fusion has lower, and its two places."""
    wanted = relevant_to(result, query_id)
    theirs = {doc_id: rank for rank, doc_id in enumerate(ranking(fused, query_id), start=1)}
    for rank, doc_id in enumerate(ranking(best, query_id)[:10], start=1):
        now = theirs.get(doc_id)
        if doc_id in wanted and (now is None or now > rank):
            return doc_id, rank, now
    return None, None, None
