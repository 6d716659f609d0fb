"""Encoders: what they give, how they are found, how they are recognised."""

import json
from collections import Counter

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import hybrid
from hybrid.analysis import Analyzer
from hybrid.encoders import as_encoder
from hybrid.encoders.base import CANARIES, CorpusEncoder, Encoder, canaries_of, check_canaries
from hybrid.encoders.bge_m3 import _as_matrix
from hybrid.encoders.lsa import LSAEncoder
from tests.hybrid.conftest import TEXTS, letters

TOPICS = {
    "cats": ["cat", "purr", "kitten", "whisker", "meow"],
    "dogs": ["dog", "bark", "puppy", "leash", "fetch"],
    "cars": ["car", "engine", "wheel", "brake", "clutch"],
}


def topical(count, seed=0):
    """Make texts of two words of one topic each."""
    generator = np.random.default_rng(seed)
    names = [list(TOPICS)[n % 3] for n in range(count)]
    return [" ".join(generator.choice(TOPICS[name], 2, replace=False)) for name in names]


def test_lsa_finds_related_words_that_never_occur_together():
    texts = [text for text in topical(120) if set(text.split()) != {"cat", "meow"}]
    encoder = LSAEncoder(Analyzer(), dimension=3).fit(texts)
    cat, meow, engine = encoder.encode_queries(["cat", "meow", "engine"]).dense
    assert cat @ meow > 0.9
    assert abs(cat @ engine) < 0.2


def test_lsa_vectors_are_of_length_one_or_zero():
    encoder = LSAEncoder(Analyzer()).fit(topical(30))
    vectors = encoder.encode_documents(["cat purr", "unheard words", ""]).dense
    assert np.linalg.norm(vectors, axis=1).tolist() == pytest.approx([1, 0, 0], abs=1e-6)


def test_lsa_is_close_to_the_exact_svd():
    texts = topical(200, seed=3)
    encoder = LSAEncoder(Analyzer(), dimension=4).fit(texts)
    matrix = encoder._weighted([Counter(Analyzer().query_terms(text)) for text in texts])
    exact = np.linalg.svd(matrix.toarray(), full_matrices=False)[2][:4].T
    overlap = np.linalg.svd(exact.T @ encoder._basis)[1]
    assert overlap.min() > 0.99  # cosines of the angles between the two subspaces


def test_lsa_depends_on_the_texts_only():
    one, two = (LSAEncoder(Analyzer()).fit(topical(50)) for _ in range(2))
    assert (one._basis == two._basis).all()
    together = one.encode_documents(["cat purr", "dog"]).dense
    assert (together[1] == one.encode_documents(["dog"]).dense[0]).all()


def test_lsa_has_the_same_bits_for_any_number_of_threads():
    """Matrices of this size are multiplied by several threads, and their sums cut accordingly."""
    generator = np.random.default_rng(0)
    words = generator.zipf(1.3, (1200, 25)) % 3000
    texts = [" ".join(f"w{number}" for number in line) for line in words]
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(LSAEncoder(Analyzer()).fit(texts)._basis)
    assert (found[0] == found[1]).all()


def test_lsa_on_next_to_nothing():
    for texts in ([], [""], ["one"], ["all different", "words here"]):
        encoder = LSAEncoder(Analyzer()).fit(texts)
        assert encoder.encode_queries(["cat"]).dense.shape == (1, encoder.dimension)


def test_lsa_learns_from_a_bounded_number_of_texts(monkeypatch, tmp_path):
    monkeypatch.setattr(LSAEncoder, "learns_from", 10)
    with hybrid.Retriever.from_texts(topical(95), encoder="lsa") as retriever:
        retriever.save(tmp_path / "index")
        assert len(retriever.search("cat purr", k=95)) == 95
    (learned,) = (tmp_path / "index").rglob("lsa.json")
    assert json.loads(learned.read_text("utf-8"))["fitted_on"] == 10


def test_lsa_comes_back_from_a_folder(tmp_path):
    encoder = LSAEncoder(Analyzer(), 5).fit(topical(40))
    encoder.save(tmp_path)
    opened = LSAEncoder.load(tmp_path, Analyzer(), 5)
    assert opened.fitted_on == encoder.fitted_on
    expected = encoder.encode_queries(["cat", "brake"]).dense
    assert (opened.encode_queries(["cat", "brake"]).dense == expected).all()


def test_what_counts_as_an_encoder(encoder):
    assert isinstance(as_encoder("lsa", Analyzer()), CorpusEncoder)
    assert as_encoder(encoder, Analyzer()) is encoder
    assert isinstance(encoder, Encoder)
    assert not isinstance(encoder, CorpusEncoder)


def test_canaries_allow_rounding_and_nothing_more(encoder):
    stored = canaries_of(encoder)
    assert stored.shape == (len(CANARIES), 27)
    noise = np.random.default_rng(0).standard_normal(stored.shape).astype(np.float32)
    check_canaries(stored + np.float32(0.01) * noise, encoder)
    with pytest.raises(hybrid.EncoderMismatch, match="other vectors than when the index was built"):
        check_canaries(stored + 2 * noise, encoder)
    with pytest.raises(hybrid.EncoderMismatch, match="canary vectors of shape"):
        check_canaries(stored[:, :5], encoder)


def test_precomputed_wants_vectors():
    with pytest.raises(ValueError, match="at least one vector"):
        hybrid.Precomputed({}, {}, "none")


def test_a_function_for_questions_of_its_own():
    encoder = hybrid.FunctionEncoder(
        letters, "letters", 27, embed_queries=lambda texts: -letters(texts)
    )
    assert (encoder.encode_queries(TEXTS).dense == -encoder.encode_documents(TEXTS).dense).all()


def test_token_weights_of_bge_m3_become_a_matrix():
    """As FlagEmbedding gives them: a dict for each text, of token ids as text."""
    weights = [{"7": np.float32(0.5), "2": np.float32(0.25)}, {}, {"0": np.float32(1.0)}]
    matrix = _as_matrix(weights, 9)
    assert matrix.shape == (3, 9)
    assert matrix.toarray()[0].tolist() == [0, 0, 0.25, 0, 0, 0, 0, 0.5, 0][:9]
    assert matrix.getnnz(axis=1).tolist() == [2, 0, 1]
    assert _as_matrix([], 9).shape == (0, 9)
