"""Hybrid dense and sparse retrieval: one chunk store, parallel indexes, explained fusion.

>>> import hybrid
>>> r = hybrid.Retriever.from_texts(["Cats purr when content.", "Dogs bark."], encoder=None)
>>> r.search("why do cats purr?", k=1)[0].text
'Cats purr when content.'
"""

from typing import TYPE_CHECKING, Any

from hybrid.errors import (
    AnalyzerMismatch,
    DimensionMismatch,
    EncoderError,
    EncoderMismatch,
    HybridError,
    IndexFormatError,
    MissingDependency,
    StoreError,
)

if TYPE_CHECKING:
    from fusion import RRF, Weighted
    from hybrid.analysis import Analyzer
    from hybrid.chunking import Chunker
    from hybrid.documents import Document
    from hybrid.encoders.function import FunctionEncoder, Precomputed
    from hybrid.evaluation import evaluate
    from hybrid.results import Hit
    from hybrid.retriever import Retriever
    from hybrid.settings import BM25, Dense

__version__ = "0.1.0"

__all__ = [
    "BM25",
    "RRF",
    "Analyzer",
    "AnalyzerMismatch",
    "Chunker",
    "Dense",
    "DimensionMismatch",
    "Document",
    "EncoderError",
    "EncoderMismatch",
    "FunctionEncoder",
    "Hit",
    "HybridError",
    "IndexFormatError",
    "MissingDependency",
    "Precomputed",
    "Retriever",
    "StoreError",
    "Weighted",
    "evaluate",
]

_HOMES = {
    "BM25": "hybrid.settings",
    "RRF": "fusion",
    "Analyzer": "hybrid.analysis",
    "Chunker": "hybrid.chunking",
    "Dense": "hybrid.settings",
    "Document": "hybrid.documents",
    "FunctionEncoder": "hybrid.encoders.function",
    "Hit": "hybrid.results",
    "Precomputed": "hybrid.encoders.function",
    "Retriever": "hybrid.retriever",
    "Weighted": "fusion",
    "evaluate": "hybrid.evaluation",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import hybrid` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
