"""The usual recipe: a library for words, FAISS for vectors, reciprocal ranks in a dictionary."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.peers import Peer
from indexes import Candidates
from indexes.terms import TermBatch

RECIPROCAL = 60
EF_SEARCH = 128


class Words:
    """An engine of `bench.peers.HOMES` that is asked for what it knows only.

    Parameters
    ----------
    peer : Peer
        Which holds nothing yet.
    content : TermBatch
    folder : Path
        For its files.
    """

    def __init__(self, peer: Peer[Any, Any], content: TermBatch, folder: Path) -> None:
        self._peer = peer
        peer.build(content, folder)
        self._known = set(content.terms)

    def tune(self, questions: Iterable[list[str]], k: int) -> None:
        """Have the engine choose how to search."""
        known = [terms for terms in map(self._of_these, questions) if terms]
        if known:
            self._peer.tune(known, k, [])

    def search(self, terms: list[str], k: int) -> Any:
        """Return the best k in the engine's own form; None when it knows none of the terms.

        bm25s fails on a question of which it knows nothing.
        """
        known = self._of_these(terms)
        return self._peer.search(known, k) if known else None

    def read(self, answer: Any) -> Candidates:
        """Return what `search` found."""
        return Candidates.none() if answer is None else self._peer.read(answer)

    def _of_these(self, terms: list[str]) -> list[str]:
        return [term for term in terms if term in self._known]


class Nearest:
    """FAISS over vectors of rows.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, dimension)
    metric : {"ip", "l2"}
    graph : bool
        HNSW (M = 32, efConstruction = 200, efSearch = 128) in place of an exact scan.
    rows : ndarray of int64, shape (n,), optional
        Whose vectors these are; 0, 1, 2, ... by default.
    kept : Path, optional
        Where the graph is, or is to be kept.

    Raises
    ------
    ValueError
        If what is kept holds another number of vectors.
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        metric: str = "ip",
        *,
        graph: bool,
        rows: NDArray[np.int64] | None = None,
        kept: Path | None = None,
    ) -> None:
        import faiss

        self._rows = rows
        if kept is not None and kept.exists():
            self._index = faiss.read_index(str(kept))
        else:
            kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
            self._index = _empty(vectors.shape[1], kind, graph=graph)
            self._index.add(vectors)
            if kept is not None:
                faiss.write_index(self._index, str(kept))
        if self._index.ntotal != len(vectors):
            found = self._index.ntotal
            raise ValueError(f"expected {len(vectors)} vectors in {kept or 'FAISS'}, not {found}")
        if graph:
            self._index.hnsw.efSearch = EF_SEARCH

    def search(self, vector: NDArray[np.float32], k: int) -> list[int]:
        """Return the nearest k rows."""
        _, found = self._index.search(vector[None], k)
        near = found[0][found[0] >= 0]
        rows: list[int] = (near if self._rows is None else self._rows[near]).tolist()
        return rows


def _empty(dimension: int, kind: int, *, graph: bool) -> Any:
    import faiss

    if not graph:
        return faiss.IndexFlat(dimension, kind)
    index = faiss.IndexHNSWFlat(dimension, 32, kind)
    index.hnsw.efConstruction = 200
    return index


class Recipe:
    """Two libraries and a dictionary.

    Parameters
    ----------
    words : Words
    nearest : Nearest
    depth : int
        Rows of each list that are fused.
    """

    def __init__(self, words: Words, nearest: Nearest, depth: int) -> None:
        self._words, self._nearest, self._depth = words, nearest, depth

    def search(
        self, terms: list[str], vector: NDArray[np.float32] | None, k: int
    ) -> list[tuple[int, float]]:
        """Return the best k rows with their scores; equals stand as BM25 found them first."""
        listed = self._words.read(self._words.search(terms, self._depth)).rows.tolist()
        near = [] if vector is None else self._nearest.search(vector, self._depth)
        fused: dict[int, float] = {}
        for rows in (listed, near):
            for rank, row in enumerate(rows, 1):
                fused[row] = fused.get(row, 0.0) + 1 / (RECIPROCAL + rank)
        return sorted(fused.items(), key=lambda item: item[1], reverse=True)[:k]
