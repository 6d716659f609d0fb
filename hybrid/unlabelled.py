"""Tuning without judgements: BM25's b from the chunks, and from raw questions where there are some.

Experimental: better than the default on some collections, a little worse on others (docs/adr/0014).

How far the length of a chunk should count depends on why chunks are long.  Where long ones repeat
their terms, their counts have to be put into proportion; where they just say more, they have not.
The mean verboseness v, which is the length over the number of distinct terms, tells: b = 1 - 1 / v,
near 0 for chunks that repeat nothing (the idea is that of [1]_).  Measured, that helps BM25 beside
vectors, which mark down long chunks by themselves, and does not help BM25 alone: so b moves from
its default towards this as far as the share of the vectors in the fusion says.

A log of questions can object.  If the estimate makes the first hit of BM25 stand out less from the
second, by more than one standard error, nothing is changed (the gap as a predictor: [2]_).

References
----------
.. [1] Lipani, Lupu, Hanbury, Aizawa, "Verboseness Fission for BM25 Document Length Normalization",
   ICTIR 2015.
.. [2] Shtok, Kurland, Carmel, Raiber, Markovits, "Predicting Query Performance by Query-Drift
   Estimation", TOIS 2012, for predictors of this family.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import AnyMethod
from fusion.catalogue import settings_of
from fusion.methods import weights_for
from hybrid.asking import Asking
from hybrid.indexing import Indexes
from hybrid.searching import Search
from hybrid.settings import BM25
from hybrid.significance import Comparison, compare
from hybrid.store import ChunkStore
from hybrid.tuned import Report, Tuned
from indexes import BM25Index
from indexes.terms import TermBatch

CHUNKS, QUESTIONS = 10_000, 1_000
"""Chunks and questions that are looked at, at most."""

FEWEST = 10
"""Questions below which a log says nothing."""

MEASURE = "gap between the first two hits of BM25"

_VECTORS = ("dense", "multivector")
_BATCH = 1_000
_EXPERIMENTAL = "Experimental: estimated without judgements; judge some questions to be sure."


def estimate(retriever: Asking, queries: Sequence[str] | None = None, seed: int = 0) -> Tuned:
    """Estimate BM25's b without judgements; change nothing.

    Parameters
    ----------
    retriever : Retriever or Snapshot
    queries : sequence of str, optional
        Raw questions, such as a log has them: they can only object to the estimate.
    seed : int
        Of the samples where there are more chunks or questions than are looked at.

    Returns
    -------
    Tuned
        `fusion` is that of the retriever.  The verdict of `report` is "estimated", or "default"
        where nothing is changed; its `notes` say why.

    Raises
    ------
    ValueError
        If no chunk has a term.
    """
    search = retriever._search()
    indexes, own = search.indexes, search.indexes.choices[0]
    repeated = _verboseness_of(search.store, indexes, seed)
    share = vectors_share(search.fusion, indexes.names())
    b = length_share(repeated, share)
    asked = _questions(queries or (), seed)
    gains = _objections(indexes, b, asked, seed) if share > 0 else ()
    error = gains[0][1] if gains else 0.0
    refused = bool(gains) and gains[0][0].difference < -error
    changed = share > 0 and not refused
    notes = _notes(repeated, share, b, queries, asked, refused=refused)
    report = Report(
        measure=MEASURE if gains else "",
        questions=len(asked) if gains else 0,
        verdict="estimated" if changed else "default",
        expected={},
        single="",
        gains=tuple(gain for gain, _ in gains),
        fitted=0.0,
        needed=None,
        certain=0.0,
        calibration_error=None,
        curve=None,
        notes=notes,
    )
    provenance = _provenance(search, repeated, share, asked, seed)
    return Tuned(search.fusion, replace(own, b=b) if changed else own, report, None, provenance)


def verboseness(batch: TermBatch) -> NDArray[np.float64]:
    """Return, for each row that has terms, its length over the number of its distinct terms.

    Parameters
    ----------
    batch : TermBatch

    Returns
    -------
    ndarray of float64, shape (rows with terms,)
    """
    lengths = np.diff(batch.offsets)
    rows = np.repeat(np.arange(len(batch)), lengths)
    pairs = np.unique(rows * max(len(batch.terms), 1) + batch.ids.astype(np.int64))
    distinct = np.bincount(pairs // max(len(batch.terms), 1), minlength=len(batch))
    held = lengths > 0
    return np.asarray(lengths[held] / distinct[held])


def length_share(verbose: float, vectors: float) -> float:
    """Return b for a mean verboseness, >= 1, and a share of the vectors in the fusion, 0 to 1."""
    default = BM25().b
    return round(default + vectors * (1 - 1 / verbose - default), 3)


def vectors_share(method: AnyMethod, names: Sequence[str]) -> float:
    """Return the share that the indexes of vectors have in the weights of a method, 0 to 1."""
    weights = weights_for(method, names)
    return sum(weights.get(name, 0.0) for name in _VECTORS) / sum(weights.values())


def gaps(index: BM25Index, questions: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Return how far the first hit of each question is above the second, 0 to 1.

    Parameters
    ----------
    index : BM25Index
    questions : sequence of sequence of str
        Their terms.

    Returns
    -------
    ndarray of float64, shape (questions,)
        As a part of how far it is above the mean of all rows; 0 where there are not two hits.
    """
    found = np.zeros(len(questions))
    for place, terms in enumerate(questions):
        scores = index.search(terms, 2).scores.astype(np.float64)
        if len(scores) == 2:
            above = scores[0] - index.statistics(terms).mean
            found[place] = (scores[0] - scores[1]) / above if above > 0 else 0.0
    return found


def _verboseness_of(store: ChunkStore, indexes: Indexes, seed: int) -> float:
    rows = store.rows()
    if len(rows) > CHUNKS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, CHUNKS, replace=False))
    parts = [verboseness(batch) for batch in _analysed(store, indexes, rows)]
    values = np.concatenate(parts) if parts else np.empty(0)
    if not len(values):
        raise ValueError("expected chunks with words to estimate from: add documents first")
    return float(values.mean())


def _analysed(store: ChunkStore, indexes: Indexes, rows: NDArray[np.int64]) -> Iterator[TermBatch]:
    for start in range(0, len(rows), _BATCH):
        yield indexes.analyzer.batch(store.texts(rows[start : start + _BATCH]))


def _questions(queries: Sequence[str], seed: int) -> list[str]:
    """Return the distinct questions of a log in their order, or a sample of them."""
    if isinstance(queries, str):
        raise TypeError(f"expected a list of questions, not the text {queries[:60]!r}")
    asked = list(dict.fromkeys(query for query in queries if query.strip()))
    if len(asked) > QUESTIONS:
        chosen = np.random.default_rng(seed).choice(len(asked), QUESTIONS, replace=False)
        asked = [asked[place] for place in sorted(chosen.tolist())]
    return asked


def _objections(
    indexes: Indexes, b: float, asked: Sequence[str], seed: int
) -> tuple[tuple[Comparison, float], ...]:
    """Return what the log says of the estimate against the present, with its standard error."""
    if len(asked) < FEWEST:
        return ()
    terms = [indexes.analyzer.query_terms(text) for text in asked]
    own = gaps(indexes.bm25, terms)
    new = gaps(indexes.bm25.with_formula(b=b), terms)
    (gain,) = compare({"present": own, "estimated less present": new}, "present", seed=seed)
    return ((gain, float((new - own).std(ddof=1)) / len(own) ** 0.5),)


def _notes(
    repeated: float,
    share: float,
    b: float,
    queries: Sequence[str] | None,
    asked: Sequence[str],
    *,
    refused: bool,
) -> tuple[str, ...]:
    notes = [
        _EXPERIMENTAL,
        f"A chunk has {repeated:.2f} terms for each distinct one, and vectors have {share:.0%} of "
        f"the weight: that speaks for b = {b:g}.",
    ]
    if share == 0:
        notes.append("Without vectors this does not help, so nothing is changed.")
    elif refused:
        notes.append("The log objects: first hits would stand out less. Nothing is changed.")
    elif queries is not None and len(asked) < FEWEST:
        notes.append(f"The log was not used: it has fewer than {FEWEST} questions.")
    return tuple(notes)


def _provenance(
    search: Search, repeated: float, share: float, asked: Sequence[str], seed: int
) -> dict[str, Any]:
    from hybrid import __version__

    encoder = search.indexes.encoder
    return {
        "hybrid": __version__,
        "chunks": len(search.store),
        "encoder": None if encoder is None else encoder.fingerprint().get("name"),
        "default": settings_of(search.fusion),
        "verboseness": repeated,
        "share_of_vectors": share,
        "log_sha256": hashlib.sha256(json.dumps(asked).encode()).hexdigest() if asked else None,
        "seed": seed,
    }
