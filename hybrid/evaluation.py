"""Measures of a run against judgements, by ir-measures."""

from collections.abc import Iterable, Mapping

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
    try:
        import ir_measures
    except ImportError as error:
        raise MissingDependency("ir-measures", "bench") from error
    if not qrels:
        raise ValueError("expected judgements of at least one query, but there are none")
    names = list(measures)
    try:
        parsed = {name: ir_measures.parse_measure(name) for name in names}
    except (NameError, ValueError) as error:
        raise ValueError(f"expected measures such as nDCG@10, not {names}: {error}") from error
    judged = {query: dict(judgements) for query, judgements in qrels.items()}
    ranked = {query: dict(run.get(query, {})) for query in judged}
    found = ir_measures.calc_aggregate(list(parsed.values()), judged, ranked)
    return {name: float(found[measure]) for name, measure in parsed.items()}
