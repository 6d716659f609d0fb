"""What searching costs: milliseconds of single questions, bytes on disk and in memory."""

import copy
import gc
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fusion import Arm
from fusion.methods import AnyMethod
from hybrid.benchmark.results import Latency
from hybrid.encoders.cache import CachedEncoder
from hybrid.searching import Search, Wanted

TIMED = 200
"""Most questions that are timed."""

HITS = 10
"""Rows that are asked for when a search is timed."""

_WARM_UP = 20


def sample(questions: Sequence[str], seed: int, most: int = TIMED) -> list[str]:
    """Return some of the questions, drawn by a seed, in their order."""
    if len(questions) <= most:
        return list(questions)
    return [questions[n] for n in sorted(random.Random(seed).sample(range(len(questions)), most))]


def latency(ask: Callable[[str], object], questions: Sequence[str]) -> Latency:
    """Ask one question after the other, and return how long each took.

    The first ones are asked twice, and count the second time; garbage is not collected meanwhile.

    Parameters
    ----------
    ask : callable
        Takes a question.
    questions : sequence of str
        At least one.
    """
    for question in questions[:_WARM_UP]:
        ask(question)
    taken = []
    gc.collect()
    gc.disable()
    try:
        for question in questions:
            start = time.perf_counter_ns()
            ask(question)
            taken.append(time.perf_counter_ns() - start)
    finally:
        gc.enable()
    milliseconds = np.array(taken) / 1e6
    p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99)).tolist()
    return Latency(p50, p95, p99, 1000 / float(milliseconds.mean()))


def latencies(
    search: Search, methods: Mapping[str, AnyMethod], questions: Sequence[str]
) -> dict[str, Latency]:
    """Time every index alone, and some fusions, from the text of a question to `HITS` rows.

    A question is analysed and encoded every time, as if it were new: what an encoder remembers of
    questions is not used.  A model that makes vectors for several indexes makes all of them also
    where one is searched alone.  Looking up the texts of hits is not included.

    Parameters
    ----------
    search : Search
        What is searched; a fusion searches its indexes at the same time, as `Retriever.search`
        does.
    methods : mapping of str to Method
        The fusions, by name.
    questions : sequence of str

    Returns
    -------
    dict of str to Latency
        By name of index or fusion.
    """
    indexes = copy.copy(search.indexes)  # the same indexes, but an encoder without memory
    if isinstance(indexes.encoder, CachedEncoder):
        indexes.encoder = indexes.encoder.encoder

    def arms_of(text: str) -> Mapping[str, Arm]:
        return indexes.arms([text])[0]

    def alone(name: str) -> Callable[[str], object]:
        def ask(text: str) -> object:
            if name == "bm25":
                return indexes.bm25.search(indexes.analyzer.query_terms(text), HITS)
            arm = arms_of(text).get(name)
            return None if arm is None else arm.index.search(arm.query, HITS)

        return ask

    def fused(method: AnyMethod) -> Callable[[str], object]:
        by = replace(search, fusion=method)
        return lambda text: by.fuse(arms_of(text), Wanted(HITS), None, by.pool.map)

    asks = {name: alone(name) for name in indexes.names()}
    asks |= {name: fused(method) for name, method in methods.items()}
    return {name: latency(ask, questions) for name, ask in asks.items()}


def disk_bytes(folder: Path) -> dict[str, int]:
    """Return the bytes of an index folder by part: "store", "bm25", "dense", "embeddings", ..."""
    sizes: dict[str, int] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name.endswith("-shm"):  # SQLite has it while the file is open
            continue
        parts = path.relative_to(folder).parts
        part = parts[1] if parts[0].startswith("gen-") else parts[0].partition(".")[0]
        sizes[part] = sizes.get(part, 0) + path.stat().st_size
    return sizes


def peak_bytes() -> int:
    """Return the most memory that this process has had resident; 0 where no system tells."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
