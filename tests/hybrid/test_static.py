"""Word vectors, trained on the corpus or from a file, averaged by SIF."""

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

import hybrid
from hybrid.analysis import Analyzer
from hybrid.encoders import as_encoder
from hybrid.encoders.base import CorpusEncoder
from hybrid.encoders.static import StaticEncoder
from tests.hybrid.test_encoders import topical

pytest.importorskip("gensim", reason="the extra static is not installed")


@pytest.fixture(scope="module")
def fitted():
    return StaticEncoder(Analyzer(), 12).fit(topical(150))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "words.vec"
    path.write_text("cat 1 0 0\nkitten .9 .1 0\nCar 0 1 0\ndog 0 0 1\n", "utf-8")
    return path


def sif(texts, corpus, vectors):
    """Return the vectors as the paper has them, by dicts and a full SVD."""
    counts = Counter(word for text in corpus for word in text)
    total = sum(counts.values())

    def mean(text):
        known = [word for word in text if word in vectors]
        weighted = [1e-3 / (1e-3 + counts[word] / total) * vectors[word] for word in known]
        return np.sum(weighted, axis=0) / len(known) if known else np.zeros(width)

    width = len(next(iter(vectors.values())))
    common = np.linalg.svd(np.array([mean(text) for text in corpus]))[2][0]
    found = np.array([mean(text) for text in texts])
    found -= np.outer(found @ common, common)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.where(lengths > 0, lengths, 1)


def test_texts_are_weighted_as_in_the_paper(fitted):
    corpus = [Analyzer().query_terms(text) for text in topical(150)]
    vectors = {word: np.float64(fitted._vectors[n]) for word, n in fitted._words.items()}
    texts = ["cat purr", "engine", "dog wheel cat cat", "unheard"]
    expected = sif([Analyzer().query_terms(text) for text in texts], corpus, vectors)
    assert fitted.encode_documents(texts).dense == pytest.approx(expected, abs=1e-5)
    assert not fitted.encode_documents(["unheard words", ""]).dense.any()


def test_cbow_is_another_method():
    one = StaticEncoder(Analyzer(), 12, "cbow").fit(topical(60))
    other = StaticEncoder(Analyzer(), 12).fit(topical(60))
    assert set(one._words) == set(other._words)
    assert (one._vectors != other._vectors).any()
    assert one.fingerprint()["method"] == "cbow"


def test_training_gives_the_same_bits_in_every_process(fitted):
    program = (
        "from hybrid.analysis import Analyzer; from hybrid.encoders.static import StaticEncoder\n"
        "from tests.hybrid.test_encoders import topical\n"
        "print(StaticEncoder(Analyzer(), 12).fit(topical(150))._vectors.tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert bytes.fromhex(done.stdout.strip()) == fitted._vectors.tobytes()


def test_it_comes_back_from_a_folder(fitted, tmp_path):
    fitted.save(tmp_path)
    opened = StaticEncoder.load(tmp_path, Analyzer(), fitted.fingerprint())
    assert opened.fingerprint() == fitted.fingerprint()
    assert opened.fitted_on == 150
    expected = fitted.encode_queries(["cat", "brake"]).dense
    assert (opened.encode_queries(["cat", "brake"]).dense == expected).all()


def test_next_to_nothing_is_enough():
    for texts in ([], [""], ["one"], ["cat cat"], ["cat dog", "cat dog"]):
        vectors = StaticEncoder(Analyzer(), 4).fit(texts).encode_queries(["cat"]).dense
        assert vectors.shape == (1, 4)
        assert np.isfinite(vectors).all()


def test_a_copy_for_another_analyzer_knows_nothing(fitted):
    other = fitted.reading_with(Analyzer("german"))
    assert other.fitted_on == 0
    assert not other.encode_queries(["cat"]).dense.any()
    assert fitted.encode_queries(["cat"]).dense.any()


def test_words_of_a_file_that_the_corpus_lacks_are_known(file):
    encoder = StaticEncoder.from_file(file).fit(["cat dog", "dog Car", "car"])
    cat, kitten, car, dog = encoder.encode_queries(["Cat", "KITTEN", "Car", "dog"]).dense
    assert cat @ kitten > max(cat @ car, cat @ dog)
    assert not encoder.encode_queries(["car"]).dense.any()
    assert encoder.reading_with(Analyzer("german")).encode_queries(["cat"]).dense.any()


@pytest.mark.parametrize("binary", [False, True])
def test_files_of_word2vec(tmp_path, binary):
    from gensim.models import KeyedVectors

    vectors = KeyedVectors(2)
    vectors.add_vectors(["cat", "dog", "fox"], np.array([[1, 0], [0, 1], [1, 1]], np.float32))
    path = tmp_path / ("words.bin" if binary else "words.txt")
    vectors.save_word2vec_format(str(path), binary=binary)
    encoder = StaticEncoder.from_file(path, most_words=2)
    assert encoder.encode_queries(["cat", "dog", "fox"]).dense.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert encoder.fingerprint()["name"].startswith(path.name)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "words.txt").write_text("cats purr\nand dogs bark\n", "utf-8")
    with pytest.raises(ValueError, match="expected word vectors in the format of word2vec"):
        StaticEncoder.from_file(tmp_path / "words.txt")


@pytest.mark.parametrize("given", ["word2vec", "file"])
def test_an_index_holds_it(given, file, tmp_path):
    encoder = StaticEncoder.from_file(file) if given == "file" else given
    texts = topical(60)
    with hybrid.Retriever.from_texts(texts, encoder=encoder) as retriever:
        hits = retriever.search("kitten cat", k=5)
        assert set(hits[0].parts) == {"bm25", "dense"}
        retriever.save(tmp_path / "index")
    for again, mismatch in ((None, False), (encoder, False), (encoder, True)):
        with hybrid.Retriever.load(
            tmp_path / "index", encoder=again, allow_mismatch=mismatch
        ) as opened:
            assert opened.search("kitten cat", k=5) == hits
    with pytest.raises(hybrid.EncoderMismatch):
        hybrid.Retriever.load(tmp_path / "index", encoder="lsa")


def test_what_is_refused():
    assert isinstance(as_encoder("word2vec", Analyzer()), CorpusEncoder)
    with pytest.raises(ValueError, match="dimension of at least 1, not 0"):
        StaticEncoder(Analyzer(), 0)
    with pytest.raises(ValueError, match="method of skip-gram, cbow, not 'glove'"):
        StaticEncoder(Analyzer(), 5, "glove")
