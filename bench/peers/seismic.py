"""Seismic (Bruch, Nardini, Rulli, Venturini, SIGIR 2024): approximate search on sparse vectors.

The index without strings (`SeismicIndexRaw`) is taken, since it has the least to do for a query. It
reads a binary file: the number of vectors, then for each its length, components and values.  Build
settings are those that its guide has for SPLADE on MS MARCO, but for the length of the lists, which
depends on the collection: half of the mean list is kept, which was as quick here as a quarter or
all of it, and eight times as much where that does not reach the recall asked for.  The search
settings are the quickest of a grid that reach it.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from seismic import SeismicIndexRaw, SeismicIndexRawLV

from bench.peers import quickest
from indexes import Candidates

BUILD = {
    "centroid_fraction": 0.2,
    "min_cluster_size": 2,
    "summary_energy": 0.5,
    "max_fraction": 6.0,
    "doc_cut": 15,
}
KEPT = (0.5, 4.0)  # of the mean list
CUTS = (3, 5, 8, 10, 15, 20, 30, 50)
FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
CLOSEST = 6  # settings that are timed again
SMALL_VOCABULARY = 1 << 16

SparseVector = tuple[NDArray[np.int64], NDArray[np.float32]]


class Setting(NamedTuple):
    """Which index to search, and how thoroughly."""

    kept: float
    query_cut: int
    heap_factor: float
    in_order: bool

    def __str__(self) -> str:
        kept, cut, factor, in_order = self
        return f"kept={kept} query_cut={cut} heap_factor={factor} sorted={in_order}"


class Seismic:
    """An index whose search is tuned to a recall.

    Parameters
    ----------
    recall : float
        Least part of the exact best k that is to be found on the queries for tuning.
    """

    name = "seismic"
    least_overlap = 0.97  # on queries that it was not tuned on

    def __init__(self, recall: float = 0.98) -> None:
        self.recall = recall
        self._setting = Setting(KEPT[0], max(CUTS), min(FACTORS), True)
        self._indexes: dict[float, Any] = {}
        self._size = 0

    def build(self, content: sp.csr_matrix, folder: Path) -> None:
        """Build the index with the shorter lists."""
        self._content, self._folder = content, folder
        self._indexes[KEPT[0]] = self._indexed(KEPT[0])

    def tune(self, queries: Sequence[SparseVector], k: int, exact: Sequence[Candidates]) -> str:
        """Find the quickest setting with the recall, or the one with most recall."""
        for kept in KEPT:
            if kept not in self._indexes:
                self._indexes[kept] = self._indexed(kept)
            timed = []
            for setting in (Setting(kept, *rest) for rest in product(CUTS, FACTORS, (True, False))):
                start = time.perf_counter()
                answers = [self._ask(setting, query, k) for query in queries]
                seconds = time.perf_counter() - start
                timed.append((_recall(map(self.read, answers), exact), seconds, setting))
            enough = sorted((entry for entry in timed if entry[0] >= self.recall), key=_seconds)
            if enough:
                break
        near = {str(setting): setting for _, _, setting in enough[:CLOSEST] or [max(timed)]}
        ways: dict[str, Callable[[SparseVector, int], Any]]
        ways = {name: partial(self._ask, setting) for name, setting in near.items()}
        way = quickest(ways, queries, k)
        self._setting = near[way]
        return way

    def search(self, query: SparseVector, k: int) -> Any:
        """Return a list of (score, row)."""
        return self._ask(self._setting, query, k)

    def read(self, answer: Any) -> Candidates:
        """Return the answer."""
        rows = np.array([row for _, row in answer], np.int64)
        return Candidates(rows, np.array([score for score, _ in answer], np.float32))

    def size_bytes(self) -> int:
        """Return the bytes of the saved index with the shorter lists."""
        return self._size

    def _indexed(self, kept: float) -> Any:
        """Write the vectors as Seismic reads them, and index that file."""
        content, path = self._content, self._folder / "vectors.bin"
        _write(content, path)
        postings = int(kept * content.nnz / len(np.unique(content.indices)))
        kind = SeismicIndexRaw if content.shape[1] <= SMALL_VOCABULARY else SeismicIndexRawLV
        with _quiet():
            index = kind.build(str(path), n_postings=max(postings, 1), **BUILD)
            index.save(str(self._folder / "saved"))
        path.unlink()
        self._size = self._size or sum(each.stat().st_size for each in self._folder.iterdir())
        return index

    def _ask(self, setting: Setting, query: SparseVector, k: int) -> Any:
        ids, values = query
        kept, cut, factor, in_order = setting
        index = self._indexes[kept]
        return index.search(ids.astype(np.int32), values, k, cut, factor, 0, in_order)


def create() -> Seismic:
    """Return an engine that holds nothing yet."""
    return Seismic()


def _seconds(entry: tuple[float, float, Setting]) -> float:
    return entry[1]


def _recall(found: Iterable[Candidates], exact: Sequence[Candidates]) -> float:
    shares = [
        len(np.intersect1d(some.rows, best.rows)) / max(len(best), 1)
        for some, best in zip(found, exact, strict=True)
    ]
    return float(np.mean(shares))


def _write(matrix: sp.csr_matrix, path: Path) -> None:
    """Write vectors as u32 count, then u32 length, u32 components, f32 values of each."""
    bounds = matrix.indptr.tolist()
    components = matrix.indices.astype("<u4")
    values = matrix.data.astype("<f4")
    with path.open("wb") as file:
        file.write(np.uint32(matrix.shape[0]).tobytes())
        for low, high in pairwise(bounds):
            file.write(np.uint32(high - low).tobytes())
            file.write(components[low:high].tobytes() + values[low:high].tobytes())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Rust prints away from our table."""
    kept = os.dup(1)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
