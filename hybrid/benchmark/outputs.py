"""Where the results of a benchmark go, besides the terminal."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid.benchmark.failures import Failures
from hybrid.benchmark.manifest import write_manifest
from hybrid.benchmark.rankings import write_trec
from hybrid.benchmark.results import Result
from hybrid.benchmark.table import records
from hybrid.tuned import Curve


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found about one collection, and what a replay needs.

    Attributes
    ----------
    result : Result
    manifest : mapping
    failures : Failures or None
        None where no report was asked for.
    curve : Curve or None
        The default fusion by the weight of one index; None with one index, or without a report.
    """

    result: Result
    manifest: Mapping[str, Any]
    failures: Failures | None = None
    curve: Curve | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that are wanted.

    Attributes
    ----------
    json : Path or None
        A file that gets one JSON object for each way.
    runs : Path or None
        A folder that gets a TREC run file for each way.
    report, manifest : Path or None
        An HTML file, and one to run the benchmark again from.
    """

    json: Path | None = None
    runs: Path | None = None
    report: Path | None = None
    manifest: Path | None = None

    def write(self, measured: Measured) -> None:
        """Write all that was asked for."""
        result = measured.result
        if self.json is not None:
            with self.json.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(record) + "\n" for record in records(result))
        if self.manifest is not None:
            write_manifest(measured.manifest, self.manifest)
        if self.report is not None:
            write_html([measured], measured.manifest, self.report)
        if self.runs is not None:
            self.runs.mkdir(parents=True, exist_ok=True)
            for way in result.ways:
                write_trec(way.run, result.queries, self.runs / f"{way.name}.trec")


def write_html(found: Sequence[Measured], manifest: Mapping[str, Any], path: Path) -> None:
    """Write the report of some collections."""
    from hybrid.benchmark.report import write_report

    failures = {one.result.collection: one.failures for one in found if one.failures is not None}
    curves = {one.result.collection: one.curve for one in found if one.curve is not None}
    results = [one.result for one in found]
    write_report(results, manifest, path, failures=failures, curves=curves)
