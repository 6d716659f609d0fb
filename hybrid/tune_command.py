"""How the command line tunes an index."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hybrid.judgements import read_qrels, read_queries
from hybrid.retriever import Retriever
from hybrid.tuned import Curve, Tuned

_WIDTH = 40  # of the bars of the curve


def run(index: Path, options: Mapping[str, Any]) -> Tuned:
    """Tune an index, and do with what was found what the options say.

    Parameters
    ----------
    index : Path
    options : mapping
        queries, qrels: files; measure, out, apply, plot, bm25, adaptive, folds, seed.
    """
    queries, qrels = read_queries(options["queries"]), read_qrels(options["qrels"])
    with Retriever.load(index) as retriever, _progress() as progress:
        names = ("bm25", "adaptive", "folds", "seed")
        given: Any = {name: options[name] for name in names if name in options}
        found = retriever.tune(
            queries, qrels, options.get("measure", "nDCG@10"), progress=progress, **given
        )
        if options.get("apply"):
            found.apply(retriever)
            retriever.commit()
    if "out" in options:
        found.save(options["out"])
    if "plot" in options:
        plot(found, options["plot"])
    return found


def show(found: Tuned) -> None:
    """Print what a person can act on, and the curve."""
    click.echo(str(found))
    if found.report.curve is not None:
        click.echo("\n".join(drawn(found.report.curve)))


def drawn(curve: Curve) -> list[str]:
    """Return the curve as lines of text: bars from the lowest to the highest bound."""
    low, high = min(curve.lows), max(curve.highs)
    width = (high - low) or 1.0

    def place(value: float) -> int:
        return round(_WIDTH * (value - low) / width)

    lines = [f"{curve.measure} by the weight of {curve.index}, with its 95 % interval:"]
    steps = zip(curve.weights, curve.means, curve.lows, curve.highs, strict=True)
    for weight, mean, bottom, top in list(steps)[::2]:
        bar = [" "] * (_WIDTH + 1)
        bar[place(bottom) : place(top) + 1] = "-" * (place(top) - place(bottom) + 1)
        bar[place(mean)] = "o"
        mark = " <" if abs(weight - curve.chosen) < 0.05 else ""
        lines.append(f"  {weight:.1f} {''.join(bar)} {mean:.4f}{mark}")
    return lines


def plot(found: Tuned, path: Path) -> None:
    """Draw the curve into a file whose suffix says the format: .svg, .png, .pdf.

    Raises
    ------
    ValueError
        If there is one index only, which has no weight.
    """
    from hybrid.benchmark.plots import save_curve

    if found.report.curve is None:
        raise ValueError("expected at least two indexes to plot the weight of one")
    save_curve(found.report.curve, path)


@contextmanager
def _progress() -> Iterator[Any]:
    """Show how many questions were judged."""
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)
