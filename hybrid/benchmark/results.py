"""What a benchmark found: values that the table, the report and the files are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hybrid.evaluation import Run

Kind = Literal["index", "fusion", "peer"]


@dataclass(frozen=True, slots=True)
class Latency:
    """How long single questions took, one after the other, from the text to the hits' rows.

    Attributes
    ----------
    p50_ms, p95_ms, p99_ms : float
        Milliseconds a question.
    per_second : float
        Questions a second, asked one after the other.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Way:
    """One way to search: an index alone, a fusion, or another engine.

    Attributes
    ----------
    name : str
        "bm25", "dense", "rrf", "default", or what the other engine is called.
    kind : {"index", "fusion", "peer"}
    measures : mapping of str to ndarray of float64, shape (queries,)
        By measure in the notation of ir-measures, the value of every question, in the order of
        `Result.queries`.
    run : mapping
        {query_id: {doc_id: score}}; a document scores as its best chunk.
    latency : Latency or None
        None where it was not timed.
    ann_recall : mapping of int to float, optional
        By cutoff, the part of the exact index's first rows that an approximate one finds; only of
        an index alone.
    settings : mapping
        What the way is, as JSON values: `fusion.catalogue.settings_of` of a fusion.
    """

    name: str
    kind: Kind
    measures: Mapping[str, NDArray[np.float64]]
    run: Run
    latency: Latency | None
    ann_recall: Mapping[int, float] | None
    settings: Mapping[str, Any]

    def mean(self, measure: str) -> float:
        """Return the mean of a measure over all questions."""
        return float(self.measures[measure].mean())


@dataclass(frozen=True, slots=True)
class Size:
    """What an index costs.

    Attributes
    ----------
    documents, chunks : int
    build_s : float or None
        Seconds from the first document to the committed folder; None of an index that was there.
    disk_bytes : mapping of str to int
        Bytes on disk by part of the folder: "store", "bm25", "dense", ...
    peak_bytes : int
        Most resident memory of the process so far.
    """

    documents: int
    chunks: int
    build_s: float | None
    disk_bytes: Mapping[str, int]
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Result:
    """All that was found about one collection.

    Attributes
    ----------
    collection : str
        Its name.
    encoder : str
        The encoder's name; "none" without one.
    queries : mapping of str to str
        The judged questions: text by id, in the order of every array.
    qrels : mapping
        {query_id: {doc_id: relevance}}.
    size : Size
    ways : tuple of Way
        Indexes first, then fusions, then peers.
    """

    collection: str
    encoder: str
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    size: Size
    ways: tuple[Way, ...]

    def way(self, name: str) -> Way:
        """Return the way of a name."""
        return next(way for way in self.ways if way.name == name)

    def best_index(self, measure: str = "nDCG@10") -> Way:
        """Return the index that is best alone, the first of equals."""
        return max((way for way in self.ways if way.kind == "index"), key=lambda w: w.mean(measure))
