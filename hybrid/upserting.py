"""Documents from an iterator that may never end, with bounded memory and commits on the way."""

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hybrid.documents import Document
from hybrid.errors import StoreError
from hybrid.results import Added

if TYPE_CHECKING:
    from hybrid.retriever import Retriever

log = logging.getLogger(__name__)

_LOT = 500  # documents that are held at a time
_CHARACTERS = 4_000_000  # after which fewer are enough


def upsert(
    retriever: "Retriever", documents: Iterable[Document], commit_every: int | None = None
) -> Added:
    """Add or replace documents; see `Retriever.upsert`."""
    if commit_every is not None:
        _check_interval(commit_every)
        if retriever._state.folder is None:
            raise StoreError("expected an index folder to commit to, but this index is in memory")
    total, waiting = Added(0, 0, 0, ()), 0
    empty: dict[str, None] = {}
    for lot in _lots(documents, commit_every or _LOT):
        last = _last_of_each(lot)
        done = retriever.add(last.values())
        replaced = done.replaced + len(lot) - len(last)
        unchanged = total.unchanged + done.unchanged
        total = Added(total.added + done.added, total.replaced + replaced, unchanged, ())
        for doc_id in last:
            empty.pop(doc_id, None)
        empty |= dict.fromkeys(done.empty)
        waiting += len(lot)
        if waiting == commit_every:
            _commit(retriever, total)
            waiting = 0
    if commit_every is not None and waiting:
        _commit(retriever, total)
    return Added(total.added, total.replaced, total.unchanged, tuple(empty))


def _check_interval(commit_every: int) -> None:
    if isinstance(commit_every, bool) or not isinstance(commit_every, int) or commit_every < 1:
        raise ValueError(
            f"expected commit_every as a whole number of at least 1, not {commit_every!r}"
        )


def _lots(documents: Iterable[Document], interval: int) -> Iterator[list[Document]]:
    """Yield the documents some at a time; one lot ends at every multiple of an interval."""
    lot: list[Document] = []
    size = 0
    for count, document in enumerate(documents, start=1):
        if not isinstance(document, Document):
            raise TypeError(f"expected hybrid.Document, not {type(document).__name__}")
        lot.append(document)
        size += len(document.text)
        if len(lot) == _LOT or size >= _CHARACTERS or count % interval == 0:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot


def _last_of_each(lot: list[Document]) -> dict[str, Document]:
    """Return the last document of each id, in the order in which these came."""
    last: dict[str, Document] = {}
    for document in lot:
        last.pop(document.doc_id, None)
        last[document.doc_id] = document
    return last


def _commit(retriever: "Retriever", done: Added) -> None:
    retriever.commit()
    counts = {"new": done.added, "replaced": done.replaced, "unchanged": done.unchanged}
    log.info("committed while upserting: %s", counts, extra=counts)
