"""Readers beside a writer: every answer is of one committed state."""

import threading
import time

import hybrid
from bench.living import MARKED, marked, readers


def test_reader_processes_see_one_commit_at_a_time():
    found = readers(count=2, seconds=1.5, size=50)
    for part in ("alone", "beside_a_writer"):
        assert found[part]["problems"] == []
        assert found[part]["searches"] > 0
    assert found["beside_a_writer"]["commits"] >= 1


def test_threads_that_search_while_one_adds(tmp_path):
    """`add` of these documents is one batch: all of it is seen, or nothing."""
    wrong, stop = [], threading.Event()
    with hybrid.Retriever.create(tmp_path / "index", encoder="lsa", analyzer="english") as index:
        index.add(marked(0))
        index.commit()
        index.search("mark")  # compiles

        def search():
            while not stop.is_set():
                try:
                    hits = index.search("mark", k=2 * MARKED)
                    commits = {hit.metadata["commit"] for hit in hits}
                    if len(hits) != MARKED or len(commits) != 1:
                        wrong.append((len(hits), commits))
                except Exception as error:
                    wrong.append(error)

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 1.5
        number = 0
        while time.monotonic() < end:
            number += 1
            index.add(marked(number))
            if number % 5 == 0:
                index.commit()
            if number % 12 == 0:
                index.commit()
                index.compact()
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert number > 5


def test_a_search_does_not_wait_for_a_commit(tmp_path, monkeypatch):
    """A commit that is held up in the middle holds nobody up."""
    from hybrid import snapshot

    reached, go_on = threading.Event(), threading.Event()
    real = snapshot._synced_files

    def slow(*arguments):
        reached.set()
        assert go_on.wait(30)
        return real(*arguments)

    monkeypatch.setattr(snapshot, "_synced_files", slow)
    folder = tmp_path / "index"
    with hybrid.Retriever.create(folder, encoder=None, analyzer="english") as index:
        index.add(marked(1))
        writer = threading.Thread(target=index.commit)
        writer.start()
        assert reached.wait(30)
        assert len(index.search("mark", k=MARKED)) == MARKED
        go_on.set()
        writer.join()
    with hybrid.Retriever.load(folder) as opened:
        assert len(opened.search("mark", k=MARKED)) == MARKED
