"""From raw text to an index on disk that answers, each engine in a process of its own.

The process is bound to one core, warms up its compiled code on a few texts, then reads one passage
a line.  Everyone keeps stop words; ours stems every word and the peers do not, which costs ours.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bench.comparison import BLOCK, size_of
from bench.timing import POOLS, Clock
from hybrid.analysis import Analyzer
from indexes import BM25Index

FIELD = "body"
Parts = dict[str, float]


def build_ours(texts: Iterable[str], folder: Path) -> Parts:
    """Analyse and add 65,536 texts at a time, then save."""
    clock, analyzer, index, row = Clock(), Analyzer(), BM25Index(), 0
    for block in _blocks(texts):
        clock.lap("read_s")
        batch = analyzer.batch(block)
        clock.lap("tokenise_s")
        index.add(np.arange(row, row + len(batch)), batch)
        row += len(batch)
        clock.lap("index_s")
    index.save(folder)
    clock.lap("save_s")
    return clock.parts


def build_bm25s(texts: Iterable[str], folder: Path) -> Parts:
    """Do as bm25s' README has it, without stop words and stemmer."""
    import bm25s

    clock = Clock()
    tokens = bm25s.tokenize(texts, stopwords=None, stemmer=None, show_progress=False)
    clock.lap("tokenise_s")
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend="numba")
    index.index(tokens, show_progress=False)
    clock.lap("index_s")
    index.save(str(folder), show_progress=False)
    clock.lap("save_s")
    return clock.parts


def build_tantivy(texts: Iterable[str], folder: Path) -> Parts:
    """Add documents through the default tokenizer in one writer thread, commit, wait for merges."""
    import tantivy

    clock = Clock()
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(FIELD, tokenizer_name="default", index_option="freq")
    writer = tantivy.Index(builder.build(), path=str(folder)).writer(1_000_000_000, 1)
    for text in texts:
        document = tantivy.Document()
        document.add_text(FIELD, text)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    clock.lap("index_s")
    return clock.parts


def open_ours(folder: Path) -> Callable[[str], object]:
    """Open our index, memory-mapped."""
    analyzer, index = Analyzer(), BM25Index.load(folder)
    return lambda question: index.search(analyzer.query_terms(question), 10)


def open_bm25s(folder: Path) -> Callable[[str], object]:
    """Open bm25s, memory-mapped."""
    import bm25s

    index = bm25s.BM25.load(str(folder), mmap=True, backend="numba")
    return lambda question: index.retrieve(
        [question.split()], k=10, n_threads=1, backend_selection="numba", show_progress=False
    )


def open_tantivy(folder: Path) -> Callable[[str], object]:
    """Open tantivy, which maps its files always."""
    import tantivy

    index = tantivy.Index.open(str(folder))
    searcher = index.searcher()
    return lambda question: searcher.search(index.parse_query(question, [FIELD]), 10, count=False)


BUILD: dict[str, Callable[[Iterable[str], Path], Parts]] = {
    "ours": build_ours,
    "bm25s": build_bm25s,
    "tantivy": build_tantivy,
}
OPEN = {"ours": open_ours, "bm25s": open_bm25s, "tantivy": open_tantivy}


def measure(engine: str, texts: Path, questions: Path) -> dict[str, Any]:
    """Build and open in two processes, and return what both measured."""
    with tempfile.TemporaryDirectory() as place:
        task = ["--texts", str(texts), "--folder", place]
        record = _child([engine, *task])
        opened = _child([engine, "--questions", str(questions), "--folder", place])
    return {"engine": engine, **record, **opened}


def _child(arguments: list[str]) -> dict[str, Any]:
    """Run this module with one thread everywhere, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.building", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **{f"{pool}_NUM_THREADS": "1" for pool in POOLS}},
    )
    record: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return record


def _build(engine: str, texts: Path, folder: Path) -> dict[str, Any]:
    with texts.open(encoding="utf-8") as lines, tempfile.TemporaryDirectory() as place:
        BUILD[engine](list(islice(lines, 200)), Path(place))
    before = _peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    with texts.open(encoding="utf-8") as lines:
        parts = BUILD[engine](lines, folder)
    return {
        "build_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        **{name: round(seconds, 2) for name, seconds in parts.items()},
        "peak_mb": _peak_mb(),
        "before_mb": before,
        "bytes": size_of(folder),
    }


def _open(engine: str, questions: Path, folder: Path) -> dict[str, Any]:
    """Time opening, the first question in a fresh process, and those after it."""
    asked = json.loads(questions.read_text("utf-8"))
    __import__("numba" if engine != "tantivy" else "tantivy")
    start = time.perf_counter()
    search = OPEN[engine](folder)
    times = [time.perf_counter() - start]
    for question in asked:
        start = time.perf_counter()
        search(question)
        times.append(time.perf_counter() - start)
    milliseconds = (np.array(times) * 1000).round(3).tolist()
    later = round(float(np.median(milliseconds[2:])), 3)
    return {"open_ms": milliseconds[0], "first_query_ms": milliseconds[1], "later_ms": later}


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(texts)
    while block := list(islice(remaining, BLOCK)):
        yield block


def _peak_mb() -> int:
    """Return the most memory that this process has had.

    Not by getrusage where the system says more: its value is handed down from the parent.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Build or open one engine and print a JSON object: `bench.speed build` calls this."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("engine", choices=BUILD)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if arguments.texts:
        print(json.dumps(_build(arguments.engine, arguments.texts, arguments.folder)))
    else:
        print(json.dumps(_open(arguments.engine, arguments.questions, arguments.folder)))


if __name__ == "__main__":
    main()
