"""Questions and judgements of test collections, in the layouts of BEIR and TREC, and as JSON."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

_HEADER = ("query-id", "corpus-id", "score")
_NAMES = (("query-id", "query_id"), ("corpus-id", "doc_id"), ("score", "relevance"))


def read_beir_queries(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Read the ``queries.jsonl`` of a BEIR collection; see `read_queries`.

    Parameters
    ----------
    folder : path
        The collection.

    Raises
    ------
    FileNotFoundError
        If the folder holds no ``queries.jsonl``.
    """
    return read_queries(Path(folder) / "queries.jsonl")


def read_queries(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read questions with their ids.

    Parameters
    ----------
    path : path
        One JSON object a line, with ``_id`` and ``text``, as in BEIR; or rows of an id, a tab and
        the text.

    Returns
    -------
    dict of str to str
        The text of each query id, in the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a line is neither, or an id comes twice.
    """
    queries: dict[str, str] = {}
    for place, line in _lines(Path(path)):
        is_json = line.lstrip().startswith("{") or "\t" not in line
        query_id, text = _query_in_json(place, line) if is_json else line.split("\t", 1)
        if not query_id:
            raise ValueError(f"{place}: expected a query id, not an empty one")
        if query_id in queries:
            raise ValueError(f"{place}: expected each query id once, but {query_id!r} comes again")
        queries[query_id] = text
    return queries


def read_qrels(path: str | os.PathLike[str]) -> dict[str, dict[str, int]]:
    """Read judgements: which document is how relevant to which query.

    Parameters
    ----------
    path : path
        Rows of ``query-id corpus-id score`` with tabs, as in BEIR, with or without that header;
        rows of four columns, ``query-id iteration doc-id score``, as in TREC; or one JSON object a
        line, with ``query_id``, ``doc_id`` and ``relevance``, or the names of BEIR's header.

    Returns
    -------
    dict of str to dict of str to int
        The relevance by query id and document id, in the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a row has other columns, or one document has two relevances for a query.
    """
    qrels: dict[str, dict[str, int]] = {}
    for place, line in _lines(Path(path)):
        if line.lstrip().startswith("{"):
            columns = _judgement_in_json(place, line)
        else:
            columns = line.split("\t") if "\t" in line else line.split()
        if not qrels and tuple(columns) == _HEADER:
            continue
        query_id, doc_id, relevance = _judgement(place, columns)
        before = qrels.setdefault(query_id, {}).setdefault(doc_id, relevance)
        if before != relevance:
            raise ValueError(
                f"{place}: expected one relevance of {doc_id!r} for {query_id!r}, "
                f"not {before} and {relevance}"
            )
    return qrels


def _query_in_json(place: str, line: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
        query_id, text = record["_id"], record["text"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{place}: expected a JSON object with _id and text, or an id, a tab and a text"
        ) from error
    if not isinstance(query_id, str) or not isinstance(text, str):
        raise ValueError(f"{place}: expected _id and text to be strings")
    return query_id, text


def _judgement_in_json(place: str, line: str) -> list[str]:
    """Return the columns query, document, relevance."""
    try:
        record = json.loads(line)
        columns = [next(record[name] for name in names if name in record) for names in _NAMES]
    except (ValueError, StopIteration, RecursionError) as error:
        raise ValueError(
            f"{place}: expected a JSON object with query_id, doc_id and relevance"
        ) from error
    if not all(isinstance(name, str) for name in columns[:2]):
        raise ValueError(f"{place}: expected query_id and doc_id to be strings")
    return [*columns[:2], str(columns[2])]


def _judgement(place: str, columns: list[str]) -> tuple[str, str, int]:
    if len(columns) not in (3, 4):
        raise ValueError(
            f"{place}: expected 3 columns (BEIR) or 4 (TREC), not {len(columns)}: "
            f"query, [iteration,] document, relevance"
        )
    query_id, doc_id, relevance = columns[0], columns[-2], columns[-1]
    if not query_id or not doc_id:
        raise ValueError(f"{place}: expected a query id and a document id, not an empty one")
    try:
        return query_id, doc_id, int(relevance)
    except ValueError as error:
        raise ValueError(
            f"{place}: expected the relevance to be a whole number, not {relevance!r}"
        ) from error


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a file that are not blank, each with ``file:number``."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"{path}:{number}", line.rstrip("\r\n")
