"""Learning what a place on the list of an index says of relevance, for `fusion.Bayes`."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fusion.methods import Bayes
from indexes.candidates import Candidates, Rows

CUTOFFS = (0, 5, 10, 15, 20, 30, 100, 200, 500, 1000)
"""Where brackets of ranks end, those of ranx."""

_UNSEEN = float(np.log(0.001 / 0.999))


def learn_odds(
    rankings: Mapping[str, Sequence[Candidates | Rows]],
    relevant: Sequence[Collection[int] | Rows],
    cutoffs: Sequence[int] = CUTOFFS,
) -> Bayes:
    """Return the method whose log-odds are those of the precision in brackets of ranks [1]_.

    The precision of a bracket is the share of relevant rows among all rows that stand there, over
    all queries.  Where none, or only relevant ones, do, half a row counts as the opposite, so that
    the odds are finite and the more certain the more rows were seen.  A row that is not on a list
    has log-odds of .001, or the lowest of any bracket where that is lower: not to be listed never
    says more for a row than to be listed.

    Parameters
    ----------
    rankings : mapping of str to sequence of Candidates or ndarray of int64
        By name of index, a list for each query, best first; an empty one where nothing was found.
    relevant : sequence of collection of int, or of ndarray of int64
        The relevant rows of each query, in the same order.
    cutoffs : sequence of int
        0, then where each bracket ends.

    Raises
    ------
    ValueError
        If there are not as many lists of an index as queries, an index has no row on any list, or
        the cutoffs do not rise from 0.

    References
    ----------
    .. [1] Aslam, Montague, "Models for Metasearch", SIGIR 2001.
    """
    if len(cutoffs) < 2 or cutoffs[0] != 0 or (np.diff(cutoffs) <= 0).any():
        raise ValueError(f"expected cutoffs that rise from 0, not {list(cutoffs)}")
    wanted = [np.fromiter(rows, np.int64, len(rows)) for rows in relevant]
    odds = {name: _odds(name, rankings[name], wanted, cutoffs) for name in sorted(rankings)}
    lowest = min((min(values) for values in odds.values()), default=_UNSEEN)
    return Bayes(odds, min(lowest, _UNSEEN))


def _odds(
    name: str,
    rankings: Sequence[Candidates | Rows],
    relevant: Sequence[Rows],
    cutoffs: Sequence[int],
) -> tuple[float, ...]:
    """Return the log-odds of each rank, as far as any list goes."""
    if len(rankings) != len(relevant):
        raise ValueError(
            f"expected a list of {name!r} for each of {len(relevant)} queries, not {len(rankings)}"
        )
    seen: NDArray[np.int64] = np.zeros(cutoffs[-1], np.int64)
    hits = np.zeros_like(seen)
    for ranking, wanted in zip(rankings, relevant, strict=True):
        rows = ranking.rows if isinstance(ranking, Candidates) else ranking
        found = np.isin(rows[: cutoffs[-1]], wanted)
        seen[: len(found)] += 1
        hits[: len(found)] += found
    longest = int(np.count_nonzero(seen))
    if not longest:
        raise ValueError(f"expected at least one row on a list of {name!r}")
    starts = [start for start in cutoffs[:-1] if start < longest]
    rows_there, hits_there = (np.add.reduceat(of[:longest], starts) for of in (seen, hits))
    hits_there = np.clip(hits_there, 0.5, rows_there - 0.5)
    logs = np.log(hits_there / (rows_there - hits_there))
    return tuple(np.repeat(logs, np.diff([*starts, longest])).tolist())
