"""Other engines, from what they are made of to what searches the chunks of a retriever.

Each becomes one engine or more: those of hybrid search are there more than once where their answer
depends on how many hits they are asked for.  "lancedb-10" is what LanceDB finds for a limit of 10,
"langchain-10" what comes of ten of each list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import load, versions
from bench.peers.content import Chunks, Question
from bench.peers.lancedb import Lance, Layout, read
from bench.peers.recipe import Nearest, Recipe, Words
from hybrid.benchmark.timing import HITS, TIMED
from indexes import Candidates

RECIPE_DEPTH = 100
"""Rows of each list that the recipe fuses."""

SCANNED = 100_000
"""Most chunks whose vectors LanceDB and FAISS scan; above, they have a graph."""

LOOPED = 50_000_000
"""Most chunks times questions that rank-bm25 is asked: two minutes."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A peer that holds the chunks.

    Attributes
    ----------
    search : callable
        From a question and a number of hits to the best of them, in the engine's own form.
    read : callable
        What that is as rows and scores; not timed.
    own : str
        What is not the same as with us.
    by_vectors : bool
        Whether it is asked with a vector.
    timed : int
        On how many questions at the most.
    tune : callable
        Has it choose how to search on some questions, before it is timed.
    """

    search: Callable[[Question, int], Any]
    read: Callable[[Any], Candidates]
    own: str
    by_vectors: bool = True
    timed: int = TIMED
    tune: Callable[[list[Question]], None] = lambda questions: None


Build = Callable[[Chunks, Path, int], dict[str, Engine]]
"""From the chunks, a folder and the depth of an answer to engines by the name of their variant."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A peer as it is before it holds anything.

    Attributes
    ----------
    build : callable
    needed : tuple of str
        The distributions that it is made of.
    by_vectors : bool
        Whether it needs vectors.
    most : int or None
        Most chunks times questions that it is asked.
    """

    build: Build
    needed: tuple[str, ...]
    by_vectors: bool = True
    most: int | None = None

    def obstacle(self, chunks: Chunks, questions: int) -> str | None:
        """Return why it cannot take part, or None."""
        absent = [name for name in self.needed if name not in versions(self.needed)]
        if absent:
            return f"not installed: pip install {' '.join(absent)}"
        if not chunks.terms.terms:
            return "the chunks have no terms"
        if self.by_vectors and not chunks.embedded.any():
            return "the retriever has no dense vectors"
        if self.most is not None and len(chunks) * questions > self.most:
            return f"{len(chunks)} chunks and {questions} questions would take it too long"
        return None


def _words(
    name: str, own: str, timed: int, chunks: Chunks, folder: Path, k: int
) -> dict[str, Engine]:
    """Return an engine of words."""
    words = _held(name, chunks, folder)

    def tune(questions: list[Question]) -> None:
        words.tune([question.terms for question in questions], HITS)

    def search(question: Question, count: int) -> object:
        return words.search(question.terms, count)

    return {name: Engine(search, words.read, own, by_vectors=False, timed=timed, tune=tune)}


def _recipe(chunks: Chunks, folder: Path, k: int) -> dict[str, Engine]:
    """Return bm25s and FAISS with 100 rows of each."""
    words, nearest = _held("bm25s", chunks, folder), _nearest(chunks)
    depth = RECIPE_DEPTH
    return {f"recipe-{depth}": _fused(Recipe(words, nearest, depth), _LUCENE)}


def _langchain(chunks: Chunks, folder: Path, k: int) -> dict[str, Engine]:
    """Return rank-bm25 and FAISS with as many rows of each as are asked for."""
    words, nearest = _held("rank-bm25", chunks, folder), _nearest(chunks)
    return {
        f"langchain-{depth}": _fused(Recipe(words, nearest, depth), _OKAPI, timed=50)
        for depth in dict.fromkeys((HITS, k))
    }


def _lancedb(chunks: Chunks, folder: Path, k: int) -> dict[str, Engine]:
    """Return LanceDB, asked for ten hits, and for as many as an answer has."""
    graph = len(chunks) > SCANNED
    texts = [" ".join(terms) for terms in chunks.terms.lists()]
    layout = Layout(graph, analysed=True, metric=chunks.metric)
    table = Lance(texts, chunks.vectors, layout, folder, chunks.embedded)

    def limited(limit: int) -> Engine:
        def search(question: Question, count: int) -> Any:
            found = table.search(" ".join(question.terms), question.vector, limit, "row")
            return found.slice(0, count)

        vectors = "its HNSW of codes in a byte" if graph else "scanned"
        own = f"{_BYTE_LENGTHS}; vectors {vectors}; its RRF, k = 60, of its limit of each list"
        return Engine(search, read, f"{own}; threads of its own")

    return {f"lancedb-{limit}": limited(limit) for limit in dict.fromkeys((HITS, k))}


def _held(name: str, chunks: Chunks, folder: Path) -> Words:
    peer = load(name)
    if peer is None:
        raise RuntimeError(f"expected {name} to be installed")
    return Words(peer, chunks.terms, folder)


def _nearest(chunks: Chunks) -> Nearest:
    """Return FAISS over the chunks that have a vector."""
    rows, graph = np.flatnonzero(chunks.embedded), len(chunks) > SCANNED
    return Nearest(chunks.vectors[rows], chunks.metric, graph=graph, rows=rows)


def _fused(recipe: Recipe, own: str, timed: int = TIMED) -> Engine:
    """Return a recipe as an engine."""

    def search(question: Question, count: int) -> list[tuple[int, float]]:
        return recipe.search(*question, count)

    return Engine(search, _of_pairs, f"{own}; FAISS; RRF, k = 60, in a dictionary", timed=timed)


def _of_pairs(found: list[tuple[int, float]]) -> Candidates:
    rows = np.array([row for row, _ in found], np.int64)
    return Candidates(rows, np.array([score for _, score in found], np.float32))


_LUCENE = "Lucene's formula, k1 = 1.2, b = .75"
_BYTE_LENGTHS = f"{_LUCENE}, lengths in a byte"
_OKAPI = "Okapi's idf with a floor, k1 = 1.2, b = .75"

PEERS: dict[str, Entrant] = {
    "bm25s": Entrant(
        partial(_words, "bm25s", _LUCENE, TIMED),
        ("bm25s", "numba"),
        by_vectors=False,
    ),
    "rank-bm25": Entrant(
        partial(_words, "rank-bm25", _OKAPI, 50), ("rank-bm25",), by_vectors=False, most=LOOPED
    ),
    "tantivy": Entrant(
        partial(_words, "tantivy", _BYTE_LENGTHS, TIMED), ("tantivy",), by_vectors=False
    ),
    "lancedb": Entrant(_lancedb, ("lancedb", "pyarrow")),
    "recipe": Entrant(_recipe, ("bm25s", "numba", "faiss-cpu")),
    "langchain": Entrant(_langchain, ("rank-bm25", "faiss-cpu"), most=LOOPED),
}
"""Other engines, by name."""
