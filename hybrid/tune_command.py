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
from hybrid.unlabelled import estimate

_JUDGED = ("queries", "qrels", "measure", "plot", "bm25", "adaptive", "folds")
_WIDTH = 40  # of the bars of the curve


def run(index: Path, options: Mapping[str, Any]) -> Tuned:
    """Tune an index, and do with what was found what the options say.

    Parameters
    ----------
    index : Path
    options : mapping
        queries, qrels, log: files; unlabelled, measure, out, apply, plot, bm25, adaptive, folds,
        seed.
    """
    with Retriever.load(index) as retriever:
        found = (_estimated if options.get("unlabelled") else _tuned)(retriever, options)
        if options.get("apply"):
            found.apply(retriever)
            retriever.commit()
    if "out" in options:
        found.save(options["out"])
    if "plot" in options:
        plot(found, options["plot"])
    return found


def _tuned(retriever: Retriever, options: Mapping[str, Any]) -> Tuned:
    """Tune from judged questions."""
    if "queries" not in options or "qrels" not in options or "log" in options:
        raise ValueError(
            "expected --queries FILE and --qrels FILE, or --unlabelled, which alone takes --log"
        )
    names = ("bm25", "adaptive", "folds", "seed")
    given: Any = {name: options[name] for name in names if name in options}
    queries, qrels = read_queries(options["queries"]), read_qrels(options["qrels"])
    measure = options.get("measure", "nDCG@10")
    with _progress() as progress:
        return retriever.tune(queries, qrels, measure, progress=progress, **given)


def _estimated(retriever: Retriever, options: Mapping[str, Any]) -> Tuned:
    """Estimate from the chunks, and from raw questions where there are some."""
    unused = [name for name in _JUDGED if name in options]
    if unused:
        raise ValueError(f"expected no {', '.join(unused)} with --unlabelled: it has no judgements")
    log = options.get("log")
    questions = None if log is None else log.read_text("utf-8").splitlines()
    return estimate(retriever, questions, options.get("seed", 0))


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
