"""Indexes over rows and numbers: no text, no ids, no files of documents."""

from typing import TYPE_CHECKING, Any

from indexes.base import Index, Statistics
from indexes.candidates import Candidates

if TYPE_CHECKING:
    from indexes.bm25 import BM25Index
    from indexes.dense import DenseIndex
    from indexes.lexical import LexicalIndex
    from indexes.multivector import MultiVectorIndex

__all__ = [
    "BM25Index",
    "Candidates",
    "DenseIndex",
    "Index",
    "LexicalIndex",
    "MultiVectorIndex",
    "Statistics",
]

_HOMES = {
    "BM25Index": "bm25",
    "DenseIndex": "dense",
    "LexicalIndex": "lexical",
    "MultiVectorIndex": "multivector",
}


def __getattr__(name: str) -> Any:
    """Import an index when it is first named: scipy and faiss are slow to import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"indexes.{_HOMES[name]}"), name)
