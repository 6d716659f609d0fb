"""Latent semantic analysis: dense vectors from the corpus itself, with nothing to download.

Chunks are weighted by (1 + ln tf) * idf, brought to length 1, and projected onto the leading right
singular vectors of the chunk-term matrix [1]_.  Words that occur in the same chunks come out alike.
It is no match for a trained model; fused at a low weight it lifts the recall of BM25.

References
----------
.. [1] Deerwester, Dumais, Furnas, Landauer, Harshman, "Indexing by Latent Semantic Analysis",
   JASIS 1990.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hybrid.encoders.base import Embeddings, Vectors
from hybrid.text_analyzer import TextAnalyzer
from indexes.opened import check, facts_in, listed, opened, whole

_MOST_TERMS = 20_000
_FEW_TEXTS = 100  # with more, a term that is in one text only connects nothing
_OVERSAMPLING, _POWER_ITERATIONS = 20, 2


class LSAEncoder:
    """Dense vectors by truncated SVD of TF-IDF.

    Parameters
    ----------
    analyzer : TextAnalyzer
        Where the terms come from.
    dimension : int
        Most dimensions, >= 1; fewer on a corpus that has not that many.
    """

    learns_from = 10_000  # enough for the basis; what it was not fitted to is projected onto it

    def __init__(self, analyzer: TextAnalyzer, dimension: int = 256) -> None:
        if dimension < 1:
            raise ValueError(f"expected a dimension of at least 1, not {dimension}")
        self.analyzer, self.most = analyzer, dimension
        self.fitted_on = 0
        self._terms: dict[str, int] = {}
        self._idf: NDArray[np.float64] = np.empty(0)
        self._basis: Vectors = np.zeros((0, 1), np.float32)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(self._basis.shape[1])

    def reading_with(self, analyzer: TextAnalyzer) -> Self:
        """Return an unfitted copy that takes its terms from another analyzer."""
        return type(self)(analyzer, self.most)

    def fit(self, texts: Iterable[str]) -> Self:
        """Return an encoder that is fitted to the texts of a corpus.

        It depends on the texts and their order only: the SVD starts from fixed numbers and runs
        on one thread.
        """
        counts = [Counter(self.analyzer.query_terms(text)) for text in texts]
        fitted = type(self)(self.analyzer, self.most)
        fitted.fitted_on = len(counts)
        spread = Counter(term for count in counts for term in count)
        least = 2 if len(counts) > _FEW_TEXTS else 1
        kept = [term for term, chunks in spread.most_common(_MOST_TERMS) if chunks >= least]
        if not kept:
            return fitted
        fitted._terms = {term: number for number, term in enumerate(kept)}
        in_chunks = np.array([spread[term] for term in kept])
        fitted._idf = 1 + np.log((1 + len(counts)) / (1 + in_chunks))
        with threadpool_limits(1):  # the bits of a matrix product depend on the threads
            fitted._basis = _right_singular_vectors(fitted._weighted(counts), self.most)
        return fitted

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode texts; one without any known term gets a row of zeros."""
        counts = [Counter(self.analyzer.query_terms(text)) for text in texts]
        if not self._terms:
            return Embeddings(dense=np.zeros((len(texts), self.dimension), np.float32))
        weighted = self._weighted(counts)
        used = np.unique(weighted.indices)  # the whole basis in float64 takes longer than the rest
        vectors = weighted[:, used] @ self._basis[used].astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings(dense=(vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32))

    encode_queries = encode_documents

    def fingerprint(self) -> dict[str, Any]:
        """Return what decides about the vectors, apart from the corpus."""
        return {"kind": "lsa", "name": "lsa", "most_dimensions": self.most}

    def save(self, folder: Path) -> None:
        """Write what was learned into a folder that exists."""
        learned = {"fitted_on": self.fitted_on, "terms": list(self._terms)}
        (folder / "lsa.json").write_text(json.dumps(learned, ensure_ascii=False), "utf-8")
        np.save(folder / "idf.npy", self._idf, allow_pickle=False)
        np.save(folder / "basis.npy", self._basis, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, analyzer: TextAnalyzer, dimension: int) -> Self:
        """Open what `save` wrote."""
        encoder = cls(analyzer, dimension)
        learned = facts_in(folder / "lsa.json")
        encoder.fitted_on = whole(
            learned.get("fitted_on"), "texts that LSA learned from", 0, 1 << 62
        )
        terms = listed(learned, "terms")
        strings = all(isinstance(term, str) for term in terms)
        check(strings and len(set(terms)) == len(terms), "the terms of LSA")
        encoder._terms = {term: number for number, term in enumerate(terms)}
        encoder._idf = opened(folder / "idf.npy", "<f8", (len(terms),), mode=None)
        encoder._basis = opened(folder / "basis.npy", "<f4", (len(terms), None), mode="r")
        return encoder

    def _weighted(self, counts: Sequence[Counter[str]]) -> sp.csr_matrix:
        """Return TF-IDF rows of length 1, by known term."""
        known = [[(self._terms[t], n) for t, n in c.items() if t in self._terms] for c in counts]
        sizes = np.array([len(pairs) for pairs in known], np.int64)
        flat = np.array([pair for pairs in known for pair in pairs], np.int64).reshape(-1, 2)
        terms, repeats = flat[:, 0], flat[:, 1]
        weights = (1 + np.log(repeats)) * self._idf[terms]
        rows = np.repeat(np.arange(len(counts)), sizes)
        lengths = np.sqrt(np.bincount(rows, np.square(weights), len(counts)))
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        shape = (len(counts), len(self._terms))
        return sp.csr_matrix((weights / lengths[rows], terms, offsets), shape)


def _right_singular_vectors(matrix: sp.csr_matrix, most: int) -> Vectors:
    """Return up to `most` leading right singular vectors, shape (terms, dimension).

    By a randomised range finder with two power iterations [1]_, algorithm 4.4: three times as
    fast as ARPACK through `scipy.sparse.linalg.svds`, and as good for retrieval (docs/adr/0005).

    References
    ----------
    .. [1] Halko, Martinsson, Tropp, "Finding Structure with Randomness", SIAM Review 2011.
    """
    wide = matrix.T.tocsr()
    width = min(most + _OVERSAMPLING, *matrix.shape)
    sample = wide @ np.random.default_rng(0).standard_normal((matrix.shape[0], width))
    for _ in range(_POWER_ITERATIONS):
        sample = wide @ np.linalg.qr(matrix @ np.linalg.qr(sample)[0])[0]
    range_ = np.linalg.qr(sample)[0]
    _, values, rotation = np.linalg.svd(matrix @ range_, full_matrices=False)
    rank = int(np.count_nonzero(values > 1e-9 * values.max(initial=0.0)))
    kept = rotation[: min(most, max(rank, 1))].T
    return np.ascontiguousarray(range_ @ kept, dtype=np.float32)
