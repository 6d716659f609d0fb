"""Fusion of lists as they are: methods that are defined by the first rows of each list.

Here are the ways of other systems, whose scores depend on how long the lists are (list norms, a
missing score that counts as zero), and those that compare candidates with each other (Borda,
Condorcet).  The length is a part of the method, so also here a short answer begins a longer one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.combining import COMBINE
from fusion.condorcet import victories
from fusion.fused import Certificate, Fused, Parts, cut
from fusion.gains import BY_LISTS, Lists, inverse_square, reciprocal
from fusion.methods import RRF, Bayes, ByRank, Comb, Condorcet, Method, Weighted, weights_for
from fusion.normalize import LIST_NORMS, NORMS, Scale
from fusion.sources import Arm
from fusion.table import Table
from indexes.candidates import Candidates, Mask, Rows, Scores

Parallel = Callable[..., Any]
Score = Callable[[str, Rows], Scores]

_COUNTING = ("mnz", "log-mnz", "anz")
_COMBINED = {"isr": "mnz", "log-isr": "log-mnz"}


def fuse(lists: Mapping[str, Candidates], method: Method, k: int) -> Fused:
    """Return the best `k` rows of ranked lists that come from elsewhere.

    Ranks count over the lists as they are.  The score of a row in an index whose list does not have
    it is unknown here and comes back as NaN.

    Parameters
    ----------
    lists : mapping of str to Candidates
        By name of index.  Each is used to the end, whatever the depth of the method.
    method : Method
        How to fuse.  Scores need a norm of lists, and `missing` "zero" or "floor": a list does not
        know the scores of rows that it lacks, and they are never guessed.
    k : int
        Most rows to return, >= 1.

    Raises
    ------
    ValueError
        If the method needs the indexes themselves: `exact_top_k` has them.
    """
    if k < 1:
        raise ValueError(f"expected k of at least 1, not {k}")
    weights = weights_for(method, lists)
    used = {name: lists[name] for name in weights}
    check_lists(method)
    if isinstance(method, Condorcet):
        method = replace(method, missing="zero")
    table = Table.of(used, weights)
    scales = {name: scale_of(method, found) for name, found in used.items()}
    contributions = _filled(table, method, used, scales, None)
    return cut(table, contributions, k, _certificate(used, (), 0))


def check_lists(method: Method) -> None:
    """Raise ValueError if a method needs more than lists."""
    if isinstance(method, (Weighted, Comb)):
        if method.norm in NORMS and method.norm != "none":
            raise ValueError(
                f"expected a norm of lists, {', '.join(LIST_NORMS)} or none, not {method.norm!r}: "
                f"that needs the indexes, see exact_top_k"
            )
        if method.missing == "exact":
            raise ValueError(
                "expected missing 'zero' or 'floor': a list does not know the scores of rows that "
                "it lacks; exact_top_k computes them"
            )


def fuse_read(
    arms: Mapping[str, Arm],
    method: Method,
    weights: Mapping[str, float],
    k: int,
    reading: tuple[Mask | None, Parallel],
) -> Fused:
    """Return the best `k` of the first rows of every index's list; see `fusion.exact_top_k`."""
    allowed, parallel = reading

    def read(name: str) -> Candidates:
        return arms[name].index.search(arms[name].query, method.depth, allowed)

    def score(name: str, rows: Rows) -> Scores:
        return arms[name].index.score(arms[name].query, rows)

    lists = dict(zip(arms, parallel(read, arms), strict=True))
    table = Table.of(lists, weights)
    scales = {name: scale_of(method, lists[name], arm) for name, arm in arms.items()}
    contributions = _filled(table, method, lists, scales, score)
    approximate = tuple(name for name, arm in arms.items() if not arm.index.exact)
    fused = cut(table, contributions, k, _certificate(lists, approximate, method.depth))
    parts = {name: _scored(part, name, fused.rows, score) for name, part in fused.parts.items()}
    return replace(fused, parts=parts)


def scale_of(method: Method, found: Candidates, arm: Arm | None = None) -> Scale:
    """Return the scale of an index's scores; of no use where ranks are fused."""
    norm = method.norm if isinstance(method, (Weighted, Comb)) else "none"
    if norm in NORMS and arm is not None:
        return NORMS[norm](arm.index, arm.query)
    if norm == "none" or not len(found):
        return Scale(0.0, 0.0 if norm != "none" else 1.0)
    return LIST_NORMS[norm](found.scores)


def _filled(
    table: Table,
    method: Method,
    lists: Mapping[str, Candidates],
    scales: Mapping[str, Scale],
    score: Score | None,
) -> NDArray[np.float64]:
    """Fill in the values of a table; return what each index contributes to each row."""
    if isinstance(method, Condorcet):
        preferred = _preferences(table, score if method.missing == "exact" else None)
        table.values[:] = preferred
        return victories(preferred, table.weights[:, 0])
    for line, name in enumerate(table.names):
        ranks = table.ranks[line]
        if isinstance(method, (Weighted, Comb)):
            table.values[line] = _from_scores(table, line, method, scales[name], score)
        else:
            size = Lists(len(lists[name]), len(table.rows))
            table.values[line] = _from_ranks(ranks, method, name, size)
    if isinstance(method, (Weighted, Comb)):
        combine = method.of if isinstance(method, Comb) else "sum"
        if method.missing != "zero" and combine not in _COUNTING:
            table.listed[:] = True
    else:
        combine = _COMBINED.get(method.gain, "sum") if isinstance(method, ByRank) else "sum"
    return COMBINE[combine](table.weights * table.values, table.listed)


def _from_scores(
    table: Table, line: int, method: Weighted | Comb, scale: Scale, score: Score | None
) -> NDArray[np.float64]:
    """Return the values of an index's scores; missing ones as the method has it."""
    listed = table.ranks[line] > 0
    if method.missing == "exact" and score is not None:
        rows = table.rows[~listed]
        table.scores[line, ~listed] = score(table.names[line], rows)
        return scale.of(table.scores[line])
    values = np.zeros(len(listed))
    values[listed] = scale.of(table.scores[line, listed])
    if method.missing == "floor":
        values[~listed] = values[listed].min(initial=np.inf) if listed.any() else 0.0
    return values


def _from_ranks(
    ranks: NDArray[np.int64], method: RRF | ByRank | Bayes, name: str, size: Lists
) -> NDArray[np.float64]:
    """Return what the ranks of an index are worth."""
    if isinstance(method, Bayes):
        odds = np.array([method.missing_odds, *method.odds[name], method.missing_odds])
        return odds[np.minimum(ranks, len(odds) - 1)]
    if method.missing == "floor":
        ranks = np.where(ranks > 0, ranks, size.length + 1)
    if isinstance(method, RRF):
        return reciprocal(ranks, method.k)
    if method.gain in BY_LISTS:
        return BY_LISTS[method.gain](ranks, size)
    return inverse_square(ranks)


def _preferences(table: Table, score: Score | None) -> NDArray[np.float64]:
    """Return a number for each index and row: of two rows an index prefers the higher one."""
    last = table.ranks.max(axis=1, initial=0)[:, None] + 1.0
    places = np.where(table.ranks > 0, table.ranks, last)
    if score is not None:
        for line, name in enumerate(table.names):
            off = np.flatnonzero(table.ranks[line] == 0)
            scores = score(name, table.rows[off])
            table.scores[line, off] = scores
            behind = np.lexsort((table.rows[off], -scores))
            places[line, off[behind]] += np.arange(len(off))
    return -places


def _scored(part: Parts, name: str, rows: Rows, score: Score) -> Parts:
    """Return a part with the scores that are not known yet."""
    unknown = np.isnan(part.scores)
    if not unknown.any():
        return part
    scores = part.scores.copy()
    scores[unknown] = score(name, rows[unknown])
    return replace(part, scores=scores)


def _certificate(
    lists: Mapping[str, Candidates], approximate: Sequence[str], window: int
) -> Certificate:
    """Return the certificate of an answer over the first rows of each list."""
    depths = {name: len(found) for name, found in lists.items()}
    cut_off = window if any(depth == window for depth in depths.values()) else 0
    return Certificate(
        not approximate and not cut_off, tuple(approximate), depths, -np.inf, window=cut_off
    )
