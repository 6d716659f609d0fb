"""The exact fused top-k of several indexes.

A row that one index found and another did not is scored by the other (`Index.score`), or its rank
is counted (`Index.ranks`), so nothing is ever guessed.  The answer is found by the threshold
algorithm [1]_: read the lists down to a depth, bound what an unread row could still reach, stop
when the k-th fused score is above that bound, and read deeper otherwise.

Reading deeper is cheap for posting lists, and as dear as the first read where an index scans all of
its vectors.  So an index that scans is read again only when no depth of the others can help.

An approximate index has a list of fixed length only.  It is read whole, and a row that is not on
it counts at most as its place `fusion.sources.VOUCHED`, or its last: then a bound holds, and the
answer for k begins that for k + 1.

References
----------
.. [1] Fagin, Lotem, Naor, "Optimal Aggregation Algorithms for Middleware", PODS 2001.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.combining import COMBINE, MONOTONE
from fusion.fused import Certificate, Fused, cut
from fusion.lists import fuse_read
from fusion.merging import spread
from fusion.methods import RRF, ByRank, Comb, Method, Weighted, weights_for
from fusion.normalize import NORMS
from fusion.sources import Arm, RankSource, ScoreSource, Source
from fusion.table import Table, best_places, total
from indexes.candidates import Candidates, Mask

FIRST_DEPTH = 100
"""Rows read of each list at first; places beyond it are not shown in the parts of a hit."""

APPROXIMATE_DEPTH = 1000
"""Rows of an approximate index that count."""

_DEEPER = 4
_FETCHED_FIRST, _FETCHED_LEAST = 2, 32
"""Times k, and at least: rows whose missing scores are fetched first; they set a bar."""

Parallel = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a search may go before it gives what it has; its certificate says what is proved.

    Attributes
    ----------
    depth : int, optional
        Most rows to read of a list.
    seconds : float, optional
        Time after which nothing more is read.  The answer may then differ from run to run.
    """

    depth: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.depth is not None and self.depth < 1:
            raise ValueError(f"expected a depth of at least 1, not {self.depth}")
        if self.seconds is not None and not self.seconds >= 0:
            raise ValueError(f"expected seconds >= 0, not {self.seconds}")


NO_LIMIT = Limit()


def exact_top_k(
    arms: Mapping[str, Arm],
    method: Method,
    k: int,
    allowed: Mask | None = None,
    parallel: Parallel = map,
    limit: Limit = NO_LIMIT,
) -> Fused:
    """Return the best `k` rows of all indexes together.

    Parameters
    ----------
    arms : mapping of str to Arm
        The indexes by name, each with the query.
    method : Method
        How to fuse.
    k : int
        Most rows to return, >= 1.  The answer for k is a prefix of the answer for k + 1.
    allowed : ndarray of bool, optional
        Which rows may be found, by row number.
    parallel : callable
        Works like `map`; an executor's `map` searches the indexes at the same time.
    limit : Limit
        When to stop though the answer is not proved.

    Raises
    ------
    ValueError
        If k is below 1 or the weights do not fit the indexes.
    """
    if k < 1:
        raise ValueError(f"expected k of at least 1, not {k}")
    weights = weights_for(method, arms)
    used = {name: arms[name] for name in weights}
    sources = _sources(used, method, weights, allowed)
    if sources is None:
        return fuse_read(used, method, weights, k, (allowed, parallel))
    search = _Threshold(sources, _combination(method), k, _Reader(used, allowed, parallel), limit)
    return search.answer()


def _sources(
    arms: Mapping[str, Arm], method: Method, weights: Mapping[str, float], allowed: Mask | None
) -> dict[str, Source] | None:
    """Return what the threshold algorithm reads; None where a method is defined by lists."""
    if not isinstance(method, (RRF, ByRank, Weighted, Comb)) or method.missing != "exact":
        return None
    if isinstance(method, (RRF, ByRank)):
        k = method.k if isinstance(method, RRF) else None
        return {name: RankSource(arm, weights[name], allowed, k) for name, arm in arms.items()}
    if method.norm not in NORMS or _combination(method) not in MONOTONE:
        return None
    norm = NORMS[method.norm]
    return {
        name: ScoreSource(arm, weights[name], norm(arm.index, arm.query))
        for name, arm in arms.items()
    }


def _combination(method: Method) -> str:
    """Return how the values of a row become its score, by name in `fusion.combining`."""
    if isinstance(method, Comb):
        return method.of
    if isinstance(method, ByRank):
        return {"isr": "mnz", "log-isr": "log-mnz"}.get(method.gain, "sum")
    return "sum"


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads lists to a depth."""

    arms: Mapping[str, Arm]
    allowed: Mask | None
    parallel: Parallel

    def read(self, depths: Mapping[str, int]) -> dict[str, Candidates]:
        def one(name: str) -> Candidates:
            arm = self.arms[name]
            return arm.index.search(arm.query, depths[name], self.allowed)

        return dict(zip(depths, self.parallel(one, depths), strict=True))


class _Threshold:
    """One run of the threshold algorithm.

    Attributes
    ----------
    depths : dict of str to int
        How many rows of each list were asked for.
    lists : dict of str to Candidates
        What came.
    """

    def __init__(
        self, sources: Mapping[str, Source], combine: str, k: int, reader: _Reader, limit: Limit
    ) -> None:
        self._sources, self._combine, self._k = sources, combine, k
        self._reader, self._limit = reader, limit
        self._weights = {name: source.weight for name, source in sources.items()}
        self._ends = np.inf if limit.seconds is None else time.monotonic() + limit.seconds
        self._approximate = tuple(
            name for name, source in sources.items() if not source.arm.index.exact
        )
        first = max(FIRST_DEPTH, k)
        self.depths = {
            name: self._capped(APPROXIMATE_DEPTH if name in self._approximate else first)
            for name in sources
        }
        self.lists: dict[str, Candidates] = {}

    def answer(self) -> Fused:
        """Return the best rows, proved unless the limit was reached."""
        wanted = dict(self.depths)
        while True:
            self.depths.update(wanted)
            self.lists.update(self._reader.read(wanted))
            bound = self._bound()
            fused = self._best(bound)
            kth = float(fused.scores[-1]) if len(fused) == self._k else -np.inf
            proved = bound == -np.inf or kth > bound
            wanted = {} if proved or time.monotonic() >= self._ends else self._deeper(kth)
            if not wanted:
                break
        if not proved:
            told = replace(fused.certificate, exact=False, stopped=True)
            fused = replace(fused, certificate=told)
        for name, source in self._sources.items():
            fused = source.finish(name, fused)
        return fused

    def _capped(self, depth: int) -> int:
        return depth if self._limit.depth is None else min(depth, self._limit.depth)

    def _ended(self, name: str) -> bool:
        """Whether there is no more to read of a list."""
        whole = name in self._approximate and self.depths[name] == APPROXIMATE_DEPTH
        return whole or len(self.lists[name]) < self.depths[name]

    def _bound(self, read_to_end: Collection[str] = ()) -> float:
        """Return the most that a row can score which is on no list.

        It is summed in the order of the real scores.  Rounding keeps the order of numbers, so no
        unread row can come out above it by rounding either.

        Parameters
        ----------
        read_to_end : collection of str
            Lists that are taken as if there were no more to read.
        """
        ends = {name: self._ended(name) or name in read_to_end for name in self._sources}
        if all(ends.values()):
            return -np.inf
        values = [
            [source.weight * source.ceiling(self.lists[name], ended=ends[name])]
            for name, source in self._sources.items()
        ]
        listed = [[one.lists_others(ended=ends[name])] for name, one in self._sources.items()]
        return float(total(COMBINE[self._combine](np.array(values), np.array(listed)))[0])

    def _deeper(self, kth: float) -> dict[str, int]:
        """Return which lists to read on, and how deep."""
        more = {name: self._capped(depth * _DEEPER) for name, depth in self.depths.items()}
        still = [n for n in more if not self._ended(n) and more[n] > self.depths[n]]
        cheap = [name for name in still if not self._sources[name].arm.index.scans]
        if cheap and kth > self._bound(cheap):
            still = cheap
        return {name: more[name] for name in still}

    def _best(self, bound: float) -> Fused:
        """Return the best of the rows that were read; all that can matter of them is fetched."""
        table = self._table()
        upper = total(table.contributions(self._combine))
        at = best_places(table.rows, upper, max(_FETCHED_FIRST * self._k, _FETCHED_LEAST))
        self._fetch(table, at)
        if len(at) < len(upper):
            scores = table.scores_at(at, self._combine)
            bar = np.partition(scores, -self._k)[-self._k]  # the k-th best can only be higher
            reach = np.flatnonzero(upper >= bar)
            self._fetch(table, reach)
            at = reach
        certificate = Certificate(
            not self._approximate,
            self._approximate,
            {name: len(found) for name, found in self.lists.items()},
            bound,
        )
        chosen = table.at(at)
        return cut(chosen, chosen.contributions(self._combine), self._k, certificate)

    def _table(self) -> Table:
        """Return all rows that were read, with what is known of them and bounds of the rest."""
        table = Table.of(self.lists, self._weights)
        values, others = [], []
        for line, name in enumerate(table.names):
            source, found, ended = self._sources[name], self.lists[name], self._ended(name)
            values.append(source.values(found))
            others.append(source.ceiling(found, ended=ended))
            if source.lists_others(ended=ended):
                table.listed[line] = True
            if source.knows_others(ended=ended):
                table.known[line] = True
        table.values = spread(values, others, table.ranks)
        return table

    def _fetch(self, table: Table, at: NDArray[np.intp]) -> None:
        """Fetch what is not known of the rows at some places."""
        for line, name in enumerate(table.names):
            places = at[~table.known[line, at]]
            if len(places):
                found = self._sources[name].fetch(table.rows[places], self.lists[name])
                table.ranks[line, places] = found.ranks
                table.scores[line, places] = found.scores
                table.values[line, places] = found.values
                table.listed[line, places] = found.listed
                table.known[line, places] = True
