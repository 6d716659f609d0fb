"""One collection, ours beside the peers: whether the answers are the same, and who is quicker."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench.peers import Peer
from bench.timing import alternate
from indexes import BM25Index, Candidates
from indexes.terms import TermBatch

SAME = 1e-4
"""Greatest relative difference of two scores that are the same: peers add up in float32."""

BLOCK = 1 << 16
"""Rows that are added at a time."""


class Searchable(Protocol):
    """What is asked of an index of ours."""

    def search(self, query: Any, depth: int) -> Candidates: ...  # noqa: D102

    def save(self, folder: Path) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Workload:
    """Queries to time, and others to tune on."""

    name: str
    queries: Sequence[Any]
    tuning: Sequence[Any]
    facts: dict[str, Any] = field(default_factory=dict)


def index_of(batch: TermBatch) -> BM25Index:
    """Return our index of a batch, added in blocks as an ingest does."""
    index = BM25Index(method="lucene", k1=1.2, b=0.75)
    for start in range(0, len(batch), BLOCK):
        part = _part(batch, start, min(start + BLOCK, len(batch)))
        index.add(np.arange(start, start + len(part)), part)
    return index


def _part(batch: TermBatch, start: int, stop: int) -> TermBatch:
    """Return some rows with the terms that they use."""
    offsets = batch.offsets[start : stop + 1]
    ids = batch.ids[offsets[0] : offsets[-1]]
    used = np.bincount(ids, minlength=len(batch.terms)) > 0
    terms = [batch.terms[number] for number in np.flatnonzero(used).tolist()]
    return TermBatch((np.cumsum(used) - 1).astype(np.uint32)[ids], offsets - offsets[0], terms)


@dataclass(frozen=True, slots=True)
class Contest:
    """Our index and the peers, built from the same content.

    Attributes
    ----------
    ours : Searchable
        Settled: its first search is behind it.
    peers : list of Peer
    built : dict
        Seconds of building and bytes of each, by name.
    """

    ours: Searchable
    peers: list[Peer[Any, Any]]
    built: dict[str, dict[str, Any]]

    def run(self, workload: Workload, k: int, rounds: int) -> Iterator[dict[str, Any]]:
        """Yield a record for each engine: ours first, each peer with its ratio if it agrees."""
        queries, ours = workload.queries, partial(self.ours.search, depth=k)
        exact = [ours(query) for query in workload.tuning]
        ways = {peer.name: peer.tune(workload.tuning, k, exact) for peer in self.peers}
        expected = [ours(query) for query in queries]
        engines: dict[str, Any] = {"ours": ours}
        engines |= {peer.name: partial(peer.search, k=k) for peer in self.peers}
        latencies = alternate(engines, queries, rounds)
        base = {"workload": workload.name, "k": k, "queries": len(queries), **workload.facts}
        own = latencies["ours"]
        yield {**base, "engine": "ours", **asdict(own), **self.built["ours"]}
        for peer in self.peers:
            found = [peer.read(peer.search(query, k)) for query in queries]
            agrees, overlap = compare(peer, expected, found)
            record = {"way": ways[peer.name], "overlap": overlap, "agrees": agrees}
            theirs = latencies[peer.name]
            if agrees:
                record["ratio"] = round(theirs.mean_us / own.mean_us, 2)
                record["steady_ratio"] = round(theirs.steady_us / own.steady_us, 2)
            yield {**base, "engine": peer.name, **asdict(theirs), **record, **self.built[peer.name]}


def contest(
    ours: Searchable, ours_s: float, peers: list[Peer[Any, Any]], content: Any, stack: ExitStack
) -> Contest:
    """Build the peers; their files live as long as the stack."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    own = folder / "ours"
    own.mkdir()
    ours.save(own)
    built = {"ours": {"build_s": round(ours_s, 2), "bytes": size_of(own)}}
    for peer in peers:
        (folder / peer.name).mkdir()
        start = time.perf_counter()
        peer.build(content, folder / peer.name)
        seconds = round(time.perf_counter() - start, 2)
        built[peer.name] = {"build_s": seconds, "bytes": peer.size_bytes()}
    return Contest(ours, peers, built)


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def compare(
    peer: Peer[Any, Any], expected: Sequence[Candidates], found: Sequence[Candidates]
) -> tuple[bool, float]:
    """Return whether a peer's answers are good enough to be compared, and their mean overlap.

    A peer with our formula has to give our scores for every query.
    """
    pairs = list(zip(expected, found, strict=True))
    overlap = float(np.mean([_overlap(ours, theirs) for ours, theirs in pairs]))
    if peer.least_overlap == 1:
        agrees = all(same(ours, theirs) for ours, theirs in pairs)
    else:
        agrees = overlap >= peer.least_overlap
    return agrees and any(len(theirs) for theirs in found), round(overlap, 4)


def same(ours: Candidates, theirs: Candidates) -> bool:
    """Return whether two rankings have the same scores, and the same rows up to ties at the end."""
    if len(ours) != len(theirs):
        return False
    if not len(ours):
        return True
    if not np.allclose(ours.scores, theirs.scores, rtol=SAME, atol=0):
        return False
    clear = ours.scores[-1] * (1 + SAME)
    return set(ours.rows[ours.scores > clear].tolist()) <= set(theirs.rows.tolist())


def _overlap(ours: Candidates, theirs: Candidates) -> float:
    """Return the part of our rows that are theirs too."""
    return len(np.intersect1d(ours.rows, theirs.rows)) / len(ours) if len(ours) else 1.0
