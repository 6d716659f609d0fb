import json

import numpy as np
import pytest

from hybrid import Retriever
from hybrid.as_json import as_json
from hybrid.benchmark.failures import find_failures
from hybrid.benchmark.relevant import LEVELS, ranked
from tests.hybrid.made_up_results import by_chance, recall, result

pytest.importorskip("ir_measures")

QRELS = {
    "both": {"a": 2, "b": 1},
    "words": {"c": 1},
    "sense": {"d": 1},
    "none": {"e": 1},
}
BM25 = {"both": ["a", "x", "b"], "words": ["x", "c"], "sense": ["x"], "none": ["x"]}
DENSE = {"both": ["x", "a"], "words": ["y"], "sense": ["d"], "none": []}
FUSED = {"both": ["x", "a", "b"], "words": ["x", "y", "c"], "sense": ["d", "x"], "none": ["x"]}


def small():
    ways = {("bm25", "index"): BM25, ("dense", "index"): DENSE, ("default", "fusion"): FUSED}
    return result(ways, QRELS)


def test_says_which_indexes_find_which_questions():
    found = [part for part in find_failures(small()).found_by if part.cutoff == 10]
    assert [(part.indexes, part.queries, part.fused) for part in found] == [
        (("bm25", "dense"), ("both",), 1),
        (("bm25",), ("words",), 1),
        (("dense",), ("sense",), 1),
        ((), ("none",), 0),
    ]


def test_cutoff_is_inclusive():
    deep = {"q": [f"x{n}" for n in range(9)] + ["hit"] + [f"y{n}" for n in range(90)]}
    deeper = {"q": [f"x{n}" for n in range(10)] + ["hit"]}
    ways = {("bm25", "index"): deep, ("dense", "index"): deeper, ("default", "fusion"): deep}
    at_10, at_100 = find_failures(result(ways, {"q": {"hit": 1}})).found_by
    assert (at_10.cutoff, at_10.indexes) == (10, ("bm25",))
    assert (at_100.cutoff, at_100.indexes) == (100, ("bm25", "dense"))


def test_ceiling_is_the_best_order_of_the_union():
    at_10 = next(c for c in find_failures(small()).ceilings if c.measure == "nDCG@10")
    # all but "none" are in the union, so three of four are perfect
    assert at_10.union == pytest.approx(0.75)
    first, second = small().way("bm25"), small().way("dense")
    alone = np.maximum(first.measures["nDCG@10"], second.measures["nDCG@10"])
    assert at_10.per_query == pytest.approx(alone.mean())
    assert at_10.fused == pytest.approx(small().way("default").mean("nDCG@10"))
    assert at_10.best_index == pytest.approx(small().best_index().mean("nDCG@10"))


def test_no_order_of_the_union_is_better_than_the_ceiling():
    for ceiling in find_failures(by_chance()).ceilings:
        assert ceiling.best_index <= ceiling.per_query <= ceiling.union <= 1


def test_depth_of_the_first_relevant_document():
    bm25 = next(way for way in find_failures(small()).first_relevant if way.way == "bm25")
    assert bm25.bins == (1, 1, 0, 0, 0, 2)
    assert bm25.quantiles == {"0.25": 1, "0.5": 2, "0.75": None, "0.9": None}


def test_questions_that_fusion_hurt_come_worst_first():
    hurt = find_failures(small()).hurt
    assert [(h.query_id, h.index, h.lost, h.rank_alone, h.rank_fused) for h in hurt] == [
        ("both", "bm25", "a", 1, 2),
        ("words", "bm25", "c", 2, 3),
    ]
    assert all(h.fused < h.alone for h in hurt)
    assert len(find_failures(small(), worst=1).hurt) == 1


def test_a_document_may_have_left_the_list():
    ways = {("bm25", "index"): {"q": ["a"]}, ("default", "fusion"): {"q": ["x"]}}
    (hurt,) = find_failures(result(ways, {"q": {"a": 1}})).hurt
    assert (hurt.lost, hurt.rank_alone, hurt.rank_fused) == ("a", 1, None)


TEXTS = ["cats purr when content", "dogs bark at cats", "the moon is far", "cats cats cats"]


def test_with_a_retriever_it_explains_and_names_unknown_terms():
    queries = {"q": "do cats purr unheardofly", "r": "moon"}
    qrels = {"q": {"0": 1}, "r": {"2": 1}}
    ways = {
        ("bm25", "index"): {"q": ["0", "1"], "r": ["2"]},
        ("default", "fusion"): {"q": ["3", "1", "0"], "r": ["2"]},
    }
    with Retriever.from_texts(TEXTS, encoder=None) as retriever:
        failures = find_failures(result(ways, qrels, queries), retriever)
        (unknown,) = failures.unknown
        (term,) = unknown.terms
        assert term in retriever.analyzer.query_terms(queries["q"])
    assert (unknown.query_id, unknown.known) == ("q", 2)
    (hurt,) = failures.hurt
    assert hurt.explanation.startswith("question: do cats purr unheardofly")
    assert "time:" not in hurt.explanation
    assert "0#0" in hurt.why_not
    assert find_failures(result(ways, qrels, queries)).unknown is None


def test_terms_of_deleted_documents_are_unknown():
    ways = {("bm25", "index"): {"q": []}, ("default", "fusion"): {"q": []}}
    asked = result(ways, {"q": {"0": 1}}, {"q": "moon"})
    with Retriever.from_texts(TEXTS, encoder=None) as retriever:
        assert find_failures(asked, retriever).unknown == ()
        retriever.delete(["2"])
        assert [each.terms for each in find_failures(asked, retriever).unknown] == [("moon",)]


def test_failures_are_json():
    told = as_json(find_failures(by_chance()))
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_refuses_a_way_that_is_not_there():
    with pytest.raises(ValueError, match="expected a way of bm25, dense, default, not 'rrf'"):
        find_failures(small(), way="rrf")
    with pytest.raises(ValueError, match="at least one index alone"):
        find_failures(result({("default", "fusion"): FUSED}, QRELS))


def plain_precision(flags, total):
    points = []
    for level in LEVELS:
        reached = [
            sum(flags[:k]) / k
            for k in range(1, len(flags) + 1)
            if total and sum(flags[:k]) and sum(flags[:k]) / total >= level - 1e-12
        ]
        points.append(max(reached, default=0.0))
    return points


def test_curves_are_those_of_plain_loops():
    made = by_chance(queries=12)
    for way in made.ways[:3]:
        here = ranked(made, way)
        plain = [
            plain_precision(f, t) for f, t in zip(here.relevant.tolist(), here.totals, strict=True)
        ]
        assert here.precision() == pytest.approx(np.mean(plain, axis=0))
        for k in (1, 7, 100):
            lists = [list(way.run[q]) for q in made.queries]
            expected = [recall(d, g, k) for d, g in zip(lists, made.qrels.values(), strict=True)]
            assert here.recall()[k - 1] == pytest.approx(np.mean(expected))


def test_recall_is_that_of_the_measure():
    made = by_chance()
    for way in made.ways:
        assert ranked(made, way).recall()[9] == pytest.approx(way.mean("R@10"))
