"""Which weight of an index would bring a row into the answer.

Where the fused score is a sum of weights times values, and the weight of one index goes from 0 to 1
while the others share the rest as they do now, every score is a straight line.  Another row is then
above the asked one on one side of the place where their lines cross, and how many are above it is
counted from crossing to crossing.

Scores are rounded before they are compared, so a crossing is as wide as the rounding.  Places where
fewer than k rows are above by more than that are the only ones to look at; there the scores are
computed as a search computes them, and what is reported was found in that way.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusion.combining import COMBINE
from fusion.methods import Method, Weighted, weights_for
from fusion.sweep import Sweep, clipped
from fusion.table import Table, total
from indexes.candidates import Mask, Scores

_ROUNDING = 2.0**-22  # of a score: twice what float32 rounds away at most
_TINY = 1e-15  # what sums that should be 0 may come to
_EDGE = 1e-9  # how near to 0 and 1 a share is looked for, where the index, or the others, count
_LOOKED_AT = 32  # crossings in a stretch at which the scores are computed
_HALVINGS = 48
_LEAST_DECIMALS, _MOST_DECIMALS = 2, 10


@dataclass(frozen=True, slots=True)
class Lift:
    """The nearest weight of one index with which a row is a hit.

    Attributes
    ----------
    index : str
        Whose weight.
    weight, now : float
        The weight, and what it is at present, as the method has it: for `Weighted` all sum to 1,
        for the others each is a factor of its own.
    rounded : float
        The weight with the fewest decimals beyond `weight` with which the row is a hit too.
    share, share_now : float
        The same with all weights scaled to sum to 1.
    weights : mapping of str to float
        Of all indexes, for the method.
    rank : int
        The place that the row has with them.
    """

    index: str
    weight: float
    now: float
    rounded: float
    share: float
    share_now: float
    weights: Mapping[str, float]
    rank: int

    @property
    def change(self) -> float:
        """How far the share is from the present one."""
        return abs(self.share - self.share_now)


@dataclass(frozen=True, slots=True)
class Linear:
    """All rows that any index lists, and a method that adds up weights times values.

    Attributes
    ----------
    table : Table
        Complete; its weights are of no use here.
    method : Method
        With a weight for each index of the table, 0 for those that are left out.
    combine : str
        How values become a score, by name in `fusion.combining`: one that is linear.
    """

    table: Table
    method: Method
    combine: str

    def scores(self, weights: Mapping[str, float]) -> tuple[Scores, Mask]:
        """Return the scores with some weights, bit for bit those of a search, and who has one.

        That is who is on a list of an index with a weight.
        """
        used, lines = self._used(weights)
        values = np.array(list(used.values()))[:, None] * self.table.values[lines]
        contributions = COMBINE[self.combine](values, self.table.listed[lines])
        return total(contributions), np.asarray((self.table.ranks[lines] > 0).any(axis=0))

    def contributions(self, at: int) -> dict[str, float]:
        """Return what each index with a weight adds to the score of the row at some place."""
        used, lines = self._used(self.weights)
        values = np.array(list(used.values()))[:, None] * self.table.values[lines, at : at + 1]
        added = COMBINE[self.combine](values, self.table.listed[lines, at : at + 1])
        return dict(zip(used, added[:, 0].tolist(), strict=True))

    def rank(self, weights: Mapping[str, float], at: int) -> int | None:
        """Return the place among all of the row at some place of the table; None: it has none."""
        scores, there = self.scores(weights)
        return place_of(self.table.rows, scores, there, at) if there[at] else None

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each index, 0 included."""
        used, _ = self._used(self.method.weights)
        return {name: used.get(name, 0.0) for name in self.table.names}

    def _used(self, weights: Mapping[str, float] | None) -> tuple[dict[str, float], list[int]]:
        """Return the weights above 0 as the method has them, and their lines of the table."""
        used = weights_for(replace(self.method, weights=weights), self.table.names)
        return used, [self.table.names.index(name) for name in used]


def place_of(rows: NDArray[np.int64], scores: Scores, there: Mask, at: int) -> int:
    """Return the place of one row among those that are `there`, and itself."""
    above = (scores > scores[at]) | ((scores == scores[at]) & (rows < rows[at]))
    return 1 + int(np.count_nonzero(above & there))


def lifts_of(fusion: Linear, at: int, k: int) -> dict[str, Lift | None]:
    """Return for each index the smallest change of its weight that makes a row a hit.

    Parameters
    ----------
    fusion : Linear
    at : int
        Where the row is in the table; it is not among the first k.
    k : int

    Returns
    -------
    dict of str to (Lift or None)
        None where no weight of the index does, with the others in their proportions.
    """
    return {name: _Line(fusion, name, at, k).lift() for name in fusion.table.names}


class _Line:
    """The scores of all rows as the share of one index goes from 0 to 1."""

    def __init__(self, fusion: Linear, name: str, at: int, k: int) -> None:
        self._fusion, self._name, self._at, self._k = fusion, name, at, k
        self._now = fusion.weights
        self._rest = sum(weight for other, weight in self._now.items() if other != name)
        self._share = self._now[name] / (self._now[name] + self._rest)
        self._free = not isinstance(fusion.method, Weighted)

    def lift(self) -> Lift | None:
        """Return the smallest change."""
        if not self._rest:
            return None  # alone it has all there is, whatever its weight
        self._sweep = self._swept()
        found = [share for share in (self._below(), self._above()) if share is not None]
        if not found:
            return None
        share = min(found, key=lambda one: (abs(one - self._share), one))
        weights = self._weights(share)
        rank = self._fusion.rank(weights, self._at)
        if rank is None:
            raise RuntimeError(f"expected a place with the weights {weights}")
        name, own = self._name, weights[self._name]
        rounded = self._rounded(own)
        return Lift(name, own, self._now[name], rounded, share, self._share, weights, rank)

    def _rounded(self, weight: float) -> float:
        """Return a weight with few decimals, further from the present one, that does as well."""
        outwards = math.ceil if weight > self._now[self._name] else math.floor
        for decimals in range(_LEAST_DECIMALS, _MOST_DECIMALS):
            scale = 10**decimals
            short: float = outwards(round(weight * scale, 6)) / scale
            if self._is_hit(self._with(short)):
                return short
        return weight

    def _with(self, weight: float) -> dict[str, float]:
        """Return the weights of all indexes with a weight of this one."""
        others = 1.0 if self._free else (1 - weight) / self._rest
        scaled = {name: other * others for name, other in self._now.items()}
        return {**scaled, self._name: weight}

    def _weights(self, share: float) -> dict[str, float]:
        """Return the weights of all indexes that give this one a share."""
        return self._with(share * self._rest / (1 - share) if self._free else share)

    def _is_hit(self, weights: Mapping[str, float]) -> bool:
        rank = self._fusion.rank(weights, self._at)
        return rank is not None and rank <= self._k

    def _hits(self, share: float) -> bool:
        return self._is_hit(self._weights(share))

    def _below(self) -> float | None:
        """Return the nearest share below the present one."""
        if self._share <= 0:
            return None
        inside = self._nearest(_EDGE, self._share) if self._share > _EDGE else None
        return 0.0 if inside is None and self._hits(0.0) else inside

    def _above(self) -> float | None:
        """Return the nearest share above the present one."""
        first = max(self._share, _EDGE)
        inside = self._nearest(1 - _EDGE, first) if first < 1 - _EDGE else None
        alone = inside is None and not self._free and self._hits(1.0)
        return 1.0 if alone else inside

    def _nearest(self, last: float, first: float) -> float | None:
        """Return the share between two, nearest to the first, with which the row is a hit."""
        turn = 1 if first < last else -1
        low, high = (first, last)[::turn]
        certain = [stretch[::turn][0] for stretch in clipped(self._sweep.certain, low, high)]
        for stretch in [*clipped(self._sweep.possible, low, high)][::turn]:
            near, far = stretch[::turn]
            crossings = self._sweep.crossings
            inside = crossings[slice(*np.searchsorted(crossings, stretch))][::turn]
            sure = [share for share in certain if stretch[0] <= share <= stretch[1]]
            points = [near, *inside[:_LOOKED_AT].tolist(), *sure, (near + far) / 2, far]
            found = self._first_hit(sorted(points, reverse=turn < 0))
            if found is not None:
                return found
        return None

    def _first_hit(self, points: list[float]) -> float | None:
        """Return the first share of some with which the row is a hit, or one just before it."""
        for number, point in enumerate(points):
            if self._hits(point):
                return self._between(points[number - 1], point) if number else point
        return None

    def _between(self, miss: float, hit: float) -> float:
        """Return a share with which the row is a hit, as near as can be to one where it is not."""
        for _ in range(_HALVINGS):
            middle = (miss + hit) / 2
            if self._hits(middle):
                hit = middle
            else:
                miss = middle
        return hit

    def _swept(self) -> Sweep:
        """Return where the row can be a hit while all indexes that have a weight keep some."""
        table = self._fusion.table
        used = [name for name in table.names if self._now[name] > 0 or name == self._name]
        lines = [table.names.index(name) for name in used]
        there = np.asarray((table.ranks[lines] > 0).any(axis=0))
        values = COMBINE[self._fusion.combine](table.values[lines], table.listed[lines])
        at_1 = values[used.index(self._name)]
        shares = [0.0 if name == self._name else self._now[name] / self._rest for name in used]
        at_0 = np.asarray(np.array(shares) @ values)
        own_1, own_0 = at_1[self._at], at_0[self._at]
        if not there[self._at]:
            return Sweep.nowhere()
        there[self._at] = False
        slack = _ROUNDING * float(np.abs(values[:, self._at]).max()) + _TINY
        return Sweep.of(at_1[there] - own_1, at_0[there] - own_0, self._k, slack)
