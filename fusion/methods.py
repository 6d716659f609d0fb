"""The ways to fuse: small frozen values that say how, and do nothing themselves."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.normalize import NORMS


@dataclass(frozen=True, slots=True)
class RRF:
    """Reciprocal-rank fusion: score(c) = sum over indexes of weight / (k + rank(c)), as in [1]_.

    Ranks count over the complete list of each index, so the score does not depend on how many
    hits are asked for.  A row that is not on a list gets nothing from it.

    Parameters
    ----------
    k : float
        How much the first ranks are flattened, >= 0.
    weights : mapping of str to float, optional
        Weight of each index, >= 0; without it every index has weight 1.

    References
    ----------
    .. [1] Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion Outperforms Condorcet and
       Individual Rank Learning Methods", SIGIR 2009.
    """

    k: float = 60.0
    weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.k) and self.k >= 0):
            raise ValueError(f"expected k >= 0, not {self.k}")
        object.__setattr__(self, "weights", _checked(self.weights))


@dataclass(frozen=True, slots=True)
class Weighted:
    """Weighted sum of scores on a common scale: score(c) = sum of weight * norm(score(c)).

    Parameters
    ----------
    weights : mapping of str to float, optional
        Weight of each index, >= 0; they are scaled to sum to 1.  Without it all are equal.
    norm : {"zscore", "minmax", "none"}
        How scores are made comparable; see `fusion.normalize`.
    """

    weights: Mapping[str, float] | None = None
    norm: str = "zscore"

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise ValueError(f"expected a norm of {', '.join(NORMS)}, not {self.norm!r}")
        object.__setattr__(self, "weights", _checked(self.weights))


Method = RRF | Weighted


def weights_for(method: Method, names: Collection[str]) -> dict[str, float]:
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
    total = sum(given[name] for name in sorted(given)) if isinstance(method, Weighted) else 1.0
    return {name: given[name] / total for name in sorted(given) if given[name] > 0}


def reciprocal(ranks: NDArray[np.int64], k: float) -> NDArray[np.float64]:
    """Return ``1 / (k + rank)`` of each rank; 0 for rank 0, which is none."""
    return np.where(ranks > 0, 1 / (k + np.maximum(ranks, 1)), 0.0)


def settings_of(method: Method) -> dict[str, Any]:
    """Return a method as JSON values."""
    weights = None if method.weights is None else dict(method.weights)
    if isinstance(method, RRF):
        return {"method": "rrf", "k": method.k, "weights": weights}
    return {"method": "weighted", "norm": method.norm, "weights": weights}


def from_settings(settings: Mapping[str, Any]) -> Method:
    """Return the method that `settings_of` described."""
    kinds = {"rrf": RRF, "weighted": Weighted}
    values = dict(settings)
    kind = values.pop("method", None)
    if kind not in kinds:
        raise ValueError(f"expected a fusion method of {', '.join(kinds)}, not {kind!r}")
    method: Method = kinds[kind](**values)
    return method


def _checked(weights: Mapping[str, float] | None) -> Mapping[str, float] | None:
    """Return a read-only copy of valid weights."""
    if weights is None:
        return None
    for name, weight in weights.items():
        if not (np.isfinite(weight) and weight >= 0):
            raise ValueError(f"expected weights >= 0, not {weight} for {name!r}")
    if not any(weights.values()):
        raise ValueError("expected at least one weight above 0")
    return MappingProxyType({name: float(weights[name]) for name in sorted(weights)})
