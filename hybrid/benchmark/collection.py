"""What is measured on: documents or an index of them, questions and judgements."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid import snapshot
from hybrid.documents import Document, ReadReport
from hybrid.errors import MissingDependency
from hybrid.judgements import read_qrels, read_queries
from hybrid.readers import open_source

IRDS = "irds:"
"""How a source begins that is the id of a collection of ir_datasets."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A test collection.

    Attributes
    ----------
    name, source : str
        What it is called, and where it is: a path, or an id after "irds:".
    queries : mapping of str to str
        The judged questions that have a text, by id.
    qrels : mapping
        {query_id: {doc_id: relevance}} of these.
    documents : callable or None
        Streams the documents; notes in the report that it is given what cannot be read.  None of
        an index.
    hashes : mapping of str to str
        sha256 of "corpus" or "index", "queries" and "qrels".
    without_text : int
        How many judged questions have no text; nobody can ask them.
    """

    name: str
    source: str
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    documents: Callable[[ReadReport], Iterator[Document]] | None
    hashes: Mapping[str, str]
    without_text: int = 0

    @property
    def index(self) -> Path | None:
        """Where the index is, when the collection is one."""
        return Path(self.source) if self.documents is None else None


def open_collection(
    source: str, *, queries: Path | None = None, qrels: Path | None = None, split: str = "test"
) -> Collection:
    """Open a test collection.

    Parameters
    ----------
    source : str
        A folder in BEIR layout; "irds:NAME", through the package ir_datasets; an index folder; or
        anything that ``hybrid index`` takes.  The last two need queries and qrels.
    queries, qrels : Path, optional
        Files as `hybrid.judgements` reads them; by default those of the collection.
    split : str
        Which judgements of a folder in BEIR layout: ``qrels/<split>.tsv``.

    Raises
    ------
    MissingDependency
        If the source is of ir_datasets, which is not installed.
    FileNotFoundError
        If a file is not there.
    ValueError
        If no question is judged, or files are missing or cannot be read.
    """
    if source.startswith(IRDS):
        return _from_irds(source, queries, qrels)
    folder = Path(source)
    if not folder.exists():
        raise FileNotFoundError(f"expected a collection or an index at {folder}, found nothing")
    is_index = snapshot.store_file(folder).is_file()
    if not is_index and (folder / "corpus.jsonl").is_file():
        queries = queries or folder / "queries.jsonl"
        qrels = qrels or folder / "qrels" / f"{split}.tsv"
    if queries is None or qrels is None:
        raise ValueError(
            f"expected --queries and --qrels with {source}, which is not a folder in BEIR layout"
        )
    if is_index:
        hashed = {"index": folder / "manifest.json"}
    else:
        corpus = folder / "corpus.jsonl"
        hashed = {"corpus": corpus if corpus.is_file() else folder}
    hashes = {name: sha256_of(path) for name, path in hashed.items()}
    documents = None if is_index else lambda report: open_source(folder, report=report)
    asked = read_queries(queries), read_qrels(qrels)
    hashes |= {"queries": sha256_of(queries), "qrels": sha256_of(qrels)}
    return _judged(folder.resolve().name, str(folder.resolve()), asked, documents, hashes)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file; of a folder that of its files' paths and hashes."""
    if path.is_dir():
        digest = hashlib.sha256()
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _judged(
    name: str,
    source: str,
    asked: tuple[Mapping[str, str], Mapping[str, Mapping[str, int]]],
    documents: Callable[[ReadReport], Iterator[Document]] | None,
    hashes: Mapping[str, str],
) -> Collection:
    """Return the collection of the questions that are judged and have a text."""
    queries, qrels = asked
    judged = {query_id: text for query_id, text in queries.items() if query_id in qrels}
    if not judged:
        raise ValueError(
            f"expected judgements of the questions of {source}, but none of the {len(queries)} "
            f"questions is among the {len(qrels)} that are judged"
        )
    of_these = {query_id: qrels[query_id] for query_id in judged}
    return Collection(name, source, judged, of_these, documents, hashes, len(qrels) - len(judged))


def _from_irds(source: str, queries: Path | None, qrels: Path | None) -> Collection:
    """Return a collection of ir_datasets."""
    try:
        import ir_datasets  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingDependency("ir-datasets", "bench") from error
    name = source.removeprefix(IRDS)
    try:
        dataset = ir_datasets.load(name)
    except KeyError as error:
        raise ValueError(f"expected the id of a collection of ir_datasets, not {name!r}") from error

    def documents(report: ReadReport) -> Iterator[Document]:
        return (_document(record) for record in dataset.docs_iter())

    asked = read_queries(queries) if queries else _irds_queries(dataset)
    judged = read_qrels(qrels) if qrels else _irds_qrels(dataset)
    corpus = ([d.doc_id, d.title, d.text] for d in documents(ReadReport()))
    contents = {
        "corpus": corpus,
        "queries": iter(asked.items()),
        "qrels": ([query, list(found.items())] for query, found in judged.items()),
    }
    hashes = {part: _sha256_of_records(records) for part, records in contents.items()}
    return _judged(name, source, (asked, judged), documents, hashes)


def _irds_queries(dataset: Any) -> dict[str, str]:
    return {str(record.query_id): _text(record) for record in dataset.queries_iter()}


def _irds_qrels(dataset: Any) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for record in dataset.qrels_iter():
        qrels.setdefault(str(record.query_id), {})[str(record.doc_id)] = int(record.relevance)
    return qrels


def _document(record: Any) -> Document:
    """Return a document of ir_datasets: its title and text, or all its text in one."""
    if getattr(record, "text", None) is None:
        return Document(str(record.doc_id), _text(record))
    return Document(str(record.doc_id), record.text, title=getattr(record, "title", None) or "")


def _text(record: Any) -> str:
    """Return the text of a record of ir_datasets; newer ones say themselves what it is."""
    whole = getattr(record, "default_text", None)
    return str(record.text if whole is None else whole())


def _sha256_of_records(records: Iterator[Any]) -> str:
    digest = hashlib.sha256()
    for record in records:
        digest.update(json.dumps(record, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()
