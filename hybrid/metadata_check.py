"""What columns of metadata hold, compared with the store."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hybrid.key_values import Part
from hybrid.metadata_batches import Batch, batch_of, column_of
from indexes.candidates import Mask

Read = Callable[[Batch], list[tuple[int, str]]]
"""Returns the keys and the metadata of the stored documents of a batch."""


def differing(batches: list[Batch], live: Mask, read: Read) -> Iterator[str]:
    """Yield what is wrong with columns, one line for each key of a batch.

    Parameters
    ----------
    batches : list of Batch
    live : ndarray of bool
        Which documents are compared, by their keys; what dead ones held may be gone.
    read : callable
    """
    for batch in batches:
        documents = [(key, text) for key, text in read(batch) if live[key]]
        if not documents:
            continue
        expected = batch_of(documents, [], 0)
        if batch.complete:
            for names in expected.columns:
                if names not in batch.columns:
                    yield f"the key {'.'.join(names)} has no column"
        for names in batch.columns:
            wrong = held(batch.columns[names], live) ^ held(column_of(documents, names), live)
            if wrong:
                key = min(key for key, _, _ in wrong)
                yield f"the column of {'.'.join(names)} differs from the metadata of document {key}"


def drawn(live: Mask, most: int | None) -> Mask:
    """Return a mask of at most so many of the documents, always the same ones; None: of all."""
    if most is None or np.count_nonzero(live) <= most:
        return live
    some = np.zeros_like(live)
    some[np.random.default_rng(0).choice(np.flatnonzero(live), most, replace=False)] = True
    return some


def held(part: Part, live: Mask) -> set[tuple[int, int, Any]]:
    """Return which document holds what, with the kind of each value."""
    keys = np.asarray(part.documents, np.int64)
    pairs = zip(keys[live[keys]].tolist(), part.codes[live[keys]].tolist(), strict=True)
    return {(key, part.values.kind_of(code), part.values[code]) for key, code in pairs}
