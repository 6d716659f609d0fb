"""Which settings are tried."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from fusion.grading import Setting, Tunable
from fusion.methods import RRF, Weighted

STEPS = {1: 1, 2: 20, 3: 10, 4: 10}
"""Steps from weight 0 to 1, by number of indexes."""

_OTHER_KIND = 0.5
_WEIGHTS = 4.0
"""What a whole change of the weights, and of the kind of method, count as far from the default.

A change of the weight by .05 is as far as one of BM25's b by .2 or of its k1 by half."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Settings about a default.

    Attributes
    ----------
    default : Weighted or RRF
        Has a weight for each index.
    names : tuple of str
        The indexes, in alphabetical order.
    variants : tuple of float
        For each variant of the indexes, how far it is from the first.
    norms : tuple of str
        Norms that are tried.
    ks : tuple of float
        Constants of RRF that are tried.
    """

    default: Tunable
    names: tuple[str, ...]
    variants: tuple[float, ...] = (0.0,)
    norms: tuple[str, ...] = ("zscore", "minmax")
    ks: tuple[float, ...] = (10.0, 60.0)

    def settings(self) -> list[Setting]:
        """Return the coarse grid; the default is the first."""
        methods: list[Tunable] = [Weighted(norm=norm) for norm in self.norms]
        methods += [RRF(k=k) for k in self.ks]
        tried = [
            self._setting(replace(method, weights=weights), variant)
            for variant in range(len(self.variants))
            for method in methods
            if variant == 0 or not isinstance(method, RRF)  # ranks are slow to count
            for weights in simplex(self.names, STEPS.get(len(self.names), 5))
        ]
        return [self._setting(self.default, 0), *tried]

    def around(self, setting: Setting) -> list[Setting]:
        """Return settings about one with half the step of the grid."""
        steps = STEPS.get(len(self.names), 5)
        weights = setting.method.weights or dict.fromkeys(self.names, 1.0)
        total = sum(weights.values())
        near = [round(2 * steps * weights[name] / total) for name in self.names]
        found = []
        for up, down in ((a, b) for a in range(len(near)) for b in range(len(near)) if a != b):
            parts = list(near)
            parts[up] += 1
            parts[down] -= 1
            if min(parts) >= 0:
                shares = dict(zip(self.names, (part / sum(parts) for part in parts), strict=True))
                method = replace(setting.method, weights=shares)
                found.append(self._setting(method, setting.variant))
        return found

    def _setting(self, method: Tunable, variant: int) -> Setting:
        return Setting(method, variant, self._far(method) + self.variants[variant])

    def _far(self, method: Tunable) -> float:
        """Return how far a method is from the default."""
        far = 0.0
        if _kind(method) != _kind(self.default):
            far += _OTHER_KIND
        theirs, ours = (_shares(one.weights, self.names) for one in (method, self.default))
        return far + _WEIGHTS * sum(abs(a - b) for a, b in zip(theirs, ours, strict=True)) / 2


def simplex(names: Sequence[str], steps: int) -> Iterator[dict[str, float]]:
    """Yield all weights that are multiples of 1 / steps and sum to 1.

    They are quotients of whole numbers: each is the float that is nearest to the true weight.
    """
    for bars in combinations(range(steps + len(names) - 1), len(names) - 1):
        edges = (-1, *bars, steps + len(names) - 1)
        parts = [high - low - 1 for low, high in pairwise(edges)]
        yield dict(zip(names, (part / steps for part in parts), strict=True))


def with_weight(method: Tunable, names: Sequence[str], index: str, weight: float) -> Tunable:
    """Return a method with the weight of one index, 0 to 1; the others share the rest as before."""
    shares = dict(zip(names, _shares(method.weights, names), strict=True))
    others = {name: share for name, share in shares.items() if name != index}
    rest = sum(others.values())
    if not rest:
        others, rest = dict.fromkeys(others, 1.0), float(len(others))
    kept = {name: (1 - weight) * share / rest for name, share in others.items()}
    return replace(method, weights={**kept, index: weight})


def _kind(method: Tunable) -> tuple[str, float]:
    return ("rrf", method.k) if isinstance(method, RRF) else (method.norm, 0.0)


def _shares(weights: Mapping[str, float] | None, names: Sequence[str]) -> list[float]:
    given = dict.fromkeys(names, 1.0) if weights is None else weights
    total = sum(given.values())
    return [given[name] / total for name in names]
