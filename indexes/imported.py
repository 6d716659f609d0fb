"""What objects of rank-bm25 hold: their formula and their corpus."""

from typing import Any

_METHODS = {"BM25Okapi": "okapi", "BM25L": "okapi-l", "BM25Plus": "bm25+"}


def formula_of(other: Any) -> dict[str, Any]:
    """Return the arguments of a `BM25Index` that scores as a rank_bm25 object does.

    Raises
    ------
    TypeError
        If it is something else.
    """
    name = type(other).__name__
    if name not in _METHODS:
        raise TypeError(f"expected an object of {', '.join(_METHODS)}, not {name}")
    own = {key: getattr(other, key) for key in ("delta", "epsilon") if hasattr(other, key)}
    return {"method": _METHODS[name], "k1": other.k1, "b": other.b, **own}


def corpus_of(other: Any) -> list[list[str]]:
    """Return the terms of each document of a rank_bm25 object, in another order."""
    return [
        [term for term, count in counts.items() for _ in range(count)] for counts in other.doc_freqs
    ]
