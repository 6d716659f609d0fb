"""Files of a saved index, opened only when they are what was saved: type, shape and size.

Compiled loops follow the numbers in these files without looking.  So whatever they rely on is
checked when a file is opened, where that takes no time, or made harmless in the loop itself; what
is checked where stands in ``docs/adr/0017``.  Nothing here runs anything that a file says, and
nothing takes memory because a file says so.
"""

import json
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_JSON = 1 << 26
"""Bytes of a JSON file at most: 64 MiB."""

_MAGIC = b"\x93NUMPY\x01\x00"
_ALIGNED = 64  # numpy begins the data there; compiled code reads whole cache lines
_HEADER = re.compile(
    rb"\{'descr': '([<|]\w\d{1,2})', 'fortran_order': (False|True), "
    rb"'shape': \(([\d, ]{0,60})\), \} *\n"
)


class DamagedFile(ValueError):
    """A file of a saved index is not what was saved; most are found out when it is opened."""


def opened(
    path: Path, kinds: str, shape: Sequence[int | None], *, mode: str | None = "c"
) -> NDArray[Any]:
    """Open an npy file that ``np.save`` wrote.

    Parameters
    ----------
    path : Path
    kinds : str
        Which types it may have, as numpy writes them, such as ``"<u2 <u4"``.
    shape : sequence of int or None
        None where any length will do.
    mode : {"c", "r", None}
        The array stays on disk until it is read; None: it is read now.  "c" is for compiled code,
        since numba compiles a second time for arrays that cannot be written.

    Raises
    ------
    DamagedFile
        If it is something else, or has more or fewer bytes than it says.
    OSError
        If it cannot be opened.
    """
    check_plain(path)
    with path.open("rb") as file:
        head = file.read(10)
        size = int.from_bytes(head[8:], "little")
        header = _HEADER.fullmatch(file.read(size))
        if head[:8] != _MAGIC or header is None or (10 + size) % _ALIGNED:
            raise DamagedFile(f"expected an array in {_named(path)}, but its beginning is damaged")
        kind = header[1].decode()
        found = tuple(int(part) for part in header[3].decode().split(",") if part.strip())
        across = header[2] == b"True" and len(found) > 1  # column by column
        fits = len(found) == len(shape) and all(
            want in (None, length) for want, length in zip(shape, found, strict=True)
        )
        if kind not in kinds.split() or not fits or (across and mode == "c"):
            wanted = tuple("n" if want is None else want for want in shape)
            raise DamagedFile(
                f"expected {kinds} of shape {wanted} in {_named(path)}, not {kind} of {found}"
            )
        dtype, count = np.dtype(kind), 1
        for length in found:
            count *= length
        if path.stat().st_size != 10 + size + count * dtype.itemsize:
            raise DamagedFile(f"expected {found} numbers in {_named(path)}, but its size differs")
        if not count:
            return np.empty(found, dtype)
        if mode is None or across:
            array: NDArray[Any] = np.fromfile(file, dtype, count)
            return np.ascontiguousarray(array.reshape(found, order="F" if across else "C"))
        return np.asarray(np.memmap(file, dtype, mode, 10 + size, found))  # type: ignore[call-overload]


def facts_in(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises
    ------
    DamagedFile
        If it is something else, or larger than any that is written.
    OSError
        If it cannot be opened.
    """
    check_plain(path)
    if path.stat().st_size > LARGEST_JSON:
        raise DamagedFile(f"expected at most {LARGEST_JSON} bytes in {_named(path)}")
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"expected JSON in {_named(path)}, but it is damaged: {error}") from error
    if not isinstance(facts, dict):
        raise DamagedFile(f"expected a JSON object in {_named(path)}")
    return facts


def check_plain(path: Path) -> None:
    """Raise DamagedFile unless a path is a file itself: no link, pipe or device."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise DamagedFile(f"expected a file at {_named(path)}, not a link, a pipe or a device")


def facts_of(facts: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object within an object of a JSON file, or raise DamagedFile."""
    found = facts.get(name)
    if not isinstance(found, dict):
        raise DamagedFile(f"expected {name} as a JSON object, not {str(found)[:40]}")
    return found


def listed(facts: dict[str, Any], name: str) -> list[Any]:
    """Return a list within an object of a JSON file, or raise DamagedFile."""
    found = facts.get(name)
    if not isinstance(found, list):
        raise DamagedFile(f"expected {name} as a JSON list, not {str(found)[:40]}")
    return found


def whole(value: object, name: str, least: int, most: int) -> int:
    """Return a whole number between two bounds, or raise DamagedFile."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise DamagedFile(f"expected {name} from {least} to {most}, not {str(value)[:40]}")
    return value


def check(holds: object, what: str) -> None:
    """Raise DamagedFile, saying what was expected, unless it holds."""
    if not holds:
        raise DamagedFile(f"expected {what}: the files are damaged")


def rising(values: NDArray[Any], first: int, last: int) -> bool:
    """Return whether numbers go up, or stay, from the first to the last of them as given."""
    return bool(
        len(values)
        and values[0] == first
        and values[-1] == last
        and (values[1:] >= values[:-1]).all()
    )


def _named(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
