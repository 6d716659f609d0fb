"""What tuning says of a setting is what the search with that setting does."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import RRF, Arm, Weighted, exact_top_k, judged, top_k
from fusion.grading import Setting, best_documents, grade
from fusion.judged import Judging, of_lists
from fusion.lists import fuse
from fusion.measures import measure_named
from indexes import BM25Index, Candidates, DenseIndex, LexicalIndex
from indexes.candidates import places
from tests import strategies

ALL_ROWS = 60  # more than strategies use
NAMES = ("nDCG@3", "nDCG", "R@5", "P@2", "Success@1", "RR", "AP@4")


@st.composite
def arms_drawn(draw):
    """Draw indexes over some of the same rows, with a query for each."""
    rows = draw(st.integers(0, 25).flatmap(strategies.rows_of))
    count = len(rows)
    bm25 = BM25Index(draw(st.sampled_from(["lucene", "bm25+", "robertson"])))
    bm25.add(rows, draw(st.lists(strategies.tokens, min_size=count, max_size=count)))
    arms = {"bm25": Arm(bm25, draw(strategies.queries))}
    if draw(st.booleans()):  # some texts have no vector
        dense, part = DenseIndex(3, draw(st.sampled_from(["cosine", "ip"]))), rows[: count * 3 // 4]
        dense.add(part, draw(strategies.vectors(len(part))))
        arms["dense"] = Arm(dense, draw(strategies.vectors(1))[0])
    if draw(st.booleans()):
        lexical = LexicalIndex()
        lexical.add(rows, draw(strategies.weights(count)))
        arms["lexical"] = Arm(lexical, ([0, 3], [1.0, 0.5]))
    gone = draw(st.lists(st.sampled_from(rows), unique=True)) if rows else []
    for arm in arms.values():
        arm.index.delete(gone)
    return arms


def norms_of(arms):
    bounded = "dense" not in arms or arms["dense"].index.metric == "cosine"
    return ["zscore", "dbsf", *(["minmax"] if bounded else [])]


@st.composite
def methods_of(draw, arms):
    drawn = {name: draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])) for name in arms}
    weights = drawn if any(drawn.values()) else dict.fromkeys(arms, 1.0)
    if draw(st.booleans()):
        return RRF(draw(st.sampled_from([0.0, 1.0, 60.0])), weights)
    return Weighted(weights, draw(st.sampled_from(norms_of(arms))))


documents_drawn = st.lists(st.integers(0, 11), min_size=40, max_size=40).map(np.array)
relevances = st.dictionaries(st.integers(0, 13), st.integers(-1, 3), max_size=8)


def ranked(fused, documents):
    """Return the score of each document, in the order of its first row."""
    found = {}
    for row, score in zip(fused.rows.tolist(), fused.scores.tolist(), strict=True):
        found.setdefault(int(documents[row]), score)
    return found


def measured(order, relevance):
    """Return the measures of a ranking, by ir-measures."""
    run = {"q": {f"d{number}": -float(place) for place, number in enumerate(order)}}
    qrels = {"q": {f"d{number}": gain for number, gain in relevance.items()}}
    parsed = {ir_measures.parse_measure(name): name for name in NAMES}
    values = dict.fromkeys(NAMES, 0.0)
    for one in ir_measures.iter_calc(list(parsed), qrels, run):
        values[parsed[one.measure]] = one.value
    return values


@given(data=st.data(), documents=documents_drawn, relevance=relevances)
def test_a_grade_is_the_measure_of_the_search(data, documents, relevance):
    arms = data.draw(arms_drawn())
    if not any(gain > 0 for gain in relevance.values()):
        relevance[3] = 1
    judging = Judging(documents, norms=norms_of(arms), ranks=True, depth=ALL_ROWS)
    question = judging.judge(arms, relevance)
    methods = data.draw(st.lists(methods_of(arms), min_size=2, max_size=4))
    settings = [Setting(method) for method in methods]
    graded = {
        name: grade([question], sorted(arms), settings, measure_named(name)) for name in NAMES
    }
    for place, setting in enumerate(settings):
        order = ranked(exact_top_k(arms, setting.method, ALL_ROWS), documents)
        expected = measured(order, relevance)
        assert {name: graded[name][place, 0] for name in NAMES} == pytest.approx(expected)
        best = best_documents(question, sorted(arms), setting, 40)
        assert best.scores.tolist() == list(order.values())
        assert best.certain


@given(
    data=st.data(),
    documents=documents_drawn,
    relevance=relevances,
    depth=st.integers(1, 6),
    count=st.integers(1, 4),
)
def test_what_is_certain_is_so_whatever_was_not_read(data, documents, relevance, depth, count):
    arms = data.draw(arms_drawn())
    judging = Judging(documents, norms=norms_of(arms), ranks=True, depth=depth)
    question = judging.judge(arms, relevance)
    for method in data.draw(st.lists(methods_of(arms), min_size=1, max_size=6)):
        best = best_documents(question, sorted(arms), Setting(method), count)
        order = ranked(exact_top_k(arms, method, ALL_ROWS), documents)
        gains = [max(relevance.get(number, 0), 0) for number in order][:count]
        if best.certain:
            assert best.scores.tolist() == list(order.values())[:count]
            assert best.gains.tolist() == gains


def index_of(scores):
    """Return an index of one dimension: its scores are the numbers themselves."""
    index = DenseIndex(1, "ip")
    index.add(range(len(scores)), [[score] for score in scores])
    return Arm(index, [1.0])


@pytest.mark.parametrize(
    ("scores", "certain"),
    [([9, 5, 4, 3], True), ([9, 5, 5, 3], False)],  # a row that ties may have a lower number
)
def test_the_certificate_is_as_tight_as_it_can_be(scores, certain):
    judging = Judging(np.arange(4), norms=["none"], ranks=True, depth=3)
    question = judging.judge({"a": index_of(scores)}, {0: 1})
    setting = Setting(Weighted(norm="none", weights={"a": 1.0}))
    assert best_documents(question, ["a"], setting, 2).certain == certain
    assert not best_documents(question, ["a"], setting, 4).certain
    assert best_documents(question, ["a"], Setting(RRF(1, {"a": 1.0})), 2).certain


def test_a_row_without_a_vector_may_be_ahead_of_those_that_point_away():
    """Row 0 is third for the words, and all vectors count less than none."""
    arms = {"bm25": Arm(BM25Index(), ["a"]), "dense": Arm(DenseIndex(1, "ip"), [1.0])}
    arms["bm25"].index.add(range(4), [["a", "b", "b"], ["a"] * 3, ["b"] * 3, ["a", "a", "b"]])
    arms["dense"].index.add([1, 2, 3], [[-1], [-3], [-5]])
    question = Judging(np.arange(4), norms=["none"], depth=2).judge(arms, {})
    method = Weighted({"bm25": 0.5, "dense": 0.5}, "none")
    assert exact_top_k(arms, method, 1).rows.tolist() == [0]
    assert not best_documents(question, sorted(arms), Setting(method), 1).certain


def test_a_row_that_leads_no_list_may_lead_them_all():
    arms = {"a": index_of([10, 0, 9, *[5] * 9]), "b": index_of([0, 10, 9, *[5] * 9])}
    question = Judging(np.arange(12), ranks=True, depth=1).judge(arms, {})
    method = RRF(10, {"a": 1, "b": 1})
    assert exact_top_k(arms, method, 1).rows.tolist() == [2]
    assert not best_documents(question, sorted(arms), Setting(method), 1).certain


def test_rows_that_no_index_with_a_weight_lists_are_not_found():
    words = BM25Index()
    words.add(range(3), [["a"], ["b"], ["b"]])
    arms = {"bm25": Arm(words, ["a"]), "dense": index_of([1, 2, 3])}
    question = Judging(np.arange(3), ranks=True).judge(arms, {2: 1})
    settings = [
        Setting(Weighted({"bm25": 1, "dense": 0})),
        Setting(Weighted({"bm25": 0.9, "dense": 0.1})),
    ]
    graded = grade([question], ["bm25", "dense"], settings, measure_named("R@9"))
    assert graded.tolist() == [[0.0], [1.0]]
    best = best_documents(question, ["bm25", "dense"], settings[0], 9)
    assert len(best.scores) == 1
    assert best.certain


def test_a_vector_that_points_away_is_found_though_it_was_not_read():
    """Its score is below that of a text without a vector, which no list of vectors has."""
    arms = {"bm25": Arm(BM25Index(), ["a"]), "dense": index_of([3, 2, -1])}
    arms["bm25"].index.add(range(4), [["b"], ["b"], ["a"], ["a"]])
    weights = {"bm25": 0.0, "dense": 1.0}
    question = Judging(np.arange(4), depth=2).judge(arms, {2: 1, 3: 1})
    (found,) = grade([question], sorted(arms), [Setting(Weighted(weights))], measure_named("R@4"))
    assert found == 0.5
    assert exact_top_k(arms, Weighted(weights), 4).rows.tolist() == [0, 1, 2]


class Even:
    """An approximate index that finds even rows only."""

    exact, scans = False, True

    def __init__(self, index):
        self._index = index
        self.score, self.statistics = index.score, index.statistics
        self.unranked = index.unranked

    def __len__(self):
        return len(self._index)

    def search(self, query, depth, allowed=None):
        return self._index.search(query, depth, np.arange(ALL_ROWS) % 2 == 0)

    def ranks(self, query, rows, allowed=None):
        return places(self.search(query, ALL_ROWS), rows)


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_an_approximate_index_counts_as_it_does_in_a_search(share):
    scores = np.random.default_rng(1).permutation(20)
    words = BM25Index()
    words.add(range(20), [["a"] * (row % 5) + ["b"] for row in range(20)])
    arms = {"bm25": Arm(words, ["a"]), "dense": index_of(scores)}
    arms["dense"] = Arm(Even(arms["dense"].index), [1.0])
    weights = {"bm25": 1 - share, "dense": share}
    question = Judging(np.arange(20), ranks=True).judge(arms, dict.fromkeys(range(20), 1))
    for method in (Weighted(weights), RRF(10, weights)):
        expected = exact_top_k(arms, method, 20)
        best = best_documents(question, sorted(arms), Setting(method), 20)
        assert best.scores.tolist() == expected.scores.tolist()


def test_an_index_that_rescores_is_searched_where_that_is_quick(monkeypatch):
    words = BM25Index()
    words.add(range(6), [["a"], ["a", "b"], ["b"], ["b"], ["b"], ["b"]])
    late = Arm(index_of([1, 2, 3, 6, 5, 4]).index, [1.0], rescores=True)
    arms = {"bm25": Arm(words, ["a"]), "late": late}
    setting = Setting(Weighted({"bm25": 0.5, "late": 0.5}))
    question = Judging(np.arange(6)).judge(arms, {0: 1})
    best = best_documents(question, sorted(arms), setting, 6)
    assert best.scores.tolist() == top_k(arms, setting.method, 6).scores.tolist()
    monkeypatch.setattr(judged, "POOL", 5)
    assert Judging(np.arange(6)).judge(arms, {0: 1}).rows.tolist() == [0, 1]


def test_another_formula_of_bm25_is_a_variant():
    words = BM25Index()
    words.add(range(3), [["a", "b", "b", "b", "b"], ["a"], ["a", "a", "c", "c", "c", "c", "c"]])
    arms = {"bm25": Arm(words, ["a"])}
    other = words.with_formula(k1=0.1, b=0.0)
    question = Judging(np.arange(3), ({}, {"bm25": other})).judge(arms, {2: 1})
    for variant, index in enumerate((words, other)):
        best = best_documents(question, ["bm25"], Setting(Weighted({"bm25": 1}), variant), 3)
        fused = exact_top_k({"bm25": Arm(index, ["a"])}, Weighted(), 3)
        assert best.scores.tolist() == fused.scores.tolist()


def test_lists_from_elsewhere_are_fused_as_they_are():
    lists = {
        "a": Candidates(np.array([5, 3, 9]), np.array([9.0, 4.0, 1.0], np.float32)),
        "b": Candidates(np.array([3, 2]), np.array([0.5, 0.1], np.float32)),
        "c": Candidates.none(),
    }
    method = Weighted({"a": 0.4, "b": 0.6, "c": 0.1}, "list-minmax", "zero")
    question = of_lists(lists, {2: 1, 9: 2}, method)
    best = best_documents(question, sorted(lists), Setting(method), 9)
    expected = fuse(lists, method, 9)
    assert best.scores.tolist() == expected.scores.tolist()
    assert best.gains.tolist() == [{2: 1, 9: 2}.get(row, 0) for row in expected.rows.tolist()]
    with pytest.raises(ValueError, match="norm of lists"):
        of_lists(lists, {}, Weighted())


def test_ranks_must_have_been_judged():
    question = Judging(np.arange(3)).judge({"a": index_of([1, 2, 3])}, {0: 1})
    with pytest.raises(ValueError, match="judged with their ranks"):
        grade([question], ["a"], [Setting(RRF(weights={"a": 1}))], measure_named("AP"))
    with pytest.raises(ValueError, match="at most 8 indexes, not 9"):
        Judging(np.arange(3)).judge({f"{n}": index_of([1, 2, 3]) for n in range(9)}, {})
