"""rank-bm25: dicts and NumPy, a loop over all passages for each term of a query.

It is for small sizes only, since a query takes 2 ms for each thousand passages.  Its idf has no 1
in the logarithm and a floor for frequent terms, so its scores are not ours.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rank_bm25 import BM25Okapi

from indexes import Candidates
from indexes.terms import TermBatch

Terms = list[str]


class RankBm25:
    """BM25Okapi with our k1 and b."""

    name = "rank-bm25"
    least_overlap = 0.9

    def build(self, content: TermBatch, folder: Path) -> None:
        """Index the passages as lists of terms."""
        self._index = BM25Okapi(content.lists(), k1=1.2, b=0.75)

    def tune(self, queries: Sequence[Terms], k: int, exact: Sequence[Candidates]) -> str:
        """Say the only way there is."""
        return "get_scores + argpartition"

    def search(self, query: Terms, k: int) -> Any:
        """Return (rows, scores)."""
        scores = self._index.get_scores(query)
        k = min(k, len(scores))
        rows = np.argpartition(scores, len(scores) - k)[len(scores) - k :]
        rows = rows[np.argsort(-scores[rows])]
        return rows, scores[rows]

    def read(self, answer: Any) -> Candidates:
        """Return the answer without the rows that do not match."""
        rows, scores = answer
        return Candidates(rows[scores > 0].astype(np.int64), scores[scores > 0].astype(np.float32))

    def size_bytes(self) -> int:
        """Return 0: it does not say."""
        return 0


def create() -> RankBm25:
    """Return an engine that holds nothing yet."""
    return RankBm25()
