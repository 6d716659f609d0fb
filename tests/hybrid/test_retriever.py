"""The retriever's promises to the people who import it."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid
from hybrid import RRF, Document, Weighted
from hybrid.indexing import Indexes
from tests.hybrid.conftest import TEXTS, letters


def found(hits):
    return [(hit.doc_id, hit.score, hit.text) for hit in hits]


def test_a_hit_says_where_it_is_from_and_why(retriever):
    (hit,) = retriever.search("why do cats purr?", k=1)
    assert (hit.rank, hit.doc_id, hit.chunk_id, hit.title) == (1, "d0", "d0#0", "purring")
    assert hit.text == TEXTS[0][hit.start : hit.end]
    assert hit.metadata == {"n": 0, "lang": "en"}
    assert set(hit.parts) == {"bm25", "dense"}
    assert hit.parts["bm25"].rank == 1
    assert sum(part.contribution for part in hit.parts.values()) == pytest.approx(hit.score)


@pytest.mark.parametrize(
    ("question", "doc_id"),
    [
        ("猫为什么打呼噜", "d5"),
        ("狗", "d6"),
        ("ทำไมแมวร้อง", "d7"),
        ("kittens on windowsills", "d2"),
    ],
)
def test_questions_in_several_languages_find_their_text(retriever, question, doc_id):
    assert retriever.search(question, k=1)[0].doc_id == doc_id


@pytest.mark.parametrize("fusion", [Weighted(), RRF(), Weighted({"bm25": 1.0, "dense": 0.0})])
def test_top_k_is_a_prefix_of_every_longer_answer(retriever, fusion):
    retriever.fusion = fusion
    longest = retriever.search("cats that purr", k=100)
    for k in range(1, 9):
        assert retriever.search("cats that purr", k=k) == longest[:k]


def test_many_questions_are_answered_as_one_by_one(retriever):
    questions = ["cats", "", "dogs bark", "猫咪"]
    assert retriever.search_many(questions, k=3) == [retriever.search(q, k=3) for q in questions]
    assert retriever.search_many([], k=3) == []


def test_search_in_an_event_loop(retriever):
    assert asyncio.run(retriever.asearch("cats", k=2)) == retriever.search("cats", k=2)


def test_a_filter_is_applied_inside_the_search(retriever):
    hits = retriever.search("cats", k=5, filter={"lang": "other"})
    assert {hit.metadata["lang"] for hit in hits} == {"other"}
    assert len(hits) == 3
    assert retriever.search("cats", filter={"n": {"$gt": 100}}) == []


def test_adding_the_same_changes_nothing_and_new_content_replaces(retriever):
    before = retriever.search("cats", k=5)
    same = Document("d3", TEXTS[3], metadata={"n": 3, "lang": "en"})
    assert retriever.add([same]).unchanged == 1
    assert retriever.search("cats", k=5) == before
    done = retriever.add([Document("d3", "Nothing about felines."), Document("new", "Cats!")])
    assert (done.added, done.replaced, done.unchanged) == (1, 1, 0)
    texts = [hit.text for hit in retriever.search("cats", k=9)]
    assert "Cats!" in texts
    assert TEXTS[3] not in texts


def test_documents_without_text_are_reported(retriever):
    assert retriever.add([Document("blank", " \n ")]).empty == ("blank",)


def test_deleted_documents_never_come_back(retriever):
    assert retriever.delete(["d0", "nowhere", "d0"]) == 1
    assert "d0" not in [hit.doc_id for hit in retriever.search("cats purr", k=50)]
    assert len(retriever) == 7


def test_update_wants_documents_that_are_there(retriever):
    with pytest.raises(ValueError, match="a document 'nowhere' to update: add it"):
        retriever.update([Document("d1", "changed"), Document("nowhere", "x")])
    assert retriever.search("bark", k=1)[0].text == TEXTS[1]
    assert retriever.update([Document("d1", "changed")]).replaced == 1


class FailsOnSecondBatch:
    """An encoder whose service goes away."""

    def __init__(self):
        self.calls = 0

    def __call__(self, texts):
        self.calls += 1
        if self.calls == 2:
            raise ConnectionError("the service is gone")
        return letters(texts)


def test_an_encoder_that_fails_leaves_store_and_indexes_together():
    encoder = hybrid.FunctionEncoder(FailsOnSecondBatch(), "failing", 27)
    with hybrid.Retriever.create(encoder=encoder) as retriever:
        retriever.add([Document("a", "cats purr")])
        with pytest.raises(hybrid.EncoderError, match="ConnectionError: the service is gone"):
            retriever.add([Document("a", "dogs bark"), Document("b", "birds sing")])
        assert [hit.text for hit in retriever.search("cats purr", k=5)] == ["cats purr"]
        retriever.add([Document("b", "birds sing")])
        assert len(retriever) == 2


words = st.lists(st.sampled_from(["cat", "dog", "purr", "bark", "猫", "sleep"]), max_size=5)
steps = st.lists(
    st.tuples(st.sampled_from(["add", "delete", "search"]), st.integers(0, 5), words), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(steps=steps, kind=st.sampled_from(["lsa", "letters", None]), question=words)
def test_any_history_equals_a_fresh_build(steps, kind, question):
    """Adds, replacements and deletes in any order; searches in between must not matter."""
    encoder = hybrid.FunctionEncoder(letters, "letters", 27) if kind == "letters" else kind
    live = {}
    with hybrid.Retriever.create(encoder=encoder, analyzer="english") as retriever:
        for step, number, text in steps:
            name = f"d{number}"
            if step == "add":
                document = Document(name, " ".join(text))
                if live.get(name) != document:
                    live.pop(name, None)
                    live[name] = document
                retriever.add([document])
            elif step == "delete":
                live.pop(name, None)
                retriever.delete([name])
            else:
                retriever.search("cat", k=2)
        hits = found(retriever.search(" ".join(question), k=20))
    with hybrid.Retriever.create(encoder=encoder, analyzer="english") as fresh:
        fresh.add(live.values())
        assert hits == found(fresh.search(" ".join(question), k=20))


def test_one_more_document_refits_the_embedded_encoder():
    """Up to 10,000 chunks an index with a history equals a fresh one, to the bit."""
    texts = [f"{TEXTS[n % 5]} number{n % 7}" for n in range(60)]
    more = "A kitten and a hound slept through number3."
    documents = [Document(str(n), text) for n, text in enumerate([*texts, more])]
    with (
        hybrid.Retriever.create(encoder="lsa") as grown,
        hybrid.Retriever.create(encoder="lsa") as fresh,
    ):
        grown.add(documents[:-1])
        grown.search("kitten")
        grown.add(documents[-1:])
        fresh.add(documents)
        assert found(grown.search("sleeping kitten", k=61)) == found(
            fresh.search("sleeping kitten", k=61)
        )


def test_a_large_index_refits_when_a_tenth_has_changed(tmp_path, monkeypatch):
    """What changed is counted over sessions; in between new chunks are projected."""
    monkeypatch.setattr("hybrid.indexing.ALWAYS_REFIT", 10)
    documents = [Document(str(n), f"{TEXTS[n % 5]} number{n % 7}") for n in range(52)]

    def fitted_on():
        (learned,) = (tmp_path / "index").rglob("lsa.json")
        return json.loads(learned.read_text("utf-8"))["fitted_on"]

    with hybrid.Retriever.create(tmp_path / "index", encoder="lsa") as retriever:
        retriever.add(documents[:40])
        retriever.commit()
    assert fitted_on() == 40
    for upto, fitted in ((43, 40), (46, 46), (50, 46), (52, 52)):
        with hybrid.Retriever.load(tmp_path / "index") as retriever:
            retriever.add(documents[len(retriever) : upto])
            assert retriever.search("kitten", k=60)[-1].rank == upto
            retriever.commit()
        assert fitted_on() == fitted


def test_run_scores_documents_by_their_best_chunk():
    text = " ".join(f"Paragraph {n} talks of cats." for n in range(40))
    with hybrid.Retriever.from_texts(
        [text, "Dogs bark. Cats too."], chunker=hybrid.Chunker(size=60), encoder=None
    ) as retriever:
        assert len(retriever) > 20
        run = retriever.run({"q": "cats", "none": "zebra"}, k=2)
        assert set(run["q"]) == {"0", "1"}
        assert run["none"] == {}
        best = {}
        for hit in retriever.search("cats", k=100):
            best.setdefault(hit.doc_id, hit.score)
        assert run["q"] == best


def test_explain_adds_up_and_names_the_terms(retriever):
    explanation = retriever.explain("why do cats purr", k=2)
    assert explanation.query_terms == ("cat", "purr")
    assert [e.hit.doc_id for e in explanation.hits] == [
        hit.doc_id for hit in retriever.search("why do cats purr", k=2)
    ]
    for explained in explanation.hits:
        bm25 = explained.hit.parts["bm25"].score
        assert sum(explained.terms.values()) == pytest.approx(bm25, rel=1e-6)
        assert explained.hit.parts["dense"].rank is not None
    assert explanation.certificate.exact
    assert set(explanation.timings_ms) == {
        *("query", "filter", "search", "search: bm25", "search: dense", "texts")
    }
    assert "matched   cat" in str(explanation)


def test_the_default_weight_depends_on_the_encoder(encoder):
    def default(choice):
        with hybrid.Retriever.from_texts(TEXTS, encoder=choice) as made:
            return made.fusion

    assert default("lsa") == Weighted({"bm25": 0.7, "dense": 0.3})
    assert default(encoder) == Weighted({"bm25": 1 - 0.7, "dense": 0.7})
    assert default(None) == Weighted({"bm25": 1.0})


def test_a_fusion_must_fit_the_indexes(retriever):
    with pytest.raises(ValueError, match=r"a weight for each of \['bm25', 'dense'\]"):
        retriever.fusion = Weighted({"bm25": 0.5, "splade": 0.5})


def test_the_embedded_encoder_is_announced_once(caplog, monkeypatch):
    monkeypatch.setattr("hybrid.ingest._told", set())
    for _ in range(2):
        hybrid.Retriever.create().close()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "LSA" in told[0]
    assert 'encoder="BAAI/bge-m3"' in told[0]
    hybrid.Retriever.create(encoder="lsa").close()
    assert len(caplog.records) == 1


def test_a_folder_of_files(tmp_path, caplog):
    (tmp_path / "a.md").write_text("# Cats\n\nCats purr.", "utf-8")
    (tmp_path / "b.bin").write_bytes(bytes(range(256)) * 10)
    with hybrid.Retriever.from_folder(tmp_path, encoder=None) as retriever:
        assert [hit.doc_id for hit in retriever.search("purr")] == ["a.md"]
    assert "skipped b.bin" in caplog.text


def test_languages_are_detected_at_the_first_documents():
    text = "Die Katzen schnurren, wenn sie zufrieden sind, und der Hund ist nicht im Haus. " * 6
    with hybrid.Retriever.from_texts([text], encoder="lsa") as retriever:
        assert retriever.explain("Katze", k=1).query_terms == ("katz",)
        assert retriever.search("Katze", k=1)


def test_the_choices_for_the_dense_index_reach_it():
    chosen = hybrid.Dense(kind="auto", metric="ip", storage="float16", memory=1)
    with hybrid.Retriever.from_texts(["cats purr", "dogs bark"], dense=chosen) as retriever:
        retriever.search("cats")
        dense = retriever._state.indexes.dense
    assert (dense.kind, dense.metric, dense.storage, dense.memory) == ("auto", "ip", "float16", 1)


def test_long_documents_are_taken_a_few_at_a_time(monkeypatch):
    sizes, prepare = [], Indexes.prepare

    def spy(self, texts):
        sizes.append(sum(map(len, texts)))
        return prepare(self, texts)

    monkeypatch.setattr(Indexes, "prepare", spy)
    with hybrid.Retriever.create(encoder=None, analyzer="english") as retriever:
        added = retriever.add(hybrid.Document(str(n), f"cats {n} " * 5000) for n in range(30))
        assert (added.added, len(sizes) > 3) == (30, True)
    assert max(sizes) < 300_000
