"""Check fused answers of real questions against brute force, and that short ones begin long ones.

    python -m bench.exactness --collections DIR... --vectors DIR

For every question of a collection and every method that is proved by a threshold: the rows for
k = 1, 10, 100 and 1,000 are those of the fusion of all scores of all rows, and each answer begins
the next.  Prints how many answers differ, which must be 0.
"""

import argparse
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.beir import Collection, analyzer_named
from bench.recall import print_row
from fusion import RRF, Arm, ByRank, Comb, Fused, Method, Weighted, exact_top_k
from fusion.normalize import NORMS
from indexes import BM25Index, DenseIndex

KS = 1, 10, 100, 1000
WEIGHTS = {"bm25": 0.3, "dense": 0.7}
METHODS: dict[str, Method] = {
    "z-scores": Weighted(WEIGHTS),
    "tm2c2": Weighted(WEIGHTS, "minmax"),
    "dbsf": Weighted(WEIGHTS, "dbsf"),
    "max": Comb("max"),
    "min": Comb("min"),
    "med": Comb("med"),
    "rrf": RRF(),
    "isr": ByRank("isr"),
}


def questions(folder: Path, vectors: Path) -> Iterator[dict[str, Arm]]:
    """Yield every question of a collection as it is put to its two indexes."""
    collection = Collection.read(folder)
    stored = np.load(vectors / f"{collection.name}.npz", allow_pickle=False)
    analyzer = analyzer_named("auto", collection)
    ids = [str(name) for name in stored["ids"]]
    bm25, dense = BM25Index(), DenseIndex(stored["D"].shape[1], "cosine", "flat")
    bm25.add(np.arange(len(ids)), analyzer.batch([collection.texts[name] for name in ids]))
    dense.add(np.arange(len(ids)), stored["D"].astype(np.float32))
    for name, vector in zip(stored["qids"], stored["Q"].astype(np.float32), strict=True):
        terms = analyzer.query_terms(collection.queries[str(name)])
        yield {"bm25": Arm(bm25, terms), "dense": Arm(dense, vector)}


def fused_scores(arms: Mapping[str, Arm], method: Method) -> NDArray[np.float32]:
    """Return the fused score of every row, from every score of every row."""
    rows = np.arange(len(arms["dense"].index))
    full = {name: arm.index.score(arm.query, rows) for name, arm in arms.items()}
    if isinstance(method, (RRF, ByRank)):
        values = {name: _gains(scores, name, method) for name, scores in full.items()}
        total = values["bm25"] + values["dense"]
        if isinstance(method, ByRank):
            total = total * (1.0 + (full["bm25"] > 0))
        return np.asarray(total, np.float32)
    norm = NORMS[str(getattr(method, "norm", "none"))]
    bm25, dense = (norm(arms[n].index, arms[n].query).of(full[n]) for n in ("bm25", "dense"))
    if isinstance(method, Comb):
        combined: dict[str, Any] = {"max": np.maximum, "min": np.minimum, "med": _middle}
        return np.asarray(combined[method.of](bm25, dense), np.float32)
    return np.asarray(WEIGHTS["bm25"] * bm25 + WEIGHTS["dense"] * dense, np.float32)


def _middle(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((one + other) / 2)


def _gains(scores: NDArray[np.float32], name: str, method: RRF | ByRank) -> NDArray[np.float64]:
    order = np.lexsort((np.arange(len(scores)), -scores))
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    gains = 1 / (method.k + ranks) if isinstance(method, RRF) else 1 / ranks**2
    return np.where((scores > 0) | (name == "dense"), gains, 0.0)


def differences(arms: Mapping[str, Arm], method: Method) -> tuple[int, int]:
    """Return how many answers are not those of brute force, and how many do not begin the next."""
    scores = fused_scores(arms, method)
    order = np.lexsort((np.arange(len(scores)), -scores))
    answers = [exact_top_k(arms, method, k) for k in KS]
    # sums in another order round differently: rows may change places where scores are all but equal
    wrong = sum(
        not found.certificate.exact
        or not np.allclose(scores[found.rows], scores[order[:k]], rtol=1e-6, atol=1e-6)
        for k, found in zip(KS, answers, strict=True)
    )
    return wrong, sum(not _begins(shorter, longer) for shorter, longer in pairwise(answers))


def _begins(shorter: Fused, longer: Fused) -> bool:
    first = longer.first(len(shorter))
    return np.array_equal(shorter.rows, first.rows) and np.array_equal(shorter.scores, first.scores)


def main() -> None:
    """Check the collections that are named on the command line, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--collections", nargs="+", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True, help="folder of npz files")
    arguments = parser.parse_args()
    print_row(["collection", "method", "answers", "wrong", "not a prefix"])
    print_row(["---"] * 5)
    for folder in arguments.collections:
        asked = list(questions(folder, arguments.vectors))
        for name, method in METHODS.items():
            found = [differences(arms, method) for arms in asked]
            wrong, broken = (sum(column) for column in zip(*found, strict=True))
            print_row([folder.name, name, str(len(KS) * len(asked)), str(wrong), str(broken)])


if __name__ == "__main__":
    main()
