"""What FAISS does for us: graphs (HNSW), short codes (PQ), centroids.  The only import of it.

FAISS only proposes; `indexes.dense` scores what it proposes from the stored vectors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Mask
from indexes.faiss_files import check_graph, check_short_codes
from indexes.vectors import Metric, Vectors, lengths_of

if TYPE_CHECKING:
    from indexes.dense_chunks import Chunks

ANN_LIST = 256
"""Length of HNSW's list, and its efSearch: fixed, so that a short answer begins a longer one."""

PROPOSED = 512
"""How many slots short codes propose: fixed for the same reason."""

_PART = 4  # how many numbers of a vector four bits stand for
_LINKS, _EF_CONSTRUCTION = 32, 200
_ROUNDS, _SEED, _TRAINED_ON = 8, 1234, 40
_CELLS = 24  # coarse cells in which the nearest centroid is looked for


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have FAISS work on one thread: with more, what it makes differs from run to run."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


class Graph:
    """HNSW over slots; it keeps a copy of the vectors.

    Parameters
    ----------
    dimension : int
    metric : {"cosine", "ip", "l2"}
    """

    def __init__(self, dimension: int, metric: Metric) -> None:
        self._graph = faiss.IndexHNSWFlat(dimension, _LINKS, _faiss_metric(metric))
        self._graph.hnsw.efConstruction = _EF_CONSTRUCTION

    def __len__(self) -> int:
        return int(self._graph.ntotal)

    @property
    def bytes(self) -> int:
        """Bytes of vectors and links, of the latter to one in a hundred."""
        return int(self._graph.ntotal * 4 * (self._graph.d + 2 * _LINKS + 3))

    def add(self, vectors: Vectors) -> None:
        """Add the vectors of the slots that follow."""
        with _one_thread():
            self._graph.add(np.ascontiguousarray(vectors))

    def near(self, query: Vectors, usable: Mask) -> NDArray[np.int64]:
        """Return the usable slots on HNSW's list."""
        bits = np.packbits(usable, bitorder="little")
        chosen = None if usable.all() else faiss.IDSelectorBitmap(bits)
        parameters = faiss.SearchParametersHNSW(efSearch=ANN_LIST, sel=chosen)
        _, found = self._graph.search(query[None], ANN_LIST, params=parameters)
        return np.asarray(found[0][found[0] >= 0])

    def save(self, path: Path) -> None:
        """Write the graph to a file."""
        faiss.write_index(self._graph, str(path))

    @classmethod
    def load(cls, path: Path, dimension: int, size: int, metric: Metric) -> Self:
        """Read what `save` wrote for as many vectors; ValueError if the file is another."""
        check_graph(path, dimension, size, _faiss_metric(metric))
        graph = cls.__new__(cls)
        graph._graph = _read(path, faiss.IndexHNSWFlat)
        return graph


class ShortCodes:
    """Product quantization in the lists around given centroids, scanned with tables in registers.

    Four bits stand for four numbers of what a vector differs in from its centroid: an eighth of
    the bytes that flat search reads.

    Parameters
    ----------
    centroids : ndarray of float32, shape (lists, dimension)
    sample : ndarray of float32, shape (n, dimension)
        What the codes are learnt from.
    metric : {"cosine", "ip", "l2"}

    References
    ----------
    Jegou, Douze, Schmid, "Product quantization for nearest neighbor search", TPAMI 2011.
    Andre, Kermarrec, Le Scouarnec, "Cache locality is not enough", VLDB 2015.
    """

    def __init__(self, centroids: Vectors, sample: Vectors, metric: Metric) -> None:
        parts = -(-centroids.shape[1] // _PART)
        width, kind = parts * _PART, _faiss_metric(metric)
        lists = faiss.IndexFlat(width, kind)
        lists.add(_widened(centroids, width))
        self._codes = faiss.IndexIVFPQFastScan(lists, width, len(centroids), parts, 4, kind)
        self._codes.pq.cp.min_points_per_centroid = 1  # or it warns on stderr
        with _one_thread():
            self._codes.train(_widened(sample, width))

    def __len__(self) -> int:
        return int(self._codes.ntotal)

    @property
    def bytes(self) -> int:
        """Bytes of codes, numbers of slots and centroids."""
        codes = self._codes
        return int(codes.ntotal * (codes.code_size + 8) + codes.nlist * codes.d * 4)

    def add(self, vectors: Vectors) -> None:
        """Add the vectors of the slots that follow."""
        with _one_thread():
            self._codes.add(_widened(vectors, self._codes.d))

    def near(self, query: Vectors, usable: Mask, probes: int) -> NDArray[np.int64]:
        """Return the usable slots of the best codes in so many lists."""
        bits = np.packbits(usable, bitorder="little")
        chosen = None if usable.all() else faiss.IDSelectorBitmap(bits)
        parameters = faiss.SearchParametersIVF(nprobe=probes, sel=chosen)
        wide = _widened(query[None], self._codes.d)
        with _one_thread():
            _, found = self._codes.search(wide, PROPOSED, params=parameters)
        slots = found[0]
        return np.asarray(slots[(slots >= 0) & (slots < len(usable))])

    def save(self, path: Path) -> None:
        """Write codes and lists to a file."""
        faiss.write_index(self._codes, str(path))

    @classmethod
    def load(cls, path: Path, centroids: "Chunks", size: int) -> Self:
        """Read what `save` wrote for as many vectors; ValueError if the file is another."""
        parts = -(-centroids.dimension // _PART)
        kind = _faiss_metric(centroids.metric)
        check_short_codes(path, parts * _PART, parts, size, len(centroids), kind)
        codes = cls.__new__(cls)
        codes._codes = _read(path, faiss.IndexIVFPQFastScan)
        return codes


def _read(path: Path, kind: type) -> Any:
    """Return the index in a file that was checked."""
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise ValueError(f"expected an index of FAISS in {path.name}: {error}") from error
    if not isinstance(index, kind):
        raise ValueError(f"expected {kind.__name__} in {path.name}, not {type(index).__name__}")
    return index


def train(sample: Vectors, count: int, metric: Metric) -> Vectors:
    """Return centroids of a sample, at most one for each of its vectors.

    Where the dot product ranks, they are directions: a mean of unit vectors is the shorter the
    wider they are spread, and a product with it says little about which list is near.
    """
    count, spherical = min(count, len(sample)), metric != "l2"
    if spherical:
        lengths = lengths_of(sample)[:, None]
        sample = (sample / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    with _one_thread():
        means = faiss.Kmeans(
            sample.shape[1], count, niter=_ROUNDS, seed=_SEED, spherical=spherical,
            min_points_per_centroid=1, max_points_per_centroid=_TRAINED_ON,
        )  # fmt: skip
        means.train(sample)
        return np.asarray(means.centroids)


def nearest(vectors: Vectors, centroids: Vectors, metric: Metric) -> NDArray[np.int64]:
    """Return the number of the centroid that is nearest to each vector."""
    with _one_thread():
        _, found = faiss.knn(vectors, centroids, 1, metric=_faiss_metric(metric))
    return np.maximum(np.asarray(found[:, 0], np.int64), 0)


class Cells:
    """Centroids by their nearest coarse centroid, so that the nearest is found among few.

    Parameters
    ----------
    coarse, centroids : ndarray of float32, shape (n, dimension)
    metric : {"cosine", "ip", "l2"}
    """

    def __init__(self, coarse: Vectors, centroids: Vectors, metric: Metric) -> None:
        kind = _faiss_metric(metric)
        self._coarse = faiss.IndexFlat(coarse.shape[1], kind)
        self._coarse.add(coarse)
        self._cells = faiss.IndexIVFFlat(self._coarse, coarse.shape[1], len(coarse), kind)
        self._cells.is_trained = True
        self._cells.nprobe = _CELLS
        self._centroids, self._metric = centroids, metric
        with _one_thread():
            self._cells.add(centroids)

    def nearest(self, vectors: Vectors) -> NDArray[np.int64]:
        """Return the number of the centroid that is nearest to each vector, of those in reach."""
        with _one_thread():
            _, found = self._cells.search(vectors, 1)
        numbers = np.array(found[:, 0], np.int64)
        lost = numbers < 0  # the cells around it are empty
        if lost.any():
            numbers[lost] = nearest(vectors[lost], self._centroids, self._metric)
        return numbers


def _widened(vectors: Vectors, width: int) -> Vectors:
    """Return vectors with zeros behind, up to a width."""
    wide = np.zeros((len(vectors), width), np.float32)
    wide[:, : vectors.shape[1]] = vectors
    return wide


def _faiss_metric(metric: Metric) -> int:
    return int(faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)
