"""Threads of one process take turns: many search, one changes what is in memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Many may read at once; who changes is alone.

    A change waits for the reads that have begun, and reads that come later wait for the change: so
    neither side is kept out forever.  A thread must not read while it reads.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._reading = 0
        self._waiting = 0  # changes that want to begin
        self._changing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read: nothing changes meanwhile."""
        with self._condition:
            self._condition.wait_for(lambda: not (self._changing or self._waiting))
            self._reading += 1
        try:
            yield
        finally:
            with self._condition:
                self._reading -= 1
                self._condition.notify_all()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change: nobody reads meanwhile."""
        with self._condition:
            self._waiting += 1
            try:
                self._condition.wait_for(lambda: not (self._changing or self._reading))
            finally:
                self._waiting -= 1
                self._condition.notify_all()
            self._changing = True
        try:
            yield
        finally:
            with self._condition:
                self._changing = False
                self._condition.notify_all()
