"""Reading a chunk store: without a trace in its folder, and with errors that name it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybrid.errors import StoreError


def connected_to_read(path: Path) -> sqlite3.Connection:
    """Open a SQLite file without writing anything beside it.

    In WAL mode a file is read with its ``-wal`` and ``-shm``, which SQLite makes if there are none.
    If there are none, nobody has the file open, and it is taken as one that never changes.

    Raises
    ------
    sqlite3.Error
        If it cannot be opened.
    """
    alone = not path.with_name(f"{path.name}-wal").exists()
    how = "mode=ro&immutable=1" if alone else "mode=ro"
    return sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, check_same_thread=False)


@contextmanager
def told_as_unreadable(path: Path | None) -> Iterator[None]:
    """Raise what goes wrong while records are read as StoreError.

    Damaged records are no JSON, no UTF-8, or of other types than they were written.
    """
    try:
        yield
    except (sqlite3.DatabaseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"cannot read the chunk store {path}: {error}: `hybrid verify` says what is wrong"
        ) from error
