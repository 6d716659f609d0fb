"""The candidates of a search, against a plain sort."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.selection import key_of, unpack


def _unpacked(scores: np.ndarray, depth: int) -> tuple[list[int], list[float]]:
    keys = np.array(
        [key_of(score, np.uint64(row)) for row, score in enumerate(scores)], np.uint64
    ).reshape(-1)
    rows, best = np.empty(depth, np.int64), np.empty(depth, np.float32)
    count = unpack(keys, len(keys), depth, rows, best)
    return rows[:count].tolist(), best[:count].tolist()


def _sorted(scores: np.ndarray, depth: int) -> tuple[list[int], list[float]]:
    order = np.lexsort((np.arange(len(scores)), -scores))[:depth]
    return order.tolist(), scores[order].tolist()


@given(st.lists(st.floats(0.125, 4, width=16), max_size=80), st.integers(1, 100))
def test_candidates_come_out_by_score_then_row(scores: list[float], depth: int) -> None:
    some = np.array(scores, np.float32)
    assert _unpacked(some, depth) == _sorted(some, depth)


@pytest.mark.parametrize("size", [32, 33, 1000])
@pytest.mark.parametrize("kind", ["spread", "equal", "one far above", "one far below", "crowded"])
def test_any_distribution_of_scores_is_sorted(size: int, kind: str) -> None:
    random = np.random.default_rng(size)
    scores = random.random(size).astype(np.float32) + np.float32(1e-3)
    if kind == "equal":
        scores[:] = 2.5
    elif kind == "one far above":
        scores[random.integers(size)] = 1e30
    elif kind == "one far below":
        scores[random.integers(size)] = 1e-30
    elif kind == "crowded":  # most candidates in one bin, in no order
        scores = np.where(random.random(size) < 0.9, 1 + scores / 1e6, scores).astype(np.float32)
    for depth in (1, size // 2, size):
        assert _unpacked(scores, depth) == _sorted(scores, depth)
