"""Why a row is not among the first k, and what would bring it there.

This is a diagnosis: it reads every list to its end and works out the score of every row, which a
search avoids.  The numbers are those of a search, bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from fusion import rescored
from fusion.complete import complete, linear
from fusion.fused import Fused
from fusion.lifting import Lift, Linear, lifts_of, place_of
from fusion.methods import Method, weights_for
from fusion.sources import Arm
from fusion.table import best_places
from indexes.candidates import Mask, Rows, Scores, as_rows, is_allowed

Reason = Literal["score", "unlisted", "filter"]


@dataclass(frozen=True, slots=True)
class RowPart:
    """What one index says of a row.

    Attributes
    ----------
    rank : int or None
        Place on the index's complete list, from 1, or among the rows that it rescored.  None: it
        is not there.
    score : float
        The index's own score.
    normalised, weight, contribution : float
        As in `fusion.Parts`; NaN and 0 where the method looks at the first rows of each list only
        and the row is on none.
    """

    rank: int | None
    score: float
    normalised: float
    weight: float
    contribution: float


class Kth(NamedTuple):
    """The last hit."""

    row: int
    score: float


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Where a row stands, and what it lacks to be among the first k.

    Attributes
    ----------
    row, k : int
        What was asked.
    rank : int or None
        Place of the row in the complete fused order, from 1; None: it is no candidate.
    candidates : int
        How many rows that order has.
    score : float
        Its fused score; -inf where the method gives it none.
    kth : Kth or None
        The k-th hit, or the last of fewer; None when there is no hit at all.
    gap : float or None
        How much the score is below that of the last hit; above 0 or, where the row number decides,
        0.  Not above 0 for a hit; None for what is no candidate.
    missed_because : {"score", "unlisted", "filter"} or None
        None: it is a hit.  "score": others have more.  "unlisted": no index with a weight lists it.
        "filter": it is not allowed.
    parts : mapping of str to RowPart
        By name of index, in alphabetical order; those without a weight are among them where all
        their scores are known.
    lifts : mapping of str to (Lift or None)
        For each index the smallest change of its weight that makes the row a hit, the others
        keeping their proportions; None where no weight does.  Empty for a hit and where it was not
        worked out.
    lift : Lift or None
        The smallest of these.
    no_lifts : str
        Why `lifts` is empty or lacks an index; empty when it is complete.
    notes : tuple of str
        What else bears on the answer: indexes that are approximate, or that rescored.
    """

    row: int
    k: int
    rank: int | None
    candidates: int
    score: float
    kth: Kth | None
    gap: float | None
    missed_because: Reason | None
    parts: Mapping[str, RowPart]
    lifts: Mapping[str, Lift | None]
    lift: Lift | None
    no_lifts: str
    notes: tuple[str, ...]


def why_not(
    arms: Mapping[str, Arm],
    method: Method,
    rows: int | Sequence[int],
    k: int,
    allowed: Mask | None = None,
) -> WhyNot:
    """Return where a row stands in the fusion of some indexes, and why it is not a hit.

    Parameters
    ----------
    arms, method, k, allowed
        As in `fusion.top_k`, whose answer is explained.
    rows : int or sequence of int
        The row; of several, that which stands first is meant.  Whether they are alive is for the
        caller to know: here a dead row is one that no index lists.

    Raises
    ------
    ValueError
        If there is no row, a row is below 0, k is below 1, or the weights do not fit the indexes.
    """
    asked = as_rows([rows] if isinstance(rows, int) else rows)
    if not len(asked) or k < 1:
        raise ValueError(f"expected a row, and k of at least 1, not {rows} and {k}")
    weights = weights_for(method, arms)
    late = [n for n, arm in arms.items() if arm.rescores and len(arm.index) > rescored.POOL]
    combine = linear(method)
    if combine is None:
        reason = "with this method a score is no sum of weights times values of complete lists"
    elif set(late) & set(weights):
        reason = f"the rows that {', '.join(late)} rescores depend on the weights"
    else:
        searched = {name: arm for name, arm in arms.items() if name not in late}
        if method.weights is not None:
            method = replace(method, weights={name: method.weights[name] for name in searched})
        fusion = Linear(complete(searched, method, asked, allowed), method, combine)
        return _of_sums(fusion, searched, asked, k, allowed, late)
    seen = _of_search(arms, method, asked, allowed)
    return _told(seen, k, allowed, {}, reason)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A row, as in `WhyNot`, among all candidates with their fused scores, in any order."""

    rows: Rows
    scores: Scores
    row: int
    rank: int | None
    score: float
    parts: Mapping[str, RowPart]
    notes: tuple[str, ...]


def _of_sums(
    fusion: Linear,
    arms: Mapping[str, Arm],
    asked: Rows,
    k: int,
    allowed: Mask | None,
    late: Sequence[str],
) -> WhyNot:
    """Return the answer where all values are known, and so what other weights would do."""
    table = fusion.table
    scores, there = fusion.scores(fusion.weights)
    columns = np.flatnonzero(np.isin(table.rows, asked))
    at = int(columns[np.lexsort((table.rows[columns], -scores[columns], ~there[columns]))[0]])
    rank = place_of(table.rows, scores, there, at) if there[at] else None
    parts = _parts(fusion, arms, at)
    notes = tuple(
        f"{name} is approximate: only its list of {int(np.count_nonzero(ranks))} rows counts"
        for name, ranks in zip(table.names, table.ranks, strict=True)
        if not arms[name].index.exact
    )
    own = int(table.rows[at]), rank, float(scores[at])
    seen = _Seen(table.rows[there], scores[there], *own, parts, notes)
    if rank is not None and rank <= k:
        return _told(seen, k, allowed, {}, "it is a hit")
    if _filtered(seen.row, allowed):
        return _told(seen, k, allowed, {}, "the filter leaves it out, whatever the weights")
    untried = f"{', '.join(late)} has no weight, and as it rescores none was tried" if late else ""
    return _told(seen, k, allowed, lifts_of(fusion, at, k), untried)


def _parts(fusion: Linear, arms: Mapping[str, Arm], at: int) -> dict[str, RowPart]:
    """Return what each index says of the row at some place of the table."""
    table, weights, parts = fusion.table, fusion.weights, {}
    added = fusion.contributions(at)
    for line, name in enumerate(table.names):
        score = float(table.scores[line, at])
        if np.isnan(score):
            score = float(arms[name].index.score(arms[name].query, table.rows[[at]])[0])
        parts[name] = RowPart(
            int(table.ranks[line, at]) or None,
            score,
            float(table.values[line, at]),
            weights[name],
            added.get(name, 0.0),
        )
    return parts


def _of_search(arms: Mapping[str, Arm], method: Method, asked: Rows, allowed: Mask | None) -> _Seen:
    """Return where a row stands in the answer of a search for all rows."""
    everything = sum(len(arm.index) for arm in arms.values()) + 1
    fused = rescored.top_k(arms, method, everything, allowed)
    places = np.flatnonzero(np.isin(fused.rows, asked))
    place = int(places[0]) if len(places) else None
    row = int(asked[0] if place is None else fused.rows[place])
    parts = {
        name: _part(fused, name, arms[name], (row, place), allowed)
        for name in weights_for(method, arms)
    }
    rank, score = (None, -np.inf) if place is None else (place + 1, float(fused.scores[place]))
    return _Seen(fused.rows, fused.scores, row, rank, score, parts, _notes(fused))


def _part(
    fused: Fused, name: str, arm: Arm, where: tuple[int, int | None], allowed: Mask | None
) -> RowPart:
    """Return what an index says of a row at some place of an answer, or at none."""
    row, place = where
    part, alone = fused.parts[name], np.array([row])
    if name in fused.certificate.rescored:
        rank = 0 if place is None else int(part.ranks[place])
        score = arm.index.unranked(arm.query) if place is None else float(part.scores[place])
    else:
        rank = int(arm.index.ranks(arm.query, alone, allowed)[0])
        score = float(arm.index.score(arm.query, alone)[0])
    if place is None:
        return RowPart(rank or None, score, np.nan, part.weight, 0.0)
    numbers = float(part.normalised[place]), part.weight, float(part.contributions[place])
    return RowPart(rank or None, score, *numbers)


def _notes(fused: Fused) -> tuple[str, ...]:
    """Return what a certificate holds that bears on a row which is not a hit."""
    told, notes = fused.certificate, []
    if told.window:
        notes.append(f"only the first {told.window} rows of each list count")
    notes += [f"{name} is approximate: only its list counts" for name in told.approximate]
    if told.rescored:
        notes.append(
            f"{', '.join(told.rescored)} scored the first {told.pool} rows of the others only; "
            f"the rest count as its lowest score"
        )
    return tuple(notes)


def _filtered(row: int, allowed: Mask | None) -> bool:
    """Return whether a filter leaves a row out."""
    return allowed is not None and not is_allowed(np.array([row]), allowed)[0]


def _told(
    seen: _Seen, k: int, allowed: Mask | None, lifts: Mapping[str, Lift | None], no_lifts: str
) -> WhyNot:
    """Return the answer."""
    kth: Kth | None = None
    gap: float | None = None
    reason: Reason | None = None
    if len(seen.rows):
        last = best_places(seen.rows, seen.scores, k)[-1]
        kth = Kth(int(seen.rows[last]), float(seen.scores[last]))
    if seen.rank is None:
        reason = "filter" if _filtered(seen.row, allowed) else "unlisted"
    elif kth is not None:
        reason = "score" if seen.rank > k else None
        gap = kth.score - seen.score
    return WhyNot(
        seen.row,
        k,
        seen.rank,
        len(seen.rows),
        seen.score,
        kth,
        gap,
        reason,
        seen.parts,
        lifts,
        _smallest(lifts),
        no_lifts,
        seen.notes,
    )


def _smallest(lifts: Mapping[str, Lift | None]) -> Lift | None:
    """Return the smallest change; of changes of one size that which raises a weight."""
    return min(
        (lift for lift in lifts.values() if lift is not None),
        key=lambda lift: (round(lift.change, 6), lift.share < lift.share_now, lift.index),
        default=None,
    )
