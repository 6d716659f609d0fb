"""Quality of every index, of their fusions, and of other engines, on several collections.

    python -m bench.recall path/to/scifact path/to/cranfield ...
    python -m bench.recall irds:beir/scifact/test --peers --json recall.jsonl --report recall.html

Each collection is indexed with the defaults and measured as by ``hybrid bench``; the table has the
means of two measures for the indexes alone, RRF and the default, the files have everything.
Documents are scored by their best chunk.  Nothing is tuned here.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fusion import METHODS
from hybrid.benchmark.command import Asked, measured
from hybrid.benchmark.outputs import Measured, write_html
from hybrid.benchmark.results import Result
from hybrid.benchmark.running import Plan
from hybrid.benchmark.table import records

SHOWN = ("nDCG@10", "R@100")

_LEAST = ("rrf",)  # of the fusions, when only the table is wanted


def print_row(cells: list[str]) -> None:
    """Print one row of a Markdown table at once."""
    print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


def columns(result: Result) -> dict[str, str]:
    """Return the names of the ways in the table, by the name of the column."""
    alone = {"bm25": "BM25", "dense": result.encoder, "rrf": "RRF k=60"}
    shown = [way for way in result.ways if way.kind != "fusion" or way.name in ("rrf", "default")]
    placed = sorted(shown, key=lambda way: (way.kind == "peer", way.name == "default"))
    return {alone.get(way.name, way.name): way.name for way in placed}


def print_results(results: Iterable[Result]) -> list[Result]:
    """Print the table, a row as soon as a collection is measured, and return the results."""
    done: list[Result] = []
    for result in results:
        names = list(columns(result))
        if not done:
            print_row(["collection", "chunks", "queries", *names])
            print_row(["---"] * (3 + len(names)))
        done.append(result)
        sizes = [f"{result.size.chunks}", f"{len(result.queries)}"]
        print_row([result.collection, *sizes, *_cells([result])])
    if done:
        print_row(["mean", "", "", *_cells(done)])
    return done


def _cells(results: list[Result]) -> list[str]:
    """Return the mean of each column of the first result over collections; "" where one lacks."""
    cells = []
    for name in columns(results[0]).values():
        ways = [way for result in results for way in result.ways if way.name == name]
        means = [sum(way.mean(shown) for way in ways) / len(results) for shown in SHOWN]
        whole = len(ways) == len(results)
        cells.append(" / ".join(f"{mean:.3f}" for mean in means) if whole else "")
    return cells


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", nargs="+", help="folders in BEIR layout, or irds:NAME")
    parser.add_argument("--encoder", default="lsa", help="as in Retriever.create (default: lsa)")
    parser.add_argument("--whole", action="store_true", help="do not split documents")
    parser.add_argument("--split", default="test", help="whose judgements (default: test)")
    parser.add_argument("--all", action="store_true", help="every fusion, also without a file")
    parser.add_argument("--peers", action="store_true", help="ask other engines, too")
    parser.add_argument("--json", type=Path, help="append every figure to this JSON Lines file")
    parser.add_argument("--report", type=Path, help="write a report as HTML")
    return parser


def main() -> None:
    """Measure the collections that are named on the command line, and print a table."""
    arguments = _parser().parse_args()
    options: dict[str, Any] = {"encoder": arguments.encoder}
    options |= {"no_split": True} if arguments.whole else {}
    every = arguments.all or arguments.json or arguments.report
    plan = _plan(arguments.peers)
    found: list[Measured] = []

    def results() -> Iterable[Result]:
        for source in arguments.collections:
            fusions = tuple(METHODS) if every else _LEAST
            asked = Asked(source, split=arguments.split, options=options, fusions=fusions)
            one = measured(asked, plan, reported=bool(arguments.report))
            found.append(one)
            if arguments.json:
                with arguments.json.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(record) + "\n" for record in records(one.result))
            yield one.result

    print_results(results())
    if arguments.report:
        write_html(found, {"collections": [one.manifest for one in found]}, arguments.report)


def _plan(peers: bool) -> Plan:
    """Return what is measured besides our own ways."""
    if not peers:
        return Plan()
    from bench.peers.answering import answers

    return Plan(more=answers)


if __name__ == "__main__":
    main()
