"""Encoders: what they give, how they are found, how they are recognised."""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

import hybrid
from hybrid.analysis import Analyzer
from hybrid.encoders import as_encoder
from hybrid.encoders.base import (
    CorpusEncoder,
    Embeddings,
    Encoder,
    check_same,
    checked,
    differing_versions,
)
from hybrid.encoders.bge_m3 import _as_matrix
from hybrid.encoders.canaries import CANARIES, canaries_of, check_canaries, save_canaries
from hybrid.encoders.lsa import LSAEncoder
from hybrid.encoders.static import StaticEncoder
from indexes.multivector import TokenVectors
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


class Fixed:
    """An encoder that gives what it is told, whatever the texts; counts as a model."""

    def __init__(self, embeddings, versions=None, dimension=None):
        self.embeddings, self.dimension = embeddings, dimension
        self.versions = versions or {}

    def encode_documents(self, texts):
        return self.embeddings

    encode_queries = encode_documents

    def fingerprint(self):
        return {"kind": "fixed", "name": "fixed", "versions": self.versions}


def canary_parts(seed=0):
    """Make a dense vector, lexical weights and token vectors for every canary."""
    generator = np.random.default_rng(seed)
    dense = generator.standard_normal((len(CANARIES), 8)).astype(np.float32)
    lexical = sp.csr_matrix(
        np.abs(generator.standard_normal((len(CANARIES), 50)) > 1) * dense[:, :1]
    )
    vectors = generator.standard_normal((12, 5)).astype(np.float32)
    return {
        "dense": dense,
        "lexical": abs(lexical).astype(np.float32),
        "tokens": TokenVectors(vectors, np.array([0, 3, 3, 7, 12])),
    }


def test_canaries_allow_rounding_and_nothing_more(encoder, tmp_path):
    stored = canaries_of(encoder)["dense"]
    assert stored.shape == (len(CANARIES), 27)
    noise = np.random.default_rng(0).standard_normal(stored.shape).astype(np.float32)
    save_canaries(Fixed(Embeddings(stored + np.float32(0.01) * noise)), tmp_path)
    check_canaries(tmp_path, encoder)
    save_canaries(Fixed(Embeddings(stored + 2 * noise)), tmp_path)
    with pytest.raises(hybrid.EncoderMismatch, match="other vectors than when the index was built"):
        check_canaries(tmp_path, encoder)
    save_canaries(Fixed(Embeddings(stored[:, :5])), tmp_path)
    with pytest.raises(hybrid.EncoderMismatch, match=r"canary vectors of shape \(4, 5\) \(dense\)"):
        check_canaries(tmp_path, encoder)


@pytest.mark.parametrize("part", ["dense", "lexical", "tokens"])
def test_every_part_of_a_canary_is_compared(part, tmp_path):
    save_canaries(Fixed(Embeddings(**canary_parts())), tmp_path)
    assert all(np.load(path, allow_pickle=False).size for path in tmp_path.glob("*.npy"))
    check_canaries(tmp_path, Fixed(Embeddings(**canary_parts())))
    changed = canary_parts() | {part: canary_parts(seed=1)[part]}
    with pytest.raises(hybrid.EncoderMismatch, match=f"the {part} vector of canary .* has cosine"):
        check_canaries(tmp_path, Fixed(Embeddings(**changed)))
    missing = canary_parts() | {part: None}
    with pytest.raises(hybrid.EncoderMismatch, match=rf"\({part}\), not None"):
        check_canaries(tmp_path, Fixed(Embeddings(**missing)))


@pytest.fixture
def little_memory():
    """Let this process take 512 MiB more, and no more."""
    resource = pytest.importorskip("resource")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + (512 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.usefixtures("little_memory")
def test_a_damaged_canary_of_a_huge_term_takes_no_memory(tmp_path):
    save_canaries(Fixed(Embeddings(**canary_parts())), tmp_path)
    indices = np.load(tmp_path / "canaries-lexical-indices.npy")
    indices[0] = (1 << 31) - 2
    np.save(tmp_path / "canaries-lexical-indices.npy", indices)
    with pytest.raises(hybrid.EncoderMismatch, match="the lexical vector of canary"):
        check_canaries(tmp_path, Fixed(Embeddings(**canary_parts())))


def test_the_worst_canary_is_named_with_its_cosine(tmp_path):
    dense = np.eye(len(CANARIES), dtype=np.float32)
    save_canaries(Fixed(Embeddings(dense)), tmp_path)
    turned = dense.copy()
    turned[1] = [1, 1, 0, 0]  # cosine 0.7071
    turned[2] = [0, 0, 3, 4]  # cosine 0.6
    with pytest.raises(hybrid.EncoderMismatch, match=r"def fibonacci.* cosine 0\.6000") as raised:
        check_canaries(tmp_path, Fixed(Embeddings(turned)), "torch: index '2', given '3'")
    assert "library versions differ: torch: index '2', given '3'" in str(raised.value)
    assert CANARIES[1] not in str(raised.value)


def test_a_canary_of_zeros_must_stay_one(tmp_path):
    dense = np.eye(len(CANARIES), dtype=np.float32)
    dense[0] = 0
    save_canaries(Fixed(Embeddings(dense)), tmp_path)
    check_canaries(tmp_path, Fixed(Embeddings(dense)))
    for other in (1.0, np.nan):
        changed = dense.copy()
        changed[0, 0] = other
        with pytest.raises(hybrid.EncoderMismatch, match="quick brown fox"):
            check_canaries(tmp_path, Fixed(Embeddings(changed)))


def test_library_versions_alone_make_no_other_encoder():
    one, two = (Fixed(None, {"torch": version}) for version in ("2.1", "2.2"))
    check_same(one.fingerprint(), two)
    assert differing_versions(one.fingerprint(), two) == "torch: index '2.1', given '2.2'"
    assert differing_versions(one.fingerprint(), one) == ""
    assert differing_versions({"kind": "old"}, Fixed(None)) == ""


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2], [np.nan, 0]], "for the text '', not NaN or infinity"),
        ([[1, 2], [0, 0]], "for the text '', not zeros"),
        ([[1, 2]], r"expected 2 vectors of 2 dimensions .* shape \(1, 2\)"),
        ([[1, 2, 3]] * 2, r"expected 2 vectors of 2 dimensions .* shape \(2, 3\)"),
    ],
)
def test_dense_vectors_that_cannot_be_indexed(rows, message):
    found = Embeddings(np.array(rows, np.float32))
    with pytest.raises(hybrid.EncoderError, match=message):
        checked(found, ["cat", ""], Fixed(found, dimension=2))


def test_other_parts_that_cannot_be_indexed():
    parts = canary_parts()
    fine = Embeddings(None, parts["lexical"], parts["tokens"])
    assert checked(fine, CANARIES, Fixed(fine)) == fine
    with pytest.raises(hybrid.EncoderError, match=r"lexical weights for 2 texts .* not for 4"):
        checked(fine, ["a", "b"], Fixed(fine))
    tokens = Embeddings(tokens=TokenVectors(np.full((2, 3), np.inf), np.array([0, 1, 2])))
    with pytest.raises(hybrid.EncoderError, match="finite token vectors"):
        checked(tokens, ["a", "b"], Fixed(tokens))


def test_precomputed_wants_vectors():
    with pytest.raises(ValueError, match="at least one vector"):
        hybrid.Precomputed({}, {}, "none")


def test_precomputed_vectors_of_other_lengths():
    with pytest.raises(ValueError, match=r"expected vectors, not an array of shape \(\)"):
        hybrid.Precomputed({"a": 1.0}, {}, "numbers")
    known = hybrid.Precomputed({"a": [1, 2], "b": [3]}, {}, "known")
    with pytest.raises(hybrid.EncoderError, match=r"2 numbers .* shape \(1,\) for 'b'"):
        known.encode_documents(["a", "b"])
    with pytest.raises(hybrid.EncoderError, match="has none for"):
        known.encode_documents(["\ud800"])


@pytest.mark.parametrize(
    ("found", "dimension", "message"),
    [
        (np.ones((1, 2)), 2, "expected hybrid.encoders.base.Embeddings .* not ndarray"),
        (Embeddings(), 2, "1 vectors of 2 dimensions .* no dense vectors came"),
        (Embeddings(), None, "dense vectors, lexical weights or token vectors .* none came"),
        (Embeddings(np.ones((1, 2))), None, r"no dense vectors .* shape \(1, 2\)"),
        (Embeddings(lexical=np.ones((1, 2))), None, "as a csr_matrix, not ndarray"),
        (Embeddings(lexical=sp.csr_matrix([[1.0, -2.0]])), None, "of 0 or more .* not -2"),
        (Embeddings(tokens=np.ones((1, 2))), None, "token vectors from encoder 'fixed', but"),
        (
            Embeddings(tokens=TokenVectors(np.zeros((1, 2)), np.array([0, 1]))),
            None,
            "other than zero",
        ),
        (Embeddings(tokens=TokenVectors(np.ones((3, 2)), np.array([0, 2]))), None, "from 0 to 3"),
    ],
)
def test_what_is_no_embedding_is_told(found, dimension, message):
    with pytest.raises(hybrid.EncoderError, match=message):
        checked(found, ["cat"], Fixed(found, dimension=dimension))


def test_other_sparse_matrices_and_numbers_are_taken():
    found = Embeddings([[0.5, 2]], sp.coo_matrix([[0.0, 3.0]]))
    taken = checked(found, ["cat"], Fixed(found, dimension=2))
    assert (taken.dense.dtype, taken.dense.tolist()) == (np.float32, [[0.5, 2.0]])
    assert (taken.lexical.format, taken.lexical.toarray().tolist()) == ("csr", [[0.0, 3.0]])


@pytest.mark.parametrize("allow_mismatch", [False, True])
@pytest.mark.parametrize("kind", ["lsa", "object", "file"])
def test_an_encoder_that_is_not_fitted_stands_for_the_stored_one(kind, allow_mismatch, tmp_path):
    words = tmp_path / "words.vec"
    words.write_text("cat 1 0 0\npurr .9 .1 0\ncar 0 1 0\ndog 0 0 1\nbark 0 .2 1\n", "utf-8")
    made = {
        "lsa": lambda: "lsa",
        "object": lambda: LSAEncoder(Analyzer()),
        "file": lambda: StaticEncoder.from_file(words),
    }[kind]
    with hybrid.Retriever.from_texts(topical(60), encoder=made()) as retriever:
        hits = retriever.search("purr", k=5)
        assert hits[0].parts["dense"].score > 0
        retriever.save(tmp_path / "index")
    for given in (made(), kind if kind == "lsa" else None):
        with hybrid.Retriever.load(
            tmp_path / "index", encoder=given, allow_mismatch=allow_mismatch
        ) as opened:
            assert opened.search("purr", k=5) == hits
    for other in ("word2vec", "lsa" if kind == "file" else LSAEncoder(Analyzer(), 3)):
        with pytest.raises(hybrid.EncoderMismatch):
            hybrid.Retriever.load(tmp_path / "index", encoder=other, allow_mismatch=allow_mismatch)


def test_another_dimension_than_that_of_a_fitted_encoder_is_named(encoder, tmp_path):
    with hybrid.Retriever.from_texts(["cat purr", "dog bark", "car"], encoder="lsa") as retriever:
        retriever.save(tmp_path / "index")
    with pytest.raises(hybrid.EncoderMismatch, match="of 3 dimensions, not 27"):
        hybrid.Retriever.load(tmp_path / "index", encoder=encoder, allow_mismatch=True)


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
