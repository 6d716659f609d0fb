"""Every method of the catalogue equals its plain version, over indexes and over bare lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import (
    METHODS,
    RRF,
    Arm,
    Bayes,
    ByRank,
    Comb,
    Condorcet,
    Weighted,
    exact,
    exact_top_k,
    fuse,
    method_named,
)
from fusion.combining import COMBINE
from fusion.methods import weights_for
from fusion.normalize import LIST_NORMS, NORMS
from indexes import BM25Index, Candidates, DenseIndex, LexicalIndex
from tests import strategies
from tests.fusion import plain

ALL_ROWS = 60

shares = st.sampled_from([0.0, 0.25, 0.5, 1.0])
windows = st.sampled_from([1, 3, 1000])
missing = st.sampled_from(["exact", "floor", "zero"])


@st.composite
def arms_drawn(draw):
    """Draw two to four indexes over the same rows, with a query for each."""
    rows = draw(st.integers(0, 25).flatmap(strategies.rows_of))
    count = len(rows)
    bm25, dense = BM25Index(), DenseIndex(3)
    bm25.add(rows, draw(st.lists(strategies.tokens, min_size=count, max_size=count)))
    dense.add(rows, draw(strategies.vectors(count)))
    arms = {
        "bm25": Arm(bm25, draw(strategies.queries)),
        "dense": Arm(dense, draw(strategies.vectors(1))[0]),
    }
    if draw(st.booleans()):
        far = DenseIndex(3, "ip")
        far.add(rows, draw(strategies.vectors(count)))
        arms["far"] = Arm(far, draw(strategies.vectors(1))[0])
    if draw(st.booleans()):
        lexical = LexicalIndex()
        lexical.add(rows, draw(strategies.weights(count)))
        arms["lexical"] = Arm(lexical, ([0, 3], [1.0, 0.5]))
    gone = draw(st.lists(st.sampled_from(rows), unique=True)) if rows else []
    for arm in arms.values():
        arm.index.delete(gone)
    return arms


@st.composite
def methods_drawn(draw, names):
    """Draw any method with any settings."""
    weights = {name: draw(shares) for name in names}
    if not any(weights.values()):
        weights = None
    window = draw(windows)
    kind = draw(st.sampled_from(["rrf", "weighted", "comb", "rank", "condorcet", "bayes"]))
    if kind == "rrf":
        return RRF(draw(st.sampled_from([0, 60])), weights, draw(missing), window)
    if kind == "condorcet":
        return Condorcet(weights, draw(st.sampled_from(["exact", "zero"])), window)
    if kind == "bayes":
        odds = st.lists(st.sampled_from([-3.0, -1.0, 0.5, 2.0]), min_size=1, max_size=4)
        return Bayes({name: tuple(draw(odds)) for name in names}, -5.0, weights)
    if kind == "rank":
        gain = draw(st.sampled_from(["isr", "log-isr", "borda", "linear"]))
        rest = draw(missing) if "isr" in gain else None
        return ByRank(gain, weights, rest, window)
    norm = draw(st.sampled_from([*NORMS, *LIST_NORMS]))
    if norm == "minmax" and "far" in names:
        norm = "zscore"  # a dot product has no lowest value
    if kind == "weighted":
        return Weighted(weights, norm, draw(missing), window)
    return Comb(draw(st.sampled_from(list(COMBINE))), norm, weights, draw(missing), window)


def answer(found):
    return list(zip(found.rows.tolist(), found.scores.tolist(), strict=True))


def expected_of(arms, method, allowed):
    """Return the plain answer, from complete lists and every score."""
    weights = weights_for(method, arms)
    lists, full, scales = {}, {}, {}
    for name in weights:
        index, query = arms[name].index, arms[name].query
        found = index.search(query, ALL_ROWS, allowed)
        lists[name] = list(zip(found.rows.tolist(), map(float, found.scores), strict=True))
        scores = index.score(query, np.arange(ALL_ROWS))
        full[name] = dict(enumerate(map(float, scores)))
        norm = getattr(method, "norm", "none")
        scale = NORMS[norm if norm in NORMS else "none"](index, query)
        scales[name] = scale.origin, scale.slope
    return plain.fused(lists, full, method, weights, scales)


def assert_same(found, expected):
    """Compare answers; rows whose plain scores all but tie may stand in either order."""
    rows, scores = [row for row, _ in expected], [float(score) for _, score in expected]
    assert found.scores.tolist() == pytest.approx(scores[: len(found)], abs=1e-5, rel=1e-5)
    for row, other, mine in zip(found.rows.tolist(), rows, found.scores.tolist(), strict=False):
        if row != other:
            assert dict(expected)[row] == pytest.approx(mine, abs=1e-6, rel=1e-6)


@given(data=st.data(), k=st.integers(1, 30), first=st.sampled_from([1, 3, 100]))
def test_every_method_equals_its_plain_version(data, k, first):
    arms = data.draw(arms_drawn())
    method = data.draw(methods_drawn(list(arms)))
    allowed = data.draw(strategies.masks())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "FIRST_DEPTH", first)
        found = exact_top_k(arms, method, k, allowed)
    expected = expected_of(arms, method, allowed)
    assert len(found) == min(k, len(expected))
    assert_same(found, expected)
    sums = sum(part.contributions for part in found.parts.values())
    assert found.scores.tolist() == pytest.approx(np.asarray(sums).tolist(), abs=1e-5, rel=1e-5)


@given(data=st.data(), k=st.integers(1, 25), first=st.sampled_from([1, 100]))
def test_every_answer_is_a_prefix_and_no_order_changes_it(data, k, first):
    arms = data.draw(arms_drawn())
    method = data.draw(methods_drawn(list(arms)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "FIRST_DEPTH", first)
        shorter, longer = (exact_top_k(arms, method, depth) for depth in (k, 50))
        backwards = exact_top_k(dict(reversed(arms.items())), method, k)
    assert answer(shorter) == answer(longer)[:k] == answer(backwards)
    for name, part in shorter.parts.items():
        for field in ("scores", "normalised", "contributions"):
            longer_one = getattr(longer.parts[name], field)[:k]
            assert getattr(part, field).tolist() == longer_one.tolist()


@given(data=st.data())
def test_bare_lists_equal_the_plain_version(data):
    """The same lists without their indexes: what is missing stays missing."""
    arms = data.draw(arms_drawn())
    method = data.draw(methods_drawn(list(arms)))
    norm = getattr(method, "norm", "none")
    if (norm in NORMS and norm != "none") or (
        hasattr(method, "norm") and method.missing == "exact"
    ):
        return
    if isinstance(method, Condorcet):
        method = Condorcet(method.weights, "zero")
    lists = {name: arm.index.search(arm.query, 5) for name, arm in arms.items()}
    found = fuse(lists, method, 40)
    plain_lists = {
        name: list(zip(one.rows.tolist(), map(float, one.scores), strict=True))
        for name, one in lists.items()
    }
    full = {name: dict(one) for name, one in plain_lists.items()}
    weights = weights_for(method, arms)
    whole = Whole(method)
    assert_same(found, plain.fused(plain_lists, full, whole.method, weights))


class Whole:
    """A method that reads lists to their end."""

    def __init__(self, method):
        if isinstance(method, Bayes):
            never = (method.missing_odds,) * 50
            odds = {name: odds + never for name, odds in method.odds.items()}
            self.method = Bayes(odds, method.missing_odds, method.weights)
        else:
            fields = {name: getattr(method, name) for name in method.__dataclass_fields__}
            self.method = type(method)(**{**fields, "depth": 1000})


def test_names_list_the_choices():
    assert method_named("rrf") == RRF()
    assert method_named("borda", {"a": 1.0}) == ByRank("borda", {"a": 1.0})
    with pytest.raises(ValueError, match=r"a fusion method of rrf, isr, .*, not 'magic'"):
        method_named("magic")
    assert set(METHODS) >= {"rrf", "isr", "log-isr", "mnz", "max", "med", "borda", "condorcet"}


def one_list(*scores):
    rows = np.arange(len(scores))
    return Candidates(rows, np.array(scores, np.float32))


@pytest.mark.parametrize(
    ("norm", "lone", "same"),
    [
        ("list-minmax", [1.0], [1.0, 1.0]),
        ("list-max", [1.0], [1.0, 1.0]),
        ("list-sum", [1.0], [0.5, 0.5]),
        ("list-zscore", [0.0], [0.0, 0.0]),
        ("list-dbsf", [0.5], [0.5, 0.5]),
    ],
)
def test_a_lone_hit_and_equal_scores_are_defined(norm, lone, same):
    method = Weighted(norm=norm, missing="zero")
    assert fuse({"a": one_list(3.0)}, method, 5).scores.tolist() == lone
    assert fuse({"a": one_list(3.0, 3.0)}, method, 5).scores.tolist() == same
    assert fuse({"a": one_list()}, method, 5).scores.tolist() == []


def test_condorcet_survives_a_circle():
    """Three indexes, three rows, each before the next: all win once, and the row decides."""
    orders = ([0, 1, 2], [1, 2, 0], [2, 0, 1])
    lists = {
        name: Candidates(np.array(rows), np.float32([3, 2, 1]))
        for name, rows in zip("abc", orders, strict=True)
    }
    found = fuse(lists, Condorcet(), 3)
    assert answer(found) == [(0, 1.0), (1, 1.0), (2, 1.0)]


def test_a_short_window_is_told():
    bm25 = BM25Index()
    bm25.add(range(5), [["x"]] * 5)
    arms = {"bm25": Arm(bm25, ["x"])}
    cut_off = exact_top_k(arms, RRF(missing="zero", depth=3), 5)
    assert len(cut_off) == 3
    assert not cut_off.certificate.exact
    assert str(cut_off.certificate) == (
        "exact over the first 3 rows of each list (rows read: bm25 3)"
    )
    assert exact_top_k(arms, RRF(missing="zero", depth=9), 5).certificate.exact
