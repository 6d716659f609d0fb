"""What the benchmarks measure on is the same every time and looks like text."""

import re

import numpy as np
import pytest
import Stemmer

from bench import weights, workloads
from hybrid import Analyzer
from hybrid.languages import BY_SCRIPT, stop_words


@pytest.fixture(scope="module")
def made():
    return workloads.passages(5_000)


def test_the_same_seed_gives_the_same_passages_and_questions(made):
    again = workloads.passages(5_000)
    assert np.array_equal(made.ids, again.ids)
    assert np.array_equal(made.offsets, again.offsets)
    assert made.words == again.words
    assert workloads.questions(made, 50) == workloads.questions(again, 50)
    assert not np.array_equal(made.ids[:1000], workloads.passages(5_000, seed=7).ids[:1000])


def test_lengths_and_repeats(made):
    lengths = np.diff(made.offsets)
    assert lengths.min() >= 1
    assert lengths.mean() == pytest.approx(workloads.MEAN_LENGTH, rel=0.03)  # 64.7
    once = [np.mean(np.unique(made.passage(row), return_counts=True)[1] == 1) for row in range(200)]
    assert 0.75 < np.mean(once) < 0.9  # 0.83


def test_document_frequencies_are_counted_once_a_passage(made):
    expected = np.zeros(len(made.words), int)
    for row in range(len(made)):
        expected[np.unique(made.passage(row))] += 1
    assert np.array_equal(made.df, expected)
    assert made.postings == expected.sum()


def test_frequencies_follow_zipf(made):
    counts = -np.sort(-np.bincount(made.ids))
    ranks = np.unique(np.geomspace(10, 2_000, 40).astype(int))
    slope = np.polyfit(np.log(ranks), np.log(counts[ranks - 1]), 1)[0]
    assert -1.15 < slope < -0.85  # -0.98
    assert 0.03 < counts[0] / counts.sum() < 0.07


def test_the_vocabulary_grows_more_slowly_than_the_passages(made):
    small = workloads.passages(1_250)
    assert 1.5 < len(made.words) / len(small.words) < 3  # 2.1 for four times as many


def test_words_are_distinct_and_the_first_ones_short():
    words = workloads.spell(50_000)
    assert len(set(words)) == 50_000
    assert [len(word) for word in words] == sorted(len(word) for word in words)


def test_words_survive_tokenizers_stemmers_and_stop_lists():
    words = workloads.spell(40_000)[::7]
    text = " ".join(words).capitalize() + "."
    assert Analyzer().terms(text) == words
    assert Analyzer().query_terms(text) == words
    assert re.findall(r"(?u)\b\w\w+\b", text.lower()) == words  # bm25s, scikit-learn
    assert Stemmer.Stemmer("english").stemWords(words) == words
    for language in BY_SCRIPT["latin"].values():
        assert not stop_words(language) & set(words), language


def test_texts_hold_the_words_of_the_batch(made):
    batch = made.batch(10, 13)
    texts = list(made.texts(10, 13))
    assert len(batch) == len(texts) == 3
    assert batch.lists() == [Analyzer().terms(text) for text in texts]
    assert len(list(made.texts())) == len(made) == len(made.batch())


def test_questions_can_be_answered_and_stop_words_come_first(made):
    plain = workloads.questions(made, 40)
    full = workloads.questions(made, 40, stop_words=True)
    numbers = {word: number for number, word in enumerate(made.words)}
    passages = [set(made.passage(row).tolist()) for row in range(len(made))]
    for query, longer in zip(plain, full, strict=True):
        assert len(set(query)) == 4
        assert longer[-4:] == query
        assert 1 <= len(longer) - 4 <= 3
        assert all(numbers[term] < workloads.STOP_WORDS for term in longer[:-4])
        assert any({numbers[term] for term in query} <= words for words in passages)


def test_questions_have_as_many_postings_as_intended(made):
    """28,500 and 635,000 in a million passages."""
    plain = workloads.mean_postings(made, workloads.questions(made, 500)) / len(made)
    full = workloads.questions(made, 500, stop_words=True)
    assert plain == pytest.approx(0.0285, rel=0.2)
    assert workloads.mean_postings(made, full) / len(made) == pytest.approx(0.635, rel=0.1)


@pytest.mark.parametrize("shape", weights.SHAPES.values(), ids=weights.SHAPES)
def test_weights_are_sorted_positive_and_the_same_every_time(shape):
    first, again = (weights.weights(shape, 2_000) for _ in range(2))
    assert (first.matrix != again.matrix).nnz == 0
    assert first.matrix.dtype == np.float32
    assert first.matrix.shape == (2_000, shape.terms)
    assert first.matrix.has_canonical_format
    assert first.matrix.data.min() > 0
    for (ids, values), (same_ids, same_values) in zip(
        weights.questions(first, 20), weights.questions(again, 20), strict=True
    ):
        assert np.array_equal(ids, same_ids)
        assert np.array_equal(values, same_values)
        assert (np.diff(ids) > 0).all()
        assert values.min() > 0


def test_splade_has_the_sizes_that_it_should():
    made = weights.weights(weights.SPLADE, 10_000)
    queries = weights.questions(made, 200)
    assert 120 < made.matrix.nnz / 10_000 < 180  # 158
    assert 30 < np.mean([len(ids) for ids, _ in queries]) < 45  # 43
    assert weights.mean_postings(made, queries) / 10_000 == pytest.approx(0.49, rel=0.4)


def test_a_document_is_nearer_to_its_topic_than_to_others():
    made = weights.weights(weights.SPLADE, 5_000)
    unit = made.matrix.multiply(1 / np.sqrt(made.matrix.multiply(made.matrix).sum(axis=1))).tocsr()
    cosines = (unit[:200] @ unit.T).toarray()
    own = made.topics[:200, None] == made.topics[None, :]
    assert cosines[own].mean() > 2 * cosines[~own].mean()
