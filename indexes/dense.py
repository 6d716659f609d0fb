"""Dense vectors: FAISS finds, float64 decides.

FAISS ranks in float32, where a dot product changes in its last bits with the batch size and the
processor.  So FAISS only proposes rows; their scores are computed in float64 and rounded once.  A
flat search asks for a few rows more than wanted and accepts the answer when the error bound of
float32 proves that no other row could belong to it; otherwise it asks for more.

Scores: cosine and dot product as they are, Euclidean as the negated square of the distance.
"""

import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self, get_args

import faiss
import numpy as np
from numpy.typing import ArrayLike

from indexes.base import Statistics
from indexes.candidates import (
    Candidates,
    Mask,
    Rows,
    Scores,
    as_new_rows,
    as_rows,
    check_depth,
    is_allowed,
    top,
)
from indexes.slots import Slots
from indexes.vectors import (
    Metric,
    Moments,
    Vectors,
    as_query,
    as_vectors,
    exact_scores,
    rounding_error,
)

Kind = Literal["auto", "flat", "hnsw"]

FLAT_LIMIT = 100_000
"""Rows above which "auto" takes HNSW: a flat scan of 100k x 384 costs about 10 ms."""

MARGIN = 16
"""Rows that a flat search asks for beyond the depth, so that one pass usually proves the answer."""

ANN_LIST = 256
"""Length of HNSW's list, and its efSearch: fixed, so that a short answer begins a longer one."""

_LINKS, _EF_CONSTRUCTION = 32, 200
_MOST_DEAD = 0.2  # share of deleted vectors at which the graph is built anew
_FEW_ALLOWED = 0.1  # share of allowed rows below which scanning them beats walking the graph
log = logging.getLogger(__name__)


class DenseIndex:
    """Rows ranked by the similarity of vectors.

    Parameters
    ----------
    dimension : int
        Length of the vectors, >= 1.
    metric : {"cosine", "ip", "l2"}
        Cosine, dot product, or Euclidean distance.
    kind : {"auto", "flat", "hnsw"}
        Flat is exact.  HNSW is approximate; "auto" takes it above `FLAT_LIMIT` rows.

    Examples
    --------
    >>> index = DenseIndex(2)
    >>> index.add([0, 1], [[1.0, 0.0], [0.0, 1.0]])
    >>> index.search([2.0, 1.0], depth=1).rows
    array([0])
    """

    def __init__(self, dimension: int, metric: Metric = "cosine", kind: Kind = "auto") -> None:
        if dimension < 1:
            raise ValueError(f"expected a dimension of at least 1, not {dimension}")
        if metric not in get_args(Metric):
            raise ValueError(f"expected a metric of {get_args(Metric)}, not {metric!r}")
        if kind not in get_args(Kind):
            raise ValueError(f"expected a kind of {get_args(Kind)}, not {kind!r}")
        self.dimension, self.metric, self.kind = dimension, metric, kind
        self._vectors: Vectors = np.empty((0, dimension), np.float32)
        self._slots = Slots()
        self._longest = 0.0
        self._moments = Moments.of(self._vectors, metric)
        self._graph: faiss.IndexHNSWFlat | None = None
        self._pending: list[Vectors] = []
        self._stale = False
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return int(np.count_nonzero(self._slots.live))

    def unranked(self, query: ArrayLike) -> float:
        """Return the score of a row that has no vector."""
        return -np.inf if self.metric == "l2" else 0.0

    @property
    def exact(self) -> bool:
        """Whether a search finds the true best rows: flat does, HNSW may miss some."""
        self._settle()
        return self._graph is None

    def add(self, rows: ArrayLike, vectors: ArrayLike) -> None:
        """Add rows with their vectors.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            New rows.
        vectors : array_like, shape (n, dimension)
            Finite; not zero under cosine.

        Raises
        ------
        ValueError
            If a vector cannot be taken, a row is there already, or the lengths differ.
        """
        array = as_vectors(vectors, self.dimension, self.metric)
        rows = as_new_rows(rows, len(array))
        with self._lock:
            self._slots.append(rows)
            self._pending.append(array)
            self._stale = True

    def delete(self, rows: ArrayLike) -> None:
        """Delete rows; those that are not held are passed over."""
        with self._lock:
            self._slots.kill(as_rows(rows))
            self._stale = True

    def search(self, query: ArrayLike, depth: int, allowed: Mask | None = None) -> Candidates:
        """Return the best rows for a query.

        Parameters
        ----------
        query : array_like, shape (dimension,)
            A zero vector under cosine finds nothing.
        depth : int
            Most rows to return, >= 1.
        allowed : ndarray of bool, optional
            Which rows may be found, by row number.

        Returns
        -------
        Candidates
            At most `ANN_LIST` rows from an approximate index.
        """
        check_depth(depth)
        self._settle()
        target = as_query(query, self.dimension, self.metric)
        if target is None:
            return Candidates.none()
        usable = self._slots.live
        if allowed is not None:
            usable = usable & is_allowed(self._slots.rows, allowed)
        graph = self._graph
        if graph is None or np.count_nonzero(usable) < _FEW_ALLOWED * len(usable):
            return self._scan(target, depth, usable)
        return self._walk(graph, target, depth, usable)

    def search_many(
        self, queries: Sequence[ArrayLike], depth: int, allowed: Mask | None = None
    ) -> list[Candidates]:
        """Return `search` of every query."""
        return [self.search(query, depth, allowed) for query in queries]

    def score(self, query: ArrayLike, rows: Rows) -> Scores:
        """Return the score of each of `rows`.

        A row that has no vector has no similarity to anything: 0 for cosine and dot product.

        Raises
        ------
        ValueError
            If a row has no vector and the metric is l2, where 0 would be the best score.
        """
        self._settle()
        slots = self._slots.of(as_rows(rows))
        held = slots >= 0
        if self.metric == "l2" and not held.all():
            raise ValueError(f"row {as_rows(rows)[~held][0]} has no vector in this index")
        scores = np.zeros(len(slots), np.float32)
        target = as_query(query, self.dimension, self.metric)
        if target is not None:
            scores[held] = exact_scores(self._vectors[slots[held]], target, self.metric)
        return scores

    def statistics(self, query: ArrayLike) -> Statistics:
        """Return the spread of the query's score over the live rows, in closed form."""
        self._settle()
        target = as_query(query, self.dimension, self.metric)
        floor = -1.0 if self.metric == "cosine" else -np.inf
        if target is None:
            return Statistics(0.0, 0.0, floor, 0.0)
        mean, std = self._moments.of_scores(target, self.metric)
        longest = float(np.linalg.norm(target)) * self._longest
        ceiling = {"cosine": 1.0, "ip": longest, "l2": 0.0}[self.metric]
        return Statistics(mean, std, floor, ceiling)

    def save(self, folder: Path) -> None:
        """Write the index into a folder that exists."""
        self._settle()
        settings = {"dimension": self.dimension, "metric": self.metric, "kind": self.kind}
        state = {"settings": settings, "longest": self._longest}
        (folder / "state.json").write_text(json.dumps(state), "utf-8")
        np.save(folder / "vectors.npy", self._vectors, allow_pickle=False)
        np.save(folder / "rows.npy", self._slots.rows, allow_pickle=False)
        np.save(folder / "live.npy", self._slots.live, allow_pickle=False)
        self._moments.save(folder)
        if self._graph is not None:
            faiss.write_index(self._graph, str(folder / "graph.faiss"))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open an index that `save` wrote; the vectors stay on disk until they are read."""
        state = json.loads((folder / "state.json").read_text("utf-8"))
        index = cls(**state["settings"])
        names = ("vectors", "rows", "live")
        read = (np.load(folder / f"{name}.npy", "r", allow_pickle=False) for name in names)
        index._vectors, rows, live = read
        index._slots = Slots.restored(rows, live)
        index._moments, index._longest = Moments.load(folder), state["longest"]
        if (folder / "graph.faiss").exists():
            index._graph = faiss.read_index(str(folder / "graph.faiss"))
        return index

    def _scan(self, query: Vectors, depth: int, usable: Mask) -> Candidates:
        """Return the proven best rows of those that are usable."""
        rows = self._slots.rows[usable]
        pool = self._vectors if usable.all() else self._vectors[usable]
        error = rounding_error(self.dimension, self._longest, query, self.metric)
        fetch = depth + MARGIN
        while 4 * fetch < len(pool):
            near, found = faiss.knn(query[None], pool, fetch, _faiss_metric(self.metric))
            best = top(rows[found[0]], exact_scores(pool[found[0]], query, self.metric), depth)
            last = -near[0, -1] if self.metric == "l2" else near[0, -1]
            if best.scores[-1] > last + 2 * error:
                return best
            fetch *= 4
        return top(rows, exact_scores(pool, query, self.metric), depth)

    def _walk(
        self, graph: faiss.IndexHNSWFlat, query: Vectors, depth: int, usable: Mask
    ) -> Candidates:
        """Return the first rows of HNSW's list."""
        bits = np.packbits(usable, bitorder="little")
        chosen = None if usable.all() else faiss.IDSelectorBitmap(bits)
        parameters = faiss.SearchParametersHNSW(efSearch=ANN_LIST, sel=chosen)
        _, found = graph.search(query[None], ANN_LIST, params=parameters)
        slots = found[0][found[0] >= 0]
        scores = exact_scores(self._vectors[slots], query, self.metric)
        return top(self._slots.rows[slots], scores, depth)

    def _settle(self) -> None:
        """Take in what was added and deleted since the last read."""
        if not self._stale:
            return
        with self._lock:
            self._vectors = np.concatenate([self._vectors, *self._pending])
            self._pending = []
            if self._graph is None or np.mean(~self._slots.live) > _MOST_DEAD:
                self._graph = None
                self._vectors = self._vectors[self._slots.compact()]
            live = self._vectors[self._slots.live]
            self._moments = Moments.of(live, self.metric)
            self._longest = float(np.linalg.norm(live, axis=1).max(initial=0.0))
            self._extend_graph()
            self._stale = False

    def _extend_graph(self) -> None:
        """Add to the graph what is not in it, or build it when the index has grown enough."""
        size = len(self._slots)
        if not size or self.kind == "flat" or (self.kind == "auto" and size <= FLAT_LIMIT):
            return
        if self._graph is None:
            log.info("dense index: HNSW for %d rows (kind=%s)", size, self.kind)
            self._graph = faiss.IndexHNSWFlat(self.dimension, _LINKS, _faiss_metric(self.metric))
            self._graph.hnsw.efConstruction = _EF_CONSTRUCTION
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # with more, the graph differs from run to run
        try:
            self._graph.add(self._vectors[self._graph.ntotal :])
        finally:
            faiss.omp_set_num_threads(threads)


def _faiss_metric(metric: Metric) -> int:
    return int(faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)
