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

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import hybrid
from bench import peers
from bench.comparison import index_of
from bench.endtoend_data import MadeUp, Question, Questions
from bench.peers.lancedb import Lance, Layout
from bench.peers.recipe import RECIPROCAL, Nearest, Recipe, Words
from fusion import Arm, Method, exact_top_k
from indexes import DenseIndex

DEPTH = 100
"""Rows of each list that peers fuse."""

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
        self.methods: dict[str, Method] = {
            "scores": retriever._search().indexes.default_fusion(),
            "RRF": RRF,
        }
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
            return {name: Engine(self._recipe(questions), "RRF")}
        layout = Layout(graph=name == "lancedb", analysed=False)
        table = Lance(self.texts, self._made.vectors, layout, self._folder / "lancedb")
        return {
            f"{name}, limit {limit}": Engine(self._lancedb(table, limit), "RRF")
            for limit in dict.fromkeys((self._k, DEPTH))
        }

    def _recipe(self, questions: Questions) -> Callable[[Question], list[str]]:
        """Return the recipe; bm25s chooses on some of the questions how to search."""
        from bench.peers.bm25s import Bm25s

        words = Words(Bm25s(), self._made.passages.batch(), Path())
        words.tune([text.split() for text in questions.texts[:100]], DEPTH)
        graph = Nearest(self._made.vectors, graph=True, kept=self._folder / "recipe.faiss")
        recipe = Recipe(words, graph, DEPTH)

        def ask(question: Question) -> list[str]:
            best = recipe.search(question.text.split(), question.vector, self._k)
            return [self.texts[row] for row, _ in best]

        return ask

    def _lancedb(self, table: Lance, limit: int) -> Callable[[Question], list[str]]:
        def ask(question: Question) -> list[str]:
            found = table.search(question.text, question.vector, limit, "text")
            return list(found["text"][: self._k].to_pylist())

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
    return peers.versions(sorted({name for needed in NEEDED.values() for name in needed}))
