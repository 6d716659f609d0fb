"""Many queries, spread over threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from indexes.candidates import Candidates

Query = TypeVar("Query")


def search_many(
    search: Callable[[Sequence[Query]], list[Candidates]],
    queries: Sequence[Query],
    threads: int | None,
) -> list[Candidates]:
    """Return the candidates of every query, in their order.

    Parameters
    ----------
    search : callable
        Gives the candidates of several queries, and leaves the GIL while it works.
    queries : sequence
    threads : int or None
        How many queries are searched at the same time; None: one for each core.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"expected at least 1 thread, not {threads}")
    threads = min(threads or os.cpu_count() or 1, len(queries))
    if threads < 2:
        return search(queries)

    def share(number: int) -> list[Candidates]:
        return search(queries[number::threads])

    found: list[Candidates] = [Candidates.none()] * len(queries)
    with ThreadPoolExecutor(threads) as pool:
        for number, part in enumerate(pool.map(share, range(threads))):
            found[number::threads] = part
    return found
