"""Which kind of search serves how many vectors, and how lists are made for it."""

import logging
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexes.approximate import nearest, train
from indexes.clusters import ASKED, NEIGHBOURS, Clusters, enough_probes
from indexes.dense_chunks import Chunks
from indexes.dense_rows import Stored
from indexes.flat import Pool
from indexes.vectors import Vectors

Kind = Literal["auto", "flat", "hnsw", "ivf", "ivf-pq"]

FLAT_LIMIT = 800_000_000
"""Numbers in all vectors above which "auto" takes lists: their codes take 40 ms to read.  At half
of it lists were no quicker (docs/adr/0010), and flat is exact."""

LEAST_LISTED = 4096
"""Rows below which lists are not worth making."""

_DRIFT = 0.3  # share of slots added or deleted since training at which lists are made anew
log = logging.getLogger(__name__)


def chosen(rows: int, dimension: int, memory: int | None) -> tuple[Kind, str]:
    """Return the kind that "auto" stands for, and why.

    Parameters
    ----------
    rows, dimension : int
    memory : int or None
        Bytes that codes may take.
    """
    many = rows * dimension > FLAT_LIMIT and rows >= LEAST_LISTED
    kind: Kind = "ivf" if many else "flat"
    size = f"{rows} x {dimension} numbers are {'above' if many else 'within'} {FLAT_LIMIT}"
    codes = rows * (-(-dimension // 4) * 4 + 16)
    if memory is not None and codes > memory:
        return "ivf-pq", f"{size}; the codes of {kind} would take {codes} of {memory} bytes"
    return kind, size


def outdated(stored: Stored, clusters: Clusters) -> bool:
    """Return whether so much has changed since training that lists are to be made anew."""
    size = len(stored.slots)
    gone = int(np.count_nonzero(~stored.slots.live[: clusters.sorted]))
    return size - clusters.sorted + gone > _DRIFT * size


def sorted_into_lists(stored: Stored, kind: Kind) -> Clusters:
    """Sort the slots by their nearest centroid; dead ones are dropped.

    Codes are made for measuring how many lists are to be probed, and kept for "ivf".
    """
    metric, live = stored.metric, np.flatnonzero(stored.slots.live)
    means = train(sampled(stored), round(2 * len(live) ** 0.5), metric)
    centroids = Chunks(stored.dimension, metric)
    centroids.append(means)
    lists = np.concatenate([nearest(block, means, metric) for block in stored.blocks(live)])
    order = np.argsort(lists, kind="stable")
    stored.move(live[order])
    lists = lists[order]
    starts = np.searchsorted(lists, np.arange(len(centroids) + 1))
    stored.chunks.code(True)
    probes = enough_probes(centroids, lists, *_neighbours(stored))
    stored.chunks.code(kind == "ivf")
    log.info("dense index: %d lists for %d rows, of which a search probes %d (kind=%s)",
             len(centroids), len(live), probes, kind)  # fmt: skip
    return Clusters(centroids, starts, probes)


def sampled(stored: Stored) -> Vectors:
    """Return the vectors that lists and short codes are learnt from: evenly spread live slots."""
    live = np.flatnonzero(stored.slots.live)
    wanted = 40 * round(2 * len(live) ** 0.5)
    return stored.chunks.vectors_of(live[:: max(1, len(live) // wanted)])


def _neighbours(stored: Stored) -> tuple[Vectors, list[NDArray[np.int64]]]:
    """Return some vectors of the index and the slots of their true neighbours."""
    pool = stored.pool(None)
    size = len(pool.usable)
    asked = pool.chunks.vectors_of(np.arange(0, size, max(1, size // ASKED)))
    by_slot = Pool(pool.chunks, np.arange(size), pool.usable, pool.count, pool.longest)
    return asked, [found.rows for found in by_slot.best(list(asked), NEIGHBOURS)]
