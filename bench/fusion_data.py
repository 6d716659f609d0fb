"""Collections that the benchmark of fusion searches, each by BM25 and by vectors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.beir import Collection, analyzer_named
from bench.comparison import index_of
from fusion import Arm, Method, Weighted, exact_top_k
from hybrid.encoders.lsa import LSAEncoder
from hybrid.text_analyzer import TextAnalyzer
from indexes import DenseIndex

Run = dict[str, dict[str, float]]
Vectors = NDArray[np.float32]

DEPTH = 100
"""Rows of an answer.  Its first ten are the answer for ten."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A collection that BM25 and vectors search.

    Attributes
    ----------
    name : str
    ids : list of str
        The documents, by row.
    arms : dict of str to dict of str to Arm
        Both indexes with the question, by query id.
    qrels : dict of str to dict of str to int
        Relevance by query and document, of these queries.
    """

    name: str
    ids: list[str]
    arms: dict[str, dict[str, Arm]]
    qrels: dict[str, dict[str, int]]

    @classmethod
    def read(cls, folder: Path, vectors: Path | None) -> "Searched":
        """Index a collection in BEIR layout.

        Parameters
        ----------
        folder : Path
        vectors : Path or None
            Where ``<name>.npz`` is, with arrays D and Q of the documents `ids` and the queries
            `qids`; queries without a vector are left out.  None fits LSA to the documents.
        """
        collection = Collection.read(folder)
        analyzer = analyzer_named("auto", collection)
        if vectors is None:
            stored, asked = _lsa(collection, analyzer)
        else:
            stored, asked = _stored(collection, vectors / f"{collection.name}.npz")
        bm25 = index_of(analyzer.batch(list(collection.texts.values())))
        dense = DenseIndex(stored.shape[1], "cosine", "flat")
        known = np.flatnonzero(stored.any(axis=1))  # LSA has no vector of a text without terms
        dense.add(known, stored[known])
        arms = {
            query_id: {
                "bm25": Arm(bm25, analyzer.query_terms(collection.queries[query_id])),
                "dense": Arm(dense, vector),
            }
            for query_id, vector in asked.items()
        }
        qrels = {query_id: collection.qrels[query_id] for query_id in arms}
        return cls(collection.name, list(collection.texts), arms, qrels)

    def run(self, method: Method) -> Run:
        """Return the best documents of each query."""
        found = {query_id: exact_top_k(arms, method, DEPTH) for query_id, arms in self.arms.items()}
        return {
            query_id: {
                self.ids[row]: score
                for row, score in zip(one.rows.tolist(), one.scores.tolist(), strict=True)
            }
            for query_id, one in found.items()
        }


def alone(name: str) -> Method:
    """Return the method that gives one of both indexes all the weight."""
    return Weighted({"bm25": 0.0, "dense": 0.0, name: 1.0})


def weighted(dense: float) -> Method:
    """Return the default method with a weight of the vectors."""
    return Weighted({"bm25": round(1 - dense, 3), "dense": dense})


def _lsa(collection: Collection, analyzer: TextAnalyzer) -> tuple[Vectors, dict[str, Vectors]]:
    """Return vectors of the documents and, by id, of the queries."""
    texts = list(collection.texts.values())
    encoder = LSAEncoder(analyzer).fit(texts)
    found, asked = (
        encoder.encode_documents(some).dense for some in (texts, list(collection.queries.values()))
    )
    if found is None or asked is None:
        raise TypeError("expected dense vectors of LSA")
    return found, dict(zip(collection.queries, asked, strict=True))


def _stored(collection: Collection, path: Path) -> tuple[Vectors, dict[str, Vectors]]:
    """Return the same from a file."""
    with np.load(path, allow_pickle=False) as file:
        places = {doc_id: place for place, doc_id in enumerate(file["ids"].tolist())}
        absent = [doc_id for doc_id in collection.texts if doc_id not in places]
        if absent:
            raise ValueError(
                f"{path}: expected a vector of every document, not none of {absent[0]}"
            )
        stored = file["D"][[places[doc_id] for doc_id in collection.texts]].astype(np.float32)
        pairs = zip(file["qids"].tolist(), file["Q"].astype(np.float32), strict=True)
        asked = {query_id: vector for query_id, vector in pairs if query_id in collection.queries}
    return stored, asked
