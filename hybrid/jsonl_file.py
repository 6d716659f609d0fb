"""Records of an export as JSON lines."""

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hybrid.errors import IndexFormatError
from hybrid.portable import Record, parsed

_LONGEST_LINE = 1 << 30
"""Bytes of a line: a document of the largest size that is read, with every character escaped."""


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Write each record on a line; float32 as numbers that give its bits back."""
    with path.open("wb") as file:
        for record in records:
            line = json.dumps(record, ensure_ascii=False, allow_nan=False, default=_plain)
            file.write(line.encode() + b"\n")


def read_jsonl(path: Path) -> Iterator[tuple[str, Record]]:
    """Yield the record on each line, and which line it is.

    Raises
    ------
    IndexFormatError
        If a line is not a JSON object.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE + 1):
            number += 1
            place = f"line {number}"
            try:
                yield place, _object(line)
            except ValueError as error:
                raise IndexFormatError(f"{path.name}, {place}: {error}") from error


def _object(line: bytes) -> Record:
    if len(line) > _LONGEST_LINE:
        raise ValueError(f"expected at most {_LONGEST_LINE} bytes")
    record = parsed(line)
    if not isinstance(record, dict):
        raise ValueError(f"expected a JSON object, not {type(record).__name__}")
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"expected a JSON value, not {type(value).__name__}")
