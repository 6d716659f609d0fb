"""One writer to a folder, between threads, retrievers and processes; and threads taking turns."""

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import hybrid
from hybrid import Document, StoreError
from hybrid.locking import Lease, WriterLock, removing
from hybrid.turns import Turns

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from hybrid.locking import WriterLock
lock = WriterLock(Path(sys.argv[1]))
lock.take()
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_a_lock_of_another_process_names_it_and_ends_with_it(tmp_path, holder):
    lock = WriterLock(tmp_path)
    told = rf"process {holder.pid} \(-c\) on \S+, a writer since 20\S+ \S+, \d+ s ago,"
    with pytest.raises(StoreError, match=told):
        lock.take()
    assert not lock.held
    holder.kill()
    holder.wait()
    lock.take()
    assert lock.held
    assert json.loads(lock.path.read_text())["pid"] == os.getpid()


def test_a_lock_that_is_dropped_is_free(tmp_path):
    lock, other = WriterLock(tmp_path), WriterLock(tmp_path)
    lock.take()
    lock.take()
    assert not other.try_take()
    del lock
    assert other.try_take()
    other.release()
    other.release()
    assert other.path.read_text() == ""


def test_a_lock_file_that_was_removed_is_made_anew(tmp_path):
    lock, other = WriterLock(tmp_path), WriterLock(tmp_path)
    lock.take()
    lock.path.unlink()
    other.take()
    lock.release()
    assert not lock.try_take()
    other.path.write_text("[]")
    with pytest.raises(StoreError, match="but another writer holds"):
        lock.take()


def test_the_second_writer_is_refused_until_the_first_has_committed(tmp_path):
    folder = tmp_path / "index"
    with hybrid.Retriever.create(folder, encoder=None) as first:
        with pytest.raises(StoreError, match="an index is being built in"):
            hybrid.Retriever.create(folder, encoder=None)
        first.add([Document("a", "cat")])
        first.commit()
        with hybrid.Retriever.load(folder) as second:
            first.add([Document("b", "dog")])
            me = re.escape(f"process {os.getpid()}")
            for act in (second.commit, second.compact, lambda: second.delete(["a"])):
                with pytest.raises(StoreError, match=me):
                    act()
            with pytest.raises(StoreError, match=me):
                hybrid.Retriever.from_texts(["x"], encoder=None).save(folder)
            assert [hit.doc_id for hit in second.search("cat dog")] == ["a"]
            first.commit()
            second.add([Document("c", "owl")])
            assert {hit.doc_id for hit in second.search("cat dog owl")} == {"a", "b", "c"}
            second.close()  # not committed
            assert first.delete(["b"]) == 1


def test_what_changes_nothing_leaves_the_lock_free(tmp_path):
    folder = tmp_path / "index"
    with hybrid.Retriever.create(folder, encoder=None) as first:
        first.add([Document("a", "cat")])
        first.commit()
        with hybrid.Retriever.load(folder) as second:
            assert first.add([Document("a", "cat")]).unchanged == 1
            assert first.delete(["nothing"]) == 0
            with pytest.raises(ValueError, match="to update"):
                first.update([Document("z", "cat")])
            second.delete(["a"])
            second.commit()


def test_a_folder_is_not_removed_while_it_is_leased(tmp_path):
    folder = tmp_path / "gen"
    assert Lease.take(folder) is None
    folder.mkdir()
    one, two = Lease.take(folder), Lease.take(folder)
    for lease in (one, two):
        with removing(folder) as free:
            assert not free
        lease.release()
    with removing(folder) as free:
        assert free
        assert Lease.take(folder) is None


def test_turns_exclude_changes_from_reads():
    turns, seen, numbers = Turns(), [], [0, 0]

    def read():
        for _ in range(300):
            with turns.reading():
                seen.append(numbers[0] == numbers[1])

    def change():
        for _ in range(300):
            with turns.changing():
                numbers[0] += 1
                numbers[1] += 1

    threads = [threading.Thread(target=act) for act in (read, read, change, change)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(seen)
    assert numbers == [600, 600]


def test_readers_do_not_wait_for_each_other_and_a_change_waits_for_them():
    turns, order = Turns(), []
    with turns.reading():
        other = threading.Thread(target=lambda: read(turns, order))
        other.start()
        other.join()
        changer = threading.Thread(target=lambda: change(turns, order))
        changer.start()
        while not turns._waiting:
            pass
        order.append("first reader")
    changer.join()
    assert order == ["reader", "first reader", "change"]


def read(turns, order):
    with turns.reading():
        order.append("reader")


def change(turns, order):
    with turns.changing():
        order.append("change")
