"""What tuning is worth on questions that it has not seen, and how long it takes.

    python -m bench.tune collections DATA/cranfield DATA/cacm --vectors VECTORS
    python -m bench.tune speed

`collections`: the questions are dealt to folds; the whole of tuning (with its own folds inside, and
its fallback) is made on the others, and what it decides is measured on those left out.  The columns
`single` and `adaptive` likewise: the index that is better on the others, and weights that depend
on the question.

`speed`: 1,000 queries of two lists of 1,000, weights 0 to 1 in 100 steps by min-max, nDCG@10, one
thread, beside `ranx.optimize_fusion`, whose first call (it compiles) is not counted.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.fusion_data import Searched
from bench.fusion_speed import made
from bench.recall import print_row
from bench.timing import facts, one_thread
from fusion import Weighted
from fusion.adapting import adapt
from fusion.features import features_of
from fusion.grading import Setting, grade
from fusion.grids import Grid, simplex
from fusion.judged import Judging, of_lists
from fusion.measures import measure_named
from fusion.tuning import FOLDS, Sheet, dealt, tune
from hybrid.significance import compare
from hybrid.tuning import BS, K1S, MOST
from indexes import BM25Index

K1, B = 1.2, 0.75
MEASURE = "nDCG@10"
BY_LISTS = Weighted(norm="list-minmax", missing="zero")


def judged(searched: Searched, most: int) -> tuple[Sheet, list[str], np.ndarray]:
    """Return the sheet of a collection, what each variant is called, and the features."""
    arms = dict(list(searched.arms.items())[:most])
    bm25 = next(iter(arms.values()))["bm25"].index
    if not isinstance(bm25, BM25Index):
        raise TypeError("expected BM25")
    tries = [(K1, B), *((k1, b) for k1 in K1S for b in BS if (k1, b) != (K1, B))]
    variants = [{}, *({"bm25": bm25.with_formula(k1=k1, b=b)} for k1, b in tries[1:])]
    far = tuple(0.5 * abs(math.log(k1 / K1)) + abs(b - B) for k1, b in tries)
    places = {name: row for row, name in enumerate(searched.ids)}
    judging = Judging(np.arange(len(searched.ids)), variants, ("minmax", "zscore"), ranks=True)
    questions = [
        judging.judge(
            asked,
            {
                places.get(name, len(places) + number): gain
                for number, (name, gain) in enumerate(searched.qrels[query].items())
            },
        )
        for query, asked in arms.items()
    ]
    grid = Grid(Weighted({"bm25": 0.3, "dense": 0.7}), ("bm25", "dense"), far)
    sheet = Sheet(questions, grid, measure_named(MEASURE))
    features = np.array([features_of(asked) for asked in arms.values()])
    return sheet, [f"k1={k1} b={b}" for k1, b in tries], features


def collections(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Tune on most questions of each collection, measure on the others."""
    for folder in arguments.collections:
        start = time.perf_counter()
        searched = Searched.read(folder, arguments.vectors)
        sheet, names, features = judged(searched, arguments.most)
        every = np.arange(len(sheet.questions))
        parts = dealt(None, len(every), FOLDS, arguments.seed)
        held = {"single": np.zeros(len(every)), "tuned": np.zeros(len(every))}
        for fold in range(FOLDS):
            inside, left = every[parts != fold], parts == fold
            held["tuned"][left] = sheet.of(tune(sheet, inside).setting)[left]
            held["single"][left] = sheet.of(sheet.single(inside))[left]
        held["default"] = sheet.of(sheet.settings[0])
        adapted = adapt(sheet, features, seed=arguments.seed)
        held["adaptive"] = held["tuned"] if adapted is None else adapted.held_out
        chosen = tune(sheet).setting
        over = {one: compare(held, one) for one in ("single", "default")}
        yield {
            "collection": searched.name,
            "queries": len(every),
            "settings": len(sheet.settings),
            **{name: round(float(values.mean()), 4) for name, values in held.items()},
            "p_single": next(c.p for c in over["single"] if c.name == "tuned"),
            "p_default": next(c.p for c in over["default"] if c.name == "tuned"),
            "weights": dict(chosen.method.weights or {}),
            "bm25": names[chosen.variant],
            "seconds": round(time.perf_counter() - start, 1),
        }


def speed(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Time the tuning of one weight beside ranx."""
    lists = made(arguments.queries, arguments.length, arguments.seed)
    random = np.random.default_rng(arguments.seed)
    relevant = [
        {int(row): 1 for found in one.values() for row in random.choice(found.rows[:100], 2)}
        for one in lists
    ]
    steps = [dict(weights) for weights in simplex(("bm25", "dense"), arguments.steps)]
    settings = [Setting(Weighted(weights, "list-minmax", missing="zero")) for weights in steps]

    def ours() -> tuple[float, float]:
        pairs = zip(lists, relevant, strict=True)
        questions = [of_lists(one, wanted, BY_LISTS) for one, wanted in pairs]
        values = grade(questions, ("bm25", "dense"), settings, measure_named(MEASURE))
        means = values.mean(axis=1)
        return steps[int(means.argmax())]["dense"], float(means.max())

    ours()
    engines: dict[str, Callable[[], tuple[float, float]]] = {"ours": ours}
    if arguments.peer:
        engines["ranx"] = _ranx(lists, relevant, arguments.steps)
    for name, engine in engines.items():
        start = time.perf_counter()
        weight, best = engine()
        yield {
            "engine": name,
            "queries": len(lists),
            "settings": len(settings),
            "seconds": round(time.perf_counter() - start, 3),
            "weight": round(weight, 3),
            MEASURE: round(best, 4),
        }


def _ranx(lists: Any, relevant: Any, steps: int) -> Callable[[], tuple[float, float]]:
    import ranx

    runs = [
        ranx.Run(
            {
                f"q{place}": dict(
                    zip(map(str, one[name].rows.tolist()), one[name].scores.tolist(), strict=True)
                )
                for place, one in enumerate(lists)
            }
        )
        for name in ("bm25", "dense")
    ]
    qrels = ranx.Qrels(
        {f"q{place}": {str(row): 1 for row in wanted} for place, wanted in enumerate(relevant)}
    )

    def optimise(step: float) -> tuple[float, float]:
        params = ranx.optimize_fusion(
            qrels=qrels,
            runs=runs,
            norm="min-max",
            method="wsum",
            metric="ndcg@10",
            step=step,
            show_progress=False,
        )
        best = ranx.fuse(runs, norm="min-max", method="wsum", params=params)
        return float(params["weights"][1]), float(ranx.evaluate(qrels, best, "ndcg@10"))

    optimise(0.5)  # compiles
    return lambda: optimise(1 / steps)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="append every figure to this JSON Lines file")
    parser.add_argument("--seed", type=int, default=0)
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("collections")
    one.add_argument("collections", nargs="+", type=Path, help="folders in BEIR layout")
    one.add_argument("--vectors", type=Path, help="folder of <name>.npz; without it LSA")
    one.add_argument("--most", type=int, default=MOST, help="questions that are used")
    other = kinds.add_parser("speed")
    other.add_argument("--queries", type=int, default=1000)
    other.add_argument("--length", type=int, default=1000)
    other.add_argument("--steps", type=int, default=100)
    other.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    if arguments.kind == "speed":
        one_thread("bench.tune")
    records: list[dict[str, Any]] = []
    for record in (collections if arguments.kind == "collections" else speed)(arguments):
        if not records:
            print_row(list(record))
            print_row(["---"] * len(record))
        print_row([str(value) for value in record.values()])
        records.append(record)
    if arguments.kind == "collections":
        print_row(["mean", *_means(records)])
    if arguments.json:
        with arguments.json.open("a", encoding="utf-8") as file:
            made_by = facts()
            file.writelines(json.dumps({**made_by, **record}) + "\n" for record in records)


def _means(records: list[dict[str, Any]]) -> list[str]:
    names = ("single", "tuned", "default", "adaptive")
    return [f"{name} {np.mean([one[name] for one in records]):.4f}" for name in names]


if __name__ == "__main__":
    main()
