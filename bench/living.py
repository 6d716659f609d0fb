"""A folder that is lived in: killed writers, readers beside a writer, many upserts, a small commit.

Run ``python -m bench.living kill --times 500``, ``errors``, ``readers --readers 8 --seconds 120``,
``soak --upserts 200000 --commits 1000`` or ``commit INDEX``; each prints one line of JSON.
"""

import argparse
import json
import multiprocessing
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import hybrid
from bench.living_errors import sweep
from bench.living_kill import WORDS, kill
from hybrid import snapshot
from hybrid.compacting import folder_size
from hybrid.store import ChunkStore
from indexes import BM25Index, DenseIndex

MARKED = 10
"""Documents that every commit of `readers` replaces: all of one search must be of one commit."""

_spawn = multiprocessing.get_context("spawn")


def marked(number: int) -> list[hybrid.Document]:
    """Return the documents of a commit."""
    return [
        hybrid.Document(f"m{one}", f"mark {WORDS[one]}", metadata={"commit": number})
        for one in range(MARKED)
    ]


def read(folder: Path, results: Any, ready: Any, stop: Any) -> None:
    """Search and refresh until told to stop; put latencies and problems into `results`."""
    taken, problems, seen = [], [], set()
    with hybrid.Retriever.load(folder) as reader:
        reader.search("mark", k=MARKED)  # compiles
        ready.wait()

        def refresh() -> None:
            while not stop.wait(0.5):
                reader.refresh()

        refreshing = threading.Thread(target=refresh)
        refreshing.start()
        while not stop.is_set():
            start = time.perf_counter_ns()
            hits = reader.search("mark", k=MARKED)
            taken.append(time.perf_counter_ns() - start)
            commits = {hit.metadata["commit"] for hit in hits}
            seen |= commits
            if len(hits) != MARKED or len(commits) != 1:
                problems.append(f"{len(hits)} hits of commits {sorted(commits)}")
            time.sleep(0.01)
        refreshing.join()
    results.put((taken, problems, len(seen)))


def readers(count: int, seconds: float, size: int = 2000) -> dict[str, Any]:
    """Return what readers found, without and then with a writer that commits every second."""
    draw, found = random.Random(0), {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "index"
        with hybrid.Retriever.create(folder, encoder=None, analyzer="english") as writer:
            texts = (" ".join(draw.choices(WORDS, k=20)) for _ in range(size))
            writer.add(hybrid.Document(f"d{n}", text) for n, text in enumerate(texts))
            writer.add(marked(0))
            writer.commit()
            writer.search("mark")  # what is compiled is there for all
            for name in ("alone", "beside_a_writer"):
                found[name] = _round(folder, count, seconds, None if name == "alone" else writer)
    ratio = found["beside_a_writer"]["p99_ms"] / found["alone"]["p99_ms"]
    return {"readers": count, "seconds": seconds, **found, "p99_ratio": round(ratio, 2)}


def _round(
    folder: Path, count: int, seconds: float, writer: hybrid.Retriever | None
) -> dict[str, Any]:
    results, ready, stop = _spawn.Queue(), _spawn.Barrier(count + 1), _spawn.Event()
    arguments = folder, results, ready, stop
    processes = [_spawn.Process(target=read, args=arguments) for _ in range(count)]
    for process in processes:
        process.start()
    ready.wait(timeout=300)
    end, commits = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if writer is not None:
            commits += 1
            writer.add(marked(commits))
            writer.commit()
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))
    stop.set()
    parts = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    taken = np.concatenate([part[0] for part in parts]) / 1e6
    return {
        "searches": len(taken),
        "commits": commits,
        "commits_seen": max(part[2] for part in parts),
        "problems": [problem for part in parts for problem in part[1]],
        "p50_ms": round(float(np.percentile(taken, 50)), 3),
        "p99_ms": round(float(np.percentile(taken, 99)), 3),
    }


def soak(upserts: int, commits: int, live: int = 2000) -> dict[str, Any]:
    """Return memory, handles, size and times over many upserts of documents that are replaced."""
    draw, samples, taken = random.Random(0), [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "index"
        with hybrid.Retriever.create(folder, encoder=None, analyzer="english") as writer:
            for number in range(commits):
                ids = draw.sample(range(live), upserts // commits)
                texts = (" ".join(draw.choices(WORDS, k=50)) for _ in ids)
                pairs = zip(ids, texts, strict=True)
                start = time.perf_counter()
                writer.add(hybrid.Document(f"d{n}", text) for n, text in pairs)
                writer.commit()
                taken.append(time.perf_counter() - start)
                if (commits - 1 - number) % max(1, commits // 10) == 0:
                    samples.append(_compacted(writer, folder, taken))
            fresh = Path(place) / "fresh"
            with hybrid.Retriever.create(fresh, encoder=None, analyzer="english") as other:
                store = writer._state.store
                chunks = store.chunks(store.rows())
                other.add(hybrid.Document(chunk.doc_id, chunk.text) for chunk in chunks)
                other.commit()
                other.compact()
            ratio = round(folder_size(folder) / folder_size(fresh), 2)
    return {"upserts": upserts, "commits": commits, "size_ratio": ratio, "samples": samples}


def _compacted(writer: hybrid.Retriever, folder: Path, taken: list[float]) -> dict[str, int]:
    """Compact, and return what there is now and was before; `taken` starts anew."""
    before = folder_size(folder)
    start = time.perf_counter()
    writer.compact()
    seconds = time.perf_counter() - start
    median = float(np.median(taken))
    taken.clear()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    handles = len(os.listdir("/proc/self/fd"))
    rss = pages * os.sysconf("SC_PAGE_SIZE") // 2**20
    sizes = {"bytes_before": before, "bytes": folder_size(folder)}
    times = {"commit_ms": round(median * 1000), "compact_ms": round(seconds * 1000)}
    return {"rss_mb": rss, "handles": handles, **sizes, **times}


def small_commit(folder: Path, repeats: int, size: int = 100) -> dict[str, Any]:
    """Return the seconds of commits of `size` documents into an index, which stays changed.

    The index has no encoder, or precomputed vectors.
    """
    draw, rounds = random.Random(0), []
    fingerprint = snapshot.read(folder).settings["encoder"]
    for number in range(repeats):
        encoder, documents = None, []
        for one in range(size):
            text = " ".join(draw.choices(WORDS, k=100)) + f" {draw.random()}"
            held = {"n": one, "lang": "en", "tags": [str(one), "new"]}
            documents.append(hybrid.Document(f"new-{draw.random()}-{one}", text, metadata=held))
        if fingerprint is not None:
            vectors = np.random.default_rng(number).normal(size=(size, fingerprint["dimension"]))
            texts = [one.text for one in documents]
            known = dict(zip(texts, vectors.astype(np.float32), strict=True))
            encoder = hybrid.Precomputed(known, {}, fingerprint["name"])
        rounds.append(_timed_commit(folder, encoder, documents))
    return {"rows": rounds[-1].pop("rows"), "documents": size, "rounds": rounds}


def _timed_commit(folder: Path, encoder: Any, documents: list[hybrid.Document]) -> dict[str, Any]:
    parts: dict[str, float] = {}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **rest: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **rest)
            finally:
                parts[name] = parts.get(name, 0.0) + time.perf_counter() - start

        return called

    watched: list[tuple[Any, str, str]] = [
        (ChunkStore, "commit", "store"),
        (ChunkStore, "save_columns", "metadata"),
        (BM25Index, "save", "bm25"),
        (DenseIndex, "save", "dense"),
        (snapshot, "_synced_files", "checksums_and_sync"),
        (snapshot, "prune", "prune"),
    ]
    with ExitStack() as stack, hybrid.Retriever.load(folder, encoder=encoder) as writer:
        for owner, name, part in watched:
            patched = mock.patch.object(owner, name, timed(part, getattr(owner, name)))
            stack.enter_context(patched)
        start = time.perf_counter()
        writer.add(documents)
        added = time.perf_counter()
        writer.commit()
        done = time.perf_counter()
        rows = len(writer)
    seconds = {"add": added - start, "commit": done - added, **parts}
    seconds["other"] = seconds["commit"] - sum(parts.values())
    return {"rows": rows, **{name: round(value, 3) for name, value in seconds.items()}}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    killing = commands.add_parser("kill")
    killing.add_argument("--times", type=int, default=500)
    killing.add_argument("--seed", type=int, default=0)
    killing.add_argument("--longest-s", type=float, default=0.8)
    failing = commands.add_parser("errors")
    failing.add_argument("--step", type=int, default=1, help="1: every call fails once")
    failing.add_argument("--bytes", type=int, default=120_000, help="largest file that fails")
    failing.add_argument("--apart", type=int, default=1000, help="bytes from size to size")
    reading = commands.add_parser("readers")
    reading.add_argument("--readers", type=int, default=8)
    reading.add_argument("--seconds", type=float, default=120)
    soaking = commands.add_parser("soak")
    soaking.add_argument("--upserts", type=int, default=200_000)
    soaking.add_argument("--commits", type=int, default=1000)
    committing = commands.add_parser("commit")
    committing.add_argument("index", type=Path, help="a copy: it is changed")
    committing.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if given.command == "kill":
        with tempfile.TemporaryDirectory() as place:
            found = kill(Path(place), given.times, given.seed, given.longest_s)
    elif given.command == "errors":
        with tempfile.TemporaryDirectory() as place:
            found = sweep(Path(place), given.step, range(0, given.bytes, given.apart))
    elif given.command == "readers":
        found = readers(given.readers, given.seconds)
    elif given.command == "soak":
        found = soak(given.upserts, given.commits)
    else:
        found = small_commit(given.index, given.repeats)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
