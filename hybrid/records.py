"""Files that hold many documents: CSV, JSON and JSON lines."""

import csv
import json
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any

from hybrid.decoding import read_text, unicode_encoding
from hybrid.documents import Document, ReadReport

Record = dict[str, Any]
Make = Callable[[Record, int], Document]
"""From a record and its number in the file, counted from 1, to a document."""

LONGEST_LINE = 1 << 26
"""Characters of a line of JSONL at most; so a file without line ends does not fill the memory."""

_ID_KEYS = ("_id", "id", "doc_id")
_TEXT_KEYS = ("text", "contents", "content", "body")


def read_csv(path: Path, name: str, report: ReadReport, delimiter: str = ",") -> Iterator[Document]:
    """Yield a document for each row of a table with a header: lines of "column: value"."""
    rows = csv.reader(StringIO(read_text(path, name, report), newline=""), delimiter=delimiter)
    header = next(rows, [])
    number = 0
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            # Where the next row begins is not known any more.
            raise ValueError(f"line {rows.line_num}: {error}; the rest was not read") from error
        if row is None:
            break
        if any(cell.strip() for cell in row):
            number += 1
            yield _row_document(name, number, header, row)
    if not number:
        raise ValueError("no rows below the header")


def read_tsv(path: Path, name: str, report: ReadReport) -> Iterator[Document]:
    """Yield a document for each row of a table with tabs."""
    return read_csv(path, name, report, "\t")


def read_json(path: Path, name: str, report: ReadReport) -> Iterator[Document]:
    """Yield a document for each object of a list; any other JSON file is one document."""
    text = read_text(path, name, report)
    found = _parse(text)
    if isinstance(found, list) and found and all(isinstance(record, dict) for record in found):
        make = part_of(name, "record")
        for number, record in enumerate(found, start=1):
            try:
                yield make(record, number)
            except (TypeError, ValueError) as error:
                report.skip(name, f"record {number}: {error}")
    elif isinstance(found, dict):
        _, title, text, metadata = _fields(found)
        yield Document(name, text, title or PurePosixPath(name).name, {"path": name, **metadata})
    else:
        yield Document(name, text, PurePosixPath(name).name, {"path": name})


def read_filed_lines(path: Path, name: str, report: ReadReport) -> Iterator[Document]:
    """Yield a document for each line of a JSONL file that is one of many files."""
    return read_lines(path, name, report, part_of(name, "line"))


def read_lines(path: Path, name: str, report: ReadReport, make: Make) -> Iterator[Document]:
    """Yield a document for each line of a JSONL file, however long the file is."""
    with path.open("rb") as file:
        encoding = unicode_encoding(file.read(4)) or "utf-8"
    # Bytes that do not fit come out as lone surrogates, which `Document` refuses: so the line at
    # fault is known, and the others are read.
    with path.open(encoding=encoding, errors="surrogateescape", newline="\n") as lines:
        blank = True
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), ""), start=1):
            if len(line) == LONGEST_LINE and not line.endswith("\n"):
                most = f"more than {LONGEST_LINE} characters"
                raise ValueError(f"line {number}: {most}; the rest was not read")
            if not line.strip():
                continue
            blank = False
            try:
                record = _parse(line.rstrip())
                if not isinstance(record, dict):
                    raise ValueError(f"expected a JSON object, not {type(record).__name__}")
                document = make(record, number)
            except (TypeError, ValueError) as error:
                report.skip(name, f"line {number}: {error}")
            else:
                yield document
    if blank:
        raise ValueError("empty file")


def part_of(name: str, unit: str) -> Make:
    """Return a function that makes documents whose ids begin with the name of their file."""

    def make(record: Record, number: int) -> Document:
        doc_id, title, text, metadata = _fields(record)
        place = {"path": name, unit: number}
        return Document(f"{name}:{doc_id or number}", text, title, place | metadata)

    return make


def with_own_id(name: str) -> Make:
    """Return a function that makes documents with the ids of the records, where they have one."""

    def make(record: Record, number: int) -> Document:
        doc_id, title, text, metadata = _fields(record)
        return Document(doc_id or f"{name}:{number}", text, title, metadata)

    return make


def beir_document(record: Record, number: int) -> Document:
    """Make a document of a line of a BEIR corpus, whose id judgements refer to."""
    for key in ("_id", "text"):
        if key not in record:
            raise ValueError(f"expected a BEIR document with _id and text, but {key} is missing")
    return with_own_id("corpus.jsonl")(record, number)


def unrepeated(documents: Iterator[Document], name: str, report: ReadReport) -> Iterator[Document]:
    """Yield the first document of each id; a later one would replace it in the index."""
    seen: set[str] = set()
    for document in documents:
        if document.doc_id in seen:
            report.skip(name, f"a second document with the id {document.doc_id!r}")
        else:
            seen.add(document.doc_id)
            yield document


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, " if "\n" in text.strip() else ""
        raise ValueError(f"not JSON: {error.msg} at {where}column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("not readable JSON: nested too deeply") from error


def _fields(record: Record) -> tuple[str, str, str, Record]:
    """Return the id or "", the title, the text and the metadata of a record."""
    rest = dict(record)
    doc_id = next((rest.pop(key) for key in _ID_KEYS if rest.get(key) not in (None, "")), "")
    if not isinstance(doc_id, str | int) or isinstance(doc_id, bool):
        raise ValueError(f"expected an id that is text or a whole number, not {doc_id!r}")
    text_key = next((key for key in _TEXT_KEYS if isinstance(rest.get(key), str)), None)
    if text_key is None:
        # The whole record is the text; of it, what can be filtered by is metadata as well.
        text = json.dumps(record, ensure_ascii=False, indent=2)
        rest = {key: value for key, value in rest.items() if not isinstance(value, dict | list)}
    else:
        text = rest.pop(text_key)
    title = rest.pop("title") if isinstance(rest.get("title"), str) else ""
    if isinstance(rest.get("metadata"), dict):
        rest = rest.pop("metadata") | rest
    return str(doc_id), title, text, rest


def _row_document(name: str, number: int, header: list[str], row: list[str]) -> Document:
    names = [column.strip() or f"column {n}" for n, column in enumerate(header, start=1)]
    names += [f"column {n}" for n in range(len(header) + 1, len(row) + 1)]
    pairs = list(zip_longest(names, row, fillvalue=""))  # columns may share a name
    cells = dict(pairs)
    doc_id = next((cells[key] for key in _ID_KEYS if cells.get(key)), number)
    return Document(
        f"{name}:{doc_id}",
        "\n".join(f"{column}: {cell}" for column, cell in pairs if cell.strip()),
        cells.get("title", ""),
        {"path": name, "row": number, **cells},
    )
