"""The ways to fuse: small frozen values that say how, and do nothing themselves."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from fusion.adaptive import Adaptive
from fusion.combining import COMBINE
from fusion.normalize import LIST_NORMS, NORMS

Missing = Literal["exact", "floor", "zero"]
Weights = Mapping[str, float]

MISSING = ("exact", "floor", "zero")

_MOST = 1e20  # of a weight: scores are float32, and equal where they overflow


@dataclass(frozen=True, slots=True)
class RRF:
    """Reciprocal-rank fusion: score(c) = sum over indexes of weight / (k + rank(c)), as in [1]_.

    Parameters
    ----------
    k : float
        How much the first ranks are flattened, >= 0.
    weights : mapping of str to float, optional
        Weight of each index, >= 0; without it every index has weight 1.
    missing : {"exact", "floor", "zero"}
        What a row gets from an index that does not have it among its first `depth`.  "exact": by
        its rank on the complete list, which is counted, and nothing if it is not on that.
        "floor": as if it stood next.  "zero": nothing, as elsewhere.
    depth : int
        How many rows of each list count, unless `missing` is "exact".

    References
    ----------
    .. [1] Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion Outperforms Condorcet and
       Individual Rank Learning Methods", SIGIR 2009.
    """

    k: float = 60.0
    weights: Weights | None = None
    missing: Missing = "exact"
    depth: int = 1000

    def __post_init__(self) -> None:
        if not (np.isfinite(self.k) and self.k >= 0):
            raise ValueError(f"expected k >= 0, not {self.k}")
        check_missing(self.missing, self.depth)
        object.__setattr__(self, "weights", checked(self.weights))


@dataclass(frozen=True, slots=True)
class Weighted:
    """Weighted sum of scores on a common scale: score(c) = sum of weight * norm(score(c)).

    Parameters
    ----------
    weights : mapping of str to float, optional
        Weight of each index, >= 0; they are scaled to sum to 1.  Without it all are equal.
    norm : str
        How scores are made comparable, a name of `fusion.normalize`: "zscore", "minmax", "dbsf",
        "max", "none", or of a list, "list-minmax", "list-max", "list-sum", "list-zscore",
        "list-dbsf".
    missing : {"exact", "floor", "zero"}
        The score of a row in an index that does not have it among its first `depth`.  "exact": it
        is computed.  "floor": that of the last of these.  "zero": it adds nothing, as elsewhere.
    depth : int
        How many rows of each list count where `missing` is not "exact" or the norm is of lists.
    """

    weights: Weights | None = None
    norm: str = "zscore"
    missing: Missing = "exact"
    depth: int = 1000

    def __post_init__(self) -> None:
        check_norm(self.norm)
        check_missing(self.missing, self.depth)
        object.__setattr__(self, "weights", checked(self.weights))


@dataclass(frozen=True, slots=True)
class Comb:
    """The family of CombSUM of [1]_: score(c) = sum, maximum ... of weight * norm(score(c)).

    Parameters
    ----------
    of : {"sum", "mnz", "anz", "max", "min", "med", "log-mnz"}
        How values are combined; see `fusion.combining`.
    norm, missing, depth
        As in `Weighted`.
    weights : mapping of str to float, optional
        Weight of each index, >= 0; without it every index has weight 1.

    References
    ----------
    .. [1] Fox, Shaw, "Combination of Multiple Searches", TREC-2, 1993.
    """

    of: str
    norm: str = "minmax"
    weights: Weights | None = None
    missing: Missing = "exact"
    depth: int = 1000

    def __post_init__(self) -> None:
        if self.of not in COMBINE:
            raise ValueError(f"expected a combination of {', '.join(COMBINE)}, not {self.of!r}")
        check_norm(self.norm)
        check_missing(self.missing, self.depth)
        object.__setattr__(self, "weights", checked(self.weights))


@dataclass(frozen=True, slots=True)
class ByRank:
    """Fusion by ranks other than RRF.

    Parameters
    ----------
    gain : {"isr", "log-isr", "borda", "linear"}
        What a rank is worth; see `fusion.gains`.  The first two count over complete lists, the
        others over the first `depth` rows of each.
    weights : mapping of str to float, optional
        Weight of each index, >= 0; without it every index has weight 1.
    missing : {"exact", "floor", "zero"}
        As in `RRF`; "exact" for "isr" and "log-isr" only, "zero" alone for "borda" and "linear",
        which say themselves what a row gets that is not on a list.
    depth : int
        How many rows of each list count, unless `missing` is "exact".
    """

    gain: Literal["isr", "log-isr", "borda", "linear"]
    weights: Weights | None = None
    missing: Missing | None = None
    depth: int = 1000

    def __post_init__(self) -> None:
        gains = ("isr", "log-isr", "borda", "linear")
        if self.gain not in gains:
            raise ValueError(f"expected a gain of {', '.join(gains)}, not {self.gain!r}")
        by_lists = self.gain in ("borda", "linear")
        if self.missing is None:
            object.__setattr__(self, "missing", "zero" if by_lists else "exact")
        if by_lists and self.missing != "zero":
            raise ValueError(f"expected missing 'zero' with {self.gain!r}, not {self.missing!r}")
        check_missing(str(self.missing), self.depth)
        object.__setattr__(self, "weights", checked(self.weights))


@dataclass(frozen=True, slots=True)
class Condorcet:
    """How many of the candidates a row defeats; it does if more weight prefers it than does not.

    Candidates are the first `depth` rows of each list.  An index prefers the row that stands
    before the other; where neither is among its first `depth`, by "exact", its scores decide, and
    by "zero" it does not vote.  Equal votes are half a victory.  Counting victories (Copeland's
    rule) is what [1]_ leaves to a sort whose answer depends on where it begins when the majority
    goes round in circles.

    Parameters
    ----------
    weights : mapping of str to float, optional
        Votes of each index, >= 0; without it every index has one.
    missing : {"exact", "zero"}
    depth : int

    References
    ----------
    .. [1] Montague, Aslam, "Condorcet Fusion for Improved Retrieval", CIKM 2002.
    """

    weights: Weights | None = None
    missing: Literal["exact", "zero"] = "exact"
    depth: int = 1000

    def __post_init__(self) -> None:
        if self.missing not in ("exact", "zero"):
            raise ValueError(f"expected missing 'exact' or 'zero', not {self.missing!r}")
        check_missing(self.missing, self.depth)
        object.__setattr__(self, "weights", checked(self.weights))


@dataclass(frozen=True, slots=True)
class Bayes:
    """Sum of the log-odds that a row is relevant, given its rank in each index [1]_.

    Parameters
    ----------
    odds : mapping of str to sequence of float
        For each index the log-odds of relevance at rank 1, 2, ...; see `fusion.odds.learn_odds`.
    missing_odds : float
        Log-odds of a row behind these ranks.
    weights : mapping of str to float, optional
        Weight of each index, >= 0; without it every index has weight 1.

    References
    ----------
    .. [1] Aslam, Montague, "Models for Metasearch", SIGIR 2001.
    """

    odds: Mapping[str, tuple[float, ...]]
    missing_odds: float = float(np.log(0.001 / 0.999))
    weights: Weights | None = None

    def __post_init__(self) -> None:
        if not self.odds or not all(len(odds) for odds in self.odds.values()):
            raise ValueError("expected log-odds of at least one rank for each index")
        numbers = [self.missing_odds, *(value for odds in self.odds.values() for value in odds)]
        if not np.isfinite(numbers).all():
            raise ValueError("expected finite log-odds")
        odds = {name: tuple(map(float, self.odds[name])) for name in sorted(self.odds)}
        object.__setattr__(self, "odds", MappingProxyType(odds))
        object.__setattr__(self, "weights", checked(self.weights))

    @property
    def depth(self) -> int:
        """How many rows of each list count."""
        return max(len(odds) for odds in self.odds.values())


Method = RRF | Weighted | Comb | ByRank | Condorcet | Bayes
"""How to fuse the lists of a question."""

AnyMethod = Method | Adaptive
"""How to fuse the lists of any question; see `fusion.features.resolved`."""


def weights_for(method: AnyMethod, names: Collection[str]) -> dict[str, float]:
    """Return the weight of each index that has one above 0, in alphabetical order.

    Raises
    ------
    ValueError
        If a weight is missing, or is for an index that is not there.
    """
    given = method.weights if method.weights is not None else dict.fromkeys(names, 1.0)
    if set(given) != set(names):
        raise ValueError(
            f"expected a weight for each of {sorted(names)}, not for {sorted(given)}: "
            f"give 0 to leave an index out"
        )
    if isinstance(method, Bayes) and not set(method.odds) >= set(names):
        raise ValueError(f"expected odds for each of {sorted(names)}, not {sorted(method.odds)}")
    scaled = isinstance(method, (Weighted, Adaptive))
    total = sum(given[name] for name in sorted(given)) if scaled else 1.0
    shares = {name: given[name] / total for name in sorted(given)}
    return {name: share for name, share in shares.items() if share > 0}


def check_norm(norm: str) -> None:
    """Raise ValueError unless there is such a norm."""
    known = [*NORMS, *LIST_NORMS]
    if norm not in known:
        raise ValueError(f"expected a norm of {', '.join(known)}, not {norm!r}")


def check_missing(missing: str, depth: int) -> None:
    """Raise ValueError unless both are what a method can have."""
    if missing not in MISSING:
        raise ValueError(f"expected missing of {', '.join(MISSING)}, not {missing!r}")
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise ValueError(f"expected a depth of at least 1, not {depth!r}")


def checked(weights: Weights | None) -> Weights | None:
    """Return a read-only copy of valid weights."""
    if weights is None:
        return None
    for name, weight in weights.items():
        if not 0 <= weight <= _MOST:
            raise ValueError(
                f"expected weights >= 0, not {weight} for {name!r} (at most {_MOST:g})"
            )
    if not any(weights.values()):
        raise ValueError("expected at least one weight above 0")
    return MappingProxyType({name: float(weights[name]) for name in sorted(weights)})
