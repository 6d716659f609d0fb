"""Bad input gets a clear error or an empty answer, never silence and never a crash."""

import numpy as np
import pytest

import hybrid
from hybrid import Document
from tests.hybrid.conftest import TEXTS, letters


@pytest.mark.parametrize("question", ["", "   ", "\n\t"])
@pytest.mark.parametrize("choice", ["lsa", None, "letters"])
def test_an_empty_question_finds_nothing(question, choice):
    encoder = hybrid.FunctionEncoder(letters, "letters", 27) if choice == "letters" else choice
    with hybrid.Retriever.from_texts(TEXTS, encoder=encoder) as retriever:
        assert retriever.search(question) == []
        assert retriever.search_many([question, "cats"], k=1)[0] == []
        assert retriever.run({"q": question}) == {"q": {}}
        assert retriever.context(question).text == ""
        assert retriever.explain(question).hits == ()


@pytest.mark.parametrize("choice", ["lsa", None, "letters"])
def test_an_empty_index_finds_nothing(choice):
    encoder = hybrid.FunctionEncoder(letters, "letters", 27) if choice == "letters" else choice
    with hybrid.Retriever.create(encoder=encoder) as retriever:
        assert retriever.search("cats") == []
        assert retriever.search_many(["cats", "dogs"]) == [[], []]
        assert retriever.run({"q": "cats"}) == {"q": {}}
        assert retriever.explain("cats").hits == ()
        retriever.add([Document("blank", "  ")])
        assert retriever.search("cats") == []


def test_an_empty_index_is_saved_and_opened(tmp_path):
    with hybrid.Retriever.create(tmp_path / "index", encoder="lsa") as retriever:
        retriever.commit()
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert opened.search("cats") == []
        opened.add([Document("a", "cats purr"), Document("b", "cats sleep")])
        assert opened.search("cats", k=1)[0].doc_id == "a"


def test_everything_deleted_finds_nothing(retriever):
    retriever.delete([f"d{number}" for number in range(8)])
    assert retriever.search("cats") == []


@pytest.mark.parametrize("k", [0, -3, 1.5, True, "3", None])
def test_k_is_a_whole_number_of_at_least_one(retriever, k):
    for ask in (
        lambda: retriever.search("cats", k),
        lambda: retriever.search_many(["cats"], k),
        lambda: retriever.explain("cats", k),
        lambda: retriever.run({"q": "cats"}, k),
    ):
        with pytest.raises(ValueError, match="expected k as a whole number of at least 1"):
            ask()


def test_k_over_the_corpus_gives_what_there_is(retriever):
    assert len(retriever.search("cats", k=10_000)) == 8


@pytest.mark.parametrize("question", [None, 3, b"cats", ["cats"]])
def test_a_question_is_text(retriever, question):
    with pytest.raises(TypeError, match="expected a question as text"):
        retriever.search(question)


def test_a_question_of_a_megabyte(retriever):
    question = "why do cats purr? 猫咪 " + "x7 " * 350_000
    assert len(question) > 1_000_000
    assert retriever.search(question, k=1)[0].doc_id in {"d0", "d3", "d5"}
    distinct = " ".join(f"word{number}" for number in range(120_000)) + " purr"
    assert retriever.search(distinct, k=3)


def test_a_filter_of_the_wrong_kind(retriever):
    with pytest.raises(ValueError, match="expected a filter such as"):
        retriever.search("cats", filter="lang = en")


def embedding(value, shape=27):
    return lambda texts: np.full((len(texts), shape), value, np.float32)


@pytest.mark.parametrize(
    ("embed", "message"),
    [
        (embedding(np.nan), "a finite vector other than zero from encoder 'bad'"),
        (embedding(np.inf), "a finite vector other than zero"),
        (embedding(0.0), "a finite vector other than zero"),
        (embedding(1.0, 5), r"1 vectors of 27 dimensions .* not an array of shape \(1, 5\)"),
        (lambda texts: np.ones((7, 27)), r"not an array of shape \(7, 27\)"),
    ],
)
def test_unusable_vectors_are_refused(embed, message):
    with hybrid.Retriever.create(encoder=hybrid.FunctionEncoder(embed, "bad", 27)) as retriever:
        with pytest.raises(hybrid.EncoderError, match=message):
            retriever.add([Document("a", "cats purr")])
        assert len(retriever) == 0


def test_an_unusable_query_vector_is_refused():
    encoder = hybrid.FunctionEncoder(letters, "letters", 27, embed_queries=embedding(np.nan))
    with (
        hybrid.Retriever.from_texts(TEXTS, encoder=encoder) as retriever,
        pytest.raises(hybrid.EncoderError, match="for the text 'cats'"),
    ):
        retriever.search("cats")


def test_duplicate_ids_are_refused():
    with pytest.raises(ValueError, match="the id 'a' came twice"):
        hybrid.Retriever.from_texts(["x", "y"], ids=["a", "a"], encoder=None)


def test_something_that_is_no_document(retriever):
    with pytest.raises(TypeError, match=r"expected hybrid\.Document, not str"):
        retriever.add(["just text"])
    with pytest.raises(TypeError, match="a list of document ids"):
        retriever.delete("d1")


def test_an_encoder_that_is_none():
    with pytest.raises(TypeError, match=r"wrapped by hybrid\.FunctionEncoder"):
        hybrid.Retriever.create(encoder=letters)


def test_a_model_without_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    monkeypatch.setitem(__import__("sys").modules, "FlagEmbedding", None)
    with pytest.raises(hybrid.MissingDependency, match=r"hybrid-retrieval\[models\]"):
        hybrid.Retriever.create(encoder="some/model")
    with pytest.raises(hybrid.MissingDependency, match=r"hybrid-retrieval\[bge\]"):
        hybrid.Retriever.create(encoder="BAAI/bge-m3")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"bm25": {"k1": -1}}, "k1 >= 0, not -1"),
        ({"bm25": {"b": 2}}, "b from 0 to 1, not 2"),
    ],
)
def test_wrong_settings(choices, message):
    with pytest.raises(ValueError, match=message):
        hybrid.BM25(**choices["bm25"])


def test_an_empty_folder_is_an_empty_index(tmp_path):
    with hybrid.Retriever.from_folder(tmp_path, encoder=None) as retriever:
        assert len(retriever) == 0
        assert retriever.search("cats") == []


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        hybrid.Retriever.from_folder(tmp_path / "nowhere", encoder=None)


def test_a_question_with_half_a_character_reaches_every_encoder():
    def embed(texts):
        return [[float(len(text.encode())), 1.0] for text in texts]

    encoder = hybrid.FunctionEncoder(embed, "bytes", 2)
    with hybrid.Retriever.from_texts(["cats 😀", "dogs"], encoder=encoder) as retriever:
        assert retriever.search("cats \ud800")[0].text == "cats 😀"
        joined, whole = (retriever.search(text, k=2) for text in ("\ud83d\ude00", "😀"))
        assert joined == whole
        assert retriever.explain("cats \ud800").hits[0].hit.text == "cats 😀"


def test_ids_that_no_document_can_have(retriever):
    before = len(retriever)
    assert retriever.delete(["\ud800", "unheard"]) == 0
    with pytest.raises(TypeError, match="expected ids of documents as text, not 3"):
        retriever.delete(["0", 3])
    assert len(retriever) == before
    with pytest.raises(ValueError, match="expected a chunk"):
        retriever.why_not("cats", "\ud800")
