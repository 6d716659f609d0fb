"""What `hybrid sync` does: opens or makes the index, syncs, commits, and tells."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from hybrid.building import new_index
from hybrid.retriever import Retriever
from hybrid.source_folder import Source, check_apart
from hybrid.syncing import Synced, SyncOptions, sync, watch
from hybrid.unfinished import is_unfinished


def run(
    folder: Path, index: Path, seconds: float | None, options: Mapping[str, Any]
) -> Iterator[Synced]:
    """Sync and commit once, or again and again; yield what was done each time.

    Parameters
    ----------
    folder, index : Path
        What is read, and the index folder.
    seconds : float or None
        Between two looks at the folder; None: only once.
    options : mapping of str to value
        The options of ``hybrid sync`` that were given.
    """
    source = Source.of(Source(folder, options.get("name", ""), options.get("prefix", "")))
    check_apart(folder, index)
    chosen: SyncOptions = {
        "delete": "keep" not in options,
        "adopt": "adopt" in options,
        "allow_empty": "allow_empty" in options,
        "reread": "reread" in options,
    }
    if not index.exists() or is_unfinished(index) or not any(index.iterdir()):
        yield _first(source, index, chosen)
        if seconds is None:
            return
    with Retriever.load(index) as retriever:
        if seconds is not None:
            yield from watch(retriever, source, seconds, **chosen)
            return
        synced = sync(retriever, source, **chosen)
        if synced.changed:
            retriever.commit()
        yield synced


def _first(source: Source, index: Path, options: SyncOptions) -> Synced:
    """Make an index of a folder; what is interrupted leaves none."""
    with new_index(index, {}) as retriever:
        synced = sync(retriever, source, **options)
        if not len(retriever) and not options.get("allow_empty"):
            raise ValueError(
                f"expected documents in {source.path}, but there are none that can be read: is it "
                f"the right folder? --allow-empty makes an empty index all the same"
            )
        retriever.commit()
    return synced


def show_synced(synced: Synced) -> None:
    """Print what was done, and on stderr what was left."""
    for skipped in synced.skipped:
        click.echo(f"kept as it is: {skipped.path}: {skipped.reason}", err=True)
    for doc_id in synced.empty:
        click.echo(f"no text in {doc_id}", err=True)
    names = ("added", "replaced", "deleted", "unchanged")
    click.echo(", ".join(f"{getattr(synced, name):,} {name}" for name in names))
