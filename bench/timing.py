"""How things are timed here: one thread, all engines in one process, taking turns by round."""

import gc
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bench.peers import HOMES, installed

Asked = TypeVar("Asked")
POOLS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")


@dataclass(frozen=True, slots=True)
class Latency:
    """What a query costs, from the first argument to the answer.

    Attributes
    ----------
    mean_us : float
        Median over the rounds of a round's mean.
    steady_us : float
        Mean over the queries of a query's median over the rounds: what other work on the machine
        breaks into once does not count.
    p50_us, p95_us, p99_us : float
        Over the queries of all rounds.
    rounds_us : list of float
        The mean of each round.
    """

    mean_us: float
    steady_us: float
    p50_us: float
    p95_us: float
    p99_us: float
    rounds_us: list[float]

    @classmethod
    def of(cls, rounds: Sequence[Sequence[int]]) -> "Latency":
        """Summarise the nanoseconds of every query of every round."""
        microseconds = np.array(rounds, np.float64) / 1000
        means = microseconds.mean(axis=1)
        mean, steady = np.median(means), np.median(microseconds, axis=0).mean()
        p50, p95, p99 = np.percentile(microseconds, (50, 95, 99)).round(2).tolist()
        spread = p50, p95, p99, means.round(2).tolist()
        return cls(round(float(mean), 2), round(float(steady), 2), *spread)


class Clock:
    """Seconds by part of the work.

    Attributes
    ----------
    parts : dict of str to float
        What each part has taken so far.
    """

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """Count the time since the last lap towards a part."""
        now = time.perf_counter()
        self.parts[part] = self.parts.get(part, 0.0) + now - self._last
        self._last = now


def one_thread(module: str) -> None:
    """Start the program again with every pool of threads at one, unless it is so already.

    The pools read these variables when they are imported, which is before any of our code runs.
    """
    wanted = {f"{pool}_NUM_THREADS": "1" for pool in POOLS}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        sys.stdout.flush()
        os.execve(
            sys.executable,
            [sys.executable, "-m", module, *sys.argv[1:]],
            {**os.environ, **wanted},
        )


def alternate(
    engines: Mapping[str, Callable[[Asked], object]], queries: Sequence[Asked], rounds: int
) -> dict[str, Latency]:
    """Time engines on the same queries.

    Each round asks one engine after the other for all answers, beginning with another engine every
    time; engines do not take turns within a round, since each would then find the caches as the
    last one left them.  The first round warms up and is not counted.
    """
    names = list(engines)
    taken: dict[str, list[list[int]]] = {name: [] for name in names}
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            nanoseconds = _ask_all(engines[name], queries)
            if number:
                taken[name].append(nanoseconds)
    return {name: Latency.of(taken[name]) for name in names}


def facts() -> dict[str, Any]:
    """Return the machine and the versions, for the record."""
    peers = {name: installed(name) for name in HOMES}
    own = {name: version(name) for name in ("hybrid-retrieval", "numba", "numpy", "scipy")}
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "versions": {"python": platform.python_version(), **own, **peers},
    }


def _ask_all(search: Callable[[Asked], object], queries: Sequence[Asked]) -> list[int]:
    """Return the nanoseconds of each query, with the collector off as timeit has it."""
    nanoseconds = []
    clock = time.perf_counter_ns
    gc.collect()
    gc.disable()
    try:
        for query in queries:
            start = clock()
            search(query)
            nanoseconds.append(clock() - start)
    finally:
        gc.enable()
    return nanoseconds


def _cpu() -> str:
    """Return the name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
