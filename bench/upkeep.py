"""What ours alone is asked: small commits into a large index, and many queries on some threads."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import workloads
from bench.comparison import Workload, index_of, size_of
from bench.timing import Clock
from indexes import BM25Index
from indexes.terms import TermBatch

CHANGED = 10
"""Rows that a small commit adds, and that it deletes."""


def commits(passages: int, seed: int, repeats: int) -> dict[str, Any]:
    """Return what it costs to open an index, add and delete a few rows, and write it elsewhere.

    Every commit begins from the folder that the one before it wrote.  Files that the new folder
    shares with the old one are not counted as written.
    """
    made = workloads.passages(passages + CHANGED * repeats, seed)
    query = workloads.questions(made, 1)[0]
    taken: list[dict[str, float]] = []
    written: list[int] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "0"
        folder.mkdir()
        index_of(made.batch(0, passages)).save(folder)
        BM25Index.load(folder).search(query, 10)  # compiles
        for number in range(repeats):
            row = passages + number * CHANGED
            rows = (made.passage(new) for new in range(row, row + CHANGED))
            batch = TermBatch.of([made.words[word] for word in words.tolist()] for words in rows)
            following = Path(place) / str(number + 1)
            following.mkdir()
            clock = Clock()
            index = BM25Index.load(folder)
            clock.lap("open_ms")
            index.add(np.arange(row, row + CHANGED), batch)
            clock.lap("add_ms")
            index.delete(np.arange(number * CHANGED, (number + 1) * CHANGED))
            clock.lap("delete_ms")
            index.save(following)
            clock.lap("save_ms")
            index.search(query, 10)
            clock.lap("search_ms")
            taken.append(clock.parts)
            written.append(sum(path.stat().st_size for path in _unshared(following)))
            folder = following
        size = size_of(folder)
    medians = {part: float(np.median([parts[part] for parts in taken])) for part in taken[0]}
    milliseconds = {part: round(1000 * seconds, 2) for part, seconds in medians.items()}
    sizes = {"bytes": size, "written_bytes": int(np.median(written))}
    return {"passages": passages, "repeats": repeats, **milliseconds, **sizes}


def history(passages: int, seed: int, commits: int) -> dict[str, Any]:
    """Return whether an index with a history of commits has the bits of one built at once.

    The passages come in as many commits; a tenth of those that are there is deleted over time, and
    a tenth is replaced by other passages.
    """
    made, draw = workloads.passages(2 * passages, seed), np.random.default_rng(seed)
    held: dict[int, int] = {}  # row -> passage
    seconds, spare = [], passages
    with tempfile.TemporaryDirectory() as place:
        index = BM25Index()
        for number, part in enumerate(np.array_split(np.arange(passages), commits)):
            start = time.perf_counter()
            there = draw.permutation(np.fromiter(held, np.int64, len(held)))
            gone, changed = np.array_split(there[: 2 * len(part) // 10], 2)
            index.delete(np.concatenate([gone, changed]))
            for row in gone.tolist():
                del held[row]
            fresh = {row: spare + place for place, row in enumerate(changed.tolist())}
            spare += len(fresh)
            for rows in ({row: row for row in part.tolist()}, fresh):
                index.add(list(rows), _terms_of(made, list(rows.values())))
                held.update(rows)
            folder = Path(place) / str(number)
            folder.mkdir()
            index.save(folder)
            seconds.append(time.perf_counter() - start)
        opened = BM25Index.load(folder)
    once = BM25Index()
    once.add(list(held), _terms_of(made, list(held.values())))
    queries = [
        q for mixed in (False, True) for q in workloads.questions(made, 250, stop_words=mixed)
    ]
    return {
        "passages": passages,
        "commits": commits,
        "live": len(index),
        "segments": len(index._postings.segments),
        "median_commit_ms": round(1000 * float(np.median(seconds)), 1),
        "queries": len(queries),
        "equal": all(_same(index, once, query) and _same(opened, once, query) for query in queries),
    }


def _terms_of(made: workloads.Passages, passages: Sequence[int]) -> TermBatch:
    lists = (made.passage(number).tolist() for number in passages)
    return TermBatch.of([made.words[word] for word in words] for words in lists)


def _same(index: BM25Index, other: BM25Index, query: list[str]) -> bool:
    """Return whether rows, bits of scores and statistics are the same at several depths."""
    if index.statistics(query) != other.statistics(query):
        return False
    for depth in (1, 10, 1000, len(other)):
        mine, theirs = index.search(query, depth), other.search(query, depth)
        if mine.rows.tobytes() != theirs.rows.tobytes():
            return False
        if mine.scores.tobytes() != theirs.scores.tobytes():
            return False
    return True


def _unshared(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.stat().st_nlink == 1)


def threads(
    index: Any, workload: Workload, k: int, counts: Sequence[int], rounds: int
) -> Iterator[dict[str, Any]]:
    """Yield what a query costs in `search_many` for each number of threads, and the gain."""
    taken: dict[int, list[float]] = {count: [] for count in counts}
    for number in range(rounds + 1):
        for count in counts:
            start = time.perf_counter()
            index.search_many(workload.queries, depth=k, threads=count)
            if number:
                taken[count].append(time.perf_counter() - start)
    base = float(np.median(taken[counts[0]]))
    for count in counts:
        seconds = float(np.median(taken[count]))
        yield {
            "workload": workload.name,
            "k": k,
            **workload.facts,
            "threads": count,
            "mean_us": round(1e6 * seconds / len(workload.queries), 2),
            "gain": round(base / seconds, 2),
        }
