"""How often each value of a key stands in the documents: counts beside a list of hits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hybrid.filters import names_of, parse_filter
from hybrid.store import ChunkStore


@dataclass(frozen=True, slots=True)
class Facet:
    """A value and in how many documents it stands.

    Attributes
    ----------
    value : str, int, float, bool or None
        As the metadata has it; equal numbers are one value.
    documents : int
        How many documents have it; a document whose list has several values counts for each.
    """

    value: str | int | float | bool | None
    documents: int


def facets(
    store: ChunkStore, key: str, condition: Mapping[str, Any] | None = None, top: int | None = 10
) -> list[Facet]:
    """Return the values of a key, those of most documents first.

    Parameters
    ----------
    store : ChunkStore
    key : str
        As in a filter: dots reach into nested mappings.
    condition : mapping, optional
        Counts only documents that this lets through; see `hybrid.filters`.
    top : int or None
        Most values to return, >= 1; None: all.

    Returns
    -------
    list of Facet
        By number of documents, descending; equal ones by kind (None, truth values, numbers, text)
        and value.

    Raises
    ------
    ValueError
        If the key, the condition or `top` is not one.
    """
    if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
        raise ValueError(f"expected top as a whole number of at least 1, or None, not {top!r}")
    if not isinstance(key, str):
        raise ValueError(f"expected a key of the metadata as text, not {type(key).__name__}")
    allowed = parse_filter({} if condition is None else condition)
    counts = store.value_counts(names_of(key), allowed)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0][0], _order(item[0][1])))
    return [Facet(value, documents) for (_, value), documents in ordered[:top]]


def _order(value: Any) -> Any:
    return 0 if value is None else value
