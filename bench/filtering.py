"""Filters at scale: what a mask takes, and a hybrid search with one beside a search without.

    python -m bench.filtering build /tmp/filtering --rows 1000000 --dimension 64
    python -m bench.filtering run /tmp/filtering

One thread, on the made-up passages of `bench.endtoend_data` with made-up metadata.

`run` first times masks: for each condition the first one after opening, which reads its keys, the
median of later ones over conditions that differ a little, so that none is remembered, one that is
remembered, and the plain way, SQL over the metadata of all documents.  Then hybrid searches
with and without a filter take turns, over the same questions.  "new" has a condition that is new
every time, "same" one that stays.  Recall is the part of the exact best rows, from the complete
lists of all indexes over the allowed rows, that are hits.
"""

import argparse
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hybrid
from bench.endtoend_data import MadeUp, Questions
from bench.recall import print_row
from bench.timing import alternate, facts, one_thread
from fusion.methods import Weighted
from fusion.normalize import NORMS
from hybrid.filters import parse_filter

Records = Iterator[dict[str, Any]]
Conditions = Callable[[int], dict[str, Any]]

STEPS = 1_000_000
"""`share` is one of so many whole numbers, drawn evenly: a bound lets a known part through."""

PARTS = (0.5, 0.05, 0.005, 0.0005)
"""Of the rows, which a filter lets through."""


def metadata(row: int, draw: np.random.Generator) -> dict[str, Any]:
    """Return the metadata of a passage: keys with few and with many values, lists, dates."""
    share = int(draw.integers(STEPS))
    return {
        "share": share,
        "lang": ("en", "de", "fr", "zh")[int(draw.integers(4))],
        "price": round(share / 7, 2),
        "day": (date(2000, 1, 1) + timedelta(days=share % 9000)).isoformat(),
        "url": f"https://example.org/{row}",
        "tags": [f"t{tag}" for tag in draw.integers(0, 200, 3).tolist()],
        "author": {"name": f"a{share % 1000}"},
    }


def build(arguments: argparse.Namespace) -> None:
    """Build and save an index of made-up passages with metadata, and questions beside it."""
    start = time.perf_counter()
    made = MadeUp.of(arguments.rows, arguments.dimension)
    arguments.folder.mkdir(parents=True)
    made.questions(arguments.queries).save(arguments.folder)
    draw = np.random.default_rng(3)
    retriever = hybrid.Retriever.create(
        arguments.folder / "index",
        encoder=made.encoder(),
        analyzer="english",
        chunker=hybrid.Chunker(size=None),
        dense=hybrid.Dense(kind=arguments.kind),
    )
    documents = (
        replace(document, metadata=metadata(row, draw))
        for row, document in enumerate(made.documents())
    )
    retriever.add(documents)
    retriever.commit()
    retriever.close()
    print(f"built: {time.perf_counter() - start:.1f} s", flush=True)


def below(part: float, number: int) -> dict[str, Any]:
    """Return a condition that lets through about a part of the rows, another for each number."""
    return {"share": {"$lt": round(STEPS * part) + number}}


CONDITIONS: dict[str, Conditions] = {
    **{f"share < {part:.2%}": partial(below, part) for part in PARTS},
    "lang in": lambda n: {"lang": {"$in": ["en", "de", f"x{n}"]}},
    "tags = (list)": lambda n: {"tags": f"t{n}"},
    "author.name = (nested)": lambda n: {"author.name": f"a{n}"},
    "day >= (date)": lambda n: {"day": {"$gte": (date(2012, 1, 1) + timedelta(n)).isoformat()}},
    "url = (all differ)": lambda n: {"url": f"https://example.org/{n}"},
    "share in 100,000": lambda n: {"share": {"$in": list(range(n, n + 100_000))}},
    "lang, share, not tags": lambda n: {
        "lang": "en",
        "share": {"$lt": 50_000 + n},
        "tags": {"$ne": "t7"},
    },
}
"""Conditions by name, each for the n-th time."""


def _first(part: float, _: int) -> dict[str, Any]:
    return below(part, 0)


def masks(retriever: hybrid.Retriever, rounds: int) -> Records:
    """Time the masks of conditions: the first of a kind, those that are new, those remembered."""
    store = retriever._search().store

    def taken(condition: dict[str, Any]) -> float:
        start = time.perf_counter()
        store.allowed(parse_filter(condition))
        return 1000 * (time.perf_counter() - start)

    yield {"mask": "all (reads where chunks are)", "first_ms": round(taken({}), 1)}
    for name, condition in CONDITIONS.items():
        first = taken(condition(0))
        new = [taken(condition(number)) for number in range(1, rounds + 1)]
        same = [taken(condition(rounds)) for _ in range(rounds)]
        mask = store.allowed(parse_filter(condition(rounds)))
        yield {
            "mask": name,
            "first_ms": round(first, 1),
            "new_ms": round(float(np.median(new)), 2),
            "slowest_ms": round(max(new), 2),
            "same_ms": round(float(np.median(same)), 2),
            "rows": int(mask.sum()),
        }


def plain(path: Path) -> Records:
    """Time SQL over the metadata of all documents, for the half and a twentieth of a percent."""
    sql = """SELECT c.row FROM documents d JOIN chunks c ON d.key = c.document WHERE EXISTS (
        SELECT 1 FROM json_each(d.metadata, '$."share"') j WHERE j.value < ?) AND d.died IS NULL"""
    for part in (PARTS[0], PARTS[-1]):
        database = sqlite3.connect(path)
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            rows = np.array([row for (row,) in database.execute(sql, (STEPS * part,))], np.int64)
            taken.append(1000 * (time.perf_counter() - start))
        database.close()
        yield {
            "mask": f"share < {part:.2%} by SQL",
            "first_ms": round(taken[0], 1),
            "new_ms": round(float(np.median(taken[1:])), 1),
            "rows": len(rows),
        }


def searches(retriever: hybrid.Retriever, questions: Questions, arguments: Any) -> Records:
    """Time hybrid searches with and without a filter, and say what those with one find."""
    count = itertools.count()

    def ask(condition: Conditions | None) -> Callable[[str], object]:
        def once(text: str) -> object:
            filter_ = None if condition is None else condition(next(count) % 10_000)
            return retriever.search(text, arguments.k, filter=filter_)

        return once

    engines = {"no filter": ask(None)}
    for part in PARTS:
        if round(STEPS * part) > 10_000:  # or the bound would wander off
            engines[f"{part:.2%}, new"] = ask(partial(below, part))
        engines[f"{part:.2%}, same"] = ask(partial(_first, part))
    taken = alternate(engines, questions.texts, arguments.rounds)
    base = taken["no filter"].p50_us
    found = {f"{part:.2%}": recall(retriever, questions, part, arguments) for part in PARTS}
    for name, spent in taken.items():
        yield {
            "search": name,
            "p50_us": spent.p50_us,
            "p95_us": spent.p95_us,
            "ratio": round(spent.p50_us / base, 2),
            "recall": found.get(name.partition(",")[0]),
        }


def recall(retriever: hybrid.Retriever, questions: Questions, part: float, of: Any) -> float:
    """Return the part of the exact best rows that are hits under a filter.

    Every allowed row is scored by every index; where scores tie, any of them is right.
    """
    condition, search = below(part, 0), retriever._search()
    rows = np.flatnonzero(search.store.allowed(parse_filter(condition)))
    shares = []
    for text in questions.texts[: of.checked]:
        scores = _exact(search, text, rows)
        hits = [hit.row for hit in retriever.search(text, of.k, filter=condition)]
        least = np.sort(scores)[-min(of.k, len(rows))]
        good = scores[np.searchsorted(rows, hits)] >= least - 1e-6
        shares.append(good.sum() / min(of.k, len(rows)))
    return round(float(np.mean(shares)), 4)


def _exact(search: Any, text: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the fused score of each of some rows, from the definition."""
    (arms,), method = search.indexes.arms([text]), search.fusion
    if not isinstance(method, Weighted) or method.weights is None:
        raise TypeError(f"expected the default fusion, not {method}")
    total = np.zeros(len(rows))
    for name, arm in arms.items():
        scale = NORMS[method.norm](arm.index, arm.query)
        total += method.weights[name] * scale.of(arm.index.score(arm.query, rows))
    return total


def run(arguments: argparse.Namespace) -> Records:
    """Yield all figures of an index that `build` made."""
    questions = Questions.load(arguments.folder).first(arguments.queries)
    path = arguments.folder / "index"
    with hybrid.Retriever.load(path, encoder=questions.encoder()) as retriever:
        yield from masks(retriever, 21)
        yield from searches(retriever, questions, arguments)
    yield from plain(path / "store.db")


def _columns(record: dict[str, Any]) -> Sequence[str]:
    if "mask" in record:
        return ("mask", "first_ms", "new_ms", "slowest_ms", "same_ms", "rows")
    return ("search", "p50_us", "p95_us", "ratio", "recall")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_ in (("build", "build an index"), ("run", "time masks and searches")):
        command = commands.add_parser(name, help=help_)
        command.add_argument("folder", type=Path)
        command.add_argument("--queries", type=int, default=300 if name == "build" else 100)
    commands.choices["build"].add_argument("--rows", type=int, default=1_000_000)
    commands.choices["build"].add_argument("--dimension", type=int, default=64)
    commands.choices["build"].add_argument("--kind", default="flat")
    more = commands.choices["run"]
    more.add_argument("--k", type=int, default=10)
    more.add_argument("--rounds", type=int, default=3)
    more.add_argument("--checked", type=int, default=50, help="questions that recall is of")
    more.add_argument("--json", type=Path, help="append all figures to this file")
    return parser


def main() -> None:
    """Do what the command line asks for; print tables as they grow."""
    arguments = _parser().parse_args()
    one_thread("bench.filtering")
    if arguments.command == "build":
        build(arguments)
        return
    shown: Sequence[str] = ()
    shared = {"benchmark": "filtering", **facts()}
    for record in run(arguments):
        if _columns(record) != shown:
            shown = _columns(record)
            print_row(list(shown))
            print_row(["---"] * len(shown))
        print_row([str("" if record.get(name) is None else record[name]) for name in shown])
        if arguments.json:
            with arguments.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**shared, **record}) + "\n")


if __name__ == "__main__":
    main()
