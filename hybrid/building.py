"""How the command line makes an index, and adds to one."""

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.filesize import decimal

from hybrid.chunking import Chunker
from hybrid.display import Stages
from hybrid.documents import ReadReport, Skipped
from hybrid.encoders.cache import Embedded
from hybrid.readers import open_source
from hybrid.replacing import bring_back
from hybrid.results import Added
from hybrid.retriever import Retriever
from hybrid.settings import BM25, Choices, Dense
from hybrid.source_folder import check_apart
from hybrid.unfinished import clear, is_unfinished


@dataclass(frozen=True, slots=True)
class Built:
    """What was put into an index folder.

    Attributes
    ----------
    folder : str
        The index folder.
    documents : Added
        What came in just now.
    skipped : list of Skipped
        What could not be read.
    chunks, bytes : int
        What the folder holds in all.
    seconds : float
        How long it took.
    embedded : Embedded
        How many texts were encoded, and how many embeddings were in the cache.
    """

    folder: str
    documents: Added
    skipped: list[Skipped]
    chunks: int
    bytes: int
    seconds: float
    embedded: Embedded


def build(source: Path, out: Path, options: Mapping[str, Any]) -> Built:
    """Index a source into a folder, or add it to the index that is there.

    Parameters
    ----------
    source : Path
        What to read.
    out : Path
        The index folder.
    options : mapping of str to value
        The options of ``hybrid index`` that were given.

    Raises
    ------
    ValueError
        If there are no documents, an option does not fit, or there are options for an index that
        is there already.
    """
    check_apart(source, out)
    report, stages, start = ReadReport(), Stages(), time.perf_counter()
    documents = open_source(source, report=report)
    target: AbstractContextManager[Retriever]
    target = _old_index(out, options) if _is_taken(out) else new_index(out, choices_of(options))
    total = None if _is_taken(out) else _chunks_to_embed(source, options, stages)
    with target as retriever:
        with stages.embedding("indexing", lambda: retriever.embedded, total) as counted:
            added = retriever.add(counted(documents))
        tell_left_out(report, added)
        if added.added + added.replaced + added.unchanged == 0:
            raise ValueError(f"expected documents in {source}, but there are none that can be read")
        with stages.stage("fitting and saving"):
            retriever.commit()
        chunks, embedded = len(retriever), retriever.embedded
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    seconds = round(time.perf_counter() - start, 3)
    return Built(str(out), added, report.skipped, chunks, size, seconds, embedded)


def show_built(built: Built) -> None:
    """Print what was indexed, and what to try next."""
    done = built.documents
    counts = {"new": done.added, "replaced": done.replaced, "unchanged": done.unchanged}
    listed = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    click.echo(
        f"documents: {listed}; {built.folder} holds {built.chunks:,} chunks "
        f"({decimal(built.bytes)}), {built.seconds:.1f} s"
    )
    if built.embedded.reused:
        encoded, reused = built.embedded.encoded, built.embedded.reused
        click.echo(f"embeddings: {encoded:,} new, {reused:,} from the cache")
    click.echo(f'try: hybrid search {shlex.quote(built.folder)} "a question"')


def tell_left_out(report: ReadReport, added: Added) -> None:
    """Name on stderr what is not in the index."""
    for skipped in report.skipped:
        click.echo(f"skipped {skipped.path}: {skipped.reason}", err=True)
    for doc_id in added.empty:
        click.echo(f"no text in {doc_id}", err=True)


@contextmanager
def new_index(folder: Path | None, choices: Choices) -> Iterator[Retriever]:
    """Make an index to fill; when that fails, what was committed or embedded stays."""
    retriever = Retriever.create(folder, **choices)
    try:
        with retriever:
            yield retriever
    except BaseException:
        if folder is not None and not retriever.generation:
            clear(folder, keep_cache=retriever.embedded != Embedded())
            if folder.exists():
                told = f"what was embedded is kept in {folder}: the same command goes on from there"
                click.echo(told, err=True)
        raise


def _chunks_to_embed(source: Path, options: Mapping[str, Any], stages: Stages) -> int | None:
    """Return how many chunks a model has before it, when that is shown."""
    if options.get("encoder", "lsa") in ("lsa", "none") or not stages.shown:
        return None
    chunker = choices_of(options)["chunker"]
    documents = stages.counted("counting", open_source(source, report=ReadReport()))
    return sum(len(chunker.split(document)) for document in documents)


def _old_index(folder: Path, options: Mapping[str, Any]) -> Retriever:
    """Open an index to add to it."""
    if options:
        command = click.get_current_context().command
        flags = [param.opts[0] for param in command.params if param.name in options]
        raise ValueError(
            f"expected no settings for {folder}, which keeps those it was built with, but got "
            f"{', '.join(flags)}: leave them out, or build another index"
        )
    return Retriever.load(folder)


def _is_taken(folder: Path) -> bool:
    bring_back(folder)
    return folder.is_dir() and any(folder.iterdir()) and not is_unfinished(folder)


def choices_of(options: Mapping[str, Any]) -> Choices:
    """Return the choices that the options stand for."""

    def given(*names: str) -> dict[str, Any]:
        return {name: options[name] for name in names if name in options}

    sizes = given("size", "overlap")
    if "no_split" in options:
        if sizes:
            raise ValueError("expected either --no-split or --chunk-size and --overlap, not both")
        sizes = {"size": None}
    choices: Choices = {
        "chunker": Chunker(**sizes),
        "bm25": BM25(**given("k1", "b")),
        "dense": Dense(**given("metric")),
        "cache": "no_cache" not in options,
    }
    if "encoder" in options:
        choices["encoder"] = None if options["encoder"] == "none" else options["encoder"]
    if "language" in options and "analyzer" in options:
        raise ValueError("expected either --analyzer or --language, not both")
    for option in ("language", "analyzer"):
        if option in options:
            choices["analyzer"] = options[option]
    return choices
