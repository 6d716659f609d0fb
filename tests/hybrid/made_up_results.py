"""Results made up by hand or by chance, for tests of what is made from them."""

import numpy as np

from hybrid.benchmark.results import Latency, Result, Size, Way
from hybrid.tuned import Curve

HOSTILE = "<script>alert(1)</script> \"quoted\" & 'more' <svg id=figure_1> {{ 7 * 7 }}"


def ndcg(ranked, grades, k=10):
    """nDCG@k as in a textbook."""
    gains = [
        max(grades.get(doc, 0), 0) / np.log2(rank + 1) for rank, doc in enumerate(ranked[:k], 1)
    ]
    ideal = sorted((g for g in grades.values() if g > 0), reverse=True)[:k]
    best = sum(g / np.log2(rank + 1) for rank, g in enumerate(ideal, 1))
    return sum(gains) / best if best else 0.0


def recall(ranked, grades, k):
    relevant = {doc for doc, grade in grades.items() if grade > 0}
    return len(relevant & set(ranked[:k])) / len(relevant) if relevant else 0.0


def way(name, kind, lists, qrels, latency=None):
    """A way with these lists of documents, best first."""
    run = {q: {doc: float(-rank) for rank, doc in enumerate(docs)} for q, docs in lists.items()}
    measures = {
        "nDCG@10": np.array([ndcg(lists.get(q, []), grades) for q, grades in qrels.items()]),
        "R@10": np.array([recall(lists.get(q, []), grades, 10) for q, grades in qrels.items()]),
        "R@100": np.array([recall(lists.get(q, []), grades, 100) for q, grades in qrels.items()]),
    }
    return Way(name, kind, measures, run, latency, None, {})


def result(lists_by_way, qrels, queries=None, collection="made-up"):
    """A result of some ways: {(name, kind): {query: [doc, ...]}}."""
    ways = tuple(
        way(name, kind, lists, qrels, Latency(1.0 + number, 2.0 + number, 3.0 + number, 900.0))
        for number, ((name, kind), lists) in enumerate(lists_by_way.items())
    )
    size = Size(1_000, 1_200, 2.5, {"store": 123_456, "bm25": 34_567, "dense": 4_567_890}, 2**28)
    texts = queries or {query: f"question {query}" for query in qrels}
    return Result(collection, "lsa", texts, qrels, size, ways)


def by_chance(queries=40, documents=300, seed=0, collection="made-up"):
    """A result with two indexes, each better at other questions, fusions and a peer."""
    rng = np.random.default_rng(seed)
    names = [f"d{number}" for number in range(documents)]
    qrels = {
        f"q{number}": {str(doc): int(rng.integers(0, 3)) for doc in rng.choice(names, 6, False)}
        | {names[number % documents]: 1}
        for number in range(queries)
    }

    def lists(skill):
        found = {}
        for query, grades in qrels.items():
            good = skill * rng.random()
            scores = {doc: rng.random() + good * (grades.get(doc, 0) > 0) for doc in names}
            found[query] = sorted(scores, key=lambda doc: -scores[doc])[:100]
        return found

    ways = {
        ("bm25", "index"): lists(1.4),
        ("dense", "index"): lists(1.2),
        ("rrf", "fusion"): lists(1.6),
        ("default", "fusion"): lists(2.0),
        ("mnz", "fusion"): lists(1.7),
        ("another engine", "peer"): lists(1.3),
    }
    texts = {query: f"{HOSTILE} {query}" for query in qrels}
    return result(ways, qrels, texts, collection)


def weight_curve():
    """A measure against a weight."""
    weights = np.linspace(0, 1, 11)
    means = 0.4 + 0.1 * np.sin(3 * weights)
    lines = (tuple(line.tolist()) for line in (weights, means, means - 0.03, means + 0.03))
    return Curve("nDCG@10", "dense", *lines, 0.6)
