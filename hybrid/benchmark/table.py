"""Results for the terminal, and as flat records."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from hybrid.benchmark.results import Result, Way
from hybrid.benchmark.timing import HITS, TIMED

SHOWN = ("nDCG@10", "RR@10", "AP", "Success@1", "R@10", "R@100", "R@1000")
"""Measures on the terminal; the records have all."""

_WIDE = 140  # columns where there is no terminal


def records(result: Result) -> Iterator[dict[str, Any]]:
    """Yield a record for each way, as JSON values: means of all measures, and what it costs."""
    facts = {
        "collection": result.collection,
        "encoder": result.encoder,
        "queries": len(result.queries),
        **asdict(result.size),
    }
    for way in result.ways:
        means = {name: way.mean(name) for name in way.measures}
        cost = dict.fromkeys(("p50_ms", "p95_ms", "p99_ms", "per_second"))
        cost |= {} if way.latency is None else asdict(way.latency)
        near = None if way.ann_recall is None else {str(k): v for k, v in way.ann_recall.items()}
        named = {"method": way.name, "kind": way.kind}
        yield {**facts, **named, **means, **cost, "ann_recall": near, "settings": way.settings}


def show(result: Result) -> None:
    """Print how good all ways are, and what they cost."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    size = result.size
    built = "" if size.build_s is None else f", built in {size.build_s:.1f} s"
    parts = ", ".join(f"{name} {decimal(count)}" for name, count in size.disk_bytes.items())
    click.echo(
        f"{result.collection}: {size.documents:,} documents, {size.chunks:,} chunks, "
        f"{len(result.queries):,} judged questions; encoder {result.encoder}{built}\n"
        f"on disk: {parts}; most memory: {decimal(size.peak_bytes)}"
    )
    console.print(_quality(result.ways))
    click.echo("A document scores as its best chunk; documents that nobody judged count as wrong.")
    if any(way.latency or way.ann_recall for way in result.ways):
        console.print(_cost(result.ways))
    if any(way.latency for way in result.ways):
        click.echo(
            f"Up to {TIMED} questions one after the other, after a warm-up: from the text to the "
            f"first {HITS} rows,\nanalysis and encoding included, the texts of hits not."
        )


def _quality(ways: Sequence[Way]) -> Table:
    """Return a row for each way; the best of our own ways are bold."""
    table = _table("way", *SHOWN)
    own = [way for way in ways if way.kind != "peer"]
    best = {name: max((way.mean(name) for way in own), default=0.0) for name in SHOWN}
    for way in ways:
        means = {name: way.mean(name) for name in SHOWN}
        cells = [
            Text(f"{mean:.3f}", "bold" if mean == best[name] else "")
            for name, mean in means.items()
        ]
        table.add_row(Text(way.name), *cells)
    return table


def _cost(ways: Sequence[Way]) -> Table:
    """Return a row for each way that was timed, or whose index is approximate."""
    cutoffs = sorted({cutoff for way in ways for cutoff in way.ann_recall or ()})
    near = [f"ANN recall@{cutoff}" for cutoff in cutoffs]
    table = _table("way", "p50 ms", "p95 ms", "p99 ms", "questions/s", *near)
    for way in ways:
        took, found = way.latency, way.ann_recall or {}
        if took is None and not found:
            continue
        timed = [""] * 4
        if took is not None:
            each = (took.p50_ms, took.p95_ms, took.p99_ms)
            timed = [*(f"{ms:.2f}" for ms in each), f"{took.per_second:,.0f}"]
        shares = [f"{found[cutoff]:.3f}" if cutoff in found else "" for cutoff in cutoffs]
        table.add_row(way.name, *timed, *shares)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
