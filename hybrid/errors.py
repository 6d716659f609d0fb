"""Errors that the package raises on purpose.

HybridError
├── StoreError                  the chunk store cannot do what was asked
├── IndexFormatError            a folder is not an index, or is damaged, or of another format
├── EncoderMismatch             an index was built with another encoder
├── AnalyzerMismatch            an index was built with another analyzer
├── DimensionMismatch           also a ValueError: vectors of another length
├── EncoderError                also a ValueError: an encoder gave unusable vectors
└── MissingDependency           also an ImportError: an optional extra is not installed

A bad argument is a plain ``ValueError``.  ``indexes`` and ``fusion`` raise builtin errors only.
Every message says what was expected, what came, and what to do.
"""


class HybridError(Exception):
    """Base of all errors of this package."""


class StoreError(HybridError):
    """The chunk store cannot do what was asked."""


class IndexFormatError(HybridError):
    """A folder is not an index, or is damaged, or was written in another format."""


class EncoderMismatch(HybridError):
    """An index was built with another encoder than the one at hand."""


class AnalyzerMismatch(HybridError):
    """An index was built with another analyzer than the one at hand."""


class DimensionMismatch(HybridError, ValueError):
    """Vectors do not have the dimension of the index."""


class EncoderError(HybridError, ValueError):
    """An encoder gave vectors that cannot be indexed: NaN, zero, or the wrong number of them."""


class MissingDependency(HybridError, ImportError):
    """A package of an optional extra is needed and not installed.

    Parameters
    ----------
    package : str
        What could not be imported.
    extra : str
        The extra of ``hybrid-retrieval`` that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs {package}, which is not installed: pip install 'hybrid-retrieval[{extra}]'"
        )
