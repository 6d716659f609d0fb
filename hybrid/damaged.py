"""What is told of files that are damaged."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybrid.errors import IndexFormatError

_SIGNS = (ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError, OSError)


@contextmanager
def told_as_damage(folder: Path) -> Iterator[None]:
    """Raise what goes wrong while the files of an index are opened as IndexFormatError."""
    try:
        yield
    except IndexFormatError:
        raise
    except _SIGNS as error:
        raise IndexFormatError(
            f"expected a sound index in {folder}, but {error or type(error).__name__}: "
            f"`hybrid verify` says what is wrong, `hybrid repair` rebuilds it from the documents"
        ) from error
