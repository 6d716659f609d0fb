"""Why a row is not a hit: the numbers are those of a search, and no smaller change would do.

The oracle looks at a grid of weights and at every weight where the row ties with another.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import RRF, Arm, ByRank, Comb, Condorcet, Weighted, exact_top_k, rescored, top_k
from fusion.normalize import NORMS
from fusion.sweep import stretches
from fusion.why_not import why_not
from indexes import BM25Index, DenseIndex
from tests import strategies
from tests.fusion import test_catalogue, test_rescored

ALL_ROWS = 60
GRID = np.linspace(0, 1, 101)

shares = st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0])
asked_rows = st.integers(0, 45)
few = st.integers(1, 6)


@st.composite
def linear_methods(draw, names):
    """Draw a method whose scores are sums of weights times values."""
    weights = {name: draw(shares) for name in names}
    if not any(weights.values()):
        weights = None
    kind = draw(st.sampled_from(["weighted", "sum", "rrf", "isr", "log-isr"]))
    norm = draw(st.sampled_from(sorted(NORMS)))
    if norm == "minmax" and "far" in names:
        norm = "zscore"  # a dot product has no lowest value
    if kind == "weighted":
        return Weighted(weights, norm)
    if kind == "sum":
        return Comb("sum", norm, weights)
    return RRF(draw(st.sampled_from([0, 60])), weights) if kind == "rrf" else ByRank(kind, weights)


class Oracle:
    """Scores of all rows with any weights, from complete lists and every score."""

    def __init__(self, arms, method, allowed):
        self.method, self.names = method, sorted(arms)
        self.lists, self.values = {}, {}
        for name, arm in arms.items():
            listed = arm.index.search(arm.query, ALL_ROWS, allowed).rows.tolist()
            self.lists[name] = set(listed)
            if isinstance(method, (Weighted, Comb)):
                scores = arm.index.score(arm.query, np.arange(ALL_ROWS))
                self.values[name] = NORMS[method.norm](arm.index, arm.query).of(scores)
            else:
                worth = {row: self.worth(rank) for rank, row in enumerate(listed, 1)}
                self.values[name] = np.array([worth.get(row, 0.0) for row in range(ALL_ROWS)])
        given_weights = method.weights or dict.fromkeys(arms, 1.0)
        total = sum(given_weights.values())
        self.now = {name: given_weights[name] / total for name in self.names}

    def worth(self, rank):
        return 1 / (self.method.k + rank) if isinstance(self.method, RRF) else 1 / rank**2

    def at(self, name, share):
        """Return all weights, summing to 1, that give one index a share."""
        rest = 1 - self.now[name]
        others = {other: self.now[other] / rest * (1 - share) for other in self.names}
        return {**others, name: share}

    def scores(self, weights):
        """Return {row: score} of the rows that an index with a weight lists."""
        used = [name for name in self.names if weights[name] > 0]
        scores = {}
        for row in sorted(set().union(*(self.lists[name] for name in used))):
            score = sum(weights[name] * self.values[name][row] for name in used)
            if isinstance(self.method, ByRank):
                lists = sum(row in self.lists[name] for name in used)
                score *= lists if self.method.gain == "isr" else np.log(lists)
            scores[row] = score
        return scores

    def clearly_hits(self, weights, row, k):
        """Return whether a row is among the first k, however scores are rounded."""
        scores = self.scores(weights)
        if row not in scores:
            return False
        own = scores[row]
        near = 1e-6 * (1 + max(abs(self.values[name][row]) for name in self.names))

        def is_above(other):
            behind = abs(scores[other] - own) < 1e-14 and other > row
            return scores[other] > own - near and not behind

        return sum(is_above(other) for other in scores if other != row) < k

    def crossings(self, name, row):
        """Return the shares between 0 and 1 at which a row ties with another."""
        ends = [self.scores(self.at(name, share)) for share in (1e-7, 1 - 1e-7)]
        if row not in ends[0]:
            return []
        first, last = (np.array([one[o] - one[row] for o in one]) for one in ends)
        crossing = (first > 0) != (last > 0)
        return (first[crossing] / (first[crossing] - last[crossing])).tolist()

    def tried(self, name, row):
        """Return shares at which the order may be another."""
        ties = np.array(self.crossings(name, row))
        points = np.unique(np.concatenate([GRID, ties, ties - 1e-4, ties + 1e-4]))
        # between the first weight of all and none the order may change without a tie
        last = 1.0 if isinstance(self.method, Weighted) else 1 - 1e-6
        return points[(points >= 0) & (points <= last)]


@given(data=st.data(), row=asked_rows, k=few)
def test_numbers_are_those_of_a_search(data, row, k):
    arms = data.draw(test_catalogue.arms_drawn())
    method = data.draw(test_catalogue.methods_drawn(list(arms)))
    allowed = data.draw(strategies.masks())
    told = why_not(arms, method, row, k, allowed)
    found = exact_top_k(arms, method, 1000, allowed)
    rows = found.rows.tolist()
    assert told.candidates == len(rows)
    if rows:
        last = min(k, len(rows)) - 1
        assert told.kth == (rows[last], found.scores[last])
    else:
        assert told.kth is None
    if row not in rows:
        out = allowed is not None and row not in np.flatnonzero(allowed)
        assert (told.rank, told.gap) == (None, None)
        assert told.missed_because == ("filter" if out else "unlisted")
        return
    place = rows.index(row)
    assert (told.rank, told.score) == (place + 1, found.scores[place])
    assert told.missed_because == ("score" if place >= k else None)
    assert told.gap == told.kth.score - told.score
    for name, part in found.parts.items():
        mine = told.parts[name]
        arm = arms[name]
        assert (mine.rank or 0) == arm.index.ranks(arm.query, [row], allowed)[0]
        assert mine.score == arm.index.score(arm.query, [row])[0]
        assert mine.normalised == part.normalised[place]
        assert mine.contribution == part.contributions[place]
        assert mine.weight == part.weight


@given(data=st.data(), row=asked_rows, k=few)
def test_a_lift_makes_it_a_hit_and_no_smaller_change_does(data, row, k):
    arms = data.draw(test_catalogue.arms_drawn())
    method = data.draw(linear_methods(sorted(arms)))
    allowed = data.draw(strategies.masks())
    told = why_not(arms, method, row, k, allowed)
    if told.missed_because in (None, "filter"):
        assert not told.lifts
        assert told.no_lifts
        return
    assert sorted(told.lifts) == sorted(arms)
    assert not told.no_lifts
    oracle = Oracle(arms, method, allowed)
    for name, lift in told.lifts.items():
        now = oracle.now[name]
        if now == 1:
            assert lift is None
            continue
        change = np.inf
        if lift is not None:
            changed = type(method)(**{**fields_of(method), "weights": lift.weights})
            hits = exact_top_k(arms, changed, k, allowed).rows.tolist()
            assert hits[lift.rank - 1] == row
            assert lift.share_now == pytest.approx(now)
            assert proportions(lift.weights) == pytest.approx(oracle.at(name, lift.share))
            change = lift.change
        for share in oracle.tried(name, row):
            if abs(share - now) < change - 1e-9:
                assert not oracle.clearly_hits(oracle.at(name, share), row, k)
    changes = [lift.change for lift in told.lifts.values() if lift is not None]
    assert told.lift is None if not changes else told.lift.change == pytest.approx(min(changes))


def fields_of(method):
    return {name: getattr(method, name) for name in method.__dataclass_fields__}


def proportions(weights):
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), max_size=8), few)
def test_stretches_are_where_few_lines_are_above(lines, k):
    ends, starts = (np.array([line[side] for line in lines], float) for side in (0, 1))
    firsts, lasts = stretches(ends, starts, k)
    assert (firsts <= lasts).all()
    assert (firsts[1:] > lasts[:-1]).all()
    for place in np.arange(841) / 840:  # all places where such lines can cross
        above = int((place * ends + (1 - place) * starts > 1e-9).sum())
        near = (firsts <= place + 1e-9) & (place - 1e-9 <= lasts)
        assert near.any() == (above < k)


@given(data=st.data(), pool=test_rescored.pools, row=asked_rows, k=few)
def test_an_index_that_rescores_a_pool_counts_as_it_does_in_a_search(data, pool, row, k):
    arms = data.draw(test_rescored.arms_drawn())
    method = data.draw(test_rescored.methods)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rescored, "POOL", pool)
        told = why_not(arms, method, row, k)
        found = top_k(arms, method, 1000)
    rows = found.rows.tolist()
    assert told.rank == (rows.index(row) + 1 if row in rows else None)
    if not found.certificate.rescored:
        return
    assert not told.lifts
    assert told.no_lifts == "the rows that multivector rescores depend on the weights"
    assert "multivector scored the first" in told.notes[-1]
    late = told.parts["multivector"]
    if row in rows:
        at = rows.index(row)
        assert told.score == found.scores[at]
        assert late.score == found.parts["multivector"].scores[at]
        assert (late.rank or 0) == found.parts["multivector"].ranks[at]
    else:
        assert (late.rank, late.score) == (None, test_rescored.FLOOR)


def two(count=6):
    """Two indexes whose lists run in opposite directions."""
    angles = np.linspace(0, 1, count)
    vectors = np.column_stack([np.cos(angles), np.sin(angles)])
    up, down = DenseIndex(2), DenseIndex(2)
    up.add(range(count), vectors)
    down.add(range(count), vectors)
    return {"down": Arm(down, [1.0, 0.0]), "up": Arm(up, np.float32([np.cos(1), np.sin(1)]))}


def test_the_weight_is_told_as_the_method_has_it():
    told = why_not(two(2), Weighted({"down": 3, "up": 1}, "none"), 1, 1)
    assert told.lift.index == "up"
    assert (told.lift.now, told.lift.weight) == pytest.approx((0.25, 0.5), abs=1e-5)
    assert (told.lift.rank, told.lift.share) == (1, told.lift.weight)
    told = why_not(two(2), RRF(0, {"down": 3, "up": 1}), 1, 1)
    # row 0 has 1 and 1/2, row 1 has 1/2 and 1: the weights must be equal, and a tie is row 0's
    assert told.lift.weight == pytest.approx(3)
    assert told.lift.weight > 3
    assert (told.lift.now, told.lift.share_now, told.lift.rounded) == (1, 0.25, 3.01)
    assert told.lift.weights["down"] == 3


def test_a_row_between_the_lists_is_lifted_by_a_tie_only():
    """Rows 0 to 2 have (1, 0), (0, 1), (1/2, 1/2): the last wins nowhere, the first two tie."""
    down, up = DenseIndex(2, "ip"), DenseIndex(2, "ip")
    for index in (down, up):
        index.add([4, 7, 2], [[1, 0], [0, 1], [0.5, 0.5]])
    arms = {"down": Arm(down, [1.0, 0.0]), "up": Arm(up, [0.0, 1.0])}
    told = why_not(arms, Weighted({"down": 1, "up": 3}, "none"), 2, 1)
    assert (told.lift.share, told.lift.rounded) == (pytest.approx(0.5, abs=1e-6), 0.5)
    arms = {"down": Arm(DenseIndex(2, "ip"), [1.0, 0.0]), "up": Arm(DenseIndex(2, "ip"), [0.0, 1])}
    for arm in arms.values():
        arm.index.add([4, 7, 9], [[1, 0], [0, 1], [0.5, 0.5]])
    told = why_not(arms, Weighted({"down": 1, "up": 3}, "none"), 9, 1)
    assert told.lifts == {"down": None, "up": None}


def test_an_index_without_a_weight_can_lift():
    told = why_not(two(2), Weighted({"down": 1, "up": 0}, "none"), 1, 1)
    assert told.lifts["down"] is None
    assert told.lift.index == "up"
    assert told.lift.share == pytest.approx(0.5, abs=1e-5)


def test_leaving_an_index_out_can_be_the_only_way():
    """Row 4 is above row 7 with any weights, but up does not list it: alone, it has row 7 only."""
    down, up = DenseIndex(2, "ip"), DenseIndex(2, "ip")
    down.add([4, 7], [[1, 0], [0, 1]])
    up.add([7], [[-1, 0]])
    arms = {"down": Arm(down, [1.0, 0.0]), "up": Arm(up, [1.0, 0.0])}
    told = why_not(arms, Weighted(norm="none"), 7, 1)
    assert told.lifts["up"].weights == {"down": 0.0, "up": 1.0}
    assert told.lifts["down"].weights == {"down": 0.0, "up": 1.0}
    told = why_not(arms, Comb("sum", "none"), 7, 1)
    assert told.lifts["up"] is None  # no factor, however large, leaves the other out
    assert told.lifts["down"].weights == {"down": 0.0, "up": 1.0}


def test_a_row_that_no_index_with_a_weight_lists():
    bm25, dense = BM25Index(), DenseIndex(2)
    bm25.add([0, 1], [["cat"], ["dog"]])
    dense.add([0, 1], [[1, 0], [0, 1]])
    arms = {"bm25": Arm(bm25, ["cat"]), "dense": Arm(dense, [0.0, 1.0])}
    told = why_not(arms, RRF(weights={"bm25": 1, "dense": 0}), 1, 1)
    assert (told.missed_because, told.rank, told.gap) == ("unlisted", None, None)
    assert told.parts["dense"].rank == 1
    assert told.lift.weights["dense"] == told.lift.weight > 1
    told = why_not({"bm25": arms["bm25"]}, Weighted(), 1, 1)
    assert told.lifts == {"bm25": None}


@pytest.mark.parametrize("method", [Condorcet(), Comb("max"), Comb("med"), ByRank("borda"),
                                    Weighted(norm="list-minmax"), RRF(missing="zero")])  # fmt: skip
def test_no_lifts_without_straight_lines(method):
    told = why_not(two(), method, 3, 1)
    assert not told.lifts
    assert "no sum of weights" in told.no_lifts


def test_of_several_rows_the_first_is_meant():
    assert why_not(two(), Weighted({"down": 3, "up": 1}, "none"), [5, 2, 4], 1).row == 2
    assert why_not(two(), Condorcet({"down": 3, "up": 1}), [5, 2, 4], 1).row == 2


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="k of at least 1, not 3 and 0"):
        why_not(two(), RRF(), 3, 0)
    with pytest.raises(ValueError, match="expected a row"):
        why_not(two(), RRF(), [], 1)
    with pytest.raises(ValueError, match="rows >= 0, not -1"):
        why_not(two(), RRF(), -1, 1)
    with pytest.raises(ValueError, match="expected a weight for each"):
        why_not(two(), RRF(weights={"up": 1}), 1, 1)
