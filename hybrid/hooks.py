"""Who wants to know how long things take: callbacks that are told of every stage that ends.

>>> import hybrid
>>> from hybrid import hooks
>>> r = hybrid.Retriever.from_texts(["Cats purr.", "Dogs bark."], encoder=None)
>>> seen = []
>>> with hooks.on(seen.append):
...     _ = r.search("cats", k=1)
>>> [event.stage for event in seen]
['query', 'filter', 'index', 'fuse', 'texts', 'search']

While nobody listens, a stage costs one more call of a function.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ParamSpec, Self, TypeVar

from fusion import Arm, Fused

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Event:
    """A stage that has ended.

    Attributes
    ----------
    stage : str
        Of a question: "query", which "encode" is a part of, "filter", "fuse", which "index" is a
        part of, "texts", and "search", which is all of it.  Of an index: "add", "delete", "commit",
        "compact", "load", "sync", "export", "import".
    seconds : float
        How long it took.  Of "index", whose work may be done in several threads, the sum.
    counts : mapping of str to int
        What came of it: hits, documents, chunks.  Empty when it failed.
    error : str
        The type of what it raised, "" when all went well.  What an error says is left out: it
        may quote what it was given.
    name : str
        Which index, of the stage "index": "bm25", "dense", "lexical" or "multivector".
    """

    stage: str
    seconds: float
    counts: Counts = field(default_factory=lambda: MappingProxyType({}))
    error: str = ""
    name: str = ""


Callback = Callable[[Event], object]

_lock = threading.Lock()
_listeners: tuple[Callback, ...] = ()


class Listening:
    """Calls a callback until it is closed, or the ``with`` block ends."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback

    def close(self) -> None:
        """Tell the callback no more; nothing happens the second time."""
        global _listeners
        with _lock:
            left = list(_listeners)
            if self._callback in left:
                left.remove(self._callback)
            _listeners = tuple(left)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def on(callback: Callback) -> Listening:
    """Have a callback told of every stage that ends, in whatever retriever and thread.

    Parameters
    ----------
    callback : callable
        Takes an `Event`.  It is called in the thread of the stage, several at a time when there
        are several, and before the next stage begins: so it should be quick.  What it raises goes
        to the log, and the search goes on.

    Returns
    -------
    Listening
        ``close()`` ends it; or use it in a ``with`` statement.
    """
    global _listeners
    if not callable(callback):
        raise TypeError(f"expected a function of an event, not {type(callback).__name__}")
    with _lock:
        _listeners = (*_listeners, callback)
    return Listening(callback)


def timed(
    stage: str, counted: Callable[[Any], Counts] | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator of functions that are stages.

    Parameters
    ----------
    stage : str
        Its name.
    counted : callable, optional
        From what the function returns to the counts; called only when somebody listens.
    """

    def decorate(work: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(work)
        def stage_of(*args: P.args, **kwargs: P.kwargs) -> T:
            if not _listeners:
                return work(*args, **kwargs)
            start = time.perf_counter()
            try:
                result = work(*args, **kwargs)
            except BaseException as error:
                _tell(Event(stage, time.perf_counter() - start, error=type(error).__name__))
                raise
            seconds = time.perf_counter() - start
            _tell(Event(stage, seconds, MappingProxyType(dict(counted(result) if counted else {}))))
            return result

        return stage_of

    return decorate


def index_by_index(arms: Mapping[str, Arm], fuse: Callable[[Mapping[str, Arm]], Fused]) -> Fused:
    """Return what is fused of some indexes; tell listeners how long each of these took.

    The counts are how often it was called, and how many rows of its list were read: none of one
    that scores what the others found.
    """
    if not _listeners:
        return fuse(arms)
    taken: dict[str, list[float]] = {name: [] for name in arms}
    timed_arms = {
        name: replace(arm, index=TimedIndex(arm.index, taken[name].append))
        for name, arm in arms.items()
    }
    fused = fuse(timed_arms)
    for name, seconds in taken.items():
        counts = {"calls": len(seconds), "depth": int(fused.certificate.depths.get(name, 0))}
        _tell(Event("index", sum(seconds), MappingProxyType(counts), name=name))
    return fused


class TimedIndex:
    """An index of which somebody is told how many seconds each call takes."""

    def __init__(self, index: Any, told: Callable[[float], object]) -> None:
        self._index, self._told = index, told

    def __len__(self) -> int:
        return len(self._index)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._index, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return found(*args, **kwargs)
            finally:
                self._told(time.perf_counter() - start)

        return call


def _tell(event: Event) -> None:
    for callback in _listeners:
        try:
            callback(event)
        except Exception:
            log.exception("a hook failed at stage %r", event.stage, extra={"stage": event.stage})
