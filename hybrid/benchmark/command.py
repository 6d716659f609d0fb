"""``hybrid bench``: open or index a collection, measure it, and write down what was found."""

import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from fusion import METHODS, method_named
from hybrid.benchmark.collection import IRDS, Collection, open_collection
from hybrid.benchmark.failures import find_failures
from hybrid.benchmark.manifest import differences, manifest_of, other_versions, read_manifest
from hybrid.benchmark.outputs import Measured, Outputs
from hybrid.benchmark.passing import Owners
from hybrid.benchmark.running import DEPTH, Plan, measure, per_question
from hybrid.benchmark.table import show
from hybrid.building import choices_of, new_index, tell_left_out
from hybrid.display import Stages
from hybrid.documents import ReadReport
from hybrid.retriever import Retriever
from hybrid.settings import Choices
from hybrid.snapshot import store_file
from hybrid.tuning import weight_curve


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured, and how; all of it goes into the manifest.

    Attributes
    ----------
    source : str
        A path, or "irds:NAME".
    queries, qrels : str or None
        Files of these, when they are not the source's own.
    split : str
        Which judgements of a folder in BEIR layout.
    index : str or None
        Where the index is or will be; None: nowhere, after the run.
    options : mapping
        Those of ``hybrid index`` that were given, and "kind" of the dense index.
    fusions : sequence of str
        Names of `fusion.METHODS`.
    depth, seed, timed
        As in `hybrid.benchmark.running.Plan`.
    """

    source: str
    queries: str | None = None
    qrels: str | None = None
    split: str = "test"
    index: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    fusions: Sequence[str] = tuple(METHODS)
    depth: int = DEPTH
    seed: int = 0
    timed: bool = True

    def __post_init__(self) -> None:
        for name in self.fusions:
            method_named(name)
        if not self.source.startswith(IRDS):
            object.__setattr__(self, "source", str(Path(self.source).resolve()))
        for name in ("queries", "qrels", "index"):  # a replay may start somewhere else
            path = getattr(self, name)
            object.__setattr__(self, name, path and str(Path(path).resolve()))

    def collection(self) -> Collection:
        """Open the collection."""
        queries, qrels = (None if p is None else Path(p) for p in (self.queries, self.qrels))
        return open_collection(self.source, queries=queries, qrels=qrels, split=self.split)

    def choices(self) -> Choices:
        """Return how the collection is indexed."""
        choices = choices_of(self.options)
        if "kind" in self.options:
            choices["dense"] = replace(choices["dense"], kind=self.options["kind"])
        return choices


def run(source: str | None, replayed: Path | None, given: dict[str, Any]) -> int:
    """Do what ``hybrid bench`` was asked for, and return its exit status.

    Parameters
    ----------
    source : str or None
        What to measure on; None: as the manifest has it.
    replayed : Path or None
        The manifest of a run to repeat.
    given : dict
        The options that were given, by name.
    """
    outputs = Outputs(**_taken(given, Outputs))
    if replayed is not None:
        if given:
            raise ValueError(
                f"expected no settings with --replay, which has those of {replayed}, not "
                f"{', '.join(given)}"
            )
        return 0 if replay(replayed, source, outputs) else 1
    if source is None:
        raise ValueError("expected SOURCE, a collection to measure on, or --replay MANIFEST")
    timed = not given.pop("no_timing", False)
    bench(Asked(source, timed=timed, **_taken(given, Asked), options=given), outputs)
    return 0


def bench(asked: Asked, outputs: Outputs) -> Mapping[str, Any]:
    """Measure a collection, print what was found, write it down, and return the manifest."""
    found = measured(asked, Plan(), reported=outputs.report is not None)
    show(found.result)
    outputs.write(found)
    return found.manifest


def replay(path: Path, source: str | None, outputs: Outputs) -> bool:
    """Run a benchmark again, print what differs, and return whether nothing does.

    Parameters
    ----------
    path : Path
        The manifest of the first run.
    source : str or None
        Where the collection is now, when it has moved.
    outputs : Outputs
    """
    before = read_manifest(path)
    asked = Asked(**before["settings"] | ({} if source is None else {"source": source}))
    now = bench(asked, outputs)
    for line in other_versions(before, now):
        click.echo(line, err=True)
    found = differences({**before, "settings": now["settings"]}, now)
    for line in found:
        click.echo(line)
    same = f"the same data, runs and measures as in {path}"
    click.echo(f"{len(found)} differences to {path}" if found else same)
    return not found


def measured(asked: Asked, plan: Plan, *, reported: bool = False) -> Measured:
    """Return what was found on a collection.

    Parameters
    ----------
    asked : Asked
        What is measured.
    plan : Plan
        Its other engines; all else comes from `asked`, and progress is shown on stderr.
    reported : bool
        Whether what only a report has is wanted: failures, and the curve of a weight.
    """
    collection = asked.collection()
    if collection.without_text:
        click.echo(f"left out {collection.without_text} judged questions without text", err=True)
    per_question({}, collection.qrels)  # what it needs is missed before the work, not after it
    with indexed(asked, collection) as (retriever, build_s), _progress() as progress:

        def track(items: Iterable[Any], told: str, total: int) -> Iterable[Any]:
            return progress.track(items, total, description=told)

        _tell_unknown(collection, retriever)
        chosen = {name: getattr(asked, name) for name in ("fusions", "depth", "timed", "seed")}
        result = measure(collection, retriever, build_s, replace(plan, **chosen, track=track))
        index = retriever._state.settings()
        failures = find_failures(result, retriever) if reported else None
        curve = weight_curve(retriever, result.queries, result.qrels) if reported else None
    own = asked if build_s is None else replace(asked, index=None)  # a replay builds it again
    manifest = manifest_of(result, collection, _plain(own), index)
    return Measured(result, manifest, failures, curve)


@contextmanager
def indexed(asked: Asked, collection: Collection) -> Iterator[tuple[Retriever, float | None]]:
    """Give the retriever of a collection, and how long it took to build; None: it was there.

    What is measured is the index as it was saved and opened again.
    """
    folder = collection.index or (asked.index and Path(asked.index))
    if folder and store_file(folder).is_file() and (folder / "manifest.json").is_file():
        if asked.options:
            raise ValueError(
                f"expected no settings for {folder}, which keeps those it was built with, not "
                f"{', '.join(asked.options)}: leave them out, or name a new folder"
            )
        with Retriever.load(folder) as retriever:
            yield retriever, None
        return
    with tempfile.TemporaryDirectory() as place:
        folder = folder or Path(place) / "index"
        start = time.perf_counter()
        with new_index(folder, asked.choices()) as retriever:
            _fill(retriever, collection)
        build_s = time.perf_counter() - start
        with Retriever.load(folder) as retriever:
            yield retriever, build_s


def _fill(retriever: Retriever, collection: Collection) -> None:
    """Put the documents of a collection into a new index."""
    stages, report = Stages(), ReadReport()
    if collection.documents is None:
        raise ValueError(f"expected documents of {collection.source}, which is an index")
    with stages.embedding("indexing", lambda: retriever.embedded, None) as counted:
        added = retriever.add(counted(collection.documents(report)))
    tell_left_out(report, added)
    if not len(retriever):
        raise ValueError(f"expected documents in {collection.source}, found none that can be read")
    with stages.stage("fitting and saving"):
        retriever.commit()


def _tell_unknown(collection: Collection, retriever: Retriever) -> None:
    """Say on stderr how many of the judged documents are not in the index."""
    there = set(Owners.of(retriever._search().store).names)
    judged = {document for found in collection.qrels.values() for document in found}
    if judged - there:
        click.echo(
            f"{len(judged - there):,} of {len(judged):,} judged documents are not in the index, "
            f"such as {min(judged - there)!r}: is it of this collection?",
            err=True,
        )


def _progress() -> Progress:
    """Return bars on stderr, which show when that is a terminal."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _taken(given: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    """Take those of the options that are fields of a class."""
    return {one.name: given.pop(one.name) for one in fields(kind) if one.name in given}


def _plain(asked: Asked) -> dict[str, Any]:
    """Return settings as they are read from a manifest."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(asked)))
    return plain
