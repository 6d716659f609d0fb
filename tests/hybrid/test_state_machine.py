"""Random histories of an index folder, against a dict of documents.

A reader sees what was committed when it last looked; generations that are kept stay as they were.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

import hybrid
from bench.living_kill import encoder
from hybrid import Document, snapshot
from tests.hybrid.plain_filters import holds

WORDS = ["cat", "dog", "owl", "purr", "bark", "sing"]
ids = st.sampled_from([f"d{number}" for number in range(6)])
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
documents = st.lists(
    st.builds(lambda i, t, n: Document(i, t, metadata={"n": n}), ids, texts, st.integers(0, 3)),
    min_size=1,
    max_size=3,
    unique_by=lambda document: document.doc_id,
)
questions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(" ".join)


filters = st.one_of(
    st.none(),
    st.integers(0, 3).map(lambda most: {"n": {"$lte": most}}),
    st.integers(0, 3).map(lambda one: {"$not": {"n": one}}),
)


class History(RuleBasedStateMachine):
    """`now` is what is searched, `committed` what a folder that is opened again has."""

    with_vectors = False
    steps = 0

    @initialize(keep=st.integers(1, 2))
    def create(self, keep):
        self.place = Path(tempfile.mkdtemp())
        self.folder = self.place / "index"
        made = encoder() if self.with_vectors else None
        self.choices = {"encoder": made, "analyzer": "english"}
        self.index = hybrid.Retriever.create(self.folder, keep=keep, cache=False, **self.choices)
        self.now, self.committed = {}, {}
        self.index.commit()
        self.kept = {self.index.generation: {}}
        self.reader, self.seen = self.opened(), {}
        History.steps -= 1  # its invariants are counted, but this is the start

    def teardown(self):
        if hasattr(self, "index"):
            assert hybrid.verify(self.folder, encoder=self.choices["encoder"]).ok
            self.reader.close()
            self.index.close()
            assert snapshot.leftovers(self.folder) == []
            shutil.rmtree(self.place)

    def opened(self, generation=None):
        encoder = self.choices["encoder"]
        return hybrid.Retriever.load(self.folder, encoder=encoder, generation=generation)

    def answers_as(self, index, documents, question, k, condition):
        """An index in memory of these documents, in the order of the rows, says what is right."""
        with hybrid.Retriever.create(**self.choices) as fresh:
            fresh.add(documents.values())
            expected = fresh.search(question, k, filter=condition)
        found = index.search(question, k, filter=condition)
        assert [(h.doc_id, h.text, h.score) for h in found] == [
            (h.doc_id, h.text, h.score) for h in expected
        ]
        for hit in found:
            document = documents[hit.doc_id]
            assert (hit.text, hit.metadata) == (document.text, dict(document.metadata))
            assert condition is None or holds(condition, document.metadata)

    def commits(self):
        """Note what is committed now."""
        self.committed = dict(self.now)
        self.kept[self.index.generation] = self.committed

    @rule(some=documents)
    def add(self, some):
        expected = [
            sum(d.doc_id not in self.now for d in some),
            sum(d.doc_id in self.now and self.now[d.doc_id] != d for d in some),
            sum(self.now.get(d.doc_id) == d for d in some),
        ]
        done = self.index.add(some)
        assert [done.added, done.replaced, done.unchanged] == expected
        for document in some:
            if self.now.get(document.doc_id) != document:
                self.now.pop(document.doc_id, None)  # its rows are new
                self.now[document.doc_id] = document

    @rule(some=documents)
    def update(self, some):
        if all(document.doc_id in self.now for document in some):
            self.index.update(some)
            for document in some:
                if self.now[document.doc_id] != document:
                    del self.now[document.doc_id]
                    self.now[document.doc_id] = document

    @rule(some=st.lists(ids, max_size=3, unique=True))
    def delete(self, some):
        assert self.index.delete(some) == sum(doc_id in self.now for doc_id in some)
        for doc_id in some:
            self.now.pop(doc_id, None)

    @rule()
    def commit(self):
        self.index.commit()
        self.commits()

    @rule(some=documents)
    def upsert(self, some):
        self.index.upsert(iter(some), commit_every=2)
        for document in some:
            if self.now.get(document.doc_id) != document:
                self.now.pop(document.doc_id, None)
                self.now[document.doc_id] = document
        self.commits()

    @rule()
    def reopen(self):
        self.index.close()
        self.index = self.opened()
        self.now = dict(self.committed)

    @rule()
    def compact(self):
        if not self.index._state.store.dirty:
            self.index.compact()
            self.commits()

    @rule()
    def refresh(self):
        self.reader.refresh()
        self.seen = dict(self.committed)

    @rule(question=questions, k=st.integers(1, 7), condition=filters)
    def read(self, question, k, condition):
        self.answers_as(self.reader, self.seen, question, k, condition)

    @rule(question=questions, condition=filters)
    def travel(self, question, condition):
        for generation in self.index.generations():
            if generation in self.kept:  # not one between two commits of an upsert
                with self.opened(generation) as past:
                    self.answers_as(past, self.kept[generation], question, 7, condition)

    @rule(question=questions, k=st.integers(1, 7), condition=filters)
    def search(self, question, k, condition):
        self.answers_as(self.index, self.now, question, k, condition)

    @invariant()
    def has_as_many(self):
        if hasattr(self, "index"):
            History.steps += 1
            assert len(self.index) == len(self.now)
            assert len(self.reader) == len(self.seen)


class HistoryWithVectors(History):
    with_vectors = True


@pytest.mark.parametrize(
    ("machine", "examples", "steps", "least"),
    [(History, 20, 80, 1200), (HistoryWithVectors, 22, 50, 800)],
)
def test_histories(machine, examples, steps, least):
    """Two thousand steps in all, counted: hypothesis may end histories early, so there are more."""
    History.steps = 0
    chosen = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    for _ in range(5):
        run_state_machine_as_test(machine, settings=chosen)
        if History.steps >= least:
            return
        chosen = settings(chosen, max_examples=5)
    assert History.steps >= least
