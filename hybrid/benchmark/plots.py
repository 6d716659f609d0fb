"""The plots of a report, as SVG that takes its colours and its font from the page."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid.benchmark.relevant import LEVELS, Ranked, ranked
from hybrid.benchmark.results import Result, Way
from hybrid.benchmark.svg import DOWN, FAINT, GRID, INK, SERIES, UP, inline
from hybrid.errors import MissingDependency
from hybrid.tuned import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (4.7, 3.5)  # inches of 72 units: letters stay readable on a page 390 px wide
_MOST_POINTS = 400  # of a curve over questions

Drawn = Sequence[tuple[Way, Ranked]]

_MARKERS = "osD^vPX*"
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)), (0, (8, 2)), (0, (3, 1)))

_RC: dict[Any, Any] = {
    "svg.fonttype": "none",  # letters stay letters
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    # a dollar sign in a name is a dollar sign
    "text.parse_math": False,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot in a page.

    Attributes
    ----------
    title : str
        What it shows.
    text : str
        What it says, for those who cannot see it.
    svg : str
        One ``<svg>`` element whose ids begin with a prefix of its own.
    """

    title: str
    text: str
    svg: str


def plots_of(result: Result, prefix: str, curve: Curve | None = None) -> list[Plot]:
    """Return all plots of a result that it has the numbers for.

    Parameters
    ----------
    result : Result
    prefix : str
        Letters that no other plot of the page has at the beginning of its ids.
    curve : Curve, optional

    Raises
    ------
    MissingDependency
        If matplotlib is not installed.
    """
    mpl = _need_matplotlib()
    drawn = [(way, ranked(result, way)) for way in shown_ways(result)]
    with mpl.rc_context({**_RC, "svg.hashsalt": prefix}):
        found = [
            _recall(drawn, f"{prefix}-recall"),
            _precision(drawn, f"{prefix}-precision"),
            _latency(drawn, f"{prefix}-latency"),
            _gains(result, f"{prefix}-gains"),
            None if curve is None else _weights(curve, f"{prefix}-weights"),
        ]
    return [plot for plot in found if plot is not None]


def shown_ways(result: Result) -> list[Way]:
    """Return the ways that a plot has room for, in order.

    The indexes, "default", "rrf", the best fusion, and other engines: eight at most.
    """
    named = [way for way in result.ways if way.kind == "fusion" and way.name in ("default", "rrf")]
    fusions = [way for way in result.ways if way.kind == "fusion"]
    best = sorted(fusions, key=lambda way: -way.mean("nDCG@10"))[:1]
    wanted = {way.name for way in [*named, *best]}
    kept = [way for way in result.ways if way.kind != "fusion" or way.name in wanted]
    return kept[: len(SERIES)]


def _recall(drawn: Drawn, prefix: str) -> Plot:
    figure, axes = _figure()
    ends = []
    for number, (way, lists) in enumerate(drawn):
        recall = lists.recall()
        axes.plot(np.arange(1, len(recall) + 1), recall, **_line(number, way))
        ends.append(f"{way.name} {recall[9]:.3f} at 10 and {recall[-1]:.3f} at {len(recall)}")
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set_xlabel("documents looked at (k)")
    axes.set_ylabel("recall at k")
    _legend(figure, axes)
    return _plot("Recall against k", f"Mean recall: {'; '.join(ends)}.", figure, prefix)


def _precision(drawn: Drawn, prefix: str) -> Plot:
    figure, axes = _figure()
    ends = []
    for number, (way, lists) in enumerate(drawn):
        precision = lists.precision()
        axes.plot(LEVELS, precision, **_line(number, way))
        ends.append(f"{way.name} {precision[0]:.3f} at 0 and {precision[5]:.3f} at .5")
    axes.set_xlabel("recall")
    axes.set_ylabel("interpolated precision")
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    text = f"Mean interpolated precision by recall: {'; '.join(ends)}."
    return _plot("Precision against recall, 11 points", text, figure, prefix)


def _latency(drawn: Drawn, prefix: str) -> Plot | None:
    from matplotlib.ticker import LogLocator

    figure, axes = _figure()
    told = []
    for number, (way, lists) in enumerate(drawn):
        if way.latency is None:
            continue
        recall, ms = float(lists.recall()[9]), way.latency.p50_ms
        axes.plot(
            [ms],
            [recall],
            **_line(number, way) | {"linestyle": "none", "markersize": 8, "markevery": 1},
        )
        told.append(f"{way.name} {recall:.3f} in {ms:.2f} ms")
    if not told:
        return None
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.margins(0.12)
    axes.set_xlabel("median time of a question, ms")
    axes.set_ylabel("recall at 10")
    _legend(figure, axes)
    text = f"Recall at 10 and median time: {'; '.join(told)}."
    return _plot("Recall against time", text, figure, prefix)


def _gains(result: Result, prefix: str) -> Plot | None:
    if not any(way.name == "default" for way in result.ways):
        return None
    base = result.best_index()
    gains = result.way("default").measures["nDCG@10"] - base.measures["nDCG@10"]
    gains = np.sort(gains)[::-1]
    better, worse = int((gains > 1e-9).sum()), int((gains < -1e-9).sum())
    points = min(len(gains), _MOST_POINTS)
    heights = gains[np.linspace(0, len(gains) - 1, points).round().astype(int)]
    edges = np.linspace(0, 100, points + 1)
    figure, axes = _figure()
    for part, colour in ((np.maximum(heights, 0), UP), (np.minimum(heights, 0), DOWN)):
        # as bars, but one shape; the last is repeated, as a step ends where the next begins
        axes.fill_between(edges, np.append(part, part[-1]), step="post", color=colour, linewidth=0)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.set_xlabel("questions, those that gain most first (%)")
    axes.set_ylabel(f"gain in nDCG@10 over {_plain(base.name)}")
    text = (
        f"Against {base.name} alone, the default fusion is better on {better} questions, worse on "
        f"{worse}, and equal on {len(gains) - better - worse}; the largest gain is "
        f"{gains[0]:+.3f}, the largest loss {gains[-1]:+.3f}."
    )
    return _plot(f"Gain of each question over {base.name}", text, figure, prefix)


def save_curve(curve: Curve, path: Path) -> None:
    """Draw a curve into a file; its suffix says the format: .svg, .png, .pdf.

    Raises
    ------
    MissingDependency
        If matplotlib is not installed.
    """
    _need_matplotlib()
    _drawn_curve(curve).savefig(path)


def _need_matplotlib() -> Any:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingDependency("matplotlib", "bench") from error
    return mpl


def _weights(curve: Curve, prefix: str) -> Plot:
    best = int(np.argmax(curve.means))
    text = (
        f"{curve.measure} of the weighted fusion is {curve.means[0]:.3f} at weight "
        f"{curve.weights[0]:g} of {curve.index}, at best {curve.means[best]:.3f} at "
        f"{curve.weights[best]:g}, and {curve.means[-1]:.3f} at {curve.weights[-1]:g}; "
        f"{curve.chosen:g} was chosen."
    )
    return _plot(f"Fusion by the weight of {curve.index}", text, _drawn_curve(curve), prefix)


def _drawn_curve(curve: Curve) -> "Figure":
    figure, axes = _figure()
    axes.fill_between(
        curve.weights, curve.lows, curve.highs, color=SERIES[0], alpha=0.18, linewidth=0
    )
    axes.plot(curve.weights, curve.means, color=SERIES[0], linewidth=1.8, label="mean, interval")
    axes.axvline(
        curve.chosen, color=INK, linestyle=_DASHES[1], linewidth=1.2, label="chosen weight"
    )
    axes.set_xlabel(f"weight of {curve.index}")
    axes.set_ylabel(curve.measure)
    _legend(figure, axes)
    return figure


def _figure() -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    return figure, figure.add_subplot()


def _line(number: int, way: Way) -> dict[str, Any]:
    """Return how a way is drawn: colour is never all that tells two apart."""
    return {
        "label": _plain(way.name),
        "color": SERIES[number],
        "linestyle": _DASHES[number % len(_DASHES)],
        "linewidth": 2.4 if way.name == "default" else 1.5,
        "marker": _MARKERS[number],
        "markevery": 0.25,
        "markersize": 4,
    }


def _plain(name: str) -> str:
    """Return a name as a legend shows it: one that begins with _ would be left out."""
    short = name if len(name) <= 24 else f"{name[:23]}…"
    return f" {short}" if short.startswith("_") else short


def _legend(figure: "Figure", axes: "Axes") -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=2.6)


def _plot(title: str, text: str, figure: "Figure", prefix: str) -> Plot:
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nothing, transparent=True)
    return Plot(title, text, inline(file.getvalue(), title, text, prefix))
