"""An index that only scores: it ranks the first rows of the others, and the answer stays a prefix.

The oracle fuses complete tables of scores; `POOL` is small here, so that rows are outside of it.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import RRF, Arm, Weighted, exact, exact_top_k, rescored, top_k
from fusion.normalize import NORMS
from indexes import BM25Index, DenseIndex, MultiVectorIndex
from indexes.multivector import TokenVectors
from tests import strategies

FLOOR = -1.0
methods = st.sampled_from(
    [
        Weighted(),
        Weighted(norm="none"),
        Weighted(norm="minmax"),
        Weighted({"bm25": 0.2, "dense": 0.3, "multivector": 0.5}),
        RRF(),
        RRF(0, {"bm25": 1, "dense": 2, "multivector": 4}),
    ]
)


def token_index(rows, texts):
    index = MultiVectorIndex(3)
    offsets = np.cumsum([0, *map(len, texts)])
    index.add(rows, TokenVectors(np.concatenate([np.empty((0, 3), np.float32), *texts]), offsets))
    return index


@st.composite
def arms_drawn(draw):
    """Draw three indexes over the same rows; some texts have no token vectors."""
    rows = draw(st.integers(0, 25).flatmap(strategies.rows_of))
    count = len(rows)
    bm25, dense = BM25Index(), DenseIndex(3)
    bm25.add(rows, draw(st.lists(strategies.tokens, min_size=count, max_size=count)))
    dense.add(rows, draw(strategies.vectors(count)))
    texts = [draw(strategies.vectors(draw(st.integers(0, 3)))) for _ in rows]
    return {
        "bm25": Arm(bm25, draw(strategies.queries)),
        "dense": Arm(dense, draw(strategies.vectors(1))[0]),
        "multivector": Arm(token_index(rows, texts), draw(strategies.vectors(2)), rescores=True),
    }


pools = st.sampled_from([1, 4, 9])


def top_of(pool, arms, method, k, allowed=None, first=100):
    """Return the answer with a small pool, from lists that are first read to a depth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rescored, "POOL", pool)
        patch.setattr(exact, "FIRST_DEPTH", first)
        return top_k(arms, method, k, allowed)


def answer(fused):
    return list(zip(fused.rows.tolist(), fused.scores.tolist(), strict=True))


def shares_of(method, names):
    given_weights = method.weights or dict.fromkeys(names, 1.0)
    total = sum(given_weights.values()) if isinstance(method, Weighted) else 1.0
    return {name: given_weights[name] / total for name in sorted(names)}


def normalised(arms, method, rows, allowed):
    """Return {name: {row: number}} for the indexes that have lists, over complete lists."""
    table = {}
    for name in ("bm25", "dense"):
        index, query = arms[name].index, arms[name].query
        if isinstance(method, RRF):
            ranked = index.search(query, 99, allowed).rows.tolist()
            table[name] = {row: 1 / (method.k + place) for place, row in enumerate(ranked, 1)}
        else:
            scores = NORMS[method.norm](index, query).of(index.score(query, rows))
            table[name] = dict(zip(rows.tolist(), scores.tolist(), strict=True))
    return table


def late_scale(arm, method, pool_scores):
    """Return the line that the scores of the late index are put on."""
    spread = arm.index.statistics(arm.query)
    best = max(pool_scores.values(), default=FLOOR)
    return {
        "zscore": (spread.mean, 1 / spread.std if spread.std > 0 else 0.0),
        "minmax": (FLOOR, 1 / (best - FLOOR) if best > FLOOR else 0.0),
        "none": (0.0, 1.0),
    }[method.norm]


def ranking(scores):
    """Return the rows of {row: score} by float32 score, then by row."""
    return sorted(scores, key=lambda row: (-np.float32(scores[row]), row))


def oracle(arms, method, allowed, size):
    """Return [(row, score)] of the whole answer, from tables of all numbers."""
    lists = [arms[name].index.search(arms[name].query, 99, allowed) for name in ("bm25", "dense")]
    rows = np.unique(np.concatenate([found.rows for found in lists]))
    table, shares = normalised(arms, method, rows, allowed), shares_of(method, arms)
    late = arms["multivector"]
    values = dict.fromkeys(rows.tolist(), 0.0)
    if isinstance(method, Weighted):
        origin, slope = late_scale(late, method, {})
        values = dict.fromkeys(values, (FLOOR - origin) * slope)

    def fused():
        return {
            row: shares["bm25"] * table["bm25"].get(row, 0.0)
            + shares["dense"] * table["dense"].get(row, 0.0)
            + shares["multivector"] * values[row]
            for row in values
        }

    chosen = ranking(fused())[:size]
    scores = {row: float(late.index.score(late.query, [row])[0]) for row in chosen}
    if isinstance(method, RRF):
        ranked = [row for row in ranking(scores) if scores[row] > FLOOR]
        values |= {row: 1 / (method.k + place) for place, row in enumerate(ranked, 1)}
    else:
        origin, slope = late_scale(late, method, scores)
        values |= {row: (score - origin) * slope for row, score in scores.items()}
    total = fused()
    return [(row, float(np.float32(total[row]))) for row in ranking(total)]


@given(pool=pools, data=st.data(), k=st.integers(1, 30), first=st.sampled_from([1, 2, 100]))
def test_equals_the_oracle(pool, data, k, first):
    arms = data.draw(arms_drawn())
    method, allowed = data.draw(methods), data.draw(strategies.masks())
    found = top_of(pool, arms, method, k, allowed, first)
    if len(arms["multivector"].index) <= pool:
        assert answer(found) == answer(exact_top_k(arms, method, k, allowed))
    else:
        expected = oracle(arms, method, allowed, pool)
        assert answer(found) == expected[:k]
        assert found.certificate.rescored == ("multivector",)
        assert found.certificate.pool == min(pool, len(expected))
        assert not found.certificate.exact


@given(pool=pools, data=st.data(), k=st.integers(1, 25))
def test_a_shorter_answer_is_a_prefix_with_the_same_parts(pool, data, k):
    arms, method = data.draw(arms_drawn()), data.draw(methods)
    shorter, longer = (top_of(pool, arms, method, depth) for depth in (k, 50))
    assert answer(shorter) == answer(longer)[:k]
    assert answer(longer) == sorted(answer(longer), key=lambda pair: (-pair[1], pair[0]))
    for name, part in shorter.parts.items():
        other = longer.parts[name]
        for field in ("ranks", "scores", "normalised", "contributions"):
            assert getattr(part, field).tolist() == getattr(other, field)[:k].tolist()


@given(pool=pools, data=st.data())
def test_parts_add_up(pool, data):
    found = top_of(pool, data.draw(arms_drawn()), data.draw(methods), 30)
    sums = sum(part.contributions for part in found.parts.values())
    assert found.scores.tolist() == pytest.approx(np.asarray(sums, np.float32).tolist())


@given(pool=pools, data=st.data())
def test_ranks_are_those_of_the_scores_in_the_pool(pool, data):
    arms, method = data.draw(arms_drawn()), data.draw(methods)
    found = top_of(pool, arms, method, 50)
    part = found.parts["multivector"]
    if not found.certificate.rescored:
        return
    ranked = part.ranks > 0
    assert (part.scores[ranked] > FLOOR).all()
    assert (part.scores[~ranked] == FLOOR).all()
    assert sorted(part.ranks[ranked].tolist()) == list(range(1, ranked.sum() + 1))
    by_rank = np.argsort(part.ranks[ranked])
    scores, rows = part.scores[ranked][by_rank], found.rows[ranked][by_rank]
    assert (np.lexsort((rows, -scores)) == np.arange(len(rows))).all()


@given(pool=pools, data=st.data())
def test_weight_zero_equals_leaving_the_index_out(pool, data):
    arms = data.draw(arms_drawn())
    rest = {name: arm for name, arm in arms.items() if name != "multivector"}
    for method in (RRF, Weighted):
        zero = top_of(
            pool, arms, method(weights={"multivector": 0.0, **dict.fromkeys(rest, 0.5)}), 10
        )
        without = top_of(pool, rest, method(weights=dict.fromkeys(rest, 0.5)), 10)
        assert answer(zero) == answer(without)
        assert list(zero.parts) == ["bm25", "dense"]
        assert zero.certificate == without.certificate


@given(pool=pools, data=st.data())
def test_alone_it_is_searched(pool, data):
    arms = data.draw(arms_drawn())
    arm = arms["multivector"]
    own = arm.index.search(arm.query, 10).rows.tolist()
    weights = {"bm25": 0.0, "dense": 0.0, "multivector": 1.0}
    for method in (RRF(weights=weights), Weighted(weights, "none")):
        assert top_of(pool, arms, method, 10).rows.tolist() == own


def many(count):
    """Rows whose place in the dense list is their number; the last has the best token."""
    angles = np.linspace(0, 1, count)
    dense = DenseIndex(2)
    dense.add(range(count), np.column_stack([np.cos(angles), np.sin(angles)]))
    texts = [np.float32([[np.cos(angle), np.sin(angle), 0]]) for angle in angles]
    late = Arm(token_index(range(count), texts), [[0.0, 1.0, 0.0]], rescores=True)
    return {"dense": Arm(dense, [1.0, 0.0]), "multivector": late}


def test_beyond_the_pool_the_first_list_goes_on():
    found = top_k(many(400), Weighted({"dense": 0.1, "multivector": 0.9}), 400)
    assert found.rows.tolist() == [*range(255, -1, -1), *range(256, 400)]
    part = found.parts["multivector"]
    assert part.ranks.tolist() == [*range(1, 257), *[0] * 144]
    assert (part.scores[256:] == FLOOR).all()
    assert str(found.certificate).startswith(
        "exact over the first 256 of dense; multivector scored those (rows read: dense"
    )


def test_a_collection_that_fits_the_pool_is_scored_as_a_whole():
    found = top_k(many(256), Weighted({"dense": 0.1, "multivector": 0.9}), 1)
    assert found.rows.tolist() == [255]
    assert found.certificate.exact
    assert found.certificate.rescored == ()


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="k of at least 1, not 0"):
        top_k(many(300), RRF(), 0)
    with pytest.raises(ValueError, match=r"not for \['dense'\]"):
        top_k(many(300), Weighted({"dense": 1.0}), 1)
