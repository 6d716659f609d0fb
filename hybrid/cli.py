"""The command line.

What takes long to import is imported inside the commands: so ``hybrid --help`` comes at once.
"""

import logging
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hybrid import __version__
from hybrid.console import Commands, JSONFilter, log_to_stderr, print_json, tell_if_none

if TYPE_CHECKING:
    from hybrid.analysis import Analyzer
    from hybrid.documents import ReadReport
    from hybrid.results import Added
    from hybrid.retriever import Retriever
    from hybrid.settings import Choices

_INDEX = click.argument("index", type=click.Path(path_type=Path))
_QUERY = click.argument("query")
_FILTER = click.option(
    "--filter",
    "condition",
    type=JSONFilter(),
    help='Condition on the metadata: \'{"lang": "en", "year": {"$gte": 2020}}\'.',
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def _k(default: int) -> Any:
    return click.option(
        "-k", default=default, type=click.IntRange(min=1), show_default=True, help="Most hits."
    )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hybrid")
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr.")
@click.option("--debug", is_flag=True, envvar="HYBRID_DEBUG", help="Show where an error came from.")
def main(verbose: bool, debug: bool) -> None:
    """Hybrid search over your documents.

    Every document is split into chunks, and every chunk goes into parallel indexes: BM25 for the
    words, dense vectors for the meaning.  A question is put to all of them, and their scores are
    fused exactly.  Nothing is downloaded unless you name a model.

    \b
    hybrid demo                                  try it on Python's standard library
    hybrid index docs/ my-index                  index a folder
    hybrid search my-index "why do cats purr"    search it
    hybrid explain my-index "why do cats purr"   see how the scores came about
    hybrid context my-index "why do cats purr"   text for the prompt of a language model
    """
    log_to_stderr(logging.INFO if verbose else logging.WARNING)


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--encoder", help='"lsa" (default), "none" for BM25 alone, or the name of a model.')
@click.option("--language", help='"auto" (default), or the language to stem, such as "german".')
@click.option("--chunk-size", "size", type=int, help="Most characters of a chunk (default 2000).")
@click.option("--overlap", type=int, help="Characters that chunks share (default 0).")
@click.option("--no-split", is_flag=True, default=None, help="One chunk for each document.")
@click.option("--bm25-k1", "k1", type=float, help="How late repeated words stop to count (1.2).")
@click.option("--bm25-b", "b", type=float, help="How much long chunks are marked down (0.75).")
@click.option("--metric", type=click.Choice(["cosine", "ip", "l2"]), help="Compares vectors.")
@_JSON
def index(source: Path, out: Path, as_json: bool, **settings: Any) -> None:
    """Index SOURCE into the folder OUT.

    SOURCE is a folder of files, a folder in BEIR layout, a .jsonl file, or any one file.  If OUT
    is an index already, the documents are added to it; those with the same id are replaced.

    \b
    hybrid index docs/ my-index
    hybrid index corpus.jsonl my-index --encoder BAAI/bge-m3 --chunk-size 1000
    """
    from hybrid.display import Stages
    from hybrid.documents import ReadReport
    from hybrid.readers import open_source

    _check_apart(source, out)
    report, stages, start = ReadReport(), Stages(), time.perf_counter()
    documents = open_source(source, report=report)
    given = {name: value for name, value in settings.items() if value is not None}
    is_new = not (out.is_dir() and any(out.iterdir()))
    with _new(out, _choices(given)) if is_new else _existing(out, given) as retriever:
        added = retriever.add(stages.counted("indexing", documents))
        _tell_left_out(report, added)
        if not added.added + added.replaced + added.unchanged:
            raise ValueError(f"expected documents in {source}, but there are none to read")
        with stages.stage("fitting and saving"):
            retriever.commit()
        chunks = len(retriever)
    summary = {
        "folder": str(out),
        "chunks": chunks,
        "seconds": round(time.perf_counter() - start, 3),
        "bytes": sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
    }
    if as_json:
        print_json({**summary, "documents": added, "skipped": report.skipped})
    else:
        _print_summary(summary, added, is_new=is_new)


@main.command()
@_INDEX
@_QUERY
@_k(10)
@_FILTER
@_JSON
def search(index: Path, query: str, k: int, condition: dict[str, Any], as_json: bool) -> None:
    """Show the best hits for QUERY, with the rank that each index gave them.

    The rank is "–" where a hit is not among the first that the index was asked for.

    \b
    hybrid search my-index "why do cats purr" -k 5
    hybrid search my-index "why do cats purr" --filter '{"lang": "en"}' --json
    """
    with _opened(index) as (retriever, analyzer):
        hits = retriever.search(query, k, filter=condition)
    tell_if_none(hits)
    if as_json:
        print_json({"query": query, "hits": hits})
    elif hits:
        from hybrid.display import Highlighter, show_hits

        show_hits(hits, Highlighter.of(analyzer, query))


@main.command()
@_INDEX
@_QUERY
@_k(3)
@_FILTER
@_JSON
def explain(index: Path, query: str, k: int, condition: dict[str, Any], as_json: bool) -> None:
    """Show how the scores of the best hits for QUERY came about.

    \b
    hybrid explain my-index "why do cats purr" -k 1
    """
    with _opened(index) as (retriever, analyzer):
        explanation = retriever.explain(query, k, filter=condition)
    tell_if_none(explanation.hits)
    if as_json:
        print_json(explanation)
    else:
        from hybrid.display import Highlighter, show_explanation

        show_explanation(explanation, Highlighter.of(analyzer, query))


@main.command()
@_INDEX
@_QUERY
@click.option(
    "--max-tokens", default=1500, type=click.IntRange(min=1), show_default=True, help="The budget."
)
@_FILTER
@_JSON
def context(
    index: Path, query: str, max_tokens: int, condition: dict[str, Any], as_json: bool
) -> None:
    """Print the best hits for QUERY as text for a prompt, numbered for citing.

    The text goes to stdout; what was left out, to stderr.

    \b
    hybrid context my-index "why do cats purr" --max-tokens 800 > prompt.txt
    """
    with _opened(index) as (retriever, _):
        found = retriever.context(query, max_tokens, filter=condition)
    receipt = found.receipt
    tell_if_none([*receipt.included, *receipt.dropped])
    if as_json:
        print_json(found)
        return
    click.echo(found.text)
    click.echo(
        f"{len(receipt.included)} chunks, about {receipt.tokens} of {receipt.max_tokens} tokens; "
        f"{len(receipt.dropped)} hits did not fit",
        err=True,
    )


@main.command()
@click.argument("questions", metavar="[QUESTION]...", nargs=-1)
@click.option("--keep", type=click.Path(path_type=Path), help="A new folder to save the index in.")
@_JSON
def demo(questions: tuple[str, ...], keep: Path | None, as_json: bool) -> None:
    """Index the docstrings and comments of Python's standard library, and ask them questions.

    \b
    hybrid demo
    hybrid demo "parse a date" "run a web server"
    hybrid demo --keep stdlib-index
    """
    from hybrid import demo as session
    from hybrid.documents import ReadReport
    from hybrid.stdlib import stdlib_folder

    library, report = stdlib_folder(), ReadReport()
    asked = questions or session.QUESTIONS
    with _new(keep, {"encoder": "lsa", "analyzer": session.ANALYZER}) as retriever:
        found = session.ask(retriever, library, asked, report=report, keep=keep is not None)
    _tell_left_out(report, found.documents)
    if as_json:
        print_json(found)
    else:
        session.show(found, keep)


@contextmanager
def _opened(folder: Path) -> "Iterator[tuple[Retriever, Analyzer]]":
    """Open an index for searching, and its analyzer for highlighting."""
    from hybrid import snapshot
    from hybrid.analysis import Analyzer
    from hybrid.retriever import Retriever

    analyzer = Analyzer.from_settings(snapshot.read(folder).settings["analyzer"])
    with Retriever.load(folder, analyzer=analyzer) as retriever:
        yield retriever, analyzer


@contextmanager
def _new(folder: Path | None, choices: "Choices") -> "Iterator[Retriever]":
    """Make an index; nothing is left of its folder when that fails."""
    from hybrid.retriever import Retriever

    retriever = Retriever.create(folder, **choices)
    try:
        with retriever:
            yield retriever
    except BaseException:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _existing(folder: Path, given: dict[str, Any]) -> "Retriever":
    """Open an index for adding to it."""
    from hybrid.retriever import Retriever

    if given:
        options = [param.opts[0] for param in index.params if param.name in given]
        raise ValueError(
            f"expected no settings for {folder}, which is an index already, but {options[0]} was "
            f"given: it keeps those it was built with, build another for others"
        )
    return Retriever.load(folder)


def _choices(given: dict[str, Any]) -> "Choices":
    """Return the choices that the options of `hybrid index` stand for."""
    from hybrid.chunking import Chunker
    from hybrid.settings import BM25, Dense

    sizes = {name: given[name] for name in ("size", "overlap") if name in given}
    if "no_split" in given:
        if sizes:
            raise click.UsageError("--no-split makes --chunk-size and --overlap meaningless.")
        sizes = {"size": None}
    choices: Choices = {
        "chunker": Chunker(**sizes),
        "bm25": BM25(**{name: given[name] for name in ("k1", "b") if name in given}),
        "dense": Dense(**{name: given[name] for name in ("metric",) if name in given}),
    }
    if "encoder" in given:
        choices["encoder"] = None if given["encoder"] == "none" else given["encoder"]
    if "language" in given:
        choices["analyzer"] = given["language"]
    return choices


def _check_apart(source: Path, out: Path) -> None:
    """Raise if the index would be read as one of the documents."""
    if not out.resolve().is_relative_to(source.resolve()):
        return
    inside = out.resolve().relative_to(source.resolve())
    if not any(part.startswith(".") for part in inside.parts):  # readers leave out hidden files
        raise ValueError(
            f"expected OUT outside of SOURCE, or hidden, but {out} is inside of {source}: "
            f"try {out.with_name('.' + out.name)}"
        )


def _tell_left_out(report: "ReadReport", added: "Added") -> None:
    """Name on stderr what is not in the index."""
    for skipped in report.skipped:
        click.echo(f"skipped {skipped.path}: {skipped.reason}", err=True)
    for doc_id in added.empty:
        click.echo(f"no text in {doc_id}", err=True)


def _print_summary(summary: dict[str, Any], added: "Added", *, is_new: bool) -> None:
    from rich.filesize import decimal

    done = f"indexed {added.added:,} documents"
    if not is_new:
        done = f"added {added.added:,}, replaced {added.replaced:,}, unchanged {added.unchanged:,}"
    click.echo(
        f"{done} in {summary['seconds']:.1f} s: {summary['folder']} holds "
        f"{summary['chunks']:,} chunks in {decimal(summary['bytes'])}"
    )
    click.echo(f'try: hybrid search {shlex.quote(summary["folder"])} "a question"')


if __name__ == "__main__":
    main()
