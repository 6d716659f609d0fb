"""The tables of a report."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hybrid.benchmark.failures import BINS, CUTOFFS, QUANTILES, Failures
from hybrid.benchmark.findings import Findings, signed
from hybrid.benchmark.results import Result, Size

_KINDS = {"index": "indexes alone", "fusion": "fusions", "peer": "other engines"}
_MARKS = {1: ("▲", "more than chance above"), -1: ("▼", "more than chance below"), 0: ("", "")}
_NONE = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its text, whether it is the best of its column, a sign, and the sign in words."""

    text: str
    best: bool = False
    sign: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the first cell of each row is its heading.

    Attributes
    ----------
    caption : str
    head : tuple of str
    groups : tuple of pair
        The name of each group of rows, empty where there is one only, and the rows.
    wide : bool
        Whether cells hold words, which may wrap, rather than numbers.
    """

    caption: str
    head: tuple[str, ...]
    groups: tuple[tuple[str, tuple[tuple[Cell, ...], ...]], ...]
    wide: bool = False


def measures_table(result: Result, findings: Findings) -> Table:
    """Return the mean of every measure by way: the best marked, and what is more than chance."""
    measures = list(result.ways[0].measures)
    best = {name: max(way.mean(name) for way in result.ways) for name in measures}
    groups = []
    for kind, title in _KINDS.items():
        rows = tuple(
            (
                Cell(way.name),
                *(
                    Cell(
                        f"{way.mean(name):.3f}",
                        way.mean(name) >= best[name] - 1e-9,
                        *_MARKS[findings.marks[name].get(way.name, 0)],
                    )
                    for name in measures
                ),
            )
            for way in result.ways
            if way.kind == kind
        )
        if rows:
            groups.append((title, rows))
    return Table("Means over all questions", ("way", *measures), tuple(groups))


def comparisons_table(findings: Findings) -> Table:
    """Return how every way compares with the best index."""
    rows = (
        (
            found.name,
            signed(found.difference),
            f"{signed(found.low)} to {signed(found.high)}",
            f"{found.p:.4f}",
            f"{found.p_holm:.4f}",
            f"{found.better:,}",
            f"{found.worse:,}",
            f"{found.equal:,}",
        )
        for found in findings.comparisons
    )
    head = ("way", "difference", "95 % interval", "p", "p, Holm", "better", "worse", "equal")
    return _plain(f"nDCG@10 against {findings.base}", head, rows)


def latency_table(result: Result) -> Table | None:
    """Return how long questions take; None where nothing was timed."""
    rows = [
        (way.name, *(f"{ms:.2f}" for ms in (t.p50_ms, t.p95_ms, t.p99_ms)), f"{t.per_second:,.0f}")
        for way in result.ways
        if (t := way.latency)
    ]
    head = ("way", "median ms", "p95 ms", "p99 ms", "questions a second")
    return _plain("Time of single questions", head, rows) if rows else None


def size_table(size: Size) -> Table:
    """Return what the index costs."""
    rows = [
        ("documents", f"{size.documents:,}"),
        ("chunks", f"{size.chunks:,}"),
        ("built in", _NONE if size.build_s is None else f"{size.build_s:,.1f} s"),
        *((f"on disk: {part}", megabytes(number)) for part, number in size.disk_bytes.items()),
        ("on disk: all", megabytes(sum(size.disk_bytes.values()))),
        ("most memory", megabytes(size.peak_bytes)),
    ]
    return _plain("Size of the index", ("", "value"), rows)


def near_table(result: Result) -> Table | None:
    """Return how near approximate indexes are to the exact order; None where none is."""
    known = [(way.name, way.ann_recall) for way in result.ways if way.ann_recall]
    cutoffs = sorted({cutoff for _, recall in known for cutoff in recall})
    rows = [(name, *(_share(recall.get(k)) for k in cutoffs)) for name, recall in known]
    head = ("index", *(f"first {k}" for k in cutoffs))
    return _plain("Of the exact index's first rows, found", head, rows) if rows else None


def failure_tables(failures: Failures) -> list[Table]:
    """Return who finds which questions, what would be possible, and how deep one has to look."""
    return [_found_by(failures), _ceilings(failures), _first_relevant(failures)]


def unknown_table(failures: Failures, most: int = 25) -> Table | None:
    """Return the questions with terms that no document has; None where there are none."""
    rows = [
        (each.query_id, " ".join(each.terms), str(each.known), each.query)
        for each in (failures.unknown or ())[:most]
    ]
    head = ("question", "terms of no document", "known terms", "text")
    caption = f"Questions with unknown terms, the first {len(rows)}"
    return _plain(caption, head, rows, wide=True) if rows else None


def manifest_table(manifest: Mapping[str, Any]) -> Table:
    """Return all that is needed to repeat the benchmark."""
    return _plain("Manifest", ("what", "value"), list(_flat(manifest, "")), wide=True)


def megabytes(number: int) -> str:
    """Return bytes as people read them."""
    return f"{number / 1e6:,.1f} MB" if number >= 50_000 else f"{number / 1e3:,.1f} kB"


def _found_by(failures: Failures) -> Table:
    found = {(part.indexes, part.cutoff): part for part in failures.found_by}
    kinds = dict.fromkeys(part.indexes for part in failures.found_by)
    rows = []
    for indexes in sorted(kinds, key=lambda names: (-len(names), names)):
        cells = []
        for cutoff in CUTOFFS:
            part = found.get((indexes, cutoff))
            cells += [f"{len(part.queries):,}", f"{part.fused:,}"] if part else ["0", _NONE]
        rows.append((" and ".join(indexes) or "none", *cells))
    columns = (title for k in CUTOFFS for title in (f"first {k}", f"of these {failures.way}"))
    return _plain("Questions by who finds something relevant", ("found by", *columns), rows)


def _ceilings(failures: Failures) -> Table:
    rows = [
        (
            each.measure,
            *(
                _NONE if value is None else f"{value:.3f}"
                for value in (each.best_index, each.fused, each.per_query, each.union)
            ),
        )
        for each in failures.ceilings
    ]
    head = ("measure", "best index", failures.way, "best index by question", "best order of all")
    return _plain("What fusion could reach at most", head, rows)


def _first_relevant(failures: Failures) -> Table:
    starts = [1, *(end + 1 for end in BINS[:-1])]
    bins = [str(a) if a == b else f"{a}–{b}" for a, b in zip(starts, BINS, strict=True)]
    rows = [
        (
            each.way,
            *(str(each.quantiles[str(part)] or f"> {BINS[-1]}") for part in QUANTILES),
            *(f"{number:,}" for number in each.bins),
        )
        for each in failures.first_relevant
    ]
    parts = (f"{part:.0%} by" for part in QUANTILES)
    head = ("way", *parts, *(f"rank {name}" for name in bins), "deeper")
    return _plain("Rank of the first relevant document", head, rows)


def _plain(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, wide: bool = False
) -> Table:
    cells = tuple(tuple(Cell(text) for text in row) for row in rows)
    return Table(caption, tuple(head), (("", cells),), wide)


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.4f}"


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested mappings with dotted names."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, default=str)
