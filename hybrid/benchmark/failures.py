"""Where a hybrid search fails: what no index finds, and what fusion lost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybrid.benchmark.hurt import Hurt, hurt_by_fusion
from hybrid.benchmark.relevant import DEPTH, ranked, ranking
from hybrid.benchmark.results import Result, Way
from hybrid.evaluation import evaluate
from hybrid.retriever import Retriever

CUTOFFS = (10, 100)
QUANTILES = (0.25, 0.5, 0.75, 0.9)
BINS = (1, 3, 10, 30, 100)
"""Upper ends, inclusive, of the bins of ranks."""

_CEILINGS = ("nDCG@10", "R@10", "R@100")

Ranks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FoundBy:
    """The questions of which the same indexes find a relevant document.

    Attributes
    ----------
    cutoff : int
        Among how many documents.
    indexes : tuple of str
        Those that find one; empty: none does.
    queries : tuple of str
        Ids of the questions.
    fused : int
        Of how many of them the fusion finds a relevant document.
    """

    cutoff: int
    indexes: tuple[str, ...]
    queries: tuple[str, ...]
    fused: int


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What no fusion of these lists can be better than.

    Attributes
    ----------
    measure : str
    fused : float
        What the fusion reaches.
    best_index : float
        What the best index alone reaches.
    per_query : float or None
        What choosing the better index for each question would reach; None where the measure was
        not taken.
    union : float
        What the first 100 documents of all indexes would reach in the best possible order.
    """

    measure: str
    fused: float
    best_index: float
    per_query: float | None
    union: float


@dataclass(frozen=True, slots=True)
class FirstRelevant:
    """How deep the first relevant document stands on the lists of a way.

    Attributes
    ----------
    way : str
    quantiles : mapping of str to (int or None)
        By "0.25", "0.5", ...: that part of the questions has one by this rank; None: deeper than
        100, or never.
    bins : tuple of int
        Questions by rank: 1, 2-3, 4-10, 11-30, 31-100, and not among the first 100.
    """

    way: str
    quantiles: Mapping[str, int | None]
    bins: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A question with terms that no document has.

    Attributes
    ----------
    query_id, query : str
    terms : tuple of str
        The terms that BM25 does not know.
    known : int
        How many distinct terms it does know.
    """

    query_id: str
    query: str
    terms: tuple[str, ...]
    known: int


@dataclass(frozen=True, slots=True)
class Failures:
    """Where the fusion of a result fails.

    Attributes
    ----------
    way : str
        The fusion.
    found_by : tuple of FoundBy
        For each cutoff the questions by who finds them: all indexes first, none last.
    ceilings : tuple of Ceiling
    first_relevant : tuple of FirstRelevant
        Of every way.
    unknown : tuple of Unknown or None
        None where there was no retriever to ask.
    hurt : tuple of Hurt
        What fusion hurt most, worst first.
    """

    way: str
    found_by: tuple[FoundBy, ...]
    ceilings: tuple[Ceiling, ...]
    first_relevant: tuple[FirstRelevant, ...]
    unknown: tuple[Unknown, ...] | None
    hurt: tuple[Hurt, ...]


def find_failures(
    result: Result, retriever: Retriever | None = None, *, way: str = "default", worst: int = 10
) -> Failures:
    """Return where a fusion fails.

    Parameters
    ----------
    result : Result
        With at least one index alone, the fusion, and nDCG@10 of each.
    retriever : Retriever, optional
        The one that was measured, fusing by `way`: for explanations and unknown terms.
    way : str
        Name of the fusion.
    worst : int
        Most questions in `Failures.hurt`.

    Raises
    ------
    MissingDependency
        If ir-measures is not installed.
    ValueError
        If the result has no such way, or no index alone.
    """
    names = [each.name for each in result.ways]
    if way not in names:
        raise ValueError(f"expected a way of {', '.join(names) or 'none'}, not {way!r}")
    indexes = [each for each in result.ways if each.kind == "index"]
    if not indexes:
        raise ValueError("expected a result with at least one index alone, but it has none")
    fused, first = (
        result.way(way),
        {each.name: ranked(result, each).first() for each in result.ways},
    )
    alone = [each.name for each in indexes]
    ids = list(result.queries)
    return Failures(
        way=way,
        found_by=tuple(part for k in CUTOFFS for part in _found_by(ids, first, (alone, way), k)),
        ceilings=_ceilings(result, indexes, fused),
        first_relevant=tuple(_first_relevant(name, ranks) for name, ranks in first.items()),
        unknown=None if retriever is None else _unknown(result, retriever),
        hurt=hurt_by_fusion(result, indexes, fused, worst, retriever),
    )


def _found_by(
    ids: Sequence[str],
    first: Mapping[str, Ranks],
    ways: tuple[Sequence[str], str],
    cutoff: int,
) -> list[FoundBy]:
    """Return the questions by which indexes find a relevant document of theirs."""
    indexes, fused = ways
    found = {name: (first[name] > 0) & (first[name] <= cutoff) for name in (*indexes, fused)}
    groups: dict[tuple[str, ...], list[int]] = {}
    for number in range(len(ids)):
        by = tuple(name for name in indexes if found[name][number])
        groups.setdefault(by, []).append(number)
    return [
        FoundBy(
            cutoff=cutoff,
            indexes=by,
            queries=tuple(ids[number] for number in numbers),
            fused=int(found[fused][numbers].sum()),
        )
        for by, numbers in sorted(groups.items(), key=lambda item: (-len(item[0]), item[0]))
    ]


def _ceilings(result: Result, indexes: list[Way], fused: Way) -> tuple[Ceiling, ...]:
    """Return what the best order of the documents of all indexes would reach."""
    ideal = {
        query_id: {
            doc_id: float(result.qrels.get(query_id, {}).get(doc_id, 0))
            for way in indexes
            for doc_id in ranking(way, query_id)[:DEPTH]
        }
        for query_id in result.queries
    }
    # the measures of a way may be others
    union = evaluate(ideal, result.qrels, _CEILINGS)
    reached = {way.name: evaluate(way.run, result.qrels, _CEILINGS) for way in [*indexes, fused]}
    return tuple(
        Ceiling(
            measure=measure,
            fused=reached[fused.name][measure],
            best_index=max(reached[way.name][measure] for way in indexes),
            per_query=_per_query(indexes, measure),
            union=union[measure],
        )
        for measure in _CEILINGS
    )


def _per_query(indexes: list[Way], measure: str) -> float | None:
    values = [way.measures[measure] for way in indexes if measure in way.measures]
    return float(np.max(values, axis=0).mean()) if len(values) == len(indexes) else None


def _first_relevant(way: str, first: Ranks) -> FirstRelevant:
    depths = np.sort(np.where(first > 0, first, DEPTH + 1))
    places = [max(int(np.ceil(part * len(depths))) - 1, 0) for part in QUANTILES]
    quantiles = {
        str(part): int(depths[place]) if depths[place] <= DEPTH else None
        for part, place in zip(QUANTILES, places, strict=True)
    }
    bins = np.bincount(np.searchsorted(BINS, depths), minlength=len(BINS) + 1)
    return FirstRelevant(way, quantiles, tuple(bins.tolist()))


def _unknown(result: Result, retriever: Retriever) -> tuple[Unknown, ...]:
    """Return the questions with terms that no document has, those that lack most first."""
    terms = {
        query_id: tuple(dict.fromkeys(retriever.analyzer.query_terms(text)))
        for query_id, text in result.queries.items()
    }
    missing = _without_rows({term for each in terms.values() for term in each}, retriever)
    lacking = [
        Unknown(
            query_id=query_id,
            query=result.queries[query_id],
            terms=tuple(term for term in each if term in missing),
            known=sum(term not in missing for term in each),
        )
        for query_id, each in terms.items()
    ]
    found = [each for each in lacking if each.terms]
    return tuple(sorted(found, key=lambda each: (-len(each.terms), each.known)))


def _without_rows(terms: Iterable[str], retriever: Retriever) -> set[str]:
    """Return the terms that are in no live row."""
    bm25 = retriever._search().indexes.bm25
    return {term for term in terms if not len(bm25.search([term], 1))}
