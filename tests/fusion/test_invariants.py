"""What holds for every method, over exact indexes and approximate ones."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import (
    RRF,
    Arm,
    Bayes,
    ByRank,
    Comb,
    Condorcet,
    Limit,
    Weighted,
    exact,
    exact_top_k,
    fuse,
    rescored,
    sources,
    top_k,
)
from fusion.catalogue import from_settings, settings_of
from fusion.merging import merge, spread
from fusion.methods import weights_for
from fusion.normalize import NORMS
from fusion.table import best_places
from indexes import BM25Index, Candidates, DenseIndex, LexicalIndex, approximate, finders
from tests import strategies
from tests.fusion import plain, test_rescored
from tests.fusion.test_catalogue import answer, arms_drawn, assert_same, methods_drawn

ROWS = 12
FALLING = tuple(np.linspace(2, -1, ROWS))  # as many as rows: so deep is the window

monotone = st.sampled_from(
    [
        Weighted({"a": 0.5, "b": 0.25, "c": 0.25}, "none"),
        *(Comb(of, "none") for of in ("sum", "mnz", "anz", "max", "min", "med")),
        RRF(),
        RRF(0, {"a": 3, "b": 1, "c": 2}),
        *(ByRank(gain) for gain in ("isr", "log-isr", "borda", "linear")),
        Condorcet(),
        Condorcet({"a": 1, "b": 2, "c": 2}),
        Bayes(dict.fromkeys("abc", FALLING), -2.0),
    ]
)


def numbers(columns):
    """Return an index for each column whose scores are the numbers themselves."""
    arms = {}
    for name, scores in zip("abc", columns, strict=True):
        arms[name] = Arm(DenseIndex(1, "ip"), [1.0])
        arms[name].index.add(range(len(scores)), [[score] for score in scores])
    return arms


def ranking(arms, method, first):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "FIRST_DEPTH", first)
        return exact_top_k(arms, method, ROWS).rows.tolist()


@given(data=st.data(), method=monotone, first=st.sampled_from([1, 4, 100]))
def test_a_higher_score_never_lowers_a_rank(data, method, first):
    column = st.lists(st.integers(-4, 4), min_size=ROWS, max_size=ROWS)
    columns = [data.draw(column) for _ in "abc"]
    row, line = data.draw(st.integers(0, ROWS - 1)), data.draw(st.integers(0, 2))
    before = place_of(row, ranking(numbers(columns), method, first))
    columns[line][row] += data.draw(st.integers(1, 5))
    assert place_of(row, ranking(numbers(columns), method, first)) <= before


def place_of(row, rows):
    """Return where a row stands; behind all where a method does not look at it."""
    return rows.index(row) if row in rows else ROWS


@given(data=st.data(), k=st.integers(1, 30))
def test_weight_zero_equals_leaving_the_index_out_for_every_method(data, k):
    arms = data.draw(arms_drawn())
    method = data.draw(methods_drawn(list(arms)))
    allowed = data.draw(strategies.masks())
    name = data.draw(st.sampled_from(sorted(arms)))
    rest = {other: arm for other, arm in arms.items() if other != name}
    weights = {other: data.draw(st.sampled_from([0.25, 0.5, 1.0])) for other in rest}
    without = exact_top_k(rest, replace(method, weights=weights), k, allowed)
    zero = exact_top_k(arms, replace(method, weights={**weights, name: 0.0}), k, allowed)
    assert answer(zero) == answer(without)
    assert list(zero.parts) == sorted(rest)
    assert zero.certificate == without.certificate


@given(data=st.data(), k=st.integers(1, 30))
def test_threads_change_no_method(data, k):
    arms = data.draw(arms_drawn())
    method = data.draw(methods_drawn(list(arms)))
    with ThreadPoolExecutor(3) as pool:
        other = exact_top_k(arms, method, k, parallel=pool.map)
    found = exact_top_k(arms, method, k)
    assert answer(found) == answer(other)
    assert found.certificate == other.certificate


@given(data=st.data())
def test_every_method_goes_through_json(data):
    method = data.draw(methods_drawn(["dense", "bm25"]))
    again = from_settings(json.loads(json.dumps(settings_of(method))))
    assert again == method
    assert settings_of(again) == settings_of(method)


@given(data=st.data(), k=st.integers(1, 30), first=st.sampled_from([1, 3, 100]))
def test_distances_and_dot_products_equal_the_plain_version(data, k, first):
    """Distances have no score for a row without a vector: -inf is all that bounds those."""
    rows = data.draw(st.integers(0, 20).flatmap(strategies.rows_of))
    words = BM25Index()
    words.add(rows, [data.draw(strategies.tokens) for _ in rows])
    arms = {"bm25": Arm(words, data.draw(strategies.queries))}
    for metric in ("l2", "ip"):
        arms[metric] = Arm(DenseIndex(3, metric), data.draw(strategies.vectors(1))[0])
        arms[metric].index.add(rows, data.draw(strategies.vectors(len(rows))))
    method, allowed = data.draw(methods_drawn(list(arms))), data.draw(strategies.masks())
    if getattr(method, "norm", "") == "minmax":
        method = replace(method, norm="max")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "FIRST_DEPTH", first)
        found = exact_top_k(arms, method, k, allowed)
    lists, full, scales = {}, {}, {}
    weights = weights_for(method, arms)
    for name in weights:
        index, query = arms[name].index, arms[name].query
        listed = index.search(query, 60, allowed)
        lists[name] = list(zip(listed.rows.tolist(), map(float, listed.scores), strict=True))
        full[name] = dict(zip(rows, map(float, index.score(query, rows)), strict=True))
        scale = NORMS.get(getattr(method, "norm", ""), NORMS["none"])(index, query)
        scales[name] = scale.origin, scale.slope
    expected = plain.fused(lists, full, method, weights, scales)
    assert len(found) == min(k, len(expected))
    assert_same(found, expected)


@given(pool=st.sampled_from([1, 4, 9]), data=st.data(), k=st.integers(1, 25))
def test_every_method_with_an_index_that_only_scores(pool, data, k):
    arms = data.draw(test_rescored.arms_drawn())
    method = data.draw(methods_drawn(list(arms)))
    first = data.draw(st.sampled_from([1, 3, 100]))
    allowed = data.draw(strategies.masks())
    shorter = test_rescored.top_of(pool, arms, method, k, allowed, first)
    longer = test_rescored.top_of(pool, dict(reversed(arms.items())), method, 50, allowed)
    assert answer(shorter) == answer(longer)[:k]
    sums = sum(part.contributions for part in shorter.parts.values())
    assert shorter.scores.tolist() == pytest.approx(np.asarray(sums).tolist(), abs=1e-5, rel=1e-5)
    for name, part in shorter.parts.items():
        for field in ("scores", "normalised", "contributions"):
            longer_one = getattr(longer.parts[name], field)[:k]
            assert getattr(part, field).tolist() == longer_one.tolist()


@pytest.fixture(scope="module")
def near():
    """A graph and lists over 400 rows that find few of them, besides words."""
    random = np.random.default_rng(3)
    vectors = random.standard_normal((400, 8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "ANN_LIST", 12)
        patch.setattr(finders, "LEAST_LISTED", 100)
        words = BM25Index()
        words.add(range(400), [["x"] * int(n) + ["y"] for n in random.integers(0, 5, 400)])
        arms = {"words": Arm(words, ["x", "y"])}
        for name, metric, kind in (
            ("graph", "cosine", "hnsw"),
            ("far", "l2", "hnsw"),
            ("lists", "ip", "ivf"),
        ):
            index = DenseIndex(8, metric, kind)
            index.add(range(400), vectors)
            assert not index.exact
            arms[name] = Arm(index, random.standard_normal(8))
        yield arms


over_approximate = [
    Weighted(norm="none"),
    Weighted({"words": 0.7, "graph": 0.1, "far": 0.1, "lists": 0.1}),
    *(Comb(of, "zscore") for of in ("max", "min", "med")),
    RRF(),
    ByRank("isr"),
    ByRank("log-isr"),
]


@pytest.mark.parametrize("method", over_approximate, ids=str)
@pytest.mark.parametrize(("share", "vouched"), [(1.0, 40), (1.0, 10), (0.5, 10), (0.02, 256)])
def test_answers_over_graphs_and_lists_equal_the_plain_version(
    near, method, share, vouched, monkeypatch
):
    """What a list lacks counts at most as its place that vouches; 40 stand for 1,000 rows read."""
    monkeypatch.setattr(exact, "APPROXIMATE_DEPTH", 40)
    monkeypatch.setattr(sources, "VOUCHED", vouched)
    allowed = np.random.default_rng(5).random(400) < share
    lists, full, scales = {}, {}, {}
    weights = weights_for(method, near)
    for name, arm in near.items():
        depth = 400 if arm.index.exact else 40
        found = arm.index.search(arm.query, depth, allowed)
        assert len(found)
        lists[name] = list(zip(found.rows.tolist(), map(float, found.scores), strict=True))
        scores = dict(enumerate(map(float, arm.index.score(arm.query, range(400)))))
        most = np.inf if arm.index.exact else float(found.scores[:vouched][-1])
        listed = dict(lists[name])
        full[name] = {row: listed.get(row, min(score, most)) for row, score in scores.items()}
        scale = NORMS[getattr(method, "norm", "none")](arm.index, arm.query)
        scales[name] = scale.origin, scale.slope
    expected = plain.fused(lists, full, method, weights, scales)
    longest = exact_top_k(near, method, 400, allowed)
    assert len(longest) == len(expected)
    assert longest.certificate.approximate == ("far", "graph", "lists")
    for first in (1, 7, 100):
        monkeypatch.setattr(exact, "FIRST_DEPTH", first)
        for k in (1, 5, 30, 60, 200):
            found = exact_top_k(near, method, k, allowed)
            assert answer(found) == answer(longest)[:k]
            assert_same(found, expected)


class Blind:
    """An approximate index whose list is empty, as a graph's is when a filter lets no row near."""

    exact, scans = False, True

    def __init__(self, index):
        self._index = index

    def search(self, query, depth, allowed=None):
        return Candidates.none()

    def __getattr__(self, name):
        return getattr(self._index, name)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("norm", ["none", "zscore"])
def test_an_approximate_list_without_a_row_hides_none(metric, norm):
    """The scores are known all the same: k = 1 once gave no hit at all here."""
    random = np.random.default_rng(0)
    words, dense = BM25Index(), DenseIndex(4, metric)
    words.add(range(200), [["x"] * int(n) for n in random.integers(1, 9, 200)])
    dense.add(range(200), random.standard_normal((200, 4)))
    query = random.standard_normal(4)
    seeing = exact_top_k(
        {"words": Arm(words, ["x"]), "dense": Arm(dense, query)}, Weighted(norm=norm), 200
    )
    arms = {"words": Arm(words, ["x"]), "dense": Arm(Blind(dense), query)}
    for k in (1, 5, 20, 200):
        assert answer(exact_top_k(arms, Weighted(norm=norm), k)) == answer(seeing)[:k]


def pair():
    """Rows 0 and 1 lead both lists, the one before the other."""
    arms = {}
    for name, scores in (("a", [10, 9, 1, 0]), ("b", [9, 10, 1, 0])):
        arms[name] = Arm(DenseIndex(1, "ip"), [1.0])
        arms[name].index.add(range(4), [[score] for score in scores])
    return arms


def test_a_short_answer_says_that_rows_are_missing_though_all_of_it_is_proved():
    certificate = exact_top_k(pair(), Weighted(norm="none"), 4, limit=Limit(depth=2)).certificate
    assert certificate.proved == 2
    assert certificate.stopped
    assert not certificate.exact
    assert str(certificate) == (
        "first 2 exact (unread rows may reach 9.0000, the last has 9.5000) (rows read: a 2, b 2)"
    )
    enough = exact_top_k(pair(), Weighted(norm="none"), 2, limit=Limit(depth=2)).certificate
    assert enough.exact
    assert not enough.stopped


def test_nothing_of_a_proved_answer_is_proved_too():
    arms = pair()
    found = exact_top_k(arms, Weighted(norm="none"), 1)
    assert found.certificate.exact
    assert str(found.first(0).certificate).startswith("exact (rows read")


def test_a_pool_that_is_not_proved_proves_nothing(monkeypatch):
    """The first read proves the one hit of the second fusion, but not which rows were scored."""
    monkeypatch.setattr(rescored, "POOL", 50)
    arms = test_rescored.many(400)
    method = Weighted({"dense": 0.9, "multivector": 0.1})
    whole = top_k(arms, method, 1)
    assert whole.certificate.proved == 1
    certificate = top_k(arms, method, 1, limit=Limit(depth=20)).certificate
    assert certificate.stopped
    assert certificate.proved == 0
    assert not certificate.exact
    assert top_k(arms, method, 1, limit=Limit(depth=200)).certificate.proved == 1


def test_weights_of_any_size_order_as_their_proportion():
    arms = pair()
    tiny = exact_top_k(arms, Weighted({"a": 1e-300, "b": 1e-301}, "none"), 4)
    usual = exact_top_k(arms, Weighted({"a": 10.0, "b": 1.0}, "none"), 4)
    assert tiny.rows.tolist() == usual.rows.tolist()
    assert tiny.scores.tolist() == pytest.approx(usual.scores.tolist())
    vanishing = exact_top_k(arms, Weighted({"a": 1e-320, "b": 1e10}, "none"), 4)
    assert list(vanishing.parts) == ["b"]
    with pytest.raises(ValueError, match=r"not 1e\+308 for 'a' \(at most 1e\+20\)"):
        Weighted({"a": 1e308, "b": 1e308})


@settings(max_examples=20)
@given(data=st.data(), k=st.sampled_from([10**6, 10**12]))
def test_k_may_be_larger_than_any_collection(data, k):
    arms = data.draw(arms_drawn())
    method = data.draw(methods_drawn(list(arms)))
    assert answer(exact_top_k(arms, method, k)) == answer(exact_top_k(arms, method, 3000))


def test_a_row_that_an_unread_one_may_tie_with_is_not_proved():
    """Row 5 could be on the next place of both lists, and has a lower number than row 9."""
    one, two = [0.0] * 10, [0.0] * 10
    one[9], one[1], one[5] = 14, 12, 12
    two[0], two[2], two[5], two[9] = 10, 10, 10, 8
    arms = {}
    for name, scores in (("a", one), ("b", two)):
        arms[name] = Arm(DenseIndex(1, "ip"), [1.0])
        arms[name].index.add(range(10), [[score] for score in scores])
    certificate = exact_top_k(arms, Weighted(norm="none"), 1, limit=Limit(depth=2)).certificate
    assert certificate.kth == certificate.bound
    assert certificate.proved == 0
    assert not certificate.exact


def test_rows_beyond_four_bytes_tie_by_their_number():
    far = 2**33
    lists = {
        name: Candidates(np.array(rows), np.float32([2, 1, 0]))
        for name, rows in (("a", [far + 1, 3, far]), ("b", [far, 3, far + 1]))
    }
    found = fuse(lists, Comb("sum", "none", missing="zero"), 3)
    assert answer(found) == [(3, 2.0), (far, 2.0), (far + 1, 2.0)]


def test_zeros_of_either_sign_tie():
    arms = {name: Arm(DenseIndex(1, "ip"), [1.0]) for name in "ab"}
    arms["a"].index.add(range(3), [[-0.0], [0.0], [-0.0]])
    arms["b"].index.add(range(3), [[-0.0], [-0.0], [0.0]])
    assert exact_top_k(arms, Comb("min", "none"), 3).rows.tolist() == [0, 1, 2]
    scores = np.float32([-0.0, 0.0, -0.0])
    assert best_places(np.arange(3), scores, 3).tolist() == [0, 1, 2]


@given(
    scores=st.lists(st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 2.0, np.inf]), max_size=30),
    k=st.integers(1, 32),
    far=st.sampled_from([0, 2**33]),
)
def test_the_best_places_are_those_of_a_whole_sort(scores, k, far):
    """Also where rows do not fit into a key."""
    rows = np.random.default_rng(len(scores)).permutation(len(scores)) + far
    expected = sorted(range(len(scores)), key=lambda at: (-scores[at], rows[at]))[:k]
    assert best_places(rows, np.array(scores, np.float32), k).tolist() == expected


@given(data=st.data())
def test_what_lists_have_is_put_where_their_rows_are(data):
    lists = data.draw(st.lists(st.lists(st.integers(0, 9), unique=True), min_size=1, max_size=4))
    rows, ranks = merge([np.array(one, np.int64) for one in lists])
    columns = [100.0 * line + np.array(one) for line, one in enumerate(lists)]
    others = [-1.0 - line for line in range(len(lists))]
    expected = [
        [100.0 * line + row if row in one else others[line] for row in rows.tolist()]
        for line, one in enumerate(lists)
    ]
    assert spread(columns, others, ranks).tolist() == expected


@pytest.mark.parametrize(("of", "scores"), [("mnz", [6.0, 2.0]), ("anz", [1.5, 2.0])])
def test_what_counts_lists_counts_those_that_have_the_row(of, scores):
    """Row 1 has none of the weights: its score there is 0, and is no part of an average."""
    lexical, dense = LexicalIndex(), DenseIndex(1, "ip")
    lexical.add([0, 1], sp.csr_matrix([[1.0], [0.0]], dtype=np.float32))
    dense.add([0, 1], [[2.0], [2.0]])
    arms = {"dense": Arm(dense, [1.0]), "lexical": Arm(lexical, ([0], [1.0]))}
    found = exact_top_k(arms, Comb(of, "none"), 2)
    assert dict(answer(found)) == dict(enumerate(scores))


def test_a_row_without_a_vector_may_be_above_the_last_that_was_read(monkeypatch):
    """It scores 0 there, and all dot products are below."""
    monkeypatch.setattr(exact, "FIRST_DEPTH", 1)
    dense, words = DenseIndex(1, "ip"), DenseIndex(1, "ip")
    dense.add(range(40), [[-5.0 - row] for row in range(40)])
    words.add(range(41), [[4.0 - row / 100] for row in range(40)] + [[3.5]])
    arms = {"dense": Arm(dense, [1.0]), "words": Arm(words, [1.0])}
    assert answer(exact_top_k(arms, Comb("sum", "none"), 1)) == [(40, 3.5)]


def test_equal_scores_of_rows_outside_the_window_prefer_the_lower_number():
    """Index b has neither 9 nor 3 among its first, scores them alike, and has more votes."""
    arms = {name: Arm(DenseIndex(1, "ip"), [1.0]) for name in "ab"}
    arms["a"].index.add([0, 1, 3, 9], [[0.0], [0.0], [2.0], [3.0]])
    arms["b"].index.add([0, 1, 3, 9], [[8.0], [7.0], [1.0], [1.0]])
    found = exact_top_k(arms, Condorcet({"a": 1.0, "b": 2.0}, depth=2), 4)
    assert answer(found) == [(0, 3.0), (1, 2.0), (3, 1.0), (9, 0.0)]


def test_a_filter_does_not_change_a_norm_where_rows_are_rescored():
    arms, method = test_rescored.many(400), Weighted({"dense": 0.5, "multivector": 0.5}, "minmax")
    allowed = np.arange(400) >= 300
    part = top_k(arms, method, 5, allowed).parts["dense"]
    scale = NORMS["minmax"](arms["dense"].index, arms["dense"].query)
    assert part.normalised.tolist() == scale.of(part.scores).tolist()
