"""Records of an export as the rows of a Parquet file; the header is in the file's metadata."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hybrid.errors import IndexFormatError, MissingDependency
from hybrid.portable import Record, parsed

_HEADER = b"hybrid"
_ROWS, _BYTES = 1000, 16 << 20  # of a row group
_LARGEST_GROUP = 4 << 30  # bytes that a row group of a file that comes in may take in memory
_AT_ONCE = 100


def write_parquet(path: Path, records: Iterable[Record]) -> None:
    """Write the header into the metadata, and each other record as a row.

    Raises
    ------
    MissingDependency
        If pyarrow is not installed.
    """
    pa, pq = _pyarrow()
    rows = iter(records)
    header = {_HEADER: json.dumps(next(rows), ensure_ascii=False, allow_nan=False).encode()}
    schema = _schema(pa).with_metadata(header)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema))


def read_parquet(path: Path) -> Iterator[tuple[str, Record]]:
    """Yield the header and the record in each row, and which row it is.

    Raises
    ------
    MissingDependency
        If pyarrow is not installed.
    IndexFormatError
        If it is no Parquet file with these columns.
    """
    pa, pq = _pyarrow()
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            yield "header", _header(file.schema_arrow.metadata)
            if not file.schema_arrow.equals(_schema(pa), check_metadata=False):
                raise IndexFormatError(f"expected the columns of `hybrid export` in {path}")
            _check_sizes(file.metadata)
            number = 0
            for batch in file.iter_batches(_AT_ONCE):
                for record in batch.to_pylist():
                    number += 1
                    yield f"row {number}", record
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk; pyarrow has OSError for damaged files, too, without a number
        raise IndexFormatError(f"expected a Parquet file in {path}: {error}") from error


def _header(metadata: dict[bytes, bytes] | None) -> Record:
    record = parsed((metadata or {}).get(_HEADER, b"{}"))
    return record if isinstance(record, dict) else {}


def _check_sizes(metadata: Any) -> None:
    """Raise before a file is unpacked that says it is larger than any that we write."""
    for number in range(metadata.num_row_groups):
        size = metadata.row_group(number).total_byte_size
        if not 0 <= size <= _LARGEST_GROUP:
            raise IndexFormatError(
                f"expected row groups of at most {_LARGEST_GROUP} bytes, but number {number} has "
                f"{size}"
            )


def _groups(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield records as rows, a bounded number at a time."""
    group: list[Record] = []
    size = 0
    for record in records:
        row = dict(record)
        if "metadata" in row:
            row["metadata"] = json.dumps(row["metadata"], ensure_ascii=False, allow_nan=False)
        group.append(row)
        size += sum(getattr(value, "nbytes", None) or _length(value) for value in row.values())
        if len(group) == _ROWS or size > _BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes) else 8


def _schema(pa: Any) -> Any:
    columns = {
        "kind": pa.string(),
        "doc_id": pa.string(),
        "ordinal": pa.int64(),
        "start": pa.int64(),
        "end": pa.int64(),
        "text": pa.large_string(),
        "title": pa.string(),
        "metadata": pa.large_string(),
        "format": pa.string(),
        "chunks": pa.int64(),
        "dense": pa.list_(pa.float32()),
        "terms": pa.list_(pa.int64()),
        "weights": pa.list_(pa.float32()),
        "codes": pa.large_binary(),
        "scales": pa.large_binary(),
        "name": pa.string(),
        "data": pa.large_binary(),
    }
    return pa.schema(list(columns.items()))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingDependency("pyarrow", "parquet") from error
    return pa, pq
