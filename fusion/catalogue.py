"""All methods by name, and how they are written down."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from fusion.adaptive import Adaptive
from fusion.methods import RRF, AnyMethod, Bayes, ByRank, Comb, Condorcet, Method, Weighted

METHODS: dict[str, Method] = {
    "rrf": RRF(),
    "isr": ByRank("isr"),
    "log-isr": ByRank("log-isr"),
    "borda": ByRank("borda"),
    "linear": ByRank("linear"),
    "condorcet": Condorcet(),
    "weighted": Weighted(),
    "tm2c2": Weighted(norm="minmax"),
    "dbsf": Weighted(norm="dbsf"),
    "sum": Comb("sum"),
    "mnz": Comb("mnz"),
    "anz": Comb("anz", "list-minmax", missing="zero"),
    "max": Comb("max"),
    "min": Comb("min"),
    "med": Comb("med"),
}
"""Every method that needs no judgements, by name, with its defaults; `Bayes` is learned."""

_KINDS: dict[str, type[Any]] = {
    "rrf": RRF,
    "weighted": Weighted,
    "comb": Comb,
    "by-rank": ByRank,
    "condorcet": Condorcet,
    "bayes": Bayes,
    "adaptive": Adaptive,
}


def method_named(name: str, weights: Mapping[str, float] | None = None) -> Method:
    """Return a method by its name in `METHODS`.

    Raises
    ------
    ValueError
        If there is no such name; says which there are.
    """
    if name not in METHODS:
        raise ValueError(f"expected a fusion method of {', '.join(METHODS)}, not {name!r}")
    return METHODS[name] if weights is None else replace(METHODS[name], weights=weights)


def settings_of(method: AnyMethod) -> dict[str, Any]:
    """Return a method as JSON values."""
    kind = next(name for name, known in _KINDS.items() if isinstance(method, known))
    values = {field.name: _plain(getattr(method, field.name)) for field in fields(method)}
    return {"method": kind, **values}


def from_settings(settings: Mapping[str, Any]) -> AnyMethod:
    """Return the method that `settings_of` described."""
    values = dict(settings)
    kind = values.pop("method", None)
    if kind not in _KINDS:
        raise ValueError(f"expected a fusion method of {', '.join(_KINDS)}, not {kind!r}")
    method: AnyMethod = _KINDS[kind](**values)
    return method


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return (
        {name: _plain(one) for name, one in value.items()} if isinstance(value, Mapping) else value
    )
