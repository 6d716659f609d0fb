"""BM25's own promises."""

import numpy as np
import pytest
from rank_bm25 import BM25Plus

from indexes import BM25Index


def test_score_by_hand():
    index = BM25Index(k1=1.2, b=0.75)
    index.add([0, 1], [["cat", "cat", "purr"], ["dog"]])
    idf = np.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    norm = 1.2 * (1 - 0.75 + 0.75 * 3 / 2)
    assert index.search(["cat"], 5).scores[0] == pytest.approx(idf * 2 / (2 + norm), rel=1e-6)


def test_repeated_query_terms_count():
    index = BM25Index()
    index.add([0], [["cat"]])
    once, twice = (index.search(query, 1).scores[0] for query in (["cat"], ["cat", "cat"]))
    assert twice == pytest.approx(2 * once)


def test_the_spread_of_one_term_is_exact():
    index = BM25Index()
    index.add(range(6), [["cat"] * n + ["dog"] for n in range(6)])
    scores = index.score(["cat"], np.arange(6)).astype(float)
    spread = index.statistics(["cat"])
    assert (spread.mean, spread.std) == pytest.approx((scores.mean(), scores.std()), rel=1e-6)


def test_the_variances_of_several_terms_add_up():
    index = BM25Index()
    index.add(range(6), [["cat"] * (n % 2) + ["dog"] * (n % 3) + ["x"] for n in range(6)])
    cat, dog, both = (index.statistics(query) for query in (["cat"], ["dog"], ["cat", "dog"]))
    assert both.mean == pytest.approx(cat.mean + dog.mean)
    assert both.std**2 == pytest.approx(cat.std**2 + dog.std**2)


def test_ranks_like_rank_bm25_where_the_formulas_agree():
    """BM25Plus with delta 0 differs from Lucene's by a factor of k1 + 1 and by its idf only."""
    generator = np.random.default_rng(7)
    lists = [[f"w{n}" for n in generator.zipf(1.5, 30) if n < 50] for _ in range(80)]
    peer = BM25Plus(lists, k1=1.2, b=0.75, delta=0)
    index = BM25Index(k1=1.2, b=0.75)
    index.add(range(80), lists)
    expected = peer.get_scores(["w3"])
    found = index.score(["w3"], np.arange(80))
    held = expected > 0
    ratio = found[held] / expected[held]
    assert held.sum() > 10
    assert ratio == pytest.approx(ratio[0], rel=1e-5)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"k1": -1}, "k1 >= 0, not -1"),
        ({"k1": float("nan")}, "k1 >= 0, not nan"),
        ({"b": 1.5}, "b from 0 to 1, not 1.5"),
        ({"method": "best"}, "a BM25 method of lucene, not 'best'"),
    ],
)
def test_wrong_settings_are_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        BM25Index(**choice)


def test_a_text_instead_of_terms_is_refused():
    index = BM25Index()
    with pytest.raises(TypeError, match="expected a list of terms for each row"):
        index.add([0], ["cats purr"])
    with pytest.raises(TypeError, match="expected a list of terms"):
        index.search("cats purr", 3)


def test_repeats_the_settings_after_loading(tmp_path):
    index = BM25Index(k1=0.9, b=0.4)
    index.add([0], [["猫"]])
    index.save(tmp_path)
    opened = BM25Index.load(tmp_path)
    assert (opened.k1, opened.b, opened.method) == (0.9, 0.4, "lucene")
    assert opened.search(["猫"], 1).rows.tolist() == [0]
