"""The fused top-k is that of all scores of all rows, and says so."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import RRF, Arm, Weighted, exact, exact_top_k, fuse
from fusion.normalize import NORMS
from indexes import BM25Index, Candidates, DenseIndex, LexicalIndex
from tests import oracles, strategies

ALL_ROWS = 60  # more than strategies use


@st.composite
def arms_drawn(draw):
    """Draw up to four indexes over the same rows, with a query for each."""
    rows = draw(st.integers(0, 25).flatmap(strategies.rows_of))
    count = len(rows)
    arms = {}
    bm25 = BM25Index()
    bm25.add(rows, draw(st.lists(strategies.tokens, min_size=count, max_size=count)))
    arms["bm25"] = Arm(bm25, draw(strategies.queries))
    for name, metric in (("dense", "cosine"), ("other", "ip")):
        if draw(st.booleans()):
            index = DenseIndex(3, metric)
            index.add(rows, draw(strategies.vectors(count)))
            arms[name] = Arm(index, draw(strategies.vectors(1))[0])
    if draw(st.booleans()):
        lexical = LexicalIndex()
        lexical.add(rows, draw(strategies.weights(count)))
        arms["lexical"] = Arm(lexical, ([0, 3], [1.0, 0.5]))
    gone = draw(st.lists(st.sampled_from(rows), unique=True)) if rows else []
    for arm in arms.values():
        arm.index.delete(gone)
    return arms


weights = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])


def weights_drawn(data, arms):
    drawn = {name: data.draw(weights) for name in arms}
    return drawn if any(drawn.values()) else None


def all_lists(arms, allowed):
    """Return the complete list of every index."""
    return {name: arm.index.search(arm.query, ALL_ROWS, allowed) for name, arm in arms.items()}


def answer(fused):
    return list(zip(fused.rows.tolist(), fused.scores.tolist(), strict=True))


@given(data=st.data(), k=st.integers(1, 30), first=st.sampled_from([1, 2, 5, 100]))
def test_weighted_sum_equals_brute_force(data, k, first):
    """Whatever depth the lists are first read to, as if every score were known from the start."""
    arms = data.draw(arms_drawn())
    norm = data.draw(st.sampled_from(["zscore", "none"]))
    given_weights = weights_drawn(data, arms)
    allowed = data.draw(strategies.masks())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "FIRST_DEPTH", first)
        found = exact_top_k(arms, Weighted(given_weights, norm), k, allowed)
    used = {n: w for n, w in (given_weights or dict.fromkeys(arms, 1.0)).items() if w > 0}
    lists = all_lists({name: arms[name] for name in used}, allowed)
    rows = np.array(sorted(set().union(*(c.rows.tolist() for c in lists.values()))), np.int64)
    full = {
        name: dict(zip(rows.tolist(), arms[name].index.score(arms[name].query, rows), strict=True))
        for name in used
    }
    scales = {}
    for name in used:
        scale = NORMS[norm](arms[name].index, arms[name].query)
        scales[name] = (scale.origin, scale.slope)
    expected = oracles.weighted(full, scales, used, k)
    assert [row for row, _ in answer(found)] == [row for row, _ in expected]
    assert found.scores.tolist() == pytest.approx([float(s) for _, s in expected], abs=1e-6)
    assert found.certificate.exact


@given(data=st.data(), k=st.integers(1, 30), constant=st.sampled_from([0, 1, 60]))
def test_rrf_equals_brute_force(data, k, constant):
    arms = data.draw(arms_drawn())
    given_weights = weights_drawn(data, arms)
    allowed = data.draw(strategies.masks())
    found = exact_top_k(arms, RRF(constant, given_weights), k, allowed)
    used = {n: w for n, w in (given_weights or dict.fromkeys(arms, 1.0)).items() if w > 0}
    lists = all_lists({name: arms[name] for name in used}, allowed)
    rankings = {name: c.rows.tolist() for name, c in lists.items()}
    expected = oracles.rrf(rankings, constant, used, k)
    assert found.scores.tolist() == pytest.approx([float(s) for _, s in expected], abs=1e-6)
    assert [row for row, _ in answer(found)] == [row for row, _ in expected]


@given(data=st.data(), k=st.integers(1, 25))
def test_a_shorter_answer_is_a_prefix_with_the_same_parts(data, k):
    arms = data.draw(arms_drawn())
    method = data.draw(st.sampled_from([Weighted(), Weighted(norm="minmax"), RRF()]))
    if "other" in arms and method == Weighted(norm="minmax"):
        return  # a dot product has no lowest value
    shorter, longer = (exact_top_k(arms, method, depth) for depth in (k, 50))
    assert answer(shorter) == answer(longer)[:k]
    for name, part in shorter.parts.items():
        other = longer.parts[name]
        for field in ("ranks", "scores", "normalised", "contributions"):
            assert getattr(part, field).tolist() == getattr(other, field)[:k].tolist()


@given(data=st.data())
def test_the_order_of_the_indexes_and_threads_change_nothing(data):
    arms = data.draw(arms_drawn())
    method = data.draw(st.sampled_from([Weighted(), RRF()]))
    backwards = dict(reversed(arms.items()))
    with ThreadPoolExecutor(3) as pool:
        other = exact_top_k(backwards, method, 10, parallel=pool.map)
    found = exact_top_k(arms, method, 10)
    assert answer(found) == answer(other)
    assert list(found.parts) == list(other.parts)


@given(data=st.data())
def test_parts_add_up(data):
    arms = data.draw(arms_drawn())
    method = data.draw(st.sampled_from([Weighted(), Weighted(norm="none"), RRF(10)]))
    found = exact_top_k(arms, method, 10)
    if not len(found):
        return
    sums = sum(part.contributions for part in found.parts.values())
    assert found.scores.tolist() == pytest.approx(sums.tolist(), abs=1e-5)


@given(data=st.data())
def test_weight_zero_equals_leaving_the_index_out(data):
    arms = data.draw(arms_drawn())
    rest = {name: arm for name, arm in arms.items() if name != "bm25"}
    if not rest:
        return
    for method in (RRF, Weighted):
        without = exact_top_k(rest, method(weights=dict.fromkeys(rest, 0.5)), 10)
        zero = {"bm25": 0.0, **dict.fromkeys(rest, 0.5)}
        assert answer(exact_top_k(arms, method(weights=zero), 10)) == answer(without)


@given(data=st.data())
def test_one_index_keeps_its_order(data):
    arms = data.draw(arms_drawn())
    alone = {"bm25": arms["bm25"]}
    own = arms["bm25"].index.search(arms["bm25"].query, 10).rows.tolist()
    for method in (RRF(), Weighted(norm="none"), Weighted()):
        assert exact_top_k(alone, method, 10).rows.tolist() == own


def two_indexes():
    """Row 0 is first for the words, row 3 for the vectors; row 1 is second for both."""
    bm25 = BM25Index()
    bm25.add(range(4), [["a", "a"], ["a", "b"], ["c"], ["d"]])
    dense = DenseIndex(2)
    dense.add(range(4), [[-1, 0.1], [1, 0.2], [0, 1], [1, 0]])
    return {"bm25": Arm(bm25, ["a"]), "dense": Arm(dense, [1.0, 0.0])}


def test_a_hit_missing_from_one_list_is_scored_not_guessed():
    found = exact_top_k(two_indexes(), Weighted(norm="none"), 4)
    part = found.parts["dense"]
    scores = dict(zip(found.rows.tolist(), part.scores.tolist(), strict=True))
    assert scores[0] == pytest.approx(-1 / np.sqrt(1.01), rel=1e-6)


def test_minmax_maps_the_best_to_one_and_the_lowest_possible_to_zero():
    found = exact_top_k(two_indexes(), Weighted(norm="minmax"), 4)
    bm25, dense = found.parts["bm25"], found.parts["dense"]
    assert bm25.normalised.max() == pytest.approx(1.0)
    assert bm25.normalised.min() == 0.0
    assert dense.normalised.max() == pytest.approx(1.0)
    assert dense.normalised.min() == pytest.approx((1 - 1 / np.sqrt(1.01)) / 2, rel=1e-5)


def test_minmax_refuses_scores_without_a_lowest_value():
    index = DenseIndex(2, "l2")
    index.add([0], [[1.0, 0.0]])
    with pytest.raises(ValueError, match="use 'zscore'"):
        exact_top_k({"dense": Arm(index, [1.0, 1.0])}, Weighted(norm="minmax"), 1)


def test_the_certificate_names_an_approximate_index():
    index = DenseIndex(2, "l2", "hnsw")
    index.add([0, 1], [[1.0, 0.0], [0.0, 1.0]])
    certificate = exact_top_k({"dense": Arm(index, [1.0, 1.0])}, Weighted(), 1).certificate
    assert not certificate.exact
    assert certificate.approximate == ("dense",)
    assert "over the approximate list of dense" in str(certificate)


def lists_of(*columns):
    """Make an index of one dimension for each column: its scores are the numbers themselves."""
    arms = {}
    for name, scores in zip("abcd", columns, strict=False):
        index = DenseIndex(1, "ip")
        index.add(range(len(scores)), [[score] for score in scores])
        arms[name] = Arm(index, [1.0])
    return arms


def shallow(monkeypatch, depth):
    monkeypatch.setattr(exact, "FIRST_DEPTH", depth)
    return Weighted(norm="none")


def test_a_row_that_leads_no_list_may_lead_them_all(monkeypatch):
    """Row 2 is second everywhere and best together; the first read does not show it."""
    arms = lists_of([10, 0, 9], [0, 10, 9])
    found = exact_top_k(arms, shallow(monkeypatch, 1), 1)
    assert answer(found) == [(2, 9.0)]
    assert found.certificate.depths == {"a": 3, "b": 3}


def test_it_leads_them_also_when_another_list_has_ended(monkeypatch):
    arms = lists_of([10, 0, 9], [0, 10, 9])
    words = BM25Index()
    words.add(range(3), [["x"], ["y"], ["z"]])
    arms["words"] = Arm(words, ["unknown"])
    assert exact_top_k(arms, shallow(monkeypatch, 1), 1).rows.tolist() == [2]


def test_an_unread_row_that_ties_and_has_the_lower_number_wins(monkeypatch):
    """Row 9 reaches 11 on the lists that are read; so does row 5, which is on neither."""
    one, two = [0.0] * 10, [0.0] * 10
    one[9], one[1], one[5] = 14, 12, 12
    two[0], two[2], two[5], two[9] = 10, 10, 10, 8
    found = exact_top_k(lists_of(one, two), shallow(monkeypatch, 2), 2)
    assert answer(found) == [(5, 11.0), (9, 11.0)]
    assert answer(exact_top_k(lists_of(one, two), shallow(monkeypatch, 2), 1)) == [(5, 11.0)]


def test_reads_no_deeper_than_it_must():
    """With a clear winner the first read proves the answer."""
    vectors = np.random.default_rng(0).standard_normal((2000, 8)).astype(np.float32)
    dense = DenseIndex(8)
    dense.add(range(2000), vectors)
    bm25 = BM25Index()
    bm25.add(range(2000), [["x"] * (row % 7) + ["y"] for row in range(2000)])
    arms = {"bm25": Arm(bm25, ["x", "y"]), "dense": Arm(dense, vectors[6])}
    certificate = exact_top_k(arms, Weighted({"bm25": 0.2, "dense": 0.8}), 1).certificate
    assert max(certificate.depths.values()) < 2000
    assert certificate.bound > -np.inf


def test_ranks_show_the_first_hundred_only_whatever_k():
    dense = DenseIndex(2)
    angles = np.linspace(0, 1, 300)
    dense.add(range(300), np.column_stack([np.cos(angles), np.sin(angles)]))
    found = exact_top_k({"dense": Arm(dense, [1.0, 0.0])}, Weighted(), 300)
    assert found.parts["dense"].ranks.tolist() == [*range(1, 101), *[0] * 200]


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match="k of at least 1, not 0"):
        exact_top_k(two_indexes(), RRF(), 0)


def test_weights_must_name_the_indexes():
    with pytest.raises(ValueError, match=r"each of \['bm25', 'dense'\], not for \['bm25'\]"):
        exact_top_k(two_indexes(), Weighted({"bm25": 1.0}), 1)


def test_bare_lists_are_fused_by_rank():
    lists = {
        "a": Candidates(np.array([5, 3]), np.array([9.0, 1.0], np.float32)),
        "b": Candidates(np.array([3]), np.array([0.5], np.float32)),
    }
    found = fuse(lists, RRF(k=1), 10)
    assert found.rows.tolist() == [3, 5]
    assert found.scores.tolist() == pytest.approx([1 / 3 + 1 / 2, 1 / 2])
    assert np.isnan(found.parts["b"].scores[1])
    with pytest.raises(ValueError, match="see exact_top_k"):
        fuse(lists, Weighted(), 10)
    with pytest.raises(ValueError, match="exact_top_k computes them"):
        fuse(lists, Weighted(norm="none"), 10)
