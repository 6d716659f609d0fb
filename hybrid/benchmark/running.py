"""All ways to search a collection, measured."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import METHODS
from fusion.catalogue import settings_of
from fusion.methods import AnyMethod
from hybrid.benchmark.collection import Collection
from hybrid.benchmark.passing import Owners, ann_recall, encoded, runs
from hybrid.benchmark.rankings import Rankings
from hybrid.benchmark.results import Kind, Latency, Result, Size, Way
from hybrid.benchmark.timing import disk_bytes, latencies, peak_bytes, sample
from hybrid.evaluation import Qrels, Run, evaluate_each
from hybrid.retriever import Retriever
from hybrid.searching import Search

MEASURES = (
    *(f"R@{cutoff}" for cutoff in (1, 5, 10, 20, 50, 100, 1000)),
    *("nDCG@10", "RR@10", "Success@1", "Success@5", "AP"),
)
"""What is measured, in the notation of ir-measures."""

DEPTH = 1000
"""Documents of an answer."""

ANN_CUTOFFS = (10, 100)
"""Where an approximate index is held against the exact order."""

_TIMED = ("default", "rrf")
_EVALUATED_AT_ONCE = 500

Track = Callable[[Iterable[Any], str, int], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Answered:
    """What another engine says to the questions.

    Attributes
    ----------
    name : str
        Its name.
    run : mapping
        {query_id: {doc_id: score}}.
    latency : Latency or None
        None where it was not timed.
    settings : mapping
        What it is, as JSON values.
    """

    name: str
    run: Run
    latency: Latency | None
    settings: Mapping[str, Any]


More = Callable[[Retriever, Mapping[str, str]], Iterable[Answered]]
"""Asks other engines the questions, text by id."""


def _nobody(retriever: Retriever, queries: Mapping[str, str]) -> Iterable[Answered]:
    return ()


def _silent(items: Iterable[Any], told: str, total: int) -> Iterable[Any]:
    return items


@dataclass(frozen=True, slots=True)
class Plan:
    """How a collection is measured.

    Attributes
    ----------
    fusions : sequence of str
        Names of `fusion.METHODS`; besides these the retriever's own runs as "default".
    depth : int
        Documents of an answer.
    timed : bool
        Whether single questions are timed.
    seed : int
        Draws the questions that are timed.
    more : callable
        Asks other engines.
    track : callable
        Shows how far something is: takes the items, what is being done and how many there are,
        and gives the items back.
    """

    fusions: Sequence[str] = tuple(METHODS)
    depth: int = DEPTH
    timed: bool = True
    seed: int = 0
    more: More = field(default=_nobody)
    track: Track = field(default=_silent)

    def methods(self, retriever: Retriever) -> dict[str, AnyMethod]:
        """Return the fusions by name, the default first; only that where one index is alone."""
        if len(retriever._search().indexes.names()) == 1:
            return {"default": retriever.fusion}
        return {"default": retriever.fusion, **{name: METHODS[name] for name in self.fusions}}


def measure(
    collection: Collection, retriever: Retriever, build_s: float | None, plan: Plan
) -> Result:
    """Measure every index of a retriever, every fusion, and other engines.

    Parameters
    ----------
    collection : Collection
        Whose documents the retriever holds.
    retriever : Retriever
        Its index; all of it is committed.
    build_s : float or None
        How long that took.
    plan : Plan
        What is measured.

    Notes
    -----
    Each index is searched once for a question, and asked for more rows, ranks or scores only where
    a fusion needs more than there is.  A document scores as its best chunk.
    """
    ways = [*own_ways(collection, retriever, plan)]
    for answered in plan.more(retriever, collection.queries):
        run = Rankings.of(answered.run)
        values = per_question(run, collection.qrels)
        ways.append(
            Way(answered.name, "peer", values, run, answered.latency, None, answered.settings)
        )
    search, folder = retriever._search(), retriever._state.folder
    encoder = search.indexes.encoder
    size = Size(
        documents=search.store.count_documents(),
        chunks=len(retriever),
        build_s=build_s,
        disk_bytes={} if folder is None else disk_bytes(folder),
        peak_bytes=peak_bytes(),
    )
    name = "none" if encoder is None else str(encoder.fingerprint()["name"])
    return Result(collection.name, name, collection.queries, collection.qrels, size, tuple(ways))


def own_ways(collection: Collection, retriever: Retriever, plan: Plan) -> Iterator[Way]:
    """Yield the ways of a retriever: its indexes, then the fusions."""
    search, methods = retriever._search(), plan.methods(retriever)
    timed = _latencies(search, methods, collection, plan)
    texts, owners = list(collection.queries.values()), Owners.of(search.store)
    asked = zip(collection.queries, encoded(search.indexes, texts), strict=True)
    found = runs(plan.track(asked, "searching", len(texts)), methods, owners, plan.depth)
    near = ann_recall(search.indexes, sample(texts, plan.seed), owners.rows, ANN_CUTOFFS)
    settings = {name: {"index": name} for name in search.indexes.names()}
    settings |= {name: settings_of(method) for name, method in methods.items()}
    for name in plan.track(settings, "measuring", len(settings)):
        kind: Kind = "fusion" if name in methods else "index"
        run = found.get(name, Rankings([], {}))
        values = per_question(run, collection.qrels)
        yield Way(name, kind, values, run, timed.get(name), near.get(name), settings[name])


def per_question(run: Run, qrels: Qrels) -> dict[str, NDArray[np.float64]]:
    """Return `MEASURES` of a run: the value of every question, in the order of `qrels`."""
    judged = list(qrels)
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    for start in range(0, len(judged), _EVALUATED_AT_ONCE):  # a run is large as dictionaries
        part = {query: qrels[query] for query in judged[start : start + _EVALUATED_AT_ONCE]}
        for name, values in evaluate_each(run, part, MEASURES).items():
            found[name].extend(values.values())
    return {name: np.array(values) for name, values in found.items()}


def _latencies(
    search: Search, methods: Mapping[str, AnyMethod], collection: Collection, plan: Plan
) -> dict[str, Latency]:
    """Time the indexes and some of the fusions, when that is wanted."""
    if not plan.timed:
        return {}
    timed = {name: method for name, method in methods.items() if name in _TIMED}
    questions = sample(list(collection.queries.values()), plan.seed)
    return latencies(search, timed, questions)
