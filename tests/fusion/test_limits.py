"""Answers that are not proved say so, and those over approximate indexes hold together too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import RRF, Arm, Comb, Limit, Weighted, exact, exact_top_k
from indexes import BM25Index, Candidates, DenseIndex
from tests import strategies


def crowd(count=3000, seed=0):
    """Two indexes whose best rows are not the same."""
    draw = np.random.default_rng(seed)
    dense, other = DenseIndex(8), DenseIndex(8)
    for index in (dense, other):
        index.add(range(count), draw.standard_normal((count, 8)))
    return {
        "dense": Arm(dense, draw.standard_normal(8)),
        "other": Arm(other, draw.standard_normal(8)),
    }


@pytest.mark.parametrize("method", [Weighted(), RRF(), Comb("min", "zscore")])
def test_a_depth_that_is_too_small_leaves_hits_unproved(method):
    arms = crowd()
    whole = exact_top_k(arms, method, 40)
    capped = exact_top_k(arms, method, 40, limit=Limit(depth=50))
    certificate = capped.certificate
    assert max(certificate.depths.values()) == 50
    assert certificate.bound >= certificate.kth
    assert 0 <= certificate.proved < 40
    assert capped.rows[: certificate.proved].tolist() == whole.rows[: certificate.proved].tolist()
    assert str(certificate).startswith(f"first {certificate.proved} exact")
    assert whole.certificate.proved == 40
    assert whole.certificate.kth == whole.scores[-1]
    assert str(whole.certificate).startswith("exact (rows read")


def test_no_time_is_one_read():
    arms = crowd()
    found = exact_top_k(arms, Comb("min", "zscore"), 40, limit=Limit(seconds=0))
    assert set(found.certificate.depths.values()) == {100}
    assert len(found) == 40


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: Limit(depth=0), "depth of at least 1"), (lambda: Limit(seconds=-1), "seconds >= 0")],
)
def test_limits_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Forgetful:
    """An index that leaves out some rows of every list, as approximate ones do."""

    exact, scans = False, True

    def __init__(self, index, forgotten, length):
        self._index, self._forgotten, self._length = index, forgotten, length

    def __len__(self):
        return len(self._index)

    def search(self, query, depth, allowed=None):
        found = self._index.search(query, 60, allowed)
        kept = np.flatnonzero(~np.isin(found.rows, self._forgotten))[: self._length]
        return Candidates(found.rows[kept], found.scores[kept]).first(depth)

    def __getattr__(self, name):
        return getattr(self._index, name)

    def ranks(self, query, rows, allowed=None):
        ranks = {row: at for at, row in enumerate(self.search(query, 60, allowed).rows, 1)}
        return np.array([ranks.get(row, 0) for row in rows], np.int64)


@given(data=st.data(), k=st.integers(1, 20), length=st.sampled_from([1, 4, 60]))
def test_an_answer_over_an_approximate_list_is_a_prefix_and_exact_over_it(data, k, length):
    """What the list lacks counts as its last row at most; so every depth tells the same."""
    rows = data.draw(strategies.rows_of(20))
    words, dense = BM25Index(), DenseIndex(3)
    words.add(rows, data.draw(st.lists(strategies.tokens, min_size=20, max_size=20)))
    dense.add(rows, data.draw(strategies.vectors(20)))
    forgotten = data.draw(st.lists(st.sampled_from(rows), unique=True, max_size=8))
    near = Forgetful(dense, forgotten, length)
    arms = {
        "bm25": Arm(words, data.draw(strategies.queries)),
        "dense": Arm(near, data.draw(strategies.vectors(1))[0]),
    }
    method = data.draw(st.sampled_from([Weighted(norm="none"), Weighted(), RRF(1)]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "FIRST_DEPTH", data.draw(st.sampled_from([1, 3, 100])))
        shorter, longer = exact_top_k(arms, method, k), exact_top_k(arms, method, 40)
    assert shorter.rows.tolist() == longer.rows[:k].tolist()
    assert shorter.scores.tolist() == longer.scores[:k].tolist()
    assert shorter.certificate.approximate == ("dense",)
    found = near.search(arms["dense"].query, 60)
    read = set(found.rows.tolist()) | set(words.search(arms["bm25"].query, 60).rows.tolist())
    assert set(longer.rows.tolist()) == read
    if method == Weighted(norm="none"):
        last = found.scores[-1] if len(found) else np.inf
        for row, score in zip(longer.rows.tolist(), longer.scores.tolist(), strict=True):
            dense_score = dense.score(arms["dense"].query, [row])[0]
            counted = dense_score if row in found.rows else min(dense_score, last)
            own = words.score(arms["bm25"].query, [row])[0]
            assert score == pytest.approx((own + counted) / 2, abs=1e-6)
