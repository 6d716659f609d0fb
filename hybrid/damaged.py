"""What is told of files that are damaged."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybrid.errors import IndexFormatError
from indexes.opened import DamagedFile

_ADVICE = "`hybrid verify` says what is wrong, `hybrid repair` rebuilds it from the documents"
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
            f"expected a sound index in {folder}, but {error or type(error).__name__}: {_ADVICE}"
        ) from error


def found_damaged(error: DamagedFile) -> IndexFormatError:
    """Return what is told of damage that shows only when a part of a file is read."""
    return IndexFormatError(f"{error}: {_ADVICE}")
