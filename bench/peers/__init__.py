"""Other engines behind one shape, one small file each; none of them is needed to use the project.

Every engine is timed from a list of term strings, or from a sparse vector, to the answer in its own
form.  What turns that form into rows and scores, to check that the engine really answered, is not
timed.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol, TypeVar

from indexes import Candidates

Content = TypeVar("Content", contravariant=True)
Query = TypeVar("Query", contravariant=True)
Asked = TypeVar("Asked")

HOMES = {
    "bm25s": ("bench.peers.bm25s", "bm25s"),
    "tantivy": ("bench.peers.tantivy", "tantivy"),
    "rank-bm25": ("bench.peers.rank_bm25", "rank-bm25"),
    "seismic": ("bench.peers.seismic", "pyseismic-lsr"),
}
"""Module and distribution of each peer."""


class Peer(Protocol[Content, Query]):
    """One engine that holds one collection.

    Attributes
    ----------
    name : str
        As in `HOMES`.
    least_overlap : float
        Least mean part of our best k that it must find to be compared.  1 says that it has our
        formula and must give our scores, for every query; less, that it rounds or approximates.
    """

    name: str
    least_overlap: float

    def build(self, content: Content, folder: Path) -> None:
        """Index a collection; `folder` is empty and there for files."""

    def tune(self, queries: Sequence[Query], k: int, exact: Sequence[Candidates]) -> str:
        """Choose the quickest way to search on queries that are not timed later; say which."""

    def search(self, query: Query, k: int) -> Any:
        """Return the best k in the engine's own form."""

    def read(self, answer: Any) -> Candidates:
        """Return what `search` found, best first, without rows that do not match."""

    def size_bytes(self) -> int:
        """Return the size of the index, 0 when the engine does not say."""


def load(name: str) -> Peer[Any, Any] | None:
    """Return a peer that holds nothing yet, or None when it is not installed."""
    module, _ = HOMES[name]
    if installed(name) is None:
        return None
    peer: Peer[Any, Any] = import_module(module).create()
    return peer


def installed(name: str) -> str | None:
    """Return the version of a peer, None when it is not installed."""
    distribution = HOMES[name][1]
    return versions([distribution]).get(distribution)


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the version of each distribution that is installed."""
    found = {}
    for name in distributions:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def quickest(ways: dict[str, Callable[[Asked, int], Any]], queries: Sequence[Asked], k: int) -> str:
    """Return the name of the way that answers the queries first, by its best of three passes."""
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(4):  # one more, since the first pass may compile
        for name, way in ways.items():
            start = time.perf_counter()
            for query in queries:
                way(query, k)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return min(seconds, key=lambda name: seconds[name])
