"""Conditions on metadata mean what they say: the plain evaluator below says what that is."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid.metadata_batches
import hybrid.metadata_keys
from hybrid import Document
from hybrid.chunking import Chunk
from hybrid.filters import DEEPEST, MOST_KEYS, MOST_TESTS, names_of, parse_filter
from hybrid.store import ChunkStore
from tests.hybrid.plain_filters import holds

NAMES = ["a", "b", "ключ", "a.b", 'q"q', "back\\slash", "$d", " ", "n\0l", "'; DROP TABLE chunks"]
texts = st.sampled_from(
    ["", "a", "b", "猫", "1", "2024-05-31", "2024-05-31T10:00:00+02:00", "2024-05-31 08:00Z",
     "2024-05-31T08:00", "2024-13-01", "2024-05-3", "9999-12-31T23:59:59-23:59", "0001-01-01"]
)  # fmt: skip
numbers = st.one_of(
    st.integers(-2, 2),
    st.sampled_from([0.5, 1.0, -0.0, 2**53, 2**53 + 1, float(2**53), 2**64, -(2**70), 1e308]),
)
scalars = st.one_of(numbers, texts, st.booleans(), st.none())
stored = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
    ),
    max_leaves=4,
)
metadata = st.dictionaries(st.sampled_from(NAMES), stored, max_size=3)
moments = st.one_of(
    st.sampled_from([date(2024, 5, 31), date(1, 1, 1), date(9999, 12, 31)]),
    st.sampled_from([datetime(2024, 5, 31, 8), datetime(2024, 5, 31, 8, tzinfo=UTC)]),
    st.just(datetime(2024, 5, 31, 10, tzinfo=timezone(timedelta(hours=2)))),
)
values = st.one_of(scalars, moments)


def escaped(name):
    text = name.replace("\\", "\\\\").replace(".", "\\.")
    return "\\" + text if text.startswith("$") else text


keys = st.lists(st.sampled_from(NAMES).map(escaped), min_size=1, max_size=2).map(".".join)
tests = st.recursive(
    st.one_of(
        st.dictionaries(st.sampled_from(["$eq", "$ne"]), values, max_size=2),
        st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(values, max_size=3), max_size=2),
        st.dictionaries(
            st.sampled_from(["$gt", "$gte", "$lt", "$lte"]),
            st.one_of(numbers, texts, moments),
            max_size=2,
        ),
        st.dictionaries(st.just("$exists"), st.booleans()),
    ),
    lambda inner: st.fixed_dictionaries({"$not": inner}),
    max_leaves=2,
)
conditions = st.recursive(
    st.dictionaries(keys, st.one_of(values, tests), max_size=2),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"$or": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"$not": inner}),
    ),
    max_leaves=4,
)


def put(store, name, found, chunks=1):
    split = [Chunk(name, number, "x", 0, 1) for number in range(chunks)]
    store.put(Document(name, "x", metadata=found), split)


def allowed(store, condition):
    """The rows that are let through and alive: of dead ones a mask says nothing."""
    return store.allowed(parse_filter(condition)).nonzero()[0].tolist()


def select(documents, condition):
    store = ChunkStore()
    for number, found in enumerate(documents):
        put(store, str(number), found)
    rows = allowed(store, condition)
    store.close()
    return rows


@settings(max_examples=600)
@given(documents=st.lists(metadata, max_size=6), condition=conditions)
def test_masks_equal_the_plain_evaluation(documents, condition):
    expected = [number for number, found in enumerate(documents) if holds(condition, found)]
    assert select(documents, condition) == expected


@settings(max_examples=100)
@given(documents=st.lists(metadata, max_size=5), condition=conditions)
def test_masks_do_not_depend_on_which_keys_have_columns(documents, condition):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hybrid.metadata_batches, "MOST_COLUMNS", 1)
        few = select(documents, condition)
        patch.setattr(hybrid.metadata_batches, "MOST_COLUMNS", 0)
        none = select(documents, condition)
    assert select(documents, condition) == few == none


@settings(max_examples=150, deadline=None)
@given(data=st.data(), asked=st.lists(conditions, min_size=1, max_size=3))
def test_masks_follow_every_change(data, asked, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "store.db"
    store, live, rows = ChunkStore(path), {}, 0
    steps = st.sampled_from(["put", "put", "remove", "commit", "reopen", "discard"])
    committed = {}
    store.discard(0)
    for step in data.draw(st.lists(steps, max_size=8)):
        name = data.draw(st.sampled_from("uvw"))
        if step == "put":
            found, chunks = data.draw(metadata), data.draw(st.integers(0, 3))
            put(store, name, found, chunks)
            live[name] = found, list(range(rows, rows + chunks))
            rows += chunks
        elif step == "remove":
            store.remove(name)
            live.pop(name, None)
        elif step == "commit":
            store.commit()
            committed = dict(live), store.generation, rows
            store.generation += 1
        elif committed:
            live, generation, rows = dict(committed[0]), committed[1], committed[2]
            if step == "reopen":
                store.close()
                store = ChunkStore(path, generation)
            store.discard(generation)
            store.generation = generation + 1
        for condition in [*asked, asked[0]]:
            held = [at for found, at in live.values() if holds(condition, found)]
            assert allowed(store, condition) == sorted(row for at in held for row in at)
    if committed:
        reader = ChunkStore(path, committed[1])
        held = [at for found, at in committed[0].values() if holds(asked[0], found)]
        assert allowed(reader, asked[0]) == sorted(row for at in held for row in at)
        reader.close()
    store.close()


DOCUMENTS = [
    {"lang": "en", "year": 2019, "day": "2019-03-01"},
    {"lang": "en", "year": 2021, "author": {"name": "Ada"}, "day": "2021-03-01T10:00:00+02:00"},
    {"lang": "zh", "year": 2021, "tags": ["x", "y"], "author": [{"name": "Bo"}, {"name": "Cy"}]},
]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ({}, [0, 1, 2]),
        ({"lang": "en", "year": {"$gte": 2020}}, [1]),
        ({"year": {"$gt": 2018, "$lt": 2020}}, [0]),
        ({"author.name": "Ada"}, [1]),
        ({"author.name": "Cy"}, [2]),
        ({"author": {"$exists": True}}, [1, 2]),
        ({"author": "Ada"}, []),
        ({"tags": "y"}, [2]),
        ({"year": {"$not": {"$gte": 2020}}}, [0]),
        ({"$or": [{"lang": "zh"}, {"year": 2019}]}, [0, 2]),
        ({"$not": {"lang": "en"}}, [2]),
        ({"$and": [{"lang": "en"}, {"$not": {"year": 2019}}]}, [1]),
        ({"$or": []}, []),
        ({"$and": []}, [0, 1, 2]),
        ({"year": {"$in": []}}, []),
        ({"year": {"$nin": []}}, [0, 1, 2]),
        ({"lang": "en'; DROP TABLE documents; --"}, []),
        ({"day": {"$gte": date(2019, 3, 1)}}, [0, 1]),
        ({"day": datetime(2021, 3, 1, 8)}, [1]),
        ({"day": {"$lt": "2021-03-01T09:00Z"}}, [0, 1]),
        ({"day": "2021-03-01T08:00Z"}, []),
    ],
)
def test_conditions_combine(condition, rows):
    assert select(DOCUMENTS, condition) == rows


def test_equal_numbers_of_another_kind_are_not_remembered_for_each_other():
    store = ChunkStore()
    for name, value in enumerate([1, True, "1", 1.0]):
        put(store, str(name), {"a": value})
    assert allowed(store, {"a": 1}) == [0, 3]
    assert allowed(store, {"a": True}) == [1]
    assert allowed(store, {"a": 1.0}) == [0, 3]
    store.close()


def test_a_long_list_of_values():
    documents = [{"a": number} for number in range(3)]
    assert select(documents, {"a": {"$in": range_to(100_000)}}) == [1, 2]
    assert select(documents, {"a": {"$nin": range_to(100_000)}}) == [0]


def range_to(count):
    return list(range(1, count))


def test_keys_beyond_the_bytes_are_read_again(monkeypatch):
    monkeypatch.setattr(hybrid.metadata_keys, "MOST_BYTES", 0)
    assert select(DOCUMENTS, {"lang": "en", "year": 2021}) == [1]


def test_no_key_and_no_value_reaches_sql_as_sql():
    statements = []
    store = ChunkStore()
    put(store, "0", {"a": "x"})
    store._db.set_trace_callback(statements.append)
    hostile = "a') OR 1=1; DROP TABLE documents; --"
    for key in (hostile, f'a"{hostile}', "a'"):
        assert allowed(store, {key: hostile}) == []
        assert allowed(store, {"$not": {key: {"$gte": hostile}}}) == [0]
    assert statements
    assert all(sql.startswith("SELECT") for sql in statements)
    store._db.set_trace_callback(None)
    store.close()


def nested(operator, depth):
    condition = {"a": 1}
    for _ in range(depth):
        condition = {operator: [condition] if operator == "$or" else condition}
    return condition


def loop():
    condition = {}
    condition["$not"] = condition
    return condition


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"year": {"$near": 3}}, r"an operator of .* not '\$near'"),
        ({"year": {3: 3}}, r"an operator of .* not 3"),
        ({"$nor": []}, r"one of \$and, \$or, \$not, not '\$nor'"),
        ({"$or": {"a": 1}}, r"a list of filters for \$or"),
        ({"$or": [1]}, "expected a filter such as"),
        ({3: 1}, "key of metadata as text, not 3"),
        ({"a": {"$in": "abc"}}, r"a list of values for \$in"),
        ({"a": {"$in": [[1]]}}, "expected text, a number"),
        ({"a": {"$exists": 1}}, r"True or False for \$exists, not 1"),
        ({"a": {"$gt": None}}, r"a number, text or a date for \$gt, not None"),
        ({"a": {"$lte": True}}, r"a number, text or a date for \$lte, not True"),
        ({"a": {"$not": 1}}, r"\{operator: value\} for \$not"),
        ({"a": object()}, "expected text, a number"),
        ({"a": ["x"]}, "expected text, a number"),
        ({"a": float("nan")}, "expected text, a number, .* not nan"),
        ({"a..b": 1}, "names between the dots"),
        ({"": 1}, "names between the dots"),
        ({"a\\b": 1}, r"expected \\\., \\\\ or "),
        ({"a\\": 1}, r"expected \\\., \\\\ or "),
        ({"a." * 1000 + "a": 1}, f"at most {DEEPEST} names"),
        ("lang = en", "expected a filter such as"),
        (nested("$not", DEEPEST), f"nested at most {DEEPEST} deep"),
        (nested("$or", 100_000), f"nested at most {DEEPEST} deep"),
        (loop(), f"nested at most {DEEPEST} deep"),
        ({"a": nested("$not", 100_000)}, f"nested at most {DEEPEST} deep"),
        ({"$and": [{}] * (MOST_TESTS + 1)}, f"at most {MOST_TESTS} tests"),
        ({f"a{n}": 1 for n in range(MOST_KEYS + 1)}, f"at most {MOST_KEYS} different keys"),
        ({"a": {"$in": range_to(1_000_002)}}, "at most 1000000 values"),
    ],
)
def test_wrong_conditions_are_refused(condition, message):
    with pytest.raises(ValueError, match=message):
        parse_filter(condition)


anything = st.recursive(
    st.one_of(values, st.binary(max_size=2), st.floats(), st.complex_numbers()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.text(max_size=3), st.sampled_from(["$and", "$not", "$in"])),
            inner,
            max_size=3,
        ),
    ),
)


@settings(max_examples=200)
@given(anything)
def test_whatever_comes_is_read_or_refused(condition):
    try:
        parsed = parse_filter(condition)
    except ValueError:
        return
    store = ChunkStore()
    put(store, "0", {"a": 1})
    assert len(store.allowed(parsed)) == 1
    store.close()


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4))
def test_every_name_can_be_written(names):
    written = ".".join(name.replace("\\", "\\\\").replace(".", "\\.") for name in names)
    if written.startswith("$"):
        written = "\\" + written
    assert names_of(written) == tuple(names)


def test_metadata_is_read_once():
    statements = []
    store = ChunkStore()
    put(store, "0", {"a": 1})
    assert allowed(store, {"a": 1}) == [0]
    store._db.set_trace_callback(statements.append)
    assert allowed(store, {"a": 2}) == []
    assert not statements
    put(store, "1", {"a": 2})
    del statements[:]
    assert allowed(store, {"a": 2}) == [1]
    (read,) = (sql for sql in statements if "metadata" in sql)
    assert "key > 1 AND key <= 2" in " ".join(read.split())
    store._db.set_trace_callback(None)
    store.close()


def test_metadata_that_is_not_json_numbers_is_compared_exactly():
    documents = [{"a": 2**53}, {"a": 2**53 + 1}, {"a": json.loads("1e400".replace("e400", "e22"))}]
    assert select(documents, {"a": {"$gt": 2**53}}) == [1, 2]
    assert select(documents, {"a": float(2**53)}) == [0]
    assert select(documents, {"a": 10**22}) == [2]
