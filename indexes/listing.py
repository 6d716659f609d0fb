"""Which kind of search serves how many vectors, and how lists are made for it."""

import logging
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexes.approximate import Cells, nearest, train
from indexes.clusters import ASKED, NEIGHBOURS, Clusters, enough_probes
from indexes.dense_chunks import Chunks
from indexes.dense_rows import Stored
from indexes.flat import Pool
from indexes.vectors import Metric, Vectors

Kind = Literal["auto", "flat", "hnsw", "ivf", "ivf-pq"]

FLAT_LIMIT = 400_000_000
"""Numbers in all vectors above which "auto" takes lists: their codes take 20 ms to read, and flat
is exact.  Just below it lists are ten times as quick (docs/adr/0010), after minutes of making them.
"""

LEAST_LISTED = 4096
"""Rows below which lists are not worth making."""

_PER_LIST, _PER_SHORT_LIST = 64, 256
"""Rows of a list; FAISS compares each row with all centroids when it makes short codes of it."""

_SAMPLED, _MOST_PARTS = 40, 256  # rows for each list that it is learnt from; lists of one cell
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
    coarse = train(sampled(stored), round(len(live) ** 0.5), metric)
    most = _PER_LIST if kind == "ivf" else _PER_SHORT_LIST
    means = _split(stored, live, coarse, min(most, len(live) ** 0.5 / 2))
    centroids = _coded(means, metric)
    cells = Cells(coarse, means, metric)
    lists = np.concatenate([cells.nearest(block) for block in stored.blocks(live)])
    order = np.argsort(lists, kind="stable")
    stored.move(live[order])
    lists = lists[order]
    starts = np.searchsorted(lists, np.arange(len(centroids) + 1))
    stored.chunks.code(True)
    probes = enough_probes(centroids, lists, *_neighbours(stored))
    stored.chunks.code(kind == "ivf")
    log.info("dense index: %d lists for %d rows, of which a search probes %d (kind=%s)",
             len(centroids), len(live), probes, kind)  # fmt: skip
    return Clusters.of(centroids, starts, probes)


def _split(stored: Stored, live: NDArray[np.int64], coarse: Vectors, size: float) -> Vectors:
    """Return centroids of lists of about so many rows, made within the cell of each coarse one.

    Many lists cost little this way.  A natural cluster that has no centroid of its own is torn
    apart over hundreds of lists, so there must be more lists than such clusters.
    """
    metric = stored.metric
    cells = np.concatenate([nearest(block, coarse, metric) for block in stored.blocks(live)])
    order = np.argsort(cells, kind="stable")
    ends = np.searchsorted(cells[order], np.arange(1, len(coarse)))
    means = []
    for members in np.split(live[order], ends):
        if len(members):
            count = min(_MOST_PARTS, max(1, round(len(members) / size)))
            some = members[:: max(1, len(members) // (_SAMPLED * count))]
            means.append(train(stored.chunks.vectors_of(some), count, metric))
    return np.concatenate(means)


def _coded(means: Vectors, metric: Metric) -> Chunks:
    """Return centroids with codes, which a search scans as it scans those of rows."""
    centroids = Chunks(means.shape[1], metric)
    centroids.code(True)
    centroids.append(means)
    return centroids


def sampled(stored: Stored) -> Vectors:
    """Return the vectors that lists and short codes are learnt from: evenly spread live slots."""
    live = np.flatnonzero(stored.slots.live)
    wanted = _SAMPLED * round(2 * len(live) ** 0.5)
    return stored.chunks.vectors_of(live[:: max(1, len(live) // wanted)])


def _neighbours(stored: Stored) -> tuple[Vectors, list[NDArray[np.int64]]]:
    """Return some vectors of the index and the slots of their true neighbours."""
    pool = stored.pool(None)
    size = len(pool.usable)
    asked = pool.chunks.vectors_of(np.arange(0, size, max(1, size // ASKED)))
    by_slot = Pool(pool.chunks, np.arange(size), pool.usable, pool.count, pool.longest)
    return asked, [found.rows for found in by_slot.best(list(asked), NEIGHBOURS)]
