"""Plain, obviously correct versions of everything that is clever elsewhere."""

import math
from collections import Counter

import numpy as np


def bm25(rows, token_lists, query, k1=1.2, b=0.75):
    """Return {row: score} of every row that holds a term of the query, with dicts and math only."""
    counts = {row: Counter(tokens) for row, tokens in zip(rows, token_lists, strict=True)}
    lengths = {row: sum(count.values()) for row, count in counts.items()}
    average = sum(lengths.values()) / len(lengths) if lengths else 0
    scores = {}
    for term, repeats in Counter(query).items():
        df = sum(term in count for count in counts.values())
        idf = math.log(1 + (len(counts) - df + 0.5) / (df + 0.5))
        for row, count in counts.items():
            if term in count:
                norm = k1 * (1 - b + b * lengths[row] / average)
                part = repeats * idf * count[term] / (count[term] + norm)
                scores[row] = scores.get(row, 0.0) + part
    return scores


def sparse_dot(rows, matrix, ids, weights):
    """Return {row: score} of every row that shares a term with the query."""
    query = np.zeros(matrix.shape[1])
    known = [(i, w) for i, w in zip(ids, weights, strict=True) if i < matrix.shape[1]]
    for number, weight in known:
        query[number] = weight
    scores = np.asarray(matrix.astype(np.float64) @ query).ravel()
    return {row: score for row, score in zip(rows, scores, strict=True) if score > 0}


def dense(rows, vectors, query, metric):
    """Return {row: score} of every row, in float64."""
    wide, target = np.asarray(vectors, np.float64), np.asarray(query, np.float64)
    if metric == "cosine":
        wide = wide / np.linalg.norm(wide, axis=1, keepdims=True)
        target = target / np.linalg.norm(target)
    if metric == "l2":
        return dict(zip(rows, -((wide - target) ** 2).sum(axis=1), strict=True))
    return dict(zip(rows, wide @ target, strict=True))


def ranked(scores, depth=None):
    """Return [(row, score)] by float32 score descending, then row."""
    rounded = {row: np.float32(score) for row, score in scores.items()}
    return sorted(rounded.items(), key=lambda item: (-item[1], item[0]))[:depth]


def weighted(full_scores, scales, weights, k):
    """Return the fused top-k when every index's score of every candidate row is known.

    full_scores: {name: {row: score}} for all rows; scales: {name: (origin, slope)}.
    """
    rows = set().union(*(scores for scores in full_scores.values()))
    total = sum(weights.values())
    fused = {}
    for row in rows:
        fused[row] = sum(
            weights[name]
            / total
            * ((float(scores.get(row, 0.0)) - scales[name][0]) * scales[name][1])
            for name, scores in sorted(full_scores.items())
        )
    return ranked(fused, k)


def rrf(rankings, k_constant, weights, k):
    """Return the fused top-k of {name: [rows, best first]}."""
    fused = {}
    for name in sorted(rankings):
        for place, row in enumerate(rankings[name], 1):
            fused[row] = fused.get(row, 0.0) + weights[name] / (k_constant + place)
    return ranked(fused, k)
