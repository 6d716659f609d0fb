"""The family of BM25: what a term is worth, and what its occurrences in a row are worth.

score(q, c) = sum over t in q of idf(t) * gain(tf, length)

=============  ========================================  ==========================================
method         idf                                       gain
=============  ========================================  ==========================================
lucene         ln(1 + (N - df + 0.5) / (df + 0.5))       tf / (tf + K)
robertson      ln((N - df + 0.5) / (df + 0.5)), >= 0     tf / (tf + K)
atire          ln(N / df)                                tf (k1 + 1) / (tf + K)
bm25l          ln((N + 1) / (df + 0.5))                  (k1 + 1) (c + delta) / (k1 + c + delta)
bm25+          ln((N + 1) / df)                          tf (k1 + 1) / (tf + K) + delta
okapi          ln((N - df + 0.5) / (df + 0.5)); where    tf (k1 + 1) / (tf + K)
               negative, epsilon times its mean
okapi-l        ln((N + 1) / (df + 0.5))                  tf times that of bm25l
=============  ========================================  ==========================================

with K = k1 (1 - b + b length / average) and c = tf k1 / K.  The first five are those of [1]_, [2]_
and of bm25s, with the true length of a row; "okapi" and "okapi-l" are BM25Okapi and BM25L of
rank-bm25, whose BM25Plus is "bm25+".  With bm25l and bm25+ a row has a score from every term of the
query that the index knows, also from those that it lacks.

References
----------
.. [1] Kamphuis, de Vries, Boytsov, Lin, "Which BM25 Do You Mean? A Large-Scale Reproducibility
   Study of Scoring Variants", ECIR 2020.
.. [2] Lv, Zhai, "When Documents Are Very Long, BM25 Fails!", SIGIR 2011; "Lower-Bounding Term
   Frequency Normalization", CIKM 2011.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Formula:
    """One method with its constants.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    k1 : float
        How late a repeated term stops to count, >= 0.
    b : float
        How much a long row is marked down, 0 to 1.
    delta : float
        What bm25l and bm25+ grant to every occurrence, >= 0.
    epsilon : float
        Share of the mean idf that okapi gives to a term in more than half of the rows.

    Raises
    ------
    ValueError
        If one of them is something else.
    """

    method: str = "lucene"
    k1: float = 1.2
    b: float = 0.75
    delta: float = 0.5
    epsilon: float = 0.25

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"expected a BM25 method of {', '.join(METHODS)}, not {self.method!r}")
        if not 0 <= self.b <= 1:
            raise ValueError(f"expected b from 0 to 1, not {self.b}")
        for name in ("k1", "delta", "epsilon"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"expected {name} >= 0, not {value}")

    def idf(self, df: int, rows: int, mean_idf: Callable[[], float]) -> float:
        """Return the worth of a term that `df` of `rows` rows hold."""
        if self.method == "lucene":
            return math.log1p((rows - df + 0.5) / (df + 0.5))
        if self.method == "robertson":
            return max(_odds(df, rows), 0.0)
        if self.method == "atire":
            return math.log(rows / df)
        if self.method in ("bm25l", "okapi-l"):
            return math.log((rows + 1) / (df + 0.5))
        if self.method == "bm25+":
            return math.log((rows + 1) / df)
        odds = _odds(df, rows)
        return odds if odds >= 0 else self.epsilon * mean_idf()

    def gain(self, tf: Numbers, length: Numbers, average: float) -> Numbers:
        """Return the worth of `tf` occurrences, above that of none, in rows of some length."""
        norm = 1 - self.b + self.b * length / average
        if self.method in ("lucene", "robertson"):
            return tf / (tf + self.k1 * norm)
        if self.method in ("atire", "okapi", "bm25+"):
            return tf * (self.k1 + 1) / (tf + self.k1 * norm)
        raised = tf / norm + self.delta
        found = (self.k1 + 1) * raised / (self.k1 + raised)
        return tf * found if self.method == "okapi-l" else found - self.absent()

    def absent(self) -> float:
        """Return the worth of no occurrence."""
        if self.method == "bm25+":
            return self.delta
        if self.method == "bm25l":
            return (self.k1 + 1) * self.delta / (self.k1 + self.delta) if self.delta else 0.0
        return 0.0


METHODS = ("lucene", "robertson", "atire", "bm25l", "bm25+", "okapi", "okapi-l")


def mean_okapi_idf(dfs: NDArray[np.uint32], rows: int) -> float:
    """Return the mean of ln((N - df + 0.5) / (df + 0.5)) over all terms that are held.

    It is summed by document frequency, and so does not depend on the order of the terms.
    """
    frequencies, counts = np.unique(dfs[dfs > 0], return_counts=True)
    idfs = np.log((rows - frequencies + 0.5) / (frequencies + 0.5))
    return float((idfs * counts).sum() / counts.sum())


def _odds(df: int, rows: int) -> float:
    return math.log((rows - df + 0.5) / (df + 0.5))
