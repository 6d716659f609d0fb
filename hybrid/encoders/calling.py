"""Calls of a function that may be slow, fail, or allow only so many: batches, retries, pace."""

import asyncio
import inspect
import random
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hybrid.errors import EncoderError
from hybrid.secrets import without_secrets

T = TypeVar("T")

Embed = Callable[[list[str]], Any]  # n vectors, or an awaitable of them

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 60.0


class Clock:
    """Time, which tests replace."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Wait, and let others work."""
        await asyncio.sleep(seconds)


CLOCK = Clock()


@dataclass(frozen=True, slots=True)
class Calls:
    """How a function is called for many texts.

    Parameters
    ----------
    name : str
        The encoder's name, for messages.
    batch_size : int, optional
        Texts in one call; None: all.
    retries : int
        How often a call that raised is tried again, after 0.5 s, 1 s, 2 s, ... give or take a half.
    timeout : float, optional
        Seconds after which a call of an async function has failed.
    rate_limit : float, optional
        Calls a second.
    concurrency : int
        How many calls of an async function may run at once.
    """

    name: str
    batch_size: int | None = None
    retries: int = 0
    timeout: float | None = None
    rate_limit: float | None = None
    concurrency: int = 1
    _pace: "_Pace" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_least("batch_size", self.batch_size, 1)
        _check_least("retries", self.retries, 0)
        _check_least("concurrency", self.concurrency, 1)
        for name, value in (("timeout", self.timeout), ("rate_limit", self.rate_limit)):
            if value is not None and not value > 0:
                raise ValueError(f"expected {name} above 0, not {value}")
        object.__setattr__(self, "_pace", _Pace(self.rate_limit))

    def run(
        self, embed: Embed, texts: Sequence[str], check: Callable[[Any, Sequence[str]], T]
    ) -> list[T]:
        """Call a plain function for all texts, and return the result of every batch.

        Parameters
        ----------
        embed : callable
            The function.
        texts : sequence of str
            One or more.
        check : callable
            Takes what a call gave and its texts; returns a result, or raises what is not retried.

        Raises
        ------
        EncoderError
            If a call fails as often as it may.
        """
        return [
            check(self._call(embed, batch, place), batch) for place, batch in self._batches(texts)
        ]

    async def run_async(
        self, embed: Embed, texts: Sequence[str], check: Callable[[Any, Sequence[str]], T]
    ) -> list[T]:
        """Return what `run` does, for an async function."""
        free = asyncio.Semaphore(self.concurrency)

        async def one(place: int, batch: list[str]) -> T:
            async with free:
                return check(await self._call_async(embed, batch, place), batch)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(*item)) for item in self._batches(texts)]
        except ExceptionGroup as failed:  # the first; the others were cancelled
            raise failed.exceptions[0] from failed.exceptions[0].__cause__
        return [task.result() for task in tasks]

    def _batches(self, texts: Sequence[str]) -> list[tuple[int, list[str]]]:
        size = self.batch_size or len(texts)
        return [(start, list(texts[start : start + size])) for start in range(0, len(texts), size)]

    def _call(self, embed: Embed, batch: list[str], place: int) -> Any:
        failures = 0
        while True:
            CLOCK.sleep(self._pace.wait())
            try:
                return embed(batch)
            except Exception as error:
                failures += 1
                delay = self._delay(error, failures, batch, place)
            CLOCK.sleep(delay)

    async def _call_async(self, embed: Embed, batch: list[str], place: int) -> Any:
        failures = 0
        while True:
            await CLOCK.asleep(self._pace.wait())
            try:
                return await asyncio.wait_for(embed(batch), self.timeout)
            except Exception as error:
                failures += 1
                delay = self._delay(error, failures, batch, place)
            await CLOCK.asleep(delay)

    def _delay(self, error: Exception, failures: int, batch: list[str], place: int) -> float:
        """Return the seconds until the next try, or raise EncoderError when there is none."""
        if failures <= self.retries:
            return self._pace.jitter(
                min(_FIRST_DELAY_S * 2 ** min(failures - 1, 10), _LONGEST_DELAY_S)
            )
        reason = f"{type(error).__name__}: {without_secrets(str(error))}"
        if isinstance(error, TimeoutError) and not str(error) and self.timeout is not None:
            reason = f"no answer within {self.timeout} s"
        tries = "1 try" if failures == 1 else f"{failures} tries"
        raise EncoderError(
            f"encoder {self.name!r} failed after {tries} on texts {place + 1} to "
            f"{place + len(batch)} of those at hand, the first of them {batch[0][:60]!r}: {reason}"
        ) from error


class _Pace:
    """Says how long to wait, so that there are only so many calls a second."""

    def __init__(self, rate_limit: float | None) -> None:
        self._between = 0.0 if rate_limit is None else 1 / rate_limit
        self._next = float("-inf")
        self._lock = threading.Lock()
        self._random = random.Random()  # its own: clients that failed together try apart

    def wait(self) -> float:
        """Take the next free moment, and return the seconds until then."""
        if not self._between:
            return 0.0
        with self._lock:
            now = CLOCK.now()
            moment = max(now, self._next)
            self._next = moment + self._between
        return moment - now

    def jitter(self, seconds: float) -> float:
        """Return these seconds, give or take a half."""
        return seconds * self._random.uniform(0.5, 1.5)


class Loop:
    """An event loop in a thread of its own, which stays: clients keep their connections in it.

    So an async function can be called from anywhere, also where an event loop is running.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="hybrid-embed", daemon=True)
        thread.start()
        weakref.finalize(self, _stop, self._loop, thread)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns; it is cancelled when waiting for it is interrupted."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


def is_async(embed: Callable[[list[str]], Awaitable[Any] | Any]) -> bool:
    """Return whether a function, or an object that is called like one, is async."""
    called = getattr(type(embed), "__call__", None)  # noqa: B004 (not whether, but what is called)
    return inspect.iscoroutinefunction(embed) or inspect.iscoroutinefunction(called)


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join()
        loop.close()


def _check_least(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise ValueError(f"expected {name} of at least {least}, not {value}")
