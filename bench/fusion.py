"""Every fusion method on judged collections, and how fast lists are fused.

    python -m bench.fusion quality --collections DIR... --vectors DIR
    python -m bench.fusion quality --collections DIR... --encoder lsa
    python -m bench.fusion speed --queries 1000 --length 1000

`quality` searches whole documents, title and text, by BM25 with the detected analyzer and by
vectors, and fuses both by each method through `exact_top_k`.  Gains are of nDCG@10: over the better
of both indexes of each collection, mean and worst, and over RRF.  Nothing is tuned here.  `speed`
runs on one thread, all engines in one process, in turns by round.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import hybrid
from bench import fusion_speed
from bench.fusion_data import Searched, alone, weighted
from bench.recall import print_row
from bench.timing import facts, one_thread
from fusion import METHODS, RRF, Method

MEASURES = ("nDCG@10", "R@100")
WEIGHTS = {"vectors": (0.5, 0.6, 0.7, 0.8), "lsa": (0.2, 0.3, 0.4, 0.5)}
"""Weights of the dense index that are tried, by encoder."""

Figures = dict[str, dict[str, dict[str, float]]]


def methods(weights: Sequence[float], only: Sequence[str] | None) -> dict[str, Method]:
    """Return all that is measured, by the name of its line."""
    found: dict[str, Method] = {"BM25": alone("bm25"), "dense": alone("dense")}
    found |= {name: METHODS[name] for name in METHODS if only is None or name in only}
    found["rrf"] = METHODS["rrf"]
    found["rrf k=10"] = RRF(10)
    return found | {f"weighted, dense {weight}": weighted(weight) for weight in weights}


def measure(searched: Searched, tried: Mapping[str, Method]) -> Iterator[dict[str, Any]]:
    """Yield a record for each method."""
    sizes = {"documents": len(searched.ids), "queries": len(searched.arms)}
    for name, method in tried.items():
        start = time.perf_counter()
        run = searched.run(method)
        mean_ms = 1000 * (time.perf_counter() - start) / len(searched.arms)
        found = hybrid.evaluate(run, searched.qrels, MEASURES)
        rounded = {measure: round(value, 4) for measure, value in found.items()}
        taken = {"mean_ms": round(mean_ms, 3)}
        yield {"collection": searched.name, **sizes, "method": name, **rounded, **taken}


def quality(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measure every method on every collection, and print the table at the end."""
    if arguments.encoder == "vectors" and arguments.vectors is None:
        raise SystemExit("expected --vectors, the folder of the vectors, or --encoder lsa")
    tried = methods(arguments.weights or WEIGHTS[arguments.encoder], arguments.methods)
    figures: Figures = {name: {} for name in tried}
    for folder in arguments.collections:
        searched = Searched.read(folder, arguments.vectors if arguments.encoder != "lsa" else None)
        for record in measure(searched, tried):
            figures[record["method"]][searched.name] = record
            yield {"encoder": arguments.encoder, **record}
    for measure_name in MEASURES:
        _print_table(measure_name, figures)


def _print_table(measure_name: str, figures: Figures) -> None:
    """Print a line for each method and a column for each collection."""
    values = {
        name: np.array([record[measure_name] for record in by_collection.values()])
        for name, by_collection in figures.items()
    }
    better = np.maximum(values["BM25"], values["dense"])
    columns = [measure_name, *figures["BM25"], "mean", "gain", "worst", "over RRF"]
    print_row(columns)
    print_row(["---"] * len(columns))
    for name, found in values.items():
        gain = found - better
        signed = (gain.mean(), gain.min(), (found - values["rrf"]).mean())
        cells = [f"{value:.3f}" for value in (*found, found.mean())]
        print_row([name, *cells, *(f"{value:+.3f}" for value in signed)])
    print()


def speed(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Time the fusion of made-up lists."""
    one_thread("bench.fusion")
    lists = fusion_speed.made(arguments.queries, arguments.length, arguments.seed)
    columns = ["engine", "ms", "us_a_query", "same", "ratio"]
    print_row(columns)
    print_row(["---"] * len(columns))
    for record in fusion_speed.contest(lists, 60, arguments.rounds):
        print_row([str(record[column]) for column in columns])
        yield {"length": arguments.length, "seed": arguments.seed, **facts(), **record}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    judged = commands.add_parser("quality", help="nDCG@10 and R@100 of every method")
    judged.add_argument("--collections", nargs="+", type=Path, required=True, help="BEIR layout")
    judged.add_argument("--vectors", type=Path, help="folder with NAME.npz of each collection")
    judged.add_argument("--encoder", choices=WEIGHTS, default="vectors")
    judged.add_argument("--methods", nargs="+", choices=METHODS, help="only these")
    judged.add_argument("--weights", nargs="+", type=float, help="of the dense index")
    timed = commands.add_parser("speed", help="ours, a dictionary, and ranx")
    timed.add_argument("--queries", type=int, default=1000)
    timed.add_argument("--length", type=int, default=1000)
    timed.add_argument("--rounds", type=int, default=5)
    timed.add_argument("--seed", type=int, default=1)
    for command in (judged, timed):
        command.add_argument("--json", type=Path, help="append all figures to this JSON Lines file")
    return parser


def main() -> None:
    """Measure what the command line asks for."""
    arguments = _parser().parse_args()
    run = {"quality": quality, "speed": speed}[arguments.command]
    for record in run(arguments):
        if arguments.json:
            with arguments.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"benchmark": arguments.command, **record}) + "\n")


if __name__ == "__main__":
    main()
