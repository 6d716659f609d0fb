"""The commands about an index folder that lives: syncing, exporting, importing."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from hybrid.console import Command, print_json

_FOLDER = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command(
    cls=Command,
    examples=[
        "hybrid sync docs my-index",
        "hybrid sync docs my-index --watch 5",
        "hybrid sync team-b my-index --name team-b --prefix team-b/",
    ],
)
@click.argument("folder", type=_FOLDER)
@click.argument("index", type=_FOLDER)
@click.option(
    "--watch",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Go on: look for changes every so many seconds.",
)
@click.option("--keep", is_flag=True, default=None, help="Delete nothing.")
@click.option("--adopt", is_flag=True, default=None, help="Replace documents from elsewhere.")
@click.option("--allow-empty", is_flag=True, default=None, help="Also when no document is left.")
@click.option("--reread", is_flag=True, default=None, help="Also files that seem unchanged.")
@click.option("--name", metavar="NAME", help="The folder's name in the index (default its path).")
@click.option("--prefix", metavar="TEXT", help="Begins the ids of its documents.")
@_JSON
def sync(folder: Path, index: Path, watch: float | None, as_json: bool, **options: Any) -> None:
    """Make INDEX equal to FOLDER: add, replace and delete documents.

    Only documents that came from FOLDER by this command are ever replaced or deleted, and a file
    that cannot be read stays as it is in INDEX. INDEX is made when it is not there.
    """
    from hybrid.sync_command import run, show_synced

    given = {name: value for name, value in options.items() if value is not None}
    for synced in run(folder, index, watch, given):
        print_json(synced) if as_json else show_synced(synced)


@click.command(
    cls=Command,
    examples=["hybrid export my-index my-index.jsonl", "hybrid export my-index my-index.parquet"],
)
@click.argument("index", type=_FOLDER)
@click.argument("out", type=_FOLDER)
@_JSON
def export(index: Path, out: Path, as_json: bool) -> None:
    """Write INDEX into one file OUT: texts, offsets, metadata, vectors and weights.

    OUT is a new file, .jsonl or .parquet. An encoder that is a function cannot be opened from here:
    then export from Python, with hybrid.exporting.export.
    """
    from hybrid.exporting import export as write
    from hybrid.retriever import Retriever

    with Retriever.load(index) as retriever:
        done = write(retriever, out)
    _show(done, as_json, f"{done.file} holds")


@click.command(
    "import",
    cls=Command,
    examples=["hybrid import my-index.jsonl other-index"],
)
@click.argument("file", type=_FOLDER)
@click.argument("index", type=_FOLDER)
@_JSON
def import_(file: Path, index: Path, as_json: bool) -> None:
    """Build the folder INDEX from a FILE that was exported.

    No text is encoded. INDEX answers as the exported index; a FILE in which something is wrong is
    refused, and leaves nothing behind.
    """
    from hybrid.importing import import_index

    done = import_index(file, index)
    _show(done, as_json, f"{done.folder} holds")


@click.command(cls=Command, examples=["hybrid verify my-index", "hybrid verify my-index --json"])
@click.argument("index", type=_FOLDER)
@click.option("--quick", is_flag=True, help="Read no file as a whole, and only some texts.")
@_JSON
def verify(index: Path, quick: bool, as_json: bool) -> None:
    """Say what is wrong with INDEX: its files, its store, every index row by row.

    Nothing is changed. The exit code is 1 when something is wrong.
    """
    from hybrid.verifying import verify as look

    verified = look(index, deep=not quick)
    print_json(verified.as_json()) if as_json else click.echo(str(verified))
    if not verified.ok:
        raise SystemExit(1)


@click.command(
    cls=Command,
    examples=["hybrid repair my-index", "hybrid repair my-index --salvage documents.jsonl"],
)
@click.argument("index", type=_FOLDER)
@click.option("--salvage", "into", type=_FOLDER, metavar="INTO", help="Only save documents.")
@_JSON
def repair(index: Path, into: Path | None, as_json: bool) -> None:
    """Build the indexes of INDEX again where anything is wrong.

    They are made from its documents, which are only read. When these are damaged, too, --salvage
    writes those that can be read into a new file INTO, for `hybrid index`. The exit code is 1 when
    some could not be read.
    """
    if into is not None:
        from hybrid.salvaging import salvage

        saved = salvage(index, into)
        print_json(saved.as_json()) if as_json else click.echo(str(saved))
        if saved.lost:
            raise SystemExit(1)
        return
    from hybrid.repairing import repair as mend

    repaired = mend(index)
    print_json(repaired.as_json()) if as_json else click.echo(str(repaired))


def _show(done: Any, as_json: bool, begin: str) -> None:
    """Print how many documents and chunks there are."""
    if as_json:
        print_json(done)
        return
    counts = dataclasses.asdict(done)
    click.echo(f"{begin} {counts['documents']:,} documents in {counts['chunks']:,} chunks")
