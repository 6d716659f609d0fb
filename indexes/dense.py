"""Dense vectors: codes and lists find, float64 decides.

A score is a sum in float64 along one stored vector, rounded once.  Whatever finds rows only
proposes them; so a score has the same bits however its row was found, for any number of queries,
threads and processes.  Where a search is exact, error bounds prove that nothing was missed.

Scores: cosine and dot product as they are, Euclidean as the negated square of the distance.
"""

import json
import logging
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self, get_args

import numpy as np
from numpy.typing import ArrayLike

from indexes import parallel
from indexes.approximate import ANN_LIST, PROPOSED
from indexes.base import Statistics
from indexes.candidates import (
    Candidates,
    Mask,
    Rows,
    Scores,
    as_new_rows,
    as_rows,
    check_depth,
    places,
)
from indexes.counting import ranks
from indexes.dense_chunks import Storage
from indexes.dense_rows import Stored
from indexes.finders import Finders
from indexes.listing import Kind, chosen
from indexes.opened import facts_in, facts_of, whole
from indexes.slots import MOST_ROWS
from indexes.vectors import Metric, Vectors, as_query, as_vectors, lengths_of

__all__ = ["ANN_LIST", "PROPOSED", "DenseIndex", "Kind", "Metric", "Storage"]

_MOST_DEAD = 0.2  # share of deleted vectors at which the others are moved together
_LARGEST_HALF = 65_504.0
MOST_DIMENSIONS = 1 << 16
"""Of vectors in a saved index."""
_SLACK = 0.02  # what storage in bytes may take from a vector's length
log = logging.getLogger(__name__)


class DenseIndex:
    """Rows ranked by the similarity of vectors.

    Parameters
    ----------
    dimension : int
        Length of the vectors, >= 1.
    metric : {"cosine", "ip", "l2"}
        Cosine, dot product, or Euclidean distance.
    kind : {"auto", "flat", "hnsw", "ivf", "ivf-pq"}
        Flat is exact.  HNSW, a graph, IVF, lists around centroids, and IVF-PQ, lists of short
        codes, are approximate.  "auto" takes IVF for more than `listing.FLAT_LIMIT` numbers, and
        IVF-PQ where the codes of flat search or IVF need more than `memory`.
    storage : {"float32", "float16", "int8"}
        How vectors are stored.  Scores are those of the stored vectors, and a search is exact over
        these, not over what was added.
    memory : int, optional
        Bytes that codes may take under "auto"; None: no limit.  Vectors do not count: in an index
        that was opened they lie on disk.

    Examples
    --------
    >>> index = DenseIndex(2)
    >>> index.add([0, 1], [[1.0, 0.0], [0.0, 1.0]])
    >>> index.search([2.0, 1.0], depth=1).rows
    array([0])
    """

    scans = True

    def __init__(
        self,
        dimension: int,
        metric: Metric = "cosine",
        kind: Kind = "auto",
        storage: Storage = "float32",
        memory: int | None = None,
    ) -> None:
        if dimension < 1:
            raise ValueError(f"expected a dimension of at least 1, not {dimension}")
        if memory is not None and memory < 0:
            raise ValueError(f"expected memory as a number of bytes or None, not {memory}")
        for name, value, known in (
            ("metric", metric, Metric),
            ("kind", kind, Kind),
            ("storage", storage, Storage),
        ):
            if value not in get_args(known):
                raise ValueError(f"expected a {name} of {get_args(known)}, not {value!r}")
        self.dimension, self.metric, self.kind, self.storage = dimension, metric, kind, storage
        self.memory = memory
        self._stored = Stored(dimension, metric, storage)
        self._last: Kind | None = None  # what "auto" stood for
        self._finders = Finders()
        self._pending: list[Vectors] = []
        self._stale = False
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return int(np.count_nonzero(self._stored.slots.live))

    def unranked(self, query: ArrayLike) -> float:
        """Return the score of a row that has no vector."""
        return -np.inf if self.metric == "l2" else 0.0

    @property
    def exact(self) -> bool:
        """Whether a search finds the true best of what is stored; HNSW and IVF may miss some."""
        self._settle()
        return self._finders.exact

    @property
    def bytes(self) -> int:
        """Bytes of vectors and codes, without a graph's or short codes."""
        self._settle()
        return self._stored.chunks.bytes

    @property
    def resident(self) -> int:
        """Bytes that searches want in memory: codes, centroids, a graph; not stored vectors."""
        self._settle()
        return self._stored.coded + self._finders.bytes

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
        self._take(rows, as_vectors(vectors, self.dimension, self.metric))

    def _take(self, rows: ArrayLike, array: Vectors) -> None:
        rows = as_new_rows(rows, len(array))
        if self.storage == "float16" and np.abs(array).max(initial=0) > _LARGEST_HALF:
            raise ValueError(f"expected numbers up to {_LARGEST_HALF:g} for storage in float16")
        with self._lock:
            self._stored.slots.append(rows)
            self._pending.append(array)
            self._stale = True

    def stored(self, rows: ArrayLike) -> tuple[Mask, Vectors]:
        """Return which of `rows` have a vector, and these vectors as they are stored."""
        self._settle()
        slots = self._stored.slots.of(as_rows(rows))
        held = slots >= 0
        return held, self._stored.chunks.vectors_of(slots[held])

    def restore(self, rows: ArrayLike, vectors: ArrayLike) -> None:
        """Add rows with vectors that `stored` gave, to the bit.

        Raises
        ------
        ValueError
            As `add`; under cosine also when a vector is not about 1 long.
        """
        self._take(rows, self.as_stored(vectors))

    def as_stored(self, vectors: ArrayLike) -> Vectors:
        """Return vectors as `restore` takes them, or raise ValueError."""
        array = np.ascontiguousarray(vectors, np.float32)
        fitting = as_vectors(array, self.dimension, self.metric)
        if self.metric == "cosine" and not np.allclose(fitting, array, rtol=0, atol=_SLACK):
            raise ValueError("expected vectors of length 1, as an index of cosines stores them")
        return array

    def delete(self, rows: ArrayLike) -> None:
        """Delete rows; those that are not held are passed over."""
        with self._lock:
            self._stored.slots.kill(as_rows(rows))
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
            At most `ANN_LIST` rows from HNSW, and `PROPOSED` from IVF-PQ.
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
        slots = self._stored.slots.of(as_rows(rows))
        held = slots >= 0
        if self.metric == "l2" and not held.all():
            raise ValueError(f"row {as_rows(rows)[~held][0]} has no vector in this index")
        scores = np.zeros(len(slots), np.float32)
        target = as_query(query, self.dimension, self.metric)
        if target is not None:
            scores[held] = self._stored.chunks.scores(slots[held], target)
        return scores

    def ranks(self, query: ArrayLike, rows: ArrayLike, allowed: Mask | None = None) -> Rows:
        """Return the place of each of `rows` on the complete list of a query; see `Index.ranks`."""
        asked = as_rows(rows)
        if not self.exact:
            return places(self.search(query, max(len(self), 1), allowed), asked)
        target = as_query(query, self.dimension, self.metric)
        with self._lock:  # what belongs together
            pool, slots = self._stored.pool(allowed), self._stored.slots.of(asked)
        return np.zeros(len(asked), np.int64) if target is None else ranks(pool, target, slots)

    def statistics(self, query: ArrayLike) -> Statistics:
        """Return the spread of the query's score over the live rows, in closed form."""
        self._settle()
        target = as_query(query, self.dimension, self.metric)
        floor = -1.0 if self.metric == "cosine" else -np.inf
        if target is None:
            return Statistics(0.0, 0.0, floor, 0.0)
        with self._lock:
            self._stored.count()
        mean, std = self._stored.moments.of_scores(target)
        longest = float(lengths_of(target[None])[0]) * self._stored.longest
        ceiling = {"cosine": 1.0, "ip": longest, "l2": 0.0}[self.metric]
        return Statistics(mean, std, floor, ceiling)

    def compact(self) -> None:
        """Drop the vectors of deleted rows; no answer changes, so approximate kinds stay."""
        self._settle()
        with self._lock:
            live = self._stored.slots.live
            if self._finders.exact and not live.all():
                self._finders = self._finders.without(live)
                self._stored.move(np.flatnonzero(live))
                self._finders = self._finders.keep_up(self._stored, self._chosen())

    def save(self, folder: Path) -> None:
        """Write the index into a folder that exists; full chunks that are on disk are linked."""
        self._settle()
        with self._lock:
            self._stored.count()
        names = ("dimension", "metric", "kind", "storage", "memory")
        self._stored.save(folder)
        state = {
            "settings": {name: getattr(self, name) for name in names},
            "exponent": self._stored.moments.exponent,
            "probes": self._finders.clusters and self._finders.clusters.probes,
        }
        (folder / "state.json").write_text(json.dumps(state), "utf-8")
        self._finders.save(folder)

    @classmethod
    def load(cls, folder: Path, below: int = MOST_ROWS) -> Self:
        """Open an index that `save` wrote; the vectors stay on disk until they are read.

        Raises
        ------
        ValueError
            If files are damaged so that a search could fail, or rows are not `below`.
        """
        state = facts_in(folder / "state.json")
        settings = facts_of(state, "settings")
        whole(settings.get("dimension"), "a dimension", 1, MOST_DIMENSIONS)
        index = cls(**settings)
        exponent = whole(state.get("exponent"), "an exponent", -2000, 2000)
        probes = state.get("probes")
        if probes is not None:
            whole(probes, "lists to probe", 1, MOST_ROWS)
        index._stored = Stored.load(folder, index._stored, exponent, below)
        index._finders = Finders.load(folder, index._stored, probes)
        return index

    def _search(
        self, queries: Sequence[ArrayLike], depth: int, allowed: Mask | None
    ) -> list[Candidates]:
        """Return the best rows for each query."""
        check_depth(depth)
        self._settle()
        targets = [as_query(query, self.dimension, self.metric) for query in queries]
        found = [Candidates.none() for _ in queries]
        places = [place for place, target in enumerate(targets) if target is not None]
        with self._lock:  # what belongs together
            pool, finders = self._stored.pool(allowed), self._finders
        if not pool.count or not places:
            return found
        asked = [target for target in targets if target is not None]
        answers = finders.best(pool, asked, depth)
        for place, answer in zip(places, answers, strict=True):
            found[place] = answer
        return found

    def _settle(self) -> None:
        """Take in what was added and deleted since the last read."""
        if not self._stale:
            return
        with self._lock:
            for vectors in self._pending:
                self._stored.append(vectors)
            self._pending = []
            live = self._stored.slots.live
            if np.count_nonzero(~live) > _MOST_DEAD * len(live):
                self._finders = self._finders.without(live)
                self._stored.move(np.flatnonzero(live))
            self._finders = self._finders.keep_up(self._stored, self._chosen())
            self._stale = False

    def _chosen(self) -> Kind:
        """Return the kind, also where it is "auto"."""
        if self.kind != "auto":
            return self.kind
        kind, reason = chosen(len(self._stored.slots), self.dimension, self.memory)
        if kind != self._last:
            log.info("dense index: kind=auto is %s: %s", kind, reason)
        self._last = kind
        return kind
