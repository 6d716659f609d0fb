"""Every fusion method in plain Python, from complete lists and the score of every row: the oracle.

Nothing is read to a depth, bounded or vectorised here.
"""

import math

import numpy as np

from fusion import RRF, Bayes, ByRank, Comb, Condorcet, Weighted

LISTED_BY_WINDOW = ("mnz", "log-mnz", "anz")


def fused(lists, full, method, weights, scales=None):
    """Return [(row, float32 score)], best first, of all rows on the lists that the method sees.

    lists: {name: [(row, score), best first]}, complete; full: {name: {row: score}};
    scales: {name: (origin, slope)} of norms of the corpus.
    """
    names = sorted(weights)
    exact = getattr(method, "missing", "zero") == "exact"
    windowed = not exact or is_windowed(method)
    seen = {name: lists[name][: method.depth] if windowed else lists[name] for name in names}
    rows = sorted({row for name in names for row, _ in seen[name]})
    scores = {}
    for row in rows:
        values = {}
        listed = {name: any(row == other for other, _ in seen[name]) for name in names}
        if isinstance(method, Condorcet):
            scores[row] = defeats(row, rows, seen, full, method, weights)
            continue
        for name in names:
            if isinstance(method, (Weighted, Comb)):
                value = from_score(row, name, seen[name], full[name], method, scales)
            else:
                value = from_rank(row, name, seen[name], method, len(rows))
            values[name] = None if value is None else weights[name] * value
        if isinstance(method, (Weighted, Comb)):
            of = method.of if isinstance(method, Comb) else "sum"
            if of not in LISTED_BY_WINDOW and method.missing != "zero":
                listed = dict.fromkeys(names, True)
        else:
            gain = getattr(method, "gain", "")
            of = {"isr": "mnz", "log-isr": "log-mnz"}.get(gain, "sum")
        scores[row] = combined(of, values, listed, names)
    best = sorted(scores, key=lambda row: (-np.float32(scores[row]), row))
    return [(row, np.float32(scores[row])) for row in best]


def is_windowed(method):
    """Return whether a method looks at the first rows of each list, though nothing is missing."""
    if isinstance(method, (Condorcet, Bayes)):
        return True
    if isinstance(method, Comb) and method.of in LISTED_BY_WINDOW:
        return True
    return isinstance(method, (Weighted, Comb)) and method.norm.startswith("list-")


def combined(of, values, listed, names):
    there = [values[name] for name in names if listed[name]]
    everything = sum((values[name] for name in names if values[name] is not None), 0.0)
    if of == "sum":
        return everything
    if of == "mnz":
        return everything * len(there)
    if of == "log-mnz":
        return everything * math.log(max(len(there), 1))
    if of == "anz":
        return everything / max(len(there), 1)
    return {"max": max, "min": min, "med": np.median}[of](there) if there else 0.0


def from_score(row, name, seen, full, method, scales):
    first = dict(seen)
    if row in first or method.missing == "exact":
        return normalised(full[row], name, [score for _, score in seen], method.norm, scales)
    if method.missing == "zero" or not seen:
        return 0.0
    return normalised(seen[-1][1], name, [score for _, score in seen], method.norm, scales)


def normalised(score, name, scores, norm, scales):
    if norm == "none":
        return score
    if not norm.startswith("list-"):
        origin, slope = scales[name]
        return (score - origin) * slope
    if not scores:
        return 0.0
    top, last, same = scores[0], scores[-1], scores[0] == scores[-1]
    mean, std = np.mean(scores), np.std(scores)
    if norm == "list-minmax":
        return 1.0 if same else (score - last) / (top - last)
    if norm == "list-max":
        return score / abs(top) if top else 0.0
    if norm == "list-sum":
        total = sum(one - last for one in scores)
        return 1 / len(scores) if same else (score - last) / total
    if norm == "list-zscore":
        return 0.0 if same else (score - mean) / std
    return 0.5 if same else (score - (mean - 3 * std)) / (6 * std)


def from_rank(row, name, seen, method, candidates):
    ranks = {other: place for place, (other, _) in enumerate(seen, 1)}
    rank = ranks.get(row)
    if isinstance(method, Bayes):
        odds = method.odds[name]
        return odds[rank - 1] if rank is not None and rank <= len(odds) else method.missing_odds
    if isinstance(method, ByRank) and method.gain == "borda":
        left = (candidates - len(seen) + 1) / 2
        return left if rank is None else candidates - rank + 1
    if isinstance(method, ByRank) and method.gain == "linear":
        return 0.0 if rank is None else 1 - (rank - 1) / len(seen)
    if rank is None and method.missing == "floor":
        rank = len(seen) + 1
    if rank is None:
        return 0.0
    return 1 / (method.k + rank) if isinstance(method, RRF) else 1 / rank**2


def defeats(row, rows, seen, full, method, weights):
    """Return how many other rows are defeated by the votes of the indexes."""
    total = 0.0
    for other in rows:
        if other == row:
            continue
        margin = 0.0
        for name, weight in weights.items():
            order = [one for one, _ in seen[name]]
            places = [order.index(one) if one in order else None for one in (row, other)]
            if places == [None, None]:
                if method.missing == "zero":
                    continue
                mine, its = ((-full[name][one], one) for one in (row, other))
            else:
                mine, its = (len(rows) if place is None else place for place in places)
            margin += weight if mine < its else -weight
        total += 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0
    return total
