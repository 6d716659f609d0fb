"""Callbacks are told of every stage, harm no search, and cost nothing when there are none."""

import logging
import time
import timeit

import pytest

import hybrid
from hybrid import Document, hooks
from hybrid.hooks import Event, timed


@pytest.fixture
def seen():
    events = []
    with hooks.on(events.append):
        yield events


def stages(events):
    return [event.stage for event in events]


def test_the_stages_of_a_search(retriever, seen):
    hits = retriever.search("cats", k=3)
    inside = ["encode", "query", "filter", *["index"] * len(hits[0].parts), "fuse"]
    assert stages(seen) == [*inside, "texts", "search"]
    assert dict(seen[-1].counts) == {"hits": len(hits)} == {"hits": 3}
    whole = sum(event.seconds for event in seen[:-1] if event.stage not in ("encode", "index"))
    assert whole <= seen[-1].seconds
    assert not any(event.error for event in seen)


def test_every_index_is_told_by_name(retriever, seen):
    hits = retriever.search("cats", k=3)
    told = {event.name: event for event in seen if event.stage == "index"}
    (fuse,) = (event for event in seen if event.stage == "fuse")
    assert list(told) == list(hits[0].parts)
    assert all(event.counts["calls"] > 0 and event.seconds > 0 for event in told.values())
    assert fuse.counts["rows"] == 3
    assert fuse.counts["read"] == sum(event.counts["depth"] for event in told.values()) > 0
    assert sum(event.seconds for event in told.values()) <= fuse.seconds
    assert {event.name for event in seen if event.stage != "index"} == {""}


def test_who_listens_changes_no_answer(retriever):
    questions = ["cats", "dogs at night", "", "nothing like it"]
    expected = [retriever.search(question, k=9) for question in questions]
    with hooks.on(lambda event: None):
        assert [retriever.search(question, k=9) for question in questions] == expected
        assert retriever.search_many(questions, k=9) == expected


def test_the_stages_of_many_questions(retriever, seen):
    retriever.search_many(["cats", "dogs", ""], k=2)
    assert stages(seen).count("fuse") == 3
    assert dict(seen[-1].counts) == {"questions": 3, "hits": 4}


def test_the_stages_of_a_change(tmp_path, seen):
    with hybrid.Retriever.create(tmp_path / "index", encoder=None) as retriever:
        retriever.add([Document("a", "cats"), Document("b", "dogs")])
        retriever.delete(["a", "x"])
        retriever.commit()
        retriever.compact()
    hybrid.Retriever.load(tmp_path / "index").close()
    told = {event.stage: dict(event.counts) for event in seen}
    assert told == {
        "add": {"new": 2, "replaced": 0},
        "delete": {"documents": 1},
        "commit": {},
        "compact": {"documents": 1, "bytes": seen[-2].counts["bytes"]},
        "load": {"chunks": 1},
    }


def test_a_stage_that_fails_tells_the_kind_of_error_only(retriever, seen):
    with pytest.raises(TypeError):
        retriever.search(5)
    assert [(event.stage, event.error) for event in seen] == [("search", "TypeError")]


def test_nobody_is_told_after_the_end(retriever):
    one, two = [], []
    outer = hooks.on(one.append)
    with hooks.on(two.append):
        retriever.search("cats")
    count = len(two)
    retriever.search("cats")
    outer.close()
    outer.close()
    retriever.search("cats")
    assert (len(one), len(two)) == (2 * count, count)
    assert hooks._listeners == ()


def test_a_hook_that_fails_harms_no_search(retriever, caplog):
    def broken(event):
        raise RuntimeError("no")

    expected = retriever.search("cats")
    with hooks.on(broken):
        assert retriever.search("cats") == expected
    assert "a hook failed at stage 'search'" in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert caplog.records[-1].stage == "search"


def test_events_do_not_change(seen, retriever):
    retriever.search("cats")
    with pytest.raises(AttributeError):
        seen[0].stage = "other"
    with pytest.raises(TypeError):
        seen[0].counts["hits"] = 5
    assert Event("x", 1.0).counts == {}


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="a function of an event, not int"):
        hooks.on(5)


def test_counts_are_made_only_for_listeners():
    calls = []
    stage = timed("x", lambda result: calls.append(result) or {})(lambda: 7)
    assert stage() == 7
    assert calls == []
    with hooks.on(lambda event: None):
        assert stage() == 7
    assert calls == [7]


def test_a_stage_costs_little_when_nobody_listens():
    """Seven a search: some 0.6 µs; the bound is that of a machine under load."""
    stage, count = timed("x")(time.perf_counter), 20_000
    plain = min(timeit.repeat(time.perf_counter, number=count, repeat=5))
    wrapped = min(timeit.repeat(stage, number=count, repeat=5))
    assert 7 * (wrapped - plain) / count < 5e-6
