"""BGE-M3 through FlagEmbedding: two indexes from one pass, and nobody else's weights."""

import shutil

import pytest

import hybrid
from tests.models.conftest import TEXTS, build_bge_m3

pytestmark = pytest.mark.filterwarnings("default")  # those libraries warn about themselves


def test_dense_and_lexical_from_one_model(bge_m3, tmp_path):
    with hybrid.Retriever.from_texts(TEXTS, encoder=bge_m3) as retriever:
        hits = retriever.search("why do cats purr", k=4)
        assert hits[0].text == TEXTS[0]
        assert set(hits[0].parts) == {"bm25", "dense", "lexical"}
        assert hits[0].parts["lexical"].rank == 1
        assert sum(part.weight for part in hits[0].parts.values()) == pytest.approx(1)
        retriever.save(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert [hit.doc_id for hit in opened.search("why do cats purr", k=4)] == [
            hit.doc_id for hit in hits
        ]


def test_other_weights_under_the_same_name_are_refused(bge_m3, tmp_path):
    model = shutil.copytree(bge_m3, tmp_path / "model")
    with hybrid.Retriever.from_texts(TEXTS, encoder=model) as retriever:
        retriever.save(tmp_path / "index")
    other = build_bge_m3(tmp_path / "other", seed=1)
    with pytest.raises(hybrid.EncoderMismatch, match="name: index"):
        hybrid.Retriever.load(tmp_path / "index", encoder=other)
    shutil.rmtree(model)
    other.rename(model)
    with pytest.raises(hybrid.EncoderMismatch, match="were its weights replaced"):
        hybrid.Retriever.load(tmp_path / "index")


def test_long_and_empty_input(bge_m3):
    with hybrid.Retriever.create(encoder=bge_m3) as retriever:
        retriever.add([hybrid.Document("long", "cats purr " * 2000), hybrid.Document("blank", " ")])
        assert retriever.search("cats", k=1)[0].doc_id == "long"
        assert retriever.search(" ") == []
