"""What every index says of every row, without a search's thrift: for a diagnosis."""

from collections.abc import Mapping

import numpy as np

from fusion.exact import APPROXIMATE_DEPTH
from fusion.methods import RRF, ByRank, Comb, Method, Weighted
from fusion.normalize import NORMS
from fusion.sources import Arm, RankSource, ScoreSource, Source
from fusion.table import Table
from indexes.candidates import Candidates, Mask, Rows


def linear(method: Method) -> str | None:
    """Return how weighted values are combined; None unless that is a straight line in a weight."""
    if isinstance(method, (RRF, ByRank, Weighted, Comb)) and method.missing == "exact":
        if isinstance(method, ByRank):
            return {"isr": "mnz", "log-isr": "log-mnz"}.get(method.gain)
        if isinstance(method, RRF) or method.norm in NORMS:
            combine = method.of if isinstance(method, Comb) else "sum"
            return combine if combine == "sum" else None
    return None


def complete(arms: Mapping[str, Arm], method: Method, asked: Rows, allowed: Mask | None) -> Table:
    """Return the table of all rows that any index lists, and of those asked for."""
    lists: dict[str, Candidates] = {}
    for name, arm in arms.items():
        depth = len(arm.index) + 1 if arm.index.exact else APPROXIMATE_DEPTH
        lists[name] = arm.index.search(arm.query, depth, allowed)
    table = _with_rows(Table.of(lists, dict.fromkeys(arms, 1.0)), asked)
    for line, name in enumerate(table.names):
        source, found, ranks = _source(arms[name], method, allowed), lists[name], table.ranks[line]
        table.values[line] = np.append(0.0, source.values(found))[ranks]
        off = np.flatnonzero(ranks == 0)
        if source.knows_others(ended=True):
            table.values[line, off] = source.ceiling(found, ended=True)
        elif len(off):
            fetched = source.fetch(table.rows[off], found)
            table.values[line, off], table.scores[line, off] = fetched.values, fetched.scores
    return table


def _source(arm: Arm, method: Method, allowed: Mask | None) -> Source:
    """Return what an exact search reads of an index."""
    if isinstance(method, (Weighted, Comb)):
        return ScoreSource(arm, 1.0, NORMS[method.norm](arm.index, arm.query))
    return RankSource(arm, 1.0, allowed, method.k if isinstance(method, RRF) else None)


def _with_rows(table: Table, asked: Rows) -> Table:
    """Return a table with columns for some rows that no index lists."""
    more = np.setdiff1d(asked, table.rows)
    rows = np.append(table.rows, more)
    ranks = np.pad(table.ranks, ((0, 0), (0, len(more))))
    scores = np.pad(table.scores, ((0, 0), (0, len(more))), constant_values=np.nan)
    listed = ranks > 0
    return Table(
        table.names, table.weights, rows, ranks, scores, np.zeros(ranks.shape), listed, listed
    )
