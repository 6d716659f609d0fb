"""Speed and size beside other engines, on made-up collections of any size and on your own.

    python -m bench.speed bm25 --passages 1000000 --k 10 100 1000
    python -m bench.speed lexical --documents 100000 --shape splade
    python -m bench.speed collection path/to/scifact --analyzer auto
    python -m bench.speed build --passages 1000000
    python -m bench.speed threads --passages 1000000
    python -m bench.speed commit --passages 10000 100000 1000000

One thread, all engines in one process, in turns by round; a ratio is printed only for a peer whose
answers agree with ours.  Peers that are not installed are left out, and rank-bm25 unless --peers
names it: a query takes it 2 ms for each thousand passages.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bench import building, peers, upkeep, weights, workloads
from bench.beir import Collection, analyzer_named
from bench.comparison import Workload, contest, index_of
from bench.peers import Peer
from bench.recall import print_row
from bench.timing import facts, one_thread
from indexes import LexicalIndex
from indexes.terms import TermBatch

Records = Iterator[dict[str, Any]]

WORD_PEERS = ("bm25s", "tantivy")
TUNING = 100
"""Queries on which peers choose how to search; others than those that are timed."""


def bm25(arguments: argparse.Namespace) -> Records:
    """Time single queries on made-up passages, with and without stop words."""
    for passages in arguments.passages:
        made = workloads.passages(passages, arguments.seed)
        sizes = {"passages": passages, "postings": made.postings}
        yield from _terms_contest(made.batch(), _word_workloads(made, arguments, sizes), arguments)


def collection(arguments: argparse.Namespace) -> Records:
    """Time the queries of collections; everyone gets the terms of our analyzer."""
    for folder in arguments.folders:
        read = Collection.read(folder)
        analyzer = analyzer_named(arguments.analyzer, read)
        batch = analyzer.batch(list(read.texts.values()))
        asked = [terms for text in read.queries.values() if (terms := analyzer.query_terms(text))]
        tuning = asked[::2][:TUNING]
        queries = asked[1::2][: arguments.queries]
        sizes = {"passages": len(batch), "analyzer": arguments.analyzer}
        yield from _terms_contest(batch, [Workload(read.name, queries, tuning, sizes)], arguments)


def lexical(arguments: argparse.Namespace) -> Records:
    """Time single queries on made-up learned sparse weights."""
    for name in arguments.shape:
        made = weights.weights(weights.SHAPES[name], arguments.documents, arguments.seed)
        queries = weights.questions(made, arguments.queries, arguments.seed + 1)
        tuning = weights.questions(made, TUNING, arguments.seed + 2)
        sizes = {
            "passages": arguments.documents,
            "postings": int(made.matrix.nnz),
            "mean_postings": round(weights.mean_postings(made, queries)),
        }
        for rows in (1, arguments.documents):  # the first time compiles
            index, start = LexicalIndex(), time.perf_counter()
            index.add(np.arange(rows), made.matrix[:rows])
            index.search(queries[0], 10)
            seconds = time.perf_counter() - start
        workload = Workload(name, queries, tuning, sizes)
        others = _peers(("seismic",), arguments)
        yield from _contest((index, seconds), others, made.matrix, [workload], arguments)


def build(arguments: argparse.Namespace) -> Records:
    """Time raw text to an index on disk, and opening that."""
    for passages in arguments.passages:
        made = workloads.passages(passages, arguments.seed)
        asked = [" ".join(query) for query in workloads.questions(made, 50)]
        with tempfile.TemporaryDirectory() as place:
            texts, questions = Path(place) / "texts.txt", Path(place) / "questions.json"
            with texts.open("w", encoding="utf-8") as file:
                file.writelines(text + "\n" for text in made.texts())
            questions.write_text(json.dumps(asked), "utf-8")
            postings = made.postings
            del made
            wanted = WORD_PEERS if arguments.peers is None else arguments.peers
            engines = ["ours", *(name for name in wanted if peers.installed(name))]
            sizes = {"passages": passages, "postings": postings}
            for number in range(arguments.rounds):
                for engine in engines:
                    record = building.measure(engine, texts, questions)
                    each = round(record["bytes"] / postings, 3)
                    yield {**sizes, "round": number, **record, "bytes_per_posting": each}


def threads(arguments: argparse.Namespace) -> Records:
    """Time many queries at once on one and on more threads."""
    for passages in arguments.passages:
        made = workloads.passages(passages, arguments.seed)
        index = index_of(made.batch())
        for workload in _word_workloads(made, arguments, {"passages": passages}):
            for k in arguments.k:
                yield from upkeep.threads(index, workload, k, arguments.threads, arguments.rounds)


def commit(arguments: argparse.Namespace) -> Records:
    """Time small commits."""
    for passages in arguments.passages:
        yield upkeep.commits(passages, arguments.seed, arguments.rounds)


def history(arguments: argparse.Namespace) -> Records:
    """Compare an index that grew in 100 commits with one that was built at once."""
    for passages in arguments.passages:
        yield upkeep.history(passages, arguments.seed, commits=100)


def _word_workloads(
    made: workloads.Passages, arguments: argparse.Namespace, sizes: dict[str, Any]
) -> Iterator[Workload]:
    for name, stop_words in (("4 terms", False), ("with stop words", True)):
        queries, tuning = (
            workloads.questions(made, count, stop_words=stop_words, seed=arguments.seed + shift)
            for count, shift in ((arguments.queries, 1), (TUNING, 2))
        )
        mean = round(workloads.mean_postings(made, queries))
        yield Workload(name, queries, tuning, {**sizes, "mean_postings": mean})


def _terms_contest(
    batch: TermBatch, each: Iterator[Workload] | list[Workload], arguments: argparse.Namespace
) -> Records:
    each = list(each)
    for content in (TermBatch.of([["a"]]), batch):  # the first time compiles
        start = time.perf_counter()
        index = index_of(content)
        index.search(each[0].queries[0], 10)
        ours = index, time.perf_counter() - start
    yield from _contest(ours, _peers(WORD_PEERS, arguments), batch, each, arguments)


def _contest(
    ours: tuple[Any, float],
    others: list[Peer[Any, Any]],
    content: Any,
    each: list[Workload],
    arguments: argparse.Namespace,
) -> Records:
    with ExitStack() as stack:
        built = contest(*ours, others, content, stack)
        for workload in each:
            for k in arguments.k:
                yield from built.run(workload, k, arguments.rounds)


def _peers(usual: Sequence[str], arguments: argparse.Namespace) -> list[Peer[Any, Any]]:
    """Return the peers that are wanted and installed; say which are not."""
    found = []
    for name in usual if arguments.peers is None else arguments.peers:
        peer = peers.load(name)
        if peer is None:
            print(f"{name} is not installed: pip install -e '.[bench]'", file=sys.stderr)
        else:
            found.append(peer)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (run, _) in COMMANDS.items():
        command = commands.add_parser(name, help=(run.__doc__ or "").partition("\n")[0])
        command.add_argument("--rounds", type=int, default=2 if name == "build" else 7)
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--json", type=Path, help="append all figures to this JSON Lines file")
        if name == "lexical":
            command.add_argument("--documents", type=int, default=100_000)
            command.add_argument("--shape", nargs="+", choices=weights.SHAPES, default=["splade"])
        elif name == "collection":
            command.add_argument("folders", nargs="+", type=Path, help="folders in BEIR layout")
            command.add_argument("--analyzer", default="auto", help="as in Retriever.create")
        else:
            command.add_argument("--passages", nargs="+", type=int, default=[100_000])
        if name not in ("build", "commit", "history"):
            deep = [10, 100] if name == "lexical" else [10, 100, 1000]
            command.add_argument("--k", nargs="+", type=int, default=deep)
            command.add_argument("--queries", type=int, default=500)
        if name == "threads":
            command.add_argument("--threads", nargs="+", type=int, default=[1, 2])
        elif name not in ("commit", "history"):
            command.add_argument("--peers", nargs="*", choices=peers.HOMES, help="only these")
    return parser


def main() -> None:
    """Measure what the command line asks for, print a table as it grows."""
    arguments = _parser().parse_args()
    if arguments.command != "threads":
        one_thread("bench.speed")
    run, columns = COMMANDS[arguments.command]
    print_row(list(columns))
    print_row(["---"] * len(columns))
    shared = {"benchmark": arguments.command, "seed": arguments.seed, **facts()}
    for record in run(arguments):
        print_row([_cell(record.get(column)) for column in columns])
        if arguments.json:
            with arguments.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**shared, **record}) + "\n")


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str("" if value is None else value)
    return f"{value:,}"


_CONTEST = "passages workload mean_postings k engine mean_us p95_us ratio overlap build_s bytes way"
_BUILD = "passages engine build_s cpu_s tokenise_s index_s save_s peak_mb before_mb"
_OPEN = "bytes_per_posting open_ms first_query_ms later_ms"
_COMMIT = "passages open_ms add_ms delete_ms save_ms search_ms bytes written_bytes"
_HISTORY = "passages commits live segments median_commit_ms queries equal"
COMMANDS = {
    "bm25": (bm25, _CONTEST.split()),
    "lexical": (lexical, _CONTEST.split()),
    "collection": (collection, _CONTEST.split()),
    "build": (build, [*_BUILD.split(), *_OPEN.split()]),
    "threads": (threads, ["passages", "workload", "k", "threads", "mean_us", "gain"]),
    "commit": (commit, _COMMIT.split()),
    "history": (history, _HISTORY.split()),
}


if __name__ == "__main__":
    main()
