"""Which part of the vectors a query needs to see: neighbours lie together, in ranges of slots.

At training the slots are sorted by their nearest centroid, so the list of a centroid is a range of
slots, and a search scans the blocks of the lists whose centroids score best for the query.  Rows
that were added since lie behind and are always scanned.  How many lists are probed is measured at
training: on vectors of the index itself, as few as leave out next to none of their exact
neighbours.  It never depends on the depth, so a short answer begins a longer one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Mask
from indexes.dense_chunks import Chunks
from indexes.flat import Pool
from indexes.opened import check, opened, rising
from indexes.vectors import Vectors, lengths_of

RECALL, ASKED, NEIGHBOURS = 0.99, 400, 10
"""Share of so many neighbours of so many vectors that the probed lists must have."""

SAFETY, LEAST = 3.0, 16
"""How many times as many lists are probed, and how many at least: questions lie further from texts
than texts do."""

LEAST_ROWS = 1024
"""Rows in the lists that are probed, at least: short codes propose half as many."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Lists over sorted slots.

    Attributes
    ----------
    pool : Pool
        The centroids.
    starts : ndarray of int64, shape (lists + 1,)
        Where each list starts; the slots from the last one on are in no list.
    probes : int
        How many lists a search without a filter scans.
    """

    pool: Pool
    starts: NDArray[np.int64]
    probes: int

    @classmethod
    def of(cls, centroids: Chunks, starts: NDArray[np.int64], probes: int) -> Self:
        """Return lists around centroids."""
        count = len(centroids)
        every = np.arange(count)
        longest = float(lengths_of(centroids.vectors_of(every)).max(initial=0.0))
        return cls(Pool(centroids, every, np.ones(count, np.bool_), count, longest), starts, probes)

    @property
    def centroids(self) -> Chunks:
        """The centroids."""
        return self.pool.chunks

    @property
    def sorted(self) -> int:
        """How many slots are in lists."""
        return int(self.starts[-1])

    def order(self, query: Vectors, count: int) -> NDArray[np.int64]:
        """Return so many lists, that with the best centroid first."""
        return self.pool.best([query], count)[0].rows

    def seen(self, query: Vectors, usable: Mask, share: float) -> Mask:
        """Return which usable slots a search looks at, when so large a share is usable.

        A filter pushes the neighbours outwards: the lists grow in number as it lets less through.
        """
        probes = min(len(self.centroids), round(self.probes / max(share, 1e-9)))
        seen = np.zeros(len(usable), np.bool_)
        for number in self.order(query, probes):
            part = slice(self.starts[number], self.starts[number + 1])
            seen[part] = usable[part]
        seen[self.sorted :] = usable[self.sorted :]
        return seen

    def without(self, kept: Mask) -> "Clusters":
        """Return the lists after slots were closed up."""
        before = np.concatenate([[0], np.cumsum(kept)])
        return Clusters(self.pool, before[self.starts], self.probes)

    def save(self, folder: Path) -> None:
        """Write the lists into a folder that exists."""
        (folder / "centroids").mkdir()
        self.centroids.save(folder / "centroids")
        np.save(folder / "starts.npy", self.starts, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, like: Chunks, probes: int) -> Self:
        """Read what `save` wrote."""
        centroids = Chunks.load(folder / "centroids", like.dimension, like.metric, "float32")
        starts = opened(folder / "starts.npy", "<i8", (len(centroids) + 1,), mode=None)
        last = int(starts[-1])
        check(rising(starts, 0, last) and last <= len(like), "lists one behind the other")
        return cls.of(centroids, starts, probes)


def enough_probes(
    centroids: Chunks, lists: NDArray[np.int64], asked: Vectors, near: list[NDArray[np.int64]]
) -> int:
    """Return how many lists must be probed.

    Parameters
    ----------
    centroids : Chunks
    lists : ndarray of int64
        The list of each slot.
    asked : ndarray of float32, shape (n, dimension)
    near : list of ndarray of int64
        The slots of the true neighbours of each.
    """
    every = np.arange(len(centroids))
    needed = []
    for query, slots in zip(asked, near, strict=True):
        rank = np.empty(len(every), np.int64)
        rank[np.argsort(-centroids.scores(every, query), kind="stable")] = every
        needed += (rank[lists[slots]] + 1).tolist()
    wanted = np.sort(needed)[min(len(needed) - 1, int(RECALL * len(needed)))]
    filled = np.ceil(LEAST_ROWS * len(every) / len(lists))
    return int(min(len(every), max(LEAST, filled, np.ceil(SAFETY * wanted))))
