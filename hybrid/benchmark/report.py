"""The report of a benchmark: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from hybrid.benchmark import report_tables as tables
from hybrid.benchmark.failures import Failures
from hybrid.benchmark.findings import Findings, findings_of, lead
from hybrid.benchmark.plots import Plot, plots_of
from hybrid.benchmark.report_tables import Table
from hybrid.benchmark.results import Result
from hybrid.errors import MissingDependency
from hybrid.tuned import Curve


@dataclass(frozen=True, slots=True)
class _Section:
    """What the page shows of one collection."""

    anchor: str
    title: str
    subtitle: str
    findings: Findings
    plots: list[Plot]
    measures: Table
    comparisons: Table
    costs: list[Table]
    failures: Failures | None
    failure_tables: list[Table]
    unknown: Table | None


def write_report(
    results: Sequence[Result],
    manifest: Mapping[str, Any],
    path: Path,
    *,
    failures: Mapping[str, Failures] | None = None,
    curves: Mapping[str, Curve] | None = None,
) -> None:
    """Write what was found as a page: words, plots, tables.

    It has no scripts, fonts or pictures from elsewhere; the same input gives the same bytes.

    Parameters
    ----------
    results : sequence of Result
        One of each collection; every one has nDCG@10 and at least one index alone.
    manifest : mapping
        All that is needed to repeat the benchmark, as JSON values.
    path : Path
        The file; what is there is replaced.
    failures, curves : mapping, optional
        By the name of the collection.

    Raises
    ------
    MissingDependency
        If jinja2 or matplotlib is not installed.
    ValueError
        If there is no result, or failures or curves are of no collection, or of several results.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingDependency("jinja2", "bench") from error
    if not results:
        raise ValueError("expected at least one result to report, but there is none")
    for known in (failures or {}, curves or {}):
        _check_names(results, known)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files("hybrid.benchmark").joinpath("report.html.jinja").read_text("utf-8")
    sections = [
        _section(number, result, (failures or {}), (curves or {}))
        for number, result in enumerate(results, start=1)
    ]
    page = environment.from_string(template).render(
        title=f"Recall of {', '.join(dict.fromkeys(result.collection for result in results))}",
        lead=lead(results, [section.findings for section in sections]),
        sections=sections,
        manifest=tables.manifest_table(manifest),
    )
    # half of a surrogate pair in a question has no encoding
    path.write_bytes(page.encode("utf-8", "replace"))


def _section(
    number: int,
    result: Result,
    failures: Mapping[str, Failures],
    curves: Mapping[str, Curve],
) -> _Section:
    findings, failed = findings_of(result), failures.get(result.collection)
    encoder = "" if result.encoder == "none" else f", encoder {result.encoder}"
    costs = (
        tables.latency_table(result),
        tables.size_table(result.size),
        tables.near_table(result),
    )
    return _Section(
        anchor=f"c{number}",
        title=result.collection,
        subtitle=(
            f"{result.size.documents:,} documents, {result.size.chunks:,} chunks, "
            f"{len(result.queries):,} judged questions{encoder}"
        ),
        findings=findings,
        plots=plots_of(result, f"c{number}", curves.get(result.collection)),
        measures=tables.measures_table(result, findings),
        comparisons=tables.comparisons_table(findings),
        costs=[table for table in costs if table],
        failures=failed,
        failure_tables=tables.failure_tables(failed) if failed else [],
        unknown=tables.unknown_table(failed) if failed else None,
    )


def _check_names(results: Sequence[Result], known: Mapping[str, object]) -> None:
    """Check that each name is that of one result.

    Raises
    ------
    ValueError
        If one is of none, or of several.
    """
    names = [result.collection for result in results]
    for name in known:
        if names.count(name) != 1:
            raise ValueError(
                f"expected {name!r} to be the collection of one result, but it is of "
                f"{names.count(name)}: there are {', '.join(names)}"
            )
