"""Commits in which the disk fails: at every call in turn, and at every size that a file may have.

A commit that fails leaves the folder as it was; the writer goes on, and can try again.
"""

import contextlib
import errno
import os
import random
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import hybrid
from bench.living_kill import Content, answer, content_of, encoder, random_change
from hybrid import snapshot

CALLS: tuple[tuple[Any, str], ...] = (
    (os, "fsync"), (os, "replace"), (os, "rename"), (os, "mkdir"), (os, "link"), (os, "unlink"),
    (Path, "write_text"),
)  # fmt: skip
"""Calls of the operating system that can fail, beside `numpy.save`, which writes a half first."""

Broken = Callable[[], AbstractContextManager[Callable[[], bool]]]
"""Breaks the disk for the length of a block, in which it tells whether something has failed."""


def template(folder: Path) -> Path:
    """Make a small index and return its folder."""
    with hybrid.Retriever.create(folder, encoder=encoder(), analyzer="english") as made:
        texts = {"a": "cat purr", "b": "dog bark", "c": "owl"}
        made.add(hybrid.Document(*item, metadata={"n": len(item[1])}) for item in texts.items())
        made.commit()
    return folder


@contextmanager
def failing_call(number: int) -> Iterator[Callable[[], bool]]:
    """Let the n-th call fail, from 1, with a full disk or an error of the device."""
    left, code = number, (errno.ENOSPC, errno.EIO)[number % 2]

    def failing(function: Callable[..., Any], short: bool = False) -> Callable[..., Any]:
        def called(*arguments: Any, **rest: Any) -> Any:
            nonlocal left
            left -= 1
            if left:
                return function(*arguments, **rest)
            if short:
                file, array = arguments[:2]
                Path(file).write_bytes(array.tobytes()[: array.nbytes // 2])
            raise OSError(code, os.strerror(code))

        return called

    with ExitStack() as stack:
        for owner, name in CALLS:
            patched = mock.patch.object(owner, name, failing(getattr(owner, name)))
            stack.enter_context(patched)
        stack.enter_context(mock.patch.object(np, "save", failing(np.save, short=True)))
        yield lambda: left <= 0


@contextmanager
def small_files(size: int) -> Iterator[Callable[[], bool]]:
    """Let every write behind a size fail, also those of SQLite and of FAISS (EFBIG)."""
    failed = False
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # Python ignores the signal
    try:
        yield lambda: failed
    except (OSError, hybrid.StoreError):
        failed = True
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def commit_on(folder: Path, broken: Broken, seed: int) -> bool:
    """Change and commit on a broken disk, then on a sound one, and look at all that is there.

    Returns
    -------
    bool
        Whether something failed.

    Raises
    ------
    RuntimeError
        If anything is not as it should be.
    """
    draw = random.Random(seed)
    with hybrid.Retriever.load(folder, encoder=encoder()) as writer:
        before = content_of(writer)
        content = _changed(writer, before, draw)
        with contextlib.suppress(OSError, hybrid.StoreError), broken() as failed:
            writer.commit()
        _expect_one_of(folder, before, content)
        if content_of(writer) == before:  # the store has lost the change, and the error said so
            content = before
        content = _changed(writer, content, draw)  # what a retry writes is not what failed
        writer.commit()
        after = answer(writer, "cat dog")
    wrong = [*snapshot.verify(folder), *map(str, snapshot.leftovers(folder))]
    with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
        wrong += opened._state.store.differing_columns()
        if content_of(opened) != content or answer(opened, "cat dog") != after:
            wrong.append("another content than was committed")
    if wrong:
        raise RuntimeError(f"seed {seed}: {wrong}")
    return failed()


def change_on(folder: Path, broken: Broken, seed: int) -> bool:
    """Change on a broken disk: all of it or nothing; then commit.  Otherwise as `commit_on`."""
    draw = random.Random(seed)
    with hybrid.Retriever.load(folder, encoder=encoder()) as writer:
        after = content_of(writer)
        writer._state.store._db.execute("PRAGMA cache_size = 1")  # has SQLite write at once
        with contextlib.suppress(OSError, hybrid.StoreError), broken() as failed:
            after = _changed(writer, after, draw)
        after = _changed(writer, after, draw)
        writer.commit()
        if content_of(writer) != after:
            raise RuntimeError(f"seed {seed}: a change came in by half")
    _expect_one_of(folder, after)
    return failed()


def sweep(folder: Path, step: int, sizes: range) -> dict[str, int]:
    """Return how many commits and changes failed, one after the other in copies of one index.

    Parameters
    ----------
    folder : Path
        For the copies.
    step : int
        1: every call fails once.
    sizes : range
        Bytes that files may have.
    """
    made, calls, writes, changes = template(folder / "made"), 0, 0, 0
    number = 1
    while _in_a_copy(made, commit_on, lambda n=number: failing_call(n), number):  # type: ignore[misc]
        number, calls = number + step, calls + 1
    for size in sizes:
        limited: Broken = lambda size=size: small_files(size)  # type: ignore[misc]  # noqa: E731
        writes += _in_a_copy(made, commit_on, limited, size)
        changes += _in_a_copy(made, change_on, limited, size)
    return {"calls": calls, "writes_in_a_commit": writes, "writes_in_a_change": changes}


def _in_a_copy(
    made: Path, act: Callable[[Path, Broken, int], bool], how: Broken, seed: int
) -> bool:
    copy = made.with_name("copy")
    shutil.copytree(made, copy)
    try:
        return act(copy, how, seed)
    finally:
        shutil.rmtree(copy)


def _changed(writer: hybrid.Retriever, content: Content, draw: random.Random) -> Content:
    changed = dict(content)
    random_change(writer, changed, draw)
    return changed


def _expect_one_of(folder: Path, *contents: Content) -> None:
    with hybrid.Retriever.load(folder, encoder=encoder()) as reader:
        if content_of(reader) not in contents:
            raise RuntimeError(f"expected what was committed in {folder}, not {content_of(reader)}")
