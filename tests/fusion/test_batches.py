"""Many fusions at once equal one after the other, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import METHODS, RRF, ByRank, Comb, Weighted, fuse, fuse_many
from indexes import Candidates

scores = st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0]), max_size=12)


@st.composite
def rankings(draw):
    ranked = np.float32(sorted(draw(scores), reverse=True))
    rows = np.array(draw(st.permutations(range(15)))[: len(ranked)], np.int64)
    far = draw(st.sampled_from([0, 0, 2**31, 2**40]))
    return Candidates(rows + far, ranked)


methods = st.sampled_from(
    [
        RRF(),
        RRF(0, {"a": 2.0, "b": 0.5}),
        RRF(missing="floor"),
        ByRank("linear"),
        ByRank("isr"),
        METHODS["borda"],
        METHODS["condorcet"],
        Weighted(norm="none", missing="zero"),
        Weighted({"a": 0.0, "b": 1.0}, "list-minmax", "zero"),
        Weighted(norm="list-zscore", missing="floor"),
        Comb("sum", "list-sum", missing="zero"),
        Comb("mnz", "list-minmax", missing="zero"),
    ]
)


@given(
    method=methods,
    lists=st.lists(st.tuples(rankings(), rankings()), max_size=4),
    k=st.integers(1, 30),
)
def test_many_equal_one_after_the_other(method, lists, k):
    queries = [{"a": one, "b": other} for one, other in lists]
    found = fuse_many(queries, method, k)
    assert len(found) == len(queries)
    for query, ranked in zip(queries, found, strict=True):
        expected = fuse(query, method, k)
        assert ranked.rows.tolist() == expected.rows.tolist()
        assert ranked.scores.tolist() == expected.scores.tolist()


def test_what_lists_cannot_tell_is_refused():
    lists = [{"a": Candidates.none()}]
    with pytest.raises(ValueError, match="k of at least 1"):
        fuse_many(lists, RRF(), 0)
    with pytest.raises(ValueError, match="see exact_top_k"):
        fuse_many(lists, Weighted(missing="zero"), 1)
    assert fuse_many([], RRF(), 1) == []
