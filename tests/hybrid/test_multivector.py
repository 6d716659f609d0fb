"""Late interaction from encoder to hit, and encoders that make only some of the parts."""

import zlib

import numpy as np
import pytest
import scipy.sparse as sp

import hybrid
from fusion import RRF, rescored
from hybrid.encoders.base import Embeddings
from indexes.multivector import TokenVectors
from tests.hybrid.conftest import TEXTS, letters

TERMS = 500


def word_vector(word):
    """Return a direction that is always the same for a word."""
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(16)


class Words:
    """An encoder of words by hand: letters, word numbers, and a direction for each word."""

    def __init__(self, *parts, broken=None):
        self.parts, self.broken = parts, broken
        self.dimension = 27 if "dense" in parts else None

    def encode_documents(self, texts):
        words = [text.lower().split() for text in texts]
        return Embeddings(
            letters(texts) if "dense" in self.parts else None,
            self._lexical(words) if "lexical" in self.parts else None,
            self._tokens(words) if "multivector" in self.parts else None,
        )

    encode_queries = encode_documents

    def fingerprint(self):
        return {"kind": "words", "name": "words", "parts": list(self.parts)}

    def _lexical(self, words):
        table = sp.lil_matrix((len(words), TERMS), dtype=np.float32)
        for row, found in enumerate(words):
            for word in found:
                table[row, zlib.crc32(word.encode()) % TERMS] = 1.0
        return sp.csr_matrix(table)

    def _tokens(self, words):
        known = [[word_vector(word) for word in found if word != "nothing"] for found in words]
        vectors = np.array([v for found in known for v in found], np.float32).reshape(-1, 16)
        offsets = np.cumsum([0, *map(len, known)])
        if self.broken == "NaN":
            vectors[0, 0] = np.nan
        return TokenVectors(vectors, offsets[:-1] if self.broken == "count" else offsets)


ALL = Words("dense", "lexical", "multivector")


def retriever_of(encoder, texts=TEXTS):
    return hybrid.Retriever.from_texts(texts, encoder=encoder)


def answers(retriever, k=8):
    questions = ["cats purr content", "dogs bark at", "the kitten slept"]
    return [[(hit.text, hit.score) for hit in retriever.search(q, k)] for q in questions]


@pytest.mark.parametrize(
    ("parts", "weights"),
    [
        (("lexical",), {"bm25": 0.5, "lexical": 0.5}),
        (("multivector",), {"bm25": 1 - 0.7, "multivector": 0.7}),
        (("dense", "multivector"), {"bm25": 1 - 0.7, "dense": 0.35, "multivector": 0.35}),
        (
            ("lexical", "multivector"),
            {"bm25": (1 - 0.7) / 2, "lexical": (1 - 0.7) / 2, "multivector": 0.7},
        ),
        (
            ("dense", "lexical", "multivector"),
            {"bm25": 0.3 / 2, "lexical": 0.3 / 2, "dense": 0.35, "multivector": 0.35},
        ),
    ],
)
def test_weights_are_for_the_parts_that_there_are(parts, weights, tmp_path):
    encoder = Words(*parts)
    with retriever_of(encoder) as retriever:
        assert retriever.fusion.weights == pytest.approx(weights)
        found = answers(retriever)
        assert set(retriever.search("cats purr", 1)[0].parts) == set(weights)
        retriever.save(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index", encoder=encoder) as opened:
        assert answers(opened) == found
        assert opened.fusion.weights == pytest.approx(weights)


@pytest.mark.parametrize("fusion", [None, RRF()])
def test_any_history_gives_the_answers_of_a_fresh_index(fusion, tmp_path):
    with retriever_of(ALL, TEXTS[:5]) as fresh, hybrid.Retriever.create(encoder=ALL) as changed:
        changed.add(hybrid.Document(f"{n}", text) for n, text in enumerate(TEXTS))
        changed.update([hybrid.Document("2", "something else")])
        changed.save(tmp_path / "index")
        with hybrid.Retriever.load(tmp_path / "index", encoder=ALL) as opened:
            for state in (changed, opened):
                state.update([hybrid.Document("2", TEXTS[2])])
                state.delete(["5", "6", "7"])
                if fusion is not None:
                    state.fusion = fresh.fusion = fusion
                # rows differ, so hits of the same score may stand in another order
                assert [sorted(a) for a in answers(state)] == [sorted(a) for a in answers(fresh)]


def test_a_pool_is_rescored_and_explained(monkeypatch):
    monkeypatch.setattr(rescored, "POOL", 3)
    with retriever_of(ALL) as retriever:
        explanation = retriever.explain("cats purr content", k=8)
        parts = [found.hit.parts for found in explanation.hits]
        late = [part["multivector"] for part in parts]
        assert sorted(part.rank for part in late[:3]) == [1, 2, 3]
        assert {(part.rank, part.score) for part in late[3:]} == {(None, -1.0)}
        assert all(part["dense"].rank for part in parts)
        for found in explanation.hits:
            added = sum(part.contribution for part in found.hit.parts.values())
            assert found.hit.score == pytest.approx(added, rel=1e-6)
        assert "the first 3 of bm25, dense, lexical; multivector scored those" in str(explanation)
        assert answers(retriever, 2) == [found[:2] for found in answers(retriever, 8)]


def test_a_small_collection_is_scored_as_a_whole():
    with retriever_of(ALL) as retriever:
        explanation = retriever.explain("cats purr content", k=8)
        ranks = [found.hit.parts["multivector"].rank for found in explanation.hits]
        assert sorted(ranks) == list(range(1, 9))
        assert explanation.certificate.exact


def test_a_text_without_tokens_is_found_by_the_others():
    with retriever_of(ALL, [*TEXTS, "nothing"]) as retriever:
        hit = retriever.search("nothing", 1)[0]
        assert hit.parts["bm25"].rank == 1
        hit = next(hit for hit in retriever.search("cats purr nothing", 9) if hit.doc_id == "8")
        assert (hit.parts["multivector"].rank, hit.parts["multivector"].score) == (None, -1.0)
        assert retriever.search("  ") == []


def test_a_filter_holds_inside_the_pool(monkeypatch):
    monkeypatch.setattr(rescored, "POOL", 2)
    with hybrid.Retriever.from_texts(
        TEXTS, encoder=ALL, metadata=[{"n": n} for n in range(8)]
    ) as retriever:
        hits = retriever.search("cats purr", 8, filter={"n": {"$gte": 3}})
        assert {hit.metadata["n"] for hit in hits} == {3, 4, 5, 6, 7}
        assert sum(hit.parts["multivector"].rank is not None for hit in hits) == 2


@pytest.mark.parametrize(
    ("broken", "message"),
    [("NaN", "finite"), ("count", "token vectors")],
)
def test_broken_token_vectors_leave_no_trace(broken, message):
    with hybrid.Retriever.create(encoder=Words("dense", "multivector", broken=broken)) as retriever:
        with pytest.raises(hybrid.EncoderError, match=message):
            retriever.add([hybrid.Document("a", "cats purr")])
        assert len(retriever) == 0
