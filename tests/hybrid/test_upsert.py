"""Upserting equals adding one document at a time, in bounded memory."""

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hybrid
from hybrid import Document, Retriever, StoreError, upserting


class Tracked(Document):
    """A document that can be watched."""

    __slots__ = ("__weakref__",)


def state_of(retriever):
    return {
        name: [(hit.chunk_id, hit.text, hit.score.hex()) for hit in retriever.search(name, k=99)]
        for name in ("cats", "dogs", "t1", "t2")
    }


CHANGES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("123")), max_size=20)


@given(CHANGES, st.integers(1, 6))
def test_it_equals_one_at_a_time(changes, lot):
    documents = [Document(name, f"cats and dogs t{text}") for name, text in changes]
    with Retriever.create(encoder=None, analyzer="english") as one:
        for document in documents:
            one.add([document])
        expected = state_of(one)
    with (
        pytest.MonkeyPatch.context() as patch,
        Retriever.create(encoder=None, analyzer="english") as many,
    ):
        patch.setattr(upserting, "_LOT", lot)
        done = many.upsert(iter(documents))
        assert {key: sorted(hits) for key, hits in state_of(many).items()} == {
            key: sorted(hits) for key, hits in expected.items()
        }
    assert done.added == len({name for name, _ in changes})
    assert done.added + done.replaced + done.unchanged == len(changes)


def test_no_more_than_two_lots_are_alive():
    alive, most = weakref.WeakValueDictionary(), 0

    def documents():
        nonlocal most
        for number in range(3000):
            document = Tracked(str(number % 2500), f"cat {number}")
            alive[number] = document
            yield document
            if number % 250 == 0:
                gc.collect()
                most = max(most, len(alive))

    with Retriever.create(encoder=None, analyzer="english") as retriever:
        assert retriever.upsert(documents()).added == 2500
    gc.collect()
    assert 0 < most <= 2 * upserting._LOT + 1
    assert len(alive) <= 1


def test_long_documents_make_smaller_lots(monkeypatch):
    monkeypatch.setattr(upserting, "_CHARACTERS", 100)
    lots = list(upserting._lots([Document(str(n), "x" * 40) for n in range(7)], 1000))
    assert [len(lot) for lot in lots] == [3, 3, 1]


@pytest.mark.parametrize(("every", "commits"), [(1, 7), (3, 3), (7, 1), (100, 1), (None, 0)])
def test_commits_on_the_way(every, commits, tmp_path, monkeypatch):
    told = []
    with Retriever.create(tmp_path / "index", encoder=None) as retriever:
        whole = retriever.commit

        def commit():
            whole()
            told.append(len(retriever))

        monkeypatch.setattr(retriever, "commit", commit)
        retriever.upsert((Document(str(n), f"cat {n}") for n in range(7)), commit_every=every)
    assert len(told) == commits
    assert told == sorted(told)
    if every:
        assert told[-1] == 7
        with Retriever.load(tmp_path / "index") as opened:
            assert len(opened) == 7


def test_what_was_committed_before_a_failure_stays(tmp_path):
    def documents():
        yield from (Document(str(n), f"cat {n}") for n in range(5))
        raise ConnectionError("the source is gone")

    with (
        Retriever.create(tmp_path / "index", encoder=None) as retriever,
        pytest.raises(ConnectionError),
    ):
        retriever.upsert(documents(), commit_every=2)
    with Retriever.load(tmp_path / "index") as opened:
        assert len(opened) == 4


def test_documents_without_text_are_named_by_their_last_version():
    documents = [Document("a", ""), Document("b", "x"), Document("b", ""), Document("a", "y")]
    with Retriever.create(encoder=None) as retriever:
        assert retriever.upsert(documents).empty == ("b",)


@pytest.mark.parametrize("every", [0, -1, True, 2.5, "3"])
def test_an_interval_that_is_none(every, retriever):
    with pytest.raises(ValueError, match="commit_every as a whole number"):
        retriever.upsert([], commit_every=every)


def test_an_index_in_memory_cannot_commit_and_takes_nothing(retriever):
    before = len(retriever)
    with pytest.raises(StoreError, match="this index is in memory"):
        retriever.upsert([Document("x", "y")], commit_every=1)
    assert len(retriever) == before


def test_what_is_no_document(retriever):
    with pytest.raises(TypeError, match=r"hybrid\.Document, not str"):
        retriever.upsert(["text"])
    assert hybrid.Document
