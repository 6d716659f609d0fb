"""Random histories of an index folder, against a dict of documents."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import hybrid
from bench.living_kill import encoder
from hybrid import Document, snapshot

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


class History(RuleBasedStateMachine):
    """`now` is what is searched, `committed` what a folder that is opened again has."""

    with_vectors = False

    @initialize(keep=st.integers(1, 2))
    def create(self, keep):
        self.place = Path(tempfile.mkdtemp())
        self.folder = self.place / "index"
        made = encoder() if self.with_vectors else None
        self.choices = {"encoder": made, "analyzer": "english"}
        self.index = hybrid.Retriever.create(self.folder, keep=keep, cache=False, **self.choices)
        self.now, self.committed = {}, {}
        self.index.commit()

    def teardown(self):
        if hasattr(self, "index"):
            assert snapshot.verify(self.folder) == []
            self.index.close()
            shutil.rmtree(self.place)

    def fresh(self):
        """Return an index in memory of what should be there, in the order of the rows."""
        made = hybrid.Retriever.create(**self.choices)
        made.add(self.now.values())
        return made

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
        self.committed = dict(self.now)

    @rule()
    def reopen(self):
        self.index.close()
        self.index = hybrid.Retriever.load(self.folder, encoder=self.choices["encoder"])
        self.now = dict(self.committed)

    @rule()
    def compact(self):
        if not self.index._state.store.dirty:
            self.index.compact()

    @rule(question=questions, k=st.integers(1, 7), most=st.none() | st.integers(0, 3))
    def search(self, question, k, most):
        condition = None if most is None else {"n": {"$lte": most}}
        with self.fresh() as fresh:
            expected = fresh.search(question, k, filter=condition)
        found = self.index.search(question, k, filter=condition)
        assert [(h.doc_id, h.text, h.score) for h in found] == [
            (h.doc_id, h.text, h.score) for h in expected
        ]
        for hit in found:
            document = self.now[hit.doc_id]
            assert (hit.text, hit.metadata) == (document.text, dict(document.metadata))
            assert most is None or document.metadata["n"] <= most

    @invariant()
    def has_as_many(self):
        if hasattr(self, "index"):
            assert len(self.index) == len(self.now)


class HistoryWithVectors(History):
    with_vectors = True


History.TestCase.settings = settings(max_examples=30, stateful_step_count=45, deadline=None)
HistoryWithVectors.TestCase.settings = settings(
    max_examples=20, stateful_step_count=40, deadline=None
)
TestHistory = History.TestCase
TestHistoryWithVectors = HistoryWithVectors.TestCase
