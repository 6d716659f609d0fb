"""Dense vectors: codes and lists find, float64 decides.

A score is a sum in float64 along one stored vector, rounded once.  Whatever finds rows only
proposes them; so a score has the same bits however its row was found, for any number of queries,
threads and processes.  Where a search is exact, error bounds prove that nothing was missed.

Scores: cosine and dot product as they are, Euclidean as the negated square of the distance.
"""

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes import parallel
from indexes.approximate import ANN_LIST, Graph, nearest, train
from indexes.base import Statistics
from indexes.candidates import (
    Candidates,
    Mask,
    Rows,
    Scores,
    as_new_rows,
    as_rows,
    check_depth,
)
from indexes.clusters import ASKED, NEIGHBOURS, Clusters, enough_probes
from indexes.dense_chunks import Chunks, Storage
from indexes.dense_kernels import mark
from indexes.flat import Pool
from indexes.slots import Slots
from indexes.vectors import Metric, Moments, Vectors, as_query, as_vectors, lengths_of

Kind = Literal["auto", "flat", "hnsw", "ivf"]

__all__ = ["ANN_LIST", "DenseIndex", "Kind", "Metric", "Storage"]

FLAT_LIMIT = 200_000_000
"""Numbers in all vectors above which "auto" takes lists: reading so many codes takes 8 ms."""

_MOST_DEAD = 0.2  # share of deleted vectors at which the others are moved together
_DRIFT = 0.3  # share of slots added or deleted since training at which lists are made anew
_FEW_ALLOWED = 0.1  # share of allowed rows below which scoring them beats walking the graph
_LEAST_LISTED = 4096  # rows below which lists are not worth making
_BLOCK = 8192
_LARGEST_HALF = 65_504.0
log = logging.getLogger(__name__)


class DenseIndex:
    """Rows ranked by the similarity of vectors.

    Parameters
    ----------
    dimension : int
        Length of the vectors, >= 1.
    metric : {"cosine", "ip", "l2"}
        Cosine, dot product, or Euclidean distance.
    kind : {"auto", "flat", "hnsw", "ivf"}
        Flat is exact.  HNSW, a graph, and IVF, lists around centroids, are approximate; "auto"
        takes IVF for more than `FLAT_LIMIT` numbers.
    storage : {"float32", "float16", "int8"}
        How vectors are stored.  Scores are those of the stored vectors, and a search is exact over
        these, not over what was added.

    Examples
    --------
    >>> index = DenseIndex(2)
    >>> index.add([0, 1], [[1.0, 0.0], [0.0, 1.0]])
    >>> index.search([2.0, 1.0], depth=1).rows
    array([0])
    """

    def __init__(
        self,
        dimension: int,
        metric: Metric = "cosine",
        kind: Kind = "auto",
        storage: Storage = "float32",
    ) -> None:
        if dimension < 1:
            raise ValueError(f"expected a dimension of at least 1, not {dimension}")
        for name, value, known in (
            ("metric", metric, Metric),
            ("kind", kind, Kind),
            ("storage", storage, Storage),
        ):
            if value not in get_args(known):
                raise ValueError(f"expected a {name} of {get_args(known)}, not {value!r}")
        self.dimension, self.metric, self.kind, self.storage = dimension, metric, kind, storage
        self._chunks = Chunks(dimension, metric, storage)
        self._slots = Slots()
        self._lengths: NDArray[np.float64] = np.empty(0)
        self._moments = Moments(dimension, metric, Moments.exponent_of(0.0, metric))
        self._counted: Mask = np.empty(0, np.bool_)  # which slots the moments count
        self._graph: Graph | None = None
        self._clusters: Clusters | None = None
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
        """Whether a search finds the true best of what is stored; HNSW and IVF may miss some."""
        self._settle()
        return self._graph is None and self._clusters is None

    @property
    def bytes(self) -> int:
        """Bytes of vectors and codes, without a graph's."""
        self._settle()
        return self._chunks.bytes

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
        if self.storage == "float16" and np.abs(array).max(initial=0) > _LARGEST_HALF:
            raise ValueError(f"expected numbers up to {_LARGEST_HALF:g} for storage in float16")
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
            At most `ANN_LIST` rows from HNSW.
        """
        return self._search([query], depth, allowed)[0]

    def search_many(
        self,
        queries: Sequence[ArrayLike],
        depth: int,
        allowed: Mask | None = None,
        threads: int | None = 1,
    ) -> list[Candidates]:
        """Return `search` of every query; together they take less time.

        Parameters
        ----------
        queries : sequence of array_like, shape (dimension,)
        depth, allowed
            As in `search`.
        threads : int or None
            How many share the queries; None: one for each core.
        """
        search = partial(self._search, depth=depth, allowed=allowed)
        return parallel.search_many(search, queries, threads)

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
            scores[held] = self._chunks.scores(slots[held], target)
        return scores

    def statistics(self, query: ArrayLike) -> Statistics:
        """Return the spread of the query's score over the live rows, in closed form."""
        self._settle()
        target = as_query(query, self.dimension, self.metric)
        floor = -1.0 if self.metric == "cosine" else -np.inf
        if target is None:
            return Statistics(0.0, 0.0, floor, 0.0)
        self._count()
        mean, std = self._moments.of_scores(target)
        longest = float(lengths_of(target[None])[0]) * self._longest
        ceiling = {"cosine": 1.0, "ip": longest, "l2": 0.0}[self.metric]
        return Statistics(mean, std, floor, ceiling)

    def save(self, folder: Path) -> None:
        """Write the index into a folder that exists; full chunks that are on disk are linked."""
        self._settle()
        self._count()
        names = ("dimension", "metric", "kind", "storage")
        state = {
            "settings": {name: getattr(self, name) for name in names},
            "exponent": self._moments.exponent,
            "probes": self._clusters and self._clusters.probes,
        }
        (folder / "state.json").write_text(json.dumps(state), "utf-8")
        self._chunks.save(folder)
        for name, array in self._arrays().items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        self._moments.save(folder)
        if self._clusters is not None:
            self._clusters.save(folder)
        if self._graph is not None:
            self._graph.save(folder / "graph.faiss")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open an index that `save` wrote; the vectors stay on disk until they are read."""
        state = json.loads((folder / "state.json").read_text("utf-8"))
        index = cls(**state["settings"])
        width, metric = index.dimension, index.metric
        index._chunks = Chunks.load(folder, width, metric, index.storage)
        names = ("rows", "live", "lengths")
        rows, live, lengths = (np.load(folder / f"{n}.npy", allow_pickle=False) for n in names)
        index._slots, index._lengths = Slots.restored(rows, live), lengths
        index._counted = live.copy()
        index._moments = Moments.load(folder, width, metric, state["exponent"])
        if state["probes"]:
            index._clusters = Clusters.load(folder, index._chunks, state["probes"])
        if (folder / "graph.faiss").exists():
            index._graph = Graph.load(folder / "graph.faiss")
        return index

    @property
    def _longest(self) -> float:
        """The length of the longest live vector."""
        live = self._slots.live[: len(self._lengths)]
        return float(self._lengths[live].max(initial=0.0))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"rows": self._slots.rows, "live": self._slots.live, "lengths": self._lengths}

    def _search(
        self, queries: Sequence[ArrayLike], depth: int, allowed: Mask | None
    ) -> list[Candidates]:
        """Return the best rows for each query."""
        check_depth(depth)
        self._settle()
        targets = [as_query(query, self.dimension, self.metric) for query in queries]
        found = [Candidates.none() for _ in queries]
        places = [place for place, target in enumerate(targets) if target is not None]
        pool = self._pool(allowed)
        if not pool.count or not places:
            return found
        asked = [target for target in targets if target is not None]
        share = pool.count / len(pool.usable)
        if self._graph is not None and share >= _FEW_ALLOWED:
            answers = [self._walk(self._graph, pool, query, depth) for query in asked]
        elif self._clusters is not None and not pool.few:
            answers = [self._probe(self._clusters, pool, query, depth) for query in asked]
        else:
            answers = pool.best(asked, depth)
        for place, answer in zip(places, answers, strict=True):
            found[place] = answer
        return found

    def _pool(self, allowed: Mask | None) -> Pool:
        """Return what a search may find."""
        with self._lock:  # chunks and slots as they belong together
            chunks, size = self._chunks, len(self._chunks)
            rows, usable = self._slots.rows[:size], self._slots.live[:size]
            longest = self._longest
        if allowed is None:
            return Pool(chunks, rows, usable, int(np.count_nonzero(usable)), longest)
        live, usable = usable, np.empty(size, np.bool_)
        count = mark(rows, live, np.ascontiguousarray(allowed, np.bool_), usable)
        return Pool(chunks, rows, usable, count, longest)

    def _walk(self, graph: Graph, pool: Pool, query: Vectors, depth: int) -> Candidates:
        """Return the first rows of HNSW's list."""
        return pool.ranked(graph.near(query, pool.usable), pool.chunks.padded(query), depth)

    def _probe(self, clusters: Clusters, pool: Pool, query: Vectors, depth: int) -> Candidates:
        """Return the best rows of the lists whose centroids are best."""
        share = pool.count / len(pool.usable)
        seen = clusters.seen(query, pool.usable, share)
        count = int(np.count_nonzero(seen))
        part = Pool(pool.chunks, pool.rows, seen, count, pool.longest)
        return part.best([query], depth, scan=True)[0]

    def _settle(self) -> None:
        """Take in what was added and deleted since the last read."""
        if not self._stale:
            return
        with self._lock:
            for vectors in self._pending:
                self._append(vectors)
            self._pending = []
            if np.count_nonzero(~self._slots.live) > _MOST_DEAD * len(self._slots):
                self._compact()
            kind = self._chosen()
            self._chunks.code(kind != "hnsw")
            if kind == "ivf":
                self._cluster()
            else:
                self._clusters = None
            self._extend_graph(kind)
            self._stale = False

    def _append(self, vectors: Vectors) -> None:
        """Store vectors, and note their lengths as they are stored."""
        first = len(self._chunks)
        self._chunks.append(vectors)
        lengths = [lengths_of(block) for block in self._blocks(np.arange(first, len(self._chunks)))]
        self._lengths = np.concatenate([self._lengths, *lengths])
        self._counted = np.concatenate([self._counted, np.zeros(len(vectors), np.bool_)])

    def _blocks(self, slots: NDArray[np.int64]) -> Iterator[Vectors]:
        """Yield the vectors of some slots, a bounded number at a time."""
        for start in range(0, len(slots), _BLOCK):
            yield self._chunks.vectors_of(slots[start : start + _BLOCK])

    def _compact(self) -> None:
        """Drop what is left of deleted rows."""
        self._count()
        kept = self._slots.live
        if self._clusters is not None:
            self._clusters = self._clusters.without(kept)
        self._move(np.flatnonzero(kept))
        self._graph = None

    def _move(self, slots: NDArray[np.int64]) -> None:
        """Keep the vectors of some slots, in that order."""
        self._chunks = self._chunks.taken(slots)
        self._lengths, self._counted = self._lengths[slots], self._counted[slots]
        self._slots = Slots.restored(self._slots.rows[slots], self._slots.live[slots])

    def _chosen(self) -> Kind:
        """Return the kind that "auto" stands for."""
        if self.kind != "auto":
            return self.kind
        size = len(self._slots) * self.dimension
        return "ivf" if size > FLAT_LIMIT and len(self._slots) >= _LEAST_LISTED else "flat"

    def _cluster(self) -> None:
        """Sort the slots into lists, unless those of before still serve."""
        size = len(self._slots)
        if self._clusters is not None:
            gone = np.count_nonzero(~self._slots.live[: self._clusters.sorted])
            if size - self._clusters.sorted + gone <= _DRIFT * size:
                return
        self._clusters = None
        if size < _LEAST_LISTED:
            return
        self._count()
        live = np.flatnonzero(self._slots.live)
        count = round(2 * len(live) ** 0.5)
        sample = live[:: max(1, len(live) // (40 * count))]
        centroids = Chunks(self.dimension, self.metric)
        centroids.append(train(self._chunks.vectors_of(sample), count))
        means = centroids.vectors_of(np.arange(len(centroids)))
        lists = np.concatenate([nearest(block, means) for block in self._blocks(live)])
        order = np.argsort(lists, kind="stable")
        self._move(live[order])
        lists = lists[order]
        starts = np.searchsorted(lists, np.arange(len(centroids) + 1))
        probes = enough_probes(centroids, lists, *self._neighbours())
        self._clusters = Clusters(centroids, starts, probes)
        log.info("dense index: %d lists for %d rows, of which a search probes %d (kind=%s)",
                 len(centroids), size, probes, self.kind)  # fmt: skip

    def _neighbours(self) -> tuple[Vectors, list[NDArray[np.int64]]]:
        """Return some vectors of the index and the slots of their true neighbours."""
        size = len(self._slots)
        asked = self._chunks.vectors_of(np.arange(0, size, max(1, size // ASKED)))
        pool = Pool(self._chunks, np.arange(size), self._slots.live, size, self._longest)
        return asked, [found.rows for found in pool.best(list(asked), NEIGHBOURS)]

    def _extend_graph(self, kind: Kind) -> None:
        """Add to the graph what is not in it, or build it anew."""
        if kind != "hnsw":
            self._graph = None
            return
        if self._graph is None and len(self._slots):
            log.info("dense index: HNSW for %d rows (kind=%s)", len(self._slots), self.kind)
            self._graph = Graph(self.dimension, self.metric)
        if self._graph is not None:
            for block in self._blocks(np.arange(len(self._graph), len(self._slots))):
                self._graph.add(block)

    def _count(self) -> None:
        """Have the moments count the live vectors and no others."""
        with self._lock:
            live = self._slots.live
            exponent = Moments.exponent_of(self._longest, self.metric)
            if exponent != self._moments.exponent:
                self._moments = Moments(self.dimension, self.metric, exponent)
                self._counted = np.zeros(len(live), np.bool_)
            for sign, which in ((1, live & ~self._counted), (-1, self._counted & ~live)):
                for block in self._blocks(np.flatnonzero(which)):
                    self._moments.add(block, sign)
            self._counted = live.copy()
