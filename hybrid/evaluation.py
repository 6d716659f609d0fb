"""Measures of a run against judgements, by ir-measures."""

from collections.abc import Iterable, Mapping
from typing import Any

from hybrid.errors import MissingDependency

Run = Mapping[str, Mapping[str, float]]
Qrels = Mapping[str, Mapping[str, int]]


def evaluate(run: Run, qrels: Qrels, measures: Iterable[str]) -> dict[str, float]:
    """Return the mean of each measure over all judged queries.

    Parameters
    ----------
    run : mapping
        {query_id: {doc_id: score}}, as `Retriever.run` gives it.  A judged query that is not in
        it, or finds nothing, counts as 0.
    qrels : mapping
        {query_id: {doc_id: relevance}}.
    measures : iterable of str
        In the notation of ir-measures: "nDCG@10", "R@100", "RR@10", "Success@5", "AP".

    Returns
    -------
    dict of str to float
        By measure, in the order given.

    Raises
    ------
    MissingDependency
        If ir-measures is not installed.
    ValueError
        If a measure is unknown, or no query is judged.
    """
    judged, ranked = _plain(run, qrels)
    parsed, library = _parsed(measures), _library()
    found = library.calc_aggregate(list(parsed.values()), judged, ranked)
    return {name: float(found[measure]) for name, measure in parsed.items()}


def evaluate_each(run: Run, qrels: Qrels, measures: Iterable[str]) -> dict[str, dict[str, float]]:
    """Return the value of each measure for every judged query.

    Parameters and errors are those of `evaluate`, which gives the means of these.

    Returns
    -------
    dict of str to dict of str to float
        By measure, then by query, in the order of `qrels`.  A query without an answer has 0.

    Notes
    -----
    Where two documents of a query have the same score, ir-measures puts them in the order of their
    ids, up or down as the measure has it, and most measures compare in float32.  Scores that differ
    there too leave nothing to it.
    """
    judged, ranked = _plain(run, qrels)
    parsed, library = _parsed(measures), _library()
    found = {measure: dict.fromkeys(judged, 0.0) for measure in parsed.values()}
    for value in library.iter_calc(list(found), judged, ranked):
        found[value.measure][value.query_id] = float(value.value)
    return {name: dict(found[measure]) for name, measure in parsed.items()}


def _library() -> Any:
    """Return the module ir_measures."""
    try:
        import ir_measures
    except ImportError as error:
        raise MissingDependency("ir-measures", "bench") from error
    return ir_measures


def _parsed(measures: Iterable[str]) -> dict[str, Any]:
    """Return measures by the names that they were given."""
    names, library = list(measures), _library()
    try:
        return {name: library.parse_measure(name) for name in names}
    except (NameError, ValueError) as error:
        raise ValueError(f"expected measures such as nDCG@10, not {names}: {error}") from error


def _plain(run: Run, qrels: Qrels) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Return judgements, and the answers to what is judged, as ir-measures takes them."""
    if not qrels:
        raise ValueError("expected judgements of at least one query, but there are none")
    judged = {query: dict(judgements) for query, judgements in qrels.items()}
    return judged, {query: dict(run.get(query, {})) for query in judged}
