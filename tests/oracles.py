"""Plain, obviously correct versions of everything that is clever elsewhere."""

import math
from collections import Counter

import numpy as np

from indexes.formulas import Formula


def bm25(rows, token_lists, query, formula=None):
    """Return {row: score} of every row that holds a term of the query, with dicts and math only.

    Every step is in float32 and in the order of `indexes.view.Asked`: rare terms first.
    """
    formula = formula or Formula()
    counts = {row: Counter(tokens) for row, tokens in zip(rows, token_lists, strict=True)}
    lengths = {row: sum(count.values()) for row, count in counts.items()}
    average = sum(lengths.values()) / max(len(lengths), 1)
    terms = {term for count in counts.values() for term in count}
    dfs = {term: sum(term in count for count in counts.values()) for term in terms}
    repeats = Counter(term for term in query if term in dfs)
    scores, base = {}, 0.0
    for term in sorted(repeats, key=lambda term: dfs[term]):
        weight = repeats[term] * bm25_idf(formula, dfs, dfs[term], len(counts))
        base += weight
        for row, count in counts.items():
            if term in count and weight:
                gain = bm25_gain(formula, count[term], lengths[row] / average)
                gain = np.float32(gain - bm25_gain(formula, 0, 1.0))
                share = np.float32(weight) * gain
                scores[row] = scores.get(row, np.float32(0)) + share
    base = np.float32(base * bm25_gain(formula, 0, 1.0))
    return {row: score + base for row, score in scores.items() if score > 0}


def bm25_idf(formula, dfs, df, rows):
    """Return a term's worth, as the tables in the docstring of `indexes.formulas` say."""
    odds = {df: math.log((rows - df + 0.5) / (df + 0.5)) for df in dfs.values()}
    mean = math.fsum(odds[df] for df in dfs.values()) / len(dfs)
    return {
        "lucene": math.log(1 + (rows - df + 0.5) / (df + 0.5)),
        "robertson": max(odds[df], 0.0),
        "atire": math.log(rows / df),
        "bm25l": math.log((rows + 1) / (df + 0.5)),
        "bm25+": math.log((rows + 1) / df),
        "okapi": odds[df] if odds[df] >= 0 else formula.epsilon * mean,
        "okapi-l": math.log((rows + 1) / (df + 0.5)),
    }[formula.method]


def bm25_gain(formula, tf, relative_length):
    """Return the worth of `tf` occurrences, of none too."""
    k1, delta = formula.k1, formula.delta
    norm = 1 - formula.b + formula.b * relative_length
    raised = tf / norm + delta
    plain = tf / (tf + k1 * norm) if tf else 0.0
    boosted = (k1 + 1) * raised / (k1 + raised) if raised else 0.0
    return {
        "lucene": plain,
        "robertson": plain,
        "atire": (k1 + 1) * plain,
        "bm25l": boosted,
        "bm25+": (k1 + 1) * plain + delta,
        "okapi": (k1 + 1) * plain,
        "okapi-l": tf * boosted,
    }[formula.method]


def weighted_sum(values, order, weights):
    """Return the float32 sum over some columns of a dense table, column by column."""
    total = np.zeros(len(values), np.float32)
    for term, weight in zip(order, weights, strict=True):
        total += np.float32(weight) * values[:, term].astype(np.float32)
    return total


def bm25_of_counts(counts, query, k1=1.2, b=0.75):
    """Return the BM25 score (lucene) of each row of a dense table of term frequencies."""
    lengths = counts.sum(axis=1)
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    gains = (counts / (counts + norm[:, None])).astype(np.float32)
    dfs = (counts > 0).sum(axis=0)
    repeats = Counter(term for term in query if dfs[term])
    order = sorted(repeats, key=lambda term: dfs[term])
    weights = [
        repeats[term] * math.log1p((len(counts) - dfs[term] + 0.5) / (dfs[term] + 0.5))
        for term in order
    ]
    return weighted_sum(gains, order, weights)


def best_rows(rows, scores, depth):
    """Return rows and scores of the best, by score descending and then by row."""
    order = np.lexsort((rows, -scores))
    order = order[scores[order] > 0][:depth]
    return rows[order], scores[order]


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
