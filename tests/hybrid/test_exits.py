"""Processes that end at a chosen call, without any clean-up, while they commit or save."""

import multiprocessing
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import pytest

import hybrid
from bench.living_errors import CALLS, template
from bench.living_kill import content_of, encoder
from hybrid import Document, snapshot
from hybrid.store import ChunkStore

forkserver = multiprocessing.get_context("forkserver")
OLD, EXITED = {"a": "cat purr", "b": "dog bark", "c": "owl"}, 7
POINTS = {
    "before the store commits": (ChunkStore, "commit", False, OLD),
    "after the store has committed": (ChunkStore, "commit", True, OLD),
    "before the manifest is replaced": (os, "replace", False, OLD),
    "after the manifest is replaced": (os, "replace", True, {**OLD, "d": "fox"}),
    "before the prune": (snapshot, "prune", False, {**OLD, "d": "fox"}),
    "in the prune": (shutil, "rmtree", False, {**OLD, "d": "fox"}),
    "after the prune": (snapshot, "prune", True, {**OLD, "d": "fox"}),
}


def exiting(function, number, *, after=False):
    """Return the function, which ends the process at its n-th call, from 1."""
    left = number

    def called(*arguments, **rest):
        nonlocal left
        left -= 1
        if not left and not after:
            os._exit(EXITED)
        result = function(*arguments, **rest)
        if not left:
            os._exit(EXITED)
        return result

    return called


def commit_until(folder, point):
    owner, name, after, _ = POINTS[point]
    with hybrid.Retriever.load(folder, encoder=encoder()) as writer:
        writer.add([Document("d", "fox")])
        with mock.patch.object(owner, name, exiting(getattr(owner, name), 1, after=after)):
            writer.commit()


def save_until(folder, number, names):
    """Save another index over the one that is there, and end at the n-th call."""
    made = hybrid.Retriever.from_texts(["elk"], ids=["e"], encoder=encoder(), analyzer="english")
    counted = exiting(lambda: None, number)

    def before(function):
        def called(*arguments, **rest):
            counted()
            return function(*arguments, **rest)

        return called

    with ExitStack() as stack:
        for owner, name in CALLS:
            if name in names:
                patched = mock.patch.object(owner, name, before(getattr(owner, name)))
                stack.enter_context(patched)
        made.save(folder)


def ended(act, *arguments):
    """Return whether another process ended where it was told to."""
    forkserver.set_forkserver_preload(["tests.hybrid.test_exits", "hybrid.indexing"])
    process = forkserver.Process(target=act, args=arguments)
    process.start()
    process.join()
    assert process.exitcode in (0, EXITED)
    return process.exitcode == EXITED


@pytest.fixture
def folder(tmp_path):
    return template(tmp_path / "index")


@pytest.mark.parametrize("point", POINTS)
def test_a_commit_that_ends_here_is_there_or_is_not(folder, point, caplog):
    assert ended(commit_until, folder, point)
    expected = POINTS[point][-1]
    left = snapshot.leftovers(folder)
    with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
        assert content_of(opened) == expected
        assert snapshot.leftovers(folder) == []
        told = " ".join(record.getMessage() for record in caplog.records)
        assert all(f"removed {path.name} from" in told for path in left)
        opened.add([Document("f", "hen")])
        opened.commit()
        assert len(opened.generations()) == 1
    assert left if point in list(POINTS)[:3] or point == "in the prune" else not left
    assert hybrid.verify(folder, encoder=encoder()).ok
    with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
        assert content_of(opened) == {**expected, "f": "hen"}


@pytest.mark.parametrize(
    ("names", "step", "least"),
    [({name for _, name in CALLS}, 10, 3), ({"rename", "replace"}, 1, 3)],
)
def test_a_save_over_an_index_that_ends_anywhere_loses_neither(folder, names, step, least):
    number, found = 1, []
    while ended(save_until, folder, number, names):
        with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
            found.append(content_of(opened))
        assert [path.name for path in folder.parent.iterdir()] == ["index"]
        if found[-1] != OLD:
            shutil.rmtree(folder)
            template(folder)
        number += step
    assert len(found) >= least
    assert all(one in (OLD, {"e": "elk"}) for one in found)
    assert OLD in found
    with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
        assert content_of(opened) == {"e": "elk"}


def test_between_two_renames_the_old_index_is_put_back(folder, caplog):
    """The second rename of a save is that of the new index into its place."""
    assert ended(save_until, folder, 2, {"rename"})
    assert not folder.exists()
    with pytest.raises(FileExistsError):  # not made anew in place of what is lost
        hybrid.Retriever.create(folder, encoder=None)
    assert "back: it was not replaced" in caplog.text
    with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
        assert content_of(opened) == OLD


def test_what_only_looks_like_a_stopped_save_stays(folder):
    places = [f".index-{name}" for name in ("other-abcd1234.saving", "abcd1234", "12345678.saving")]
    for place in places:
        (folder.parent / place).mkdir()
        (folder.parent / place / "mine").write_text("1")
    hybrid.Retriever.load(folder, encoder=encoder()).close()
    assert all((Path(folder.parent) / place / "mine").exists() for place in places)


def test_nobody_takes_a_save_that_goes_on_for_a_stopped_one(folder):
    made = hybrid.Retriever.from_texts(["elk"], ids=["e"], encoder=encoder(), analyzer="english")
    rename, found = os.rename, []

    def renamed(*paths):
        rename(*paths)
        if not folder.exists():
            with pytest.raises(FileNotFoundError):
                hybrid.Retriever.load(folder, encoder=encoder())
            found.append(paths)

    with mock.patch.object(os, "rename", renamed):
        made.save(folder)
    assert len(found) == 1
    with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
        assert content_of(opened) == {"e": "elk"}


def test_what_was_committed_is_not_cleared_when_a_build_fails(tmp_path):
    from hybrid.building import new_index

    def build(commits):
        with new_index(tmp_path / f"built-{commits}", {"encoder": None}) as retriever:
            retriever.add([Document("a", "cat")])
            for _ in range(commits):
                retriever.commit()
            raise KeyboardInterrupt

    for commits in (0, 1):
        with pytest.raises(KeyboardInterrupt):
            build(commits)
    assert not (tmp_path / "built-0").exists()
    with hybrid.Retriever.load(tmp_path / "built-1") as opened:
        assert opened.search("cat")[0].doc_id == "a"
