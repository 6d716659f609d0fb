"""Engines of hybrid search, each from a question and its vector to the texts of its hits.

What is compared, on the same passages, vectors and questions:

- **ours**: `Retriever.search` over HNSW, which analyses the question; fused as by default (scores),
  by RRF over whole lists (HNSW's has 256 rows), and over the first 100 of each, as others do.
- **recipe**: bm25s (numba, Lucene's formula, k1 = 1.2, b = .75, its quicker way to search), FAISS's
  HNSW (M = 32, efConstruction = 200, efSearch = 128), reciprocal ranks (k = 60) of the first 100 of
  each in a dictionary, texts in a list.  Its questions are split at blanks.
- **lancedb**: its hybrid query with its own full-text index and RRF (k = 60), vectors without an
  index and with one (IVF_HNSW_SQ, one partition, ef = 128).  It fuses lists as long as the limit:
  so it is asked for k, as its manual does, and for 100, of which the first k are taken.  Only texts
  are read of its table.

The words of the passages are consonants, which every tokenizer keeps whole.  Ours and the recipe
have the same formula of BM25, LanceDB's is its own.  Equal fused scores stand in the order of rows
with us, and elsewhere with what BM25 found first; where lists are cut at 100 ties are many.
"""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import hybrid
from bench.comparison import index_of
from bench.endtoend_data import MadeUp, Question, Questions
from fusion import Arm, Method, exact_top_k
from indexes import DenseIndex

DEPTH = 100
"""Rows of each list that peers fuse."""

EF_SEARCH = 128
RECIPROCAL = 60
NEEDED = {
    "recipe": ("bm25s", "faiss-cpu", "numba"),
    "lancedb": ("lancedb", "pyarrow"),
    "lancedb-flat": ("lancedb", "pyarrow"),
}
"""Distributions that each peer is made of."""

RRF = hybrid.RRF(k=RECIPROCAL)


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that holds the collection.

    Attributes
    ----------
    ask : callable
        From a question to the texts of its best k hits.
    way : str
        How it fuses, a name in `Contest.methods`.
    """

    ask: Callable[[Question], list[str]]
    way: str


class Contest:
    """One collection, and the engines that hold it.

    Parameters
    ----------
    made : MadeUp
        The collection.
    folder : Path
        Where peers keep what takes long to build, and find it again.
    k : int
        How many hits are asked for.
    retriever : Retriever
        Ours, over an index that `build` made of the collection.

    Attributes
    ----------
    texts : list of str
        The passages.
    methods : dict of str to Method
        Ways to fuse, whose exact answers are known.

    Raises
    ------
    ValueError
        If the index holds another number of passages.
    """

    def __init__(self, made: MadeUp, folder: Path, k: int, retriever: hybrid.Retriever) -> None:
        if len(retriever) != len(made.passages):
            raise ValueError(f"expected {len(made.passages)} passages, not {len(retriever)}")
        self.methods: dict[str, Method] = {"scores": retriever.fusion, "RRF": RRF}
        self._retriever = retriever
        self.texts = list(made.passages.texts())
        self._made, self._folder, self._k = made, folder, k
        self._indexes = index_of(made.passages.batch()), DenseIndex(made.vectors.shape[1])
        self._indexes[1].add(np.arange(len(made.vectors)), made.vectors)

    def exact(self, way: str, asked: Sequence[Question]) -> list[set[str]]:
        """Return the texts of the exact best k for each question, and of rows that tie with them.

        Every row counts, by its place on complete lists.
        """
        words, vectors = self._indexes
        found = []
        for text, vector in asked:
            arms = {"bm25": Arm(words, text.split()), "dense": Arm(vectors, vector)}
            best = exact_top_k(arms, self.methods[way], 2 * self._k)
            last = best.scores[: self._k][-1]
            found.append({self.texts[row] for row in best.rows[best.scores >= last].tolist()})
        return found

    def ours(self) -> dict[str, Engine]:
        """Return our engine under each way to fuse."""
        retriever, k = self._retriever, self._k

        def fused(way: Method) -> Callable[[Question], list[str]]:
            def ask(question: Question) -> list[str]:
                retriever.fusion = way
                return [hit.text for hit in retriever.search(question.text, k)]

            return ask

        listed = hybrid.RRF(k=RECIPROCAL, missing="zero", depth=DEPTH)
        return {
            "ours, default": Engine(fused(self.methods["scores"]), "scores"),
            "ours, RRF": Engine(fused(RRF), "RRF"),
            "ours, RRF of 100": Engine(fused(listed), "RRF"),
        }

    def peer(self, name: str, questions: Questions) -> dict[str, Engine]:
        """Return a peer, in one or more variants; others' indexes are read if they are there."""
        if name == "recipe":
            recipe = Recipe(self._made, self.texts, self._folder / "recipe.faiss", questions)
            return {name: Engine(lambda question: recipe.search(question, self._k), "RRF")}
        table = _lance_table(self._made, self.texts, self._folder / "lancedb", name)
        ef = EF_SEARCH if name == "lancedb" else None
        return {
            f"{name}, limit {limit}": Engine(_lance_search(table, limit, ef, self._k), "RRF")
            for limit in dict.fromkeys((self._k, DEPTH))
        }


class Recipe:
    """The usual recipe: two libraries and a dictionary.

    Parameters
    ----------
    made : MadeUp
    texts : list of str
        Of its passages.
    kept : Path
        Where the graph is, or is to be kept.
    questions : Questions
        On which bm25s chooses how to search.
    """

    def __init__(self, made: MadeUp, texts: list[str], kept: Path, questions: Questions) -> None:
        from bench.peers.bm25s import Bm25s

        self._texts = texts
        self._words = Bm25s(k1=1.2, b=0.75)
        self._words.build(made.passages.batch(), Path())
        self._words.tune([text.split() for text in questions.texts[:100]], DEPTH, [])
        self._graph = _graph(made, kept)

    def search(self, question: Question, k: int) -> list[str]:
        """Return the texts of the best k."""
        rows, scores = self._words.search(question.text.split(), DEPTH)
        _, near = self._graph.search(question.vector[None], DEPTH)
        fused: dict[int, float] = {}
        for listed in (rows[scores > 0], near[0][near[0] >= 0]):
            for rank, row in enumerate(listed.tolist(), 1):
                fused[row] = fused.get(row, 0.0) + 1 / (RECIPROCAL + rank)
        best = sorted(fused, key=fused.__getitem__, reverse=True)[:k]
        return [self._texts[row] for row in best]


def _graph(made: MadeUp, kept: Path) -> Any:
    """Return FAISS's HNSW over the vectors."""
    import faiss

    if kept.exists():
        graph = faiss.read_index(str(kept))
    else:
        graph = faiss.IndexHNSWFlat(made.vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = 200
        graph.add(made.vectors)
        faiss.write_index(graph, str(kept))
    if graph.ntotal != len(made.vectors):
        raise ValueError(f"expected {len(made.vectors)} vectors in {kept}, not {graph.ntotal}")
    graph.hnsw.efSearch = EF_SEARCH
    return graph


def _lance_table(made: MadeUp, texts: list[str], kept: Path, name: str) -> Any:
    """Return LanceDB's table with its indexes."""
    os.environ.setdefault("LANCEDB_LOG", "error")  # it warns of every query, which takes it time
    import lancedb
    import pyarrow
    from lancedb.index import FTS, HnswSq

    database = lancedb.connect(str(kept))
    table_name = "flat" if name == "lancedb-flat" else "hnsw"
    if table_name in database.list_tables().tables:
        table = database.open_table(table_name)
        if table.count_rows() != len(texts):
            raise ValueError(f"expected {len(texts)} rows in {kept}, not {table.count_rows()}")
        return table
    numbers = pyarrow.array(made.vectors.ravel())
    vectors = pyarrow.FixedSizeListArray.from_arrays(numbers, made.vectors.shape[1])
    table = database.create_table(table_name, pyarrow.table({"text": texts, "vector": vectors}))
    table.create_index("text", config=FTS(with_position=False))
    if table_name == "hnsw":
        config = HnswSq(distance_type="dot", num_partitions=1)
        table.create_index("vector", config=config)
    return table


def _lance_search(
    table: Any, limit: int, ef: int | None, k: int
) -> Callable[[Question], list[str]]:
    """Return LanceDB's hybrid query."""
    from lancedb.rerankers import RRFReranker

    by_ranks = RRFReranker(K=RECIPROCAL)

    def ask(question: Question) -> list[str]:
        asked = table.search(query_type="hybrid").vector(question.vector).text(question.text)
        asked = asked.distance_type("dot").rerank(by_ranks).select(["text"]).limit(limit)
        found = asked.to_arrow() if ef is None else asked.ef(ef).to_arrow()
        return list(found["text"][:k].to_pylist())

    return ask


def recall(
    answers: Sequence[Sequence[str]], wanted: Sequence[Collection[str]], least: int
) -> float:
    """Return the mean part of what is wanted that is in the answers.

    Parameters
    ----------
    answers, wanted : sequences of the same length
    least : int
        How many of a question's wanted texts make a whole: more may be wanted where some tie.
    """
    pairs = zip(answers, wanted, strict=True)
    parts = [min(len(set(found) & set(best)) / least, 1.0) for found, best in pairs]
    return round(float(np.mean(parts)), 4)


def missing(name: str) -> list[str]:
    """Return what a peer lacks."""
    return [needed for needed in NEEDED[name] if needed not in versions()]


def versions() -> dict[str, str]:
    """Return the versions of what peers are made of, as far as it is installed."""
    found = {}
    for name in sorted({name for needed in NEEDED.values() for name in needed}):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
