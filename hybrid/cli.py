"""The command line.

What takes long to import is imported inside the commands: so ``hybrid --help`` comes at once.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hybrid import __version__
from hybrid.cli_folder import export, import_, repair, sync, verify
from hybrid.cli_judged import bench, tune
from hybrid.console import (
    Commands,
    log_to_stderr,
    parse_filter,
    print_json,
    replace_unprintable,
    tell_if_none,
)

if TYPE_CHECKING:
    from hybrid.retriever import Retriever
    from hybrid.text_analyzer import TextAnalyzer

_FOLDER = click.Path(path_type=Path)
_INDEX = click.argument("index", type=_FOLDER)
_QUERY = click.argument("query")
_FILTER = click.option(
    "--filter",
    "condition",
    metavar="JSON",
    callback=parse_filter,
    help='Condition on the metadata: \'{"lang": "en", "year": {"$gte": 2020}}\'.',
)
_FUSION = click.option(
    "--fusion",
    metavar="NAME",
    help='How the indexes are fused, such as "rrf" or "tm2c2"; else as the index has it.',
)
_MIN_SCORE = click.option(
    "--min-score", type=float, help="Leave out hits with a lower score (default: none)."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=[
        "hybrid demo                                  # ask Python's standard library",
        "hybrid index docs/ my-index                  # index a folder",
        'hybrid search my-index "why do cats purr"    # search it',
        'hybrid explain my-index "why do cats purr"   # see how the scores came about',
        'hybrid context my-index "why do cats purr"   # text for a prompt, with sources',
    ],
)
@click.version_option(__version__, prog_name="hybrid")
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr.")
@click.option("--debug", is_flag=True, envvar="HYBRID_DEBUG", help="Show where an error came from.")
def main(verbose: bool, debug: bool) -> None:
    """Search your documents by words and by meaning at once.

    Documents are split into chunks, and every chunk goes into parallel indexes: BM25 for the words,
    dense vectors for the meaning. A question is put to all of them, and their scores are fused
    exactly. Nothing is downloaded unless you name a model.
    """
    replace_unprintable()
    log_to_stderr(logging.INFO if verbose else logging.WARNING)


@main.command(
    examples=[
        "hybrid index docs/ my-index",
        "hybrid index corpus.jsonl my-index --chunk-size 1000 --language german",
        "hybrid index notes/ my-index --encoder BAAI/bge-m3",
        "hybrid index src/ my-index --analyzer code",
    ]
)
@click.argument("source", type=_FOLDER)
@click.argument("out", type=_FOLDER)
@click.option(
    "--encoder",
    metavar="NAME",
    help='"lsa" (default), "none" for BM25 alone, or a model by its name or folder.',
)
@click.option(
    "--language", metavar="NAME", help='"auto" (default), or the language of the texts: "german".'
)
@click.option(
    "--analyzer",
    metavar="NAME",
    help='"auto" (default), "code" for source code, "jieba" for Chinese by words, or a language.',
)
@click.option("--chunk-size", "size", type=int, help="Most characters of a chunk (default 2000).")
@click.option("--overlap", type=int, help="Characters that two chunks share (default 0).")
@click.option("--no-split", is_flag=True, default=None, help="One chunk for each document.")
@click.option("--bm25-k1", "k1", type=float, help="How late repetition stops to count (1.2).")
@click.option("--bm25-b", "b", type=float, help="How much long chunks are marked down (0.75).")
@click.option(
    "--metric",
    type=click.Choice(["cosine", "ip", "l2"]),
    help="How vectors are compared (default cosine).",
)
@click.option(
    "--no-cache",
    is_flag=True,
    default=None,
    help="Keep no embeddings of a model (in OUT/embeddings.db) to go on from after a stop.",
)
@_JSON
def index(source: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Index SOURCE into the folder OUT, or add to it.

    SOURCE is a folder of files, a folder in BEIR layout, a .jsonl file, or any one file. When OUT
    is an index already, it keeps its settings; a document replaces the one with the same id, and
    those that are gone from SOURCE stay. A build that was stopped goes on when it is run again.
    """
    from hybrid.building import build, show_built

    built = build(
        source, out, {name: value for name, value in options.items() if value is not None}
    )
    print_json(built) if as_json else show_built(built)


@main.command(
    examples=[
        'hybrid search my-index "why do cats purr" -k 5',
        'hybrid search my-index "why do cats purr" --filter \'{"lang": "en"}\' --json',
    ]
)
@_INDEX
@_QUERY
@click.option("-k", default=10, type=click.IntRange(min=1), show_default=True, help="Most hits.")
@_FILTER
@_MIN_SCORE
@_FUSION
@_JSON
def search(index: Path, query: str, fusion: str | None, as_json: bool, **wanted: Any) -> None:
    """Show the best hits for QUERY.

    Each with the rank that every index gave it; a dash stands for a rank below the first 100.
    """
    with _opened(index, fusion) as (retriever, analyzer):
        hits = retriever.search(query, **_asked(wanted))
    tell_if_none(hits)
    if as_json:
        print_json({"query": query, "hits": hits})
    elif hits:
        from hybrid.display import Highlighter, show_hits

        show_hits(hits, Highlighter.of(analyzer, query))


@main.command(examples=['hybrid explain my-index "why do cats purr" -k 1'])
@_INDEX
@_QUERY
@click.option("-k", default=3, type=click.IntRange(min=1), show_default=True, help="Most hits.")
@_FILTER
@_FUSION
@_JSON
def explain(index: Path, query: str, fusion: str | None, as_json: bool, **wanted: Any) -> None:
    """Show how the scores of the best hits came about."""
    with _opened(index, fusion) as (retriever, analyzer):
        explanation = retriever.explain(query, **_asked(wanted))
    tell_if_none(explanation.hits)
    if as_json:
        print_json(explanation)
    else:
        from hybrid.display import Highlighter, show_explanation

        show_explanation(explanation, Highlighter.of(analyzer, query))


@main.command("why-not", examples=['hybrid why-not my-index "why do cats purr" dogs.txt -k 5'])
@_INDEX
@_QUERY
@click.argument("chunk")
@click.option("-k", default=10, type=click.IntRange(min=1), show_default=True, help="Most hits.")
@_FILTER
@_FUSION
@_JSON
def why_not(
    index: Path, query: str, chunk: str, fusion: str | None, as_json: bool, **wanted: Any
) -> None:
    """Show why CHUNK, or the best chunk of a document, is not among the hits."""
    with _opened(index, fusion) as (retriever, _):
        found = retriever.why_not(query, chunk, **_asked(wanted))
    print_json(found) if as_json else click.echo(str(found))


@main.command(
    examples=[
        'hybrid context my-index "why do cats purr"',
        'hybrid context my-index "why do cats purr" --max-tokens 800 > prompt.txt',
    ]
)
@_INDEX
@_QUERY
@click.option(
    "--max-tokens", default=1500, type=click.IntRange(min=1), show_default=True, help="The budget."
)
@_FILTER
@_MIN_SCORE
@_FUSION
@_JSON
def context(index: Path, query: str, fusion: str | None, as_json: bool, **wanted: Any) -> None:
    """Print the best hits as text for a prompt.

    They are numbered, for citing. How much was left out is said on stderr.
    """
    with _opened(index, fusion) as (retriever, _):
        found = retriever.context(query, **_asked(wanted))
    receipt = found.receipt
    tell_if_none([*receipt.included, *receipt.dropped])
    if as_json:
        print_json(found)
        return
    click.echo(found.text)
    click.echo(
        f"{len(receipt.included)} chunks, about {receipt.tokens} of {receipt.max_tokens} tokens; "
        f"{len(receipt.dropped)} more did not fit",
        err=True,
    )


@main.command(
    examples=[
        "hybrid demo",
        'hybrid demo "close matches for a misspelled word"',
        "hybrid demo --keep stdlib-index",
    ]
)
@click.argument("questions", metavar="[QUESTION]...", nargs=-1)
@click.option("--keep", type=_FOLDER, help="A new folder to save the index in.")
@_JSON
def demo(questions: tuple[str, ...], keep: Path | None, as_json: bool) -> None:
    """Ask Python's standard library.

    Its docstrings and comments are on this machine already: they are indexed, and asked four
    questions, or your own.
    """
    from hybrid import demo as session
    from hybrid.stdlib import stdlib_folder

    found = session.ask(stdlib_folder(), questions or session.QUESTIONS, keep=keep)
    print_json(found) if as_json else session.show(found, keep)


main.add_command(sync)
main.add_command(export)
main.add_command(import_)
main.add_command(verify)
main.add_command(repair)
main.add_command(tune)
main.add_command(bench)
bench.params += [
    param
    for param in index.params
    if isinstance(param, click.Option) and param.name not in ("no_cache", "as_json")
]


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    """Return options of a command as arguments of the retriever's methods."""
    return {"filter": options.pop("condition"), **options}


@contextmanager
def _opened(folder: Path, fusion: str | None = None) -> "Iterator[tuple[Retriever, TextAnalyzer]]":
    """Open an index for searching, and its analyzer for highlighting."""
    from hybrid.retriever import Retriever

    with Retriever.load(folder) as retriever:
        if fusion is not None:
            retriever.fusion = fusion
        yield retriever, retriever.analyzer


if __name__ == "__main__":
    main()
