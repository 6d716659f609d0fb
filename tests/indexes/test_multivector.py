"""Late interaction: the scores of plain numpy, whatever is asked together, after any history."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes import MultiVectorIndex
from indexes import multivector as module
from indexes.multivector import TokenVectors
from tests import strategies

FLOOR = -1.0


def token_vectors(texts, dimension=3):
    """Put the vectors of several texts one after the other."""
    arrays = [np.asarray(text, np.float32).reshape(-1, dimension) for text in texts]
    offsets = np.cumsum([0, *map(len, arrays)])
    return TokenVectors(np.concatenate([np.empty((0, dimension), np.float32), *arrays]), offsets)


@st.composite
def texts_drawn(draw, count):
    """Draw the token vectors of texts, some of which have none."""
    return [draw(strategies.vectors(draw(st.integers(0, 4)))) for _ in range(count)]


queries = st.integers(0, 3).flatmap(strategies.vectors)
storages = st.sampled_from(["float16", "int8"])


def stored(text, storage):
    """Return what is kept of the vectors of a text, in float64."""
    unit = text / np.linalg.norm(text, axis=1, keepdims=True).astype(np.float32)
    if storage == "float16":
        return unit.astype(np.float16).astype(np.float64)
    scales = (np.abs(unit).max(axis=1, keepdims=True) / 127).astype(np.float32)
    return np.rint(unit / scales).astype(np.float64) * scales


def maxsim(text, query, storage="float16"):
    """Return the score of one text, in plain numpy."""
    if not len(text) or not len(query):
        return FLOOR
    unit = query / np.linalg.norm(query, axis=1, keepdims=True)
    return float(np.clip(unit @ stored(text, storage).T, -1, 1).max(axis=1).mean())


def built(rows, texts, storage="float16"):
    index = MultiVectorIndex(3, storage)
    index.add(rows, token_vectors(texts))
    return index


def pairs(candidates):
    return list(zip(candidates.rows.tolist(), candidates.scores.tolist(), strict=True))


@st.composite
def indexes_drawn(draw):
    rows = draw(st.integers(0, 15).flatmap(strategies.rows_of))
    texts = draw(texts_drawn(len(rows)))
    storage = draw(storages)
    return rows, texts, storage, built(rows, texts, storage)


@given(drawn=indexes_drawn(), query=queries, allowed=strategies.masks(), depth=st.integers(1, 20))
def test_finds_what_the_oracle_finds(drawn, query, allowed, depth):
    rows, texts, storage, index = drawn
    scores = index.score(query, rows)
    expected = [maxsim(text, query, storage) for text in texts]
    assert scores.tolist() == pytest.approx(expected, abs=1e-6)
    listed = [
        (row, score)
        for row, score, text in zip(rows, scores.tolist(), texts, strict=True)
        if len(text)
        and len(query)
        and score > FLOOR
        and (allowed is None or (row < len(allowed) and allowed[row]))
    ]
    listed.sort(key=lambda pair: (-pair[1], pair[0]))
    assert pairs(index.search(query, depth, allowed)) == listed[:depth]
    assert pairs(*index.search_many([query], depth, allowed)) == listed[:depth]


@pytest.mark.parametrize("dimension", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_any_dimension_and_small_numbers(dimension, storage):
    """Components reach down to where float16 has fewer digits."""
    generator = np.random.default_rng(dimension)
    vectors = generator.standard_normal((40, dimension)) * 10.0 ** generator.uniform(
        -7, 0, (40, dimension)
    )
    texts, query = vectors[:35].astype(np.float32).reshape(7, 5, dimension), vectors[35:]
    index = MultiVectorIndex(dimension, storage)
    index.add(range(7), token_vectors(texts, dimension))
    expected = [maxsim(text, query, storage) for text in texts]
    assert index.score(query, range(7)).tolist() == pytest.approx(expected, abs=2e-6)


def random_index(count=60, dimension=70):
    generator = np.random.default_rng(0)
    texts = [generator.standard_normal((size % 7, dimension)) for size in range(count)]
    index = MultiVectorIndex(dimension)
    index.add(range(count), token_vectors(texts, dimension))
    return index, generator.standard_normal((5, dimension)).astype(np.float32), texts


def test_a_score_does_not_depend_on_the_rows_that_are_asked_with_it():
    index, query, _ = random_index()
    together = index.score(query, range(60))
    assert together.tolist() == [index.score(query, [row])[0] for row in range(60)]
    assert index.score(query, range(59, -1, -1)).tolist() == together[::-1].tolist()
    found = index.search(query, 60)
    assert found.scores.tolist() == together[found.rows].tolist()


def test_int8_is_close_to_float16():
    _, query, texts = random_index()
    half, byte = MultiVectorIndex(70), MultiVectorIndex(70, "int8")
    for index in (half, byte):
        index.add(range(60), token_vectors(texts, 70))
    difference = half.score(query, range(60)) - byte.score(query, range(60))
    assert 0 < np.abs(difference).max() < 0.005  # measured: 0.0011


@given(data=st.data())
def test_any_history_gives_the_bits_of_a_fresh_index(data, tmp_path_factory):
    rows, texts, storage, _ = data.draw(indexes_drawn())
    query = data.draw(queries)
    live, index = [], MultiVectorIndex(3, storage)
    for place in data.draw(st.lists(st.integers(0, max(len(rows) - 1, 0)), max_size=30)):
        if not rows:
            continue
        if place in live:
            index.delete([rows[place]])
            live.remove(place)
        else:
            index.add([rows[place]], token_vectors([texts[place]]))
            live.append(place)
        if data.draw(st.integers(0, 5)) == 0:
            folder = tmp_path_factory.mktemp("index")
            index.save(folder)
            index = MultiVectorIndex.load(folder)
    fresh = built([rows[place] for place in live], [texts[place] for place in live], storage)
    assert pairs(index.search(query, 50)) == pairs(fresh.search(query, 50))
    assert index.score(query, rows).tolist() == fresh.score(query, rows).tolist()
    assert index.statistics(query) == fresh.statistics(query)
    assert len(index) == len(live)


@given(drawn=indexes_drawn(), query=queries)
def test_statistics_of_a_small_index_are_those_of_all_scores(drawn, query):
    _, texts, storage, index = drawn
    spread = index.statistics(query)
    scores = [maxsim(text, query, storage) for text in texts if len(text)]
    if scores:
        assert spread.mean == pytest.approx(np.mean(scores), abs=1e-6)
        assert spread.std == pytest.approx(np.std(scores), abs=1e-6)
    assert (spread.floor, spread.ceiling) == (-1.0, 1.0)
    assert index.unranked(query) == FLOOR


def test_statistics_of_a_large_index_are_those_of_rows_at_even_distances(monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 4)
    generator = np.random.default_rng(1)
    texts = generator.standard_normal((12, 2, 3)).astype(np.float32)
    query = generator.standard_normal((2, 3))
    spread = built(range(12)[::-1], texts).statistics(query)
    scores = [maxsim(texts[11 - row], query) for row in (0, 3, 6, 9)]
    assert spread.mean == pytest.approx(np.mean(scores), abs=1e-6)
    assert spread.std == pytest.approx(np.std(scores), abs=1e-6)


def test_an_empty_index_finds_nothing(tmp_path):
    index = MultiVectorIndex(3)
    index.save(tmp_path)
    for state in (index, MultiVectorIndex.load(tmp_path)):
        assert len(state) == len(state.search([[1, 0, 0]], 5)) == 0
        assert state.score([[1, 0, 0]], [7]).tolist() == [FLOOR]
        assert state.statistics([[1, 0, 0]]).std == 0


def test_a_text_without_token_vectors_has_the_floor_and_is_on_no_list():
    index = built([4, 2], [[], [[1, 0, 0]]])
    assert len(index) == 2
    assert index.score([[1, 0, 0]], [4, 2, 9]).tolist() == [FLOOR, 1.0, FLOOR]
    assert index.search([[1, 0, 0]], 9).rows.tolist() == [2]


def test_vectors_stay_on_disk_and_unchanged_blocks_are_linked(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    built(range(20), [np.eye(3)] * 20).save(tmp_path / "a")
    opened = MultiVectorIndex.load(tmp_path / "a")
    opened.add([30], token_vectors([np.eye(3)]))
    opened.delete([0])
    opened.save(tmp_path / "b")
    old, new = (tmp_path / name / "block-0000" / "codes.npy" for name in "ab")
    assert old.stat().st_ino == new.stat().st_ino
    assert sorted(path.name for path in (tmp_path / "b").glob("block-*")) == [
        "block-0000",
        "block-0001",
    ]


def test_many_small_additions_make_few_blocks(tmp_path):
    index = MultiVectorIndex(3)
    for row in range(200):
        index.add([row], token_vectors([np.eye(3)[: row % 4]]))
    index.save(tmp_path)
    assert len(list(tmp_path.glob("block-*"))) < 10
    index.delete(range(1, 200))
    assert index.search([[1, 1, 1]], 5).rows.tolist() == []
    assert len(index) == 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([[[np.nan, 0, 0]]], "finite token vectors other than zero, but number 0"),
        ([[[1, 0, 0], [0, 0, 0]]], "number 1 is not"),
        ([[[1e30, 0, 0]]], "number 0 is not"),
    ],
)
def test_vectors_without_direction_are_refused(texts, message):
    index = MultiVectorIndex(3)
    with pytest.raises(ValueError, match=message):
        index.add([0], token_vectors(texts))
    with pytest.raises(ValueError, match=message):
        index.score(np.array(texts[0]), [0])
    assert len(index) == 0


def test_other_wrong_input_is_refused():
    index = built([3], [[[1, 0, 0]]])
    with pytest.raises(ValueError, match=r"token vectors of 3 dimensions .* not shape \(2, 2\)"):
        index.add([0, 1], token_vectors([[1, 0], [0, 1]], 2))
    with pytest.raises(ValueError, match="of 3 dimensions"):
        index.search([1.0, 0.0, 0.0], 5)
    with pytest.raises(ValueError, match="rise from 0 to 1"):
        index.add([0], TokenVectors(np.ones((1, 3), np.float32), np.array([0, 2])))
    with pytest.raises(ValueError, match="row 3 is there already"):
        index.add([3], token_vectors([[[1, 0, 0]]]))
    with pytest.raises(ValueError, match="2 rows for 1 items"):
        index.add([1, 2], token_vectors([[[1, 0, 0]]]))
    with pytest.raises(ValueError, match="depth of at least 1, not 0"):
        index.search([[1, 0, 0]], 0)
    with pytest.raises(ValueError, match="a dimension of at least 1"):
        MultiVectorIndex(0)
    with pytest.raises(ValueError, match="a storage of"):
        MultiVectorIndex(3, "float8")
    assert index.score([[1, 0, 0]], [3]).tolist() == [1.0]
