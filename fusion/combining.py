"""What several indexes add to the score of a row: functions of a table of values.

A table has a line for each index and a column for each row.  Every function takes `values`, the
normalised scores times the weights, and `listed`, whether the index has the row on its list, and
returns what each index contributes; the score of a row is the sum of its column.  So the parts of
every method add up.

References
----------
Fox, Shaw, "Combination of Multiple Searches", TREC-2, 1993 (all Comb...).
Lee, "Analyses of Multiple Evidence Combination", SIGIR 1997 (mnz).
Mourao, Martins, Magalhaes, "Multimodal medical information retrieval with unsupervised rank
fusion", Computerized Medical Imaging and Graphics 39, 2015 (log-mnz).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
Listed = NDArray[np.bool_]


def add(values: Table, listed: Listed) -> Table:
    """Sum the values."""
    return values


def multiply(values: Table, listed: Listed) -> Table:
    """Sum the values and multiply by how many indexes list the row."""
    return np.asarray(values * listed.sum(axis=0))


def multiply_log(values: Table, listed: Listed) -> Table:
    """Sum the values and multiply by the logarithm of how many indexes list the row.

    A row of one list alone scores 0, whatever its rank: that is the formula.
    """
    return np.asarray(values * np.log(np.maximum(listed.sum(axis=0), 1)))


def average(values: Table, listed: Listed) -> Table:
    """Sum the values and divide by how many indexes list the row."""
    return np.asarray(values / np.maximum(listed.sum(axis=0), 1))


def largest(values: Table, listed: Listed) -> Table:
    """Take the highest value; the first index in the alphabet that has it gets it."""
    ranked = np.where(listed, values, -np.inf)
    return _only(values, np.argmax(ranked, axis=0), listed)


def smallest(values: Table, listed: Listed) -> Table:
    """Take the lowest value; the first index in the alphabet that has it gets it."""
    ranked = np.where(listed, values, np.inf)
    return _only(values, np.argmin(ranked, axis=0), listed)


def median(values: Table, listed: Listed) -> Table:
    """Take the value in the middle, half of each where two are."""
    ranked = np.argsort(np.where(listed, values, np.inf), axis=0, kind="stable")
    count = listed.sum(axis=0)
    columns = np.arange(values.shape[1])
    shares = np.zeros_like(values)
    for middle in (np.maximum(count - 1, 0) // 2, count // 2):
        chosen = ranked[np.minimum(middle, len(values) - 1), columns]
        shares[chosen, columns] += 0.5
    return np.where(listed & (shares > 0), shares * np.where(shares > 0, values, 0.0), 0.0)


def _only(values: Table, chosen: NDArray[np.intp], listed: Listed) -> Table:
    """Return the chosen value of each column, zero elsewhere."""
    kept = np.zeros_like(values)
    columns = np.arange(values.shape[1])
    kept[chosen, columns] = np.where(listed[chosen, columns], values[chosen, columns], 0.0)
    return kept


COMBINE: dict[str, Callable[[Table, Listed], Table]] = {
    "sum": add,
    "mnz": multiply,
    "log-mnz": multiply_log,
    "anz": average,
    "max": largest,
    "min": smallest,
    "med": median,
}
"""Ways to combine, by name."""

MONOTONE = frozenset({"sum", "max", "min", "med"})
"""Those whose score never falls when a value rises and all indexes have the row."""
