"""What proposes rows where not all are looked at: a graph, lists, lists of short codes.

It follows the stored vectors: what was added is taken in, what was deleted is passed over, and
after much change everything is made anew.  Whatever is proposed is scored from the stored vectors.
"""

import logging
from pathlib import Path
from typing import Self

import numpy as np

from indexes.approximate import Graph, ShortCodes
from indexes.candidates import Candidates, Mask
from indexes.clusters import Clusters
from indexes.dense_rows import Stored
from indexes.flat import Pool
from indexes.listing import LEAST_LISTED, Kind, outdated, sampled, sorted_into_lists
from indexes.vectors import Vectors

_FEW_ALLOWED = 0.1  # share of allowed rows below which scoring them beats walking the graph
log = logging.getLogger(__name__)


class Finders:
    """What a kind of search needs besides the stored vectors.

    Attributes
    ----------
    graph : Graph or None
        For "hnsw".
    clusters : Clusters or None
        For "ivf" and "ivf-pq", once there are rows enough.
    short : ShortCodes or None
        For "ivf-pq", along with the clusters.
    """

    def __init__(self) -> None:
        self.graph: Graph | None = None
        self.clusters: Clusters | None = None
        self.short: ShortCodes | None = None

    @property
    def exact(self) -> bool:
        """Whether all rows are looked at."""
        return self.graph is None and self.clusters is None

    @property
    def bytes(self) -> int:
        """Bytes of the graph, of short codes and of centroids."""
        chunks = None if self.clusters is None else self.clusters.centroids
        return sum(0 if part is None else part.bytes for part in (self.graph, self.short, chunks))

    def keep_up(self, stored: Stored, kind: Kind) -> "Finders":
        """Return what this kind needs for what is stored; the slots may be sorted for it.

        The lists and codes of before are left as they are: a search may be reading them.
        """
        next_ = Finders()
        if kind == "hnsw" and len(stored.slots):
            is_new = self.graph is None
            next_.graph = Graph(stored.dimension, stored.metric) if is_new else self.graph
        if kind in ("flat", "ivf"):
            stored.chunks.code(True)
        if kind in ("ivf", "ivf-pq") and len(stored.slots) >= LEAST_LISTED:
            next_.clusters, next_.short = self._lists(stored, kind)
        for part in (next_.graph, next_.short):
            if part is not None:
                for block in stored.blocks(np.arange(len(part), len(stored.slots))):
                    part.add(block)
        return next_

    def _lists(self, stored: Stored, kind: Kind) -> tuple[Clusters, ShortCodes | None]:
        """Return the lists of before where they still serve, or new ones."""
        same = (self.short is not None) == (kind == "ivf-pq")
        if same and self.clusters is not None and not outdated(stored, self.clusters):
            return self.clusters, self.short
        clusters = sorted_into_lists(stored, kind)
        if kind == "ivf":
            return clusters, None
        means = clusters.centroids.vectors_of(np.arange(len(clusters.centroids)))
        return clusters, ShortCodes(means, sampled(stored), stored.metric)

    def without(self, kept: Mask) -> "Finders":
        """Return what is left after slots were closed up: FAISS holds slots by their number."""
        left = Finders()
        if self.clusters is not None and self.short is None:
            left.clusters = self.clusters.without(kept)
        return left

    def best(self, pool: Pool, asked: list[Vectors], depth: int) -> list[Candidates]:
        """Return the best rows of a pool that is not empty, for each query."""
        share = pool.count / len(pool.usable)
        if self.graph is not None and share >= _FEW_ALLOWED:
            return [_walked(self.graph, pool, query, depth) for query in asked]
        if self.clusters is None or pool.few:
            return pool.best(asked, depth)
        if self.short is None:
            return [_probed(self.clusters, pool, query, depth) for query in asked]
        # a filter pushes the neighbours outwards: as in `Clusters.seen`
        probes = min(len(self.clusters.centroids), round(self.clusters.probes / share))
        return [_proposed(self.short, probes, pool, query, depth) for query in asked]

    def save(self, folder: Path) -> None:
        """Write everything into a folder that exists."""
        if self.clusters is not None:
            self.clusters.save(folder)
        if self.graph is not None:
            self.graph.save(folder / "graph.faiss")
        if self.short is not None:
            self.short.save(folder / "short.faiss")

    @classmethod
    def load(cls, folder: Path, stored: Stored, probes: int | None) -> Self:
        """Read what `save` wrote; `probes` is that of the clusters."""
        found = cls()
        if probes:
            found.clusters = Clusters.load(folder, stored.chunks, probes)
        if (folder / "graph.faiss").exists():
            size = len(stored.slots)
            found.graph = Graph.load(folder / "graph.faiss", stored.dimension, size, stored.metric)
        if (folder / "short.faiss").exists():
            if found.clusters is None:
                raise ValueError("expected lists for short codes: the files are damaged")
            means = found.clusters.centroids
            found.short = ShortCodes.load(folder / "short.faiss", means, len(stored.slots))
        return found


def _walked(graph: Graph, pool: Pool, query: Vectors, depth: int) -> Candidates:
    """Return the first rows of HNSW's list."""
    return pool.ranked(graph.near(query, pool.usable), pool.chunks.padded(query), depth)


def _probed(clusters: Clusters, pool: Pool, query: Vectors, depth: int) -> Candidates:
    """Return the best rows of the lists whose centroids are best."""
    seen = clusters.seen(query, pool.usable, pool.count / len(pool.usable))
    count = int(np.count_nonzero(seen))
    part = Pool(pool.chunks, pool.rows, seen, count, pool.longest)
    return part.best([query], depth, scan=True)[0]


def _proposed(short: ShortCodes, probes: int, pool: Pool, query: Vectors, depth: int) -> Candidates:
    """Return the best of the rows that short codes propose."""
    slots = short.near(query, pool.usable, probes)
    if not len(slots):  # codes say nothing where all vectors are equal or squares underflow
        slots = np.flatnonzero(pool.usable)
    return pool.ranked(slots, pool.chunks.padded(query), depth)
