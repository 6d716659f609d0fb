"""Conditions on metadata mean what they say."""

import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid import Document
from hybrid.chunking import Chunk
from hybrid.filters import compile_filter
from hybrid.store import ChunkStore

scalars = st.one_of(
    st.integers(-2, 2),
    st.sampled_from(["", "a", "b", "猫", "1"]),
    st.booleans(),
    st.none(),
    st.sampled_from([0.5, 1.0]),
)
metadata = st.dictionaries(
    st.sampled_from(["a", "b", "ключ"]), st.one_of(scalars, st.lists(scalars, max_size=3))
)
COMPARE = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}


def kind(value):
    if isinstance(value, bool) or value is None:
        return type(value)
    return float if isinstance(value, int | float) else str


def fits(value, test, wanted):
    """The plain meaning of one test on one value."""
    if kind(value) is not kind(wanted):
        return False
    return value == wanted if test == "$eq" else COMPARE[test](value, wanted)


def matches(found, key, test, wanted):
    if test == "$exists":
        return (key in found) == wanted
    if test in ("$ne", "$nin"):
        return not matches(found, key, "$eq" if test == "$ne" else "$in", wanted)
    if test == "$in":
        return any(matches(found, key, "$eq", one) for one in wanted)
    if key not in found:
        return False
    values = found[key] if isinstance(found[key], list) else [found[key]]
    return any(fits(value, test, wanted) for value in values)


def select(documents, condition):
    store = ChunkStore()
    for number, found in enumerate(documents):
        document = Document(str(number), "x", metadata=found)
        store.put(document, [Chunk(str(number), 0, "x", 0, 1)])
    rows = store.select(*compile_filter(condition))
    store.close()
    return sorted(rows.tolist())


@settings(max_examples=150)
@given(
    documents=st.lists(metadata, max_size=6),
    key=st.sampled_from(["a", "b", "ключ"]),
    test=st.sampled_from(["$eq", "$ne", "$in", "$nin", "$exists", *COMPARE]),
    data=st.data(),
)
def test_every_operator_equals_its_plain_meaning(documents, key, test, data):
    if test == "$exists":
        wanted = data.draw(st.booleans())
    elif test in ("$in", "$nin"):
        wanted = data.draw(st.lists(scalars, max_size=3))
    else:
        wanted = data.draw(scalars)
        if test in COMPARE and (wanted is None or isinstance(wanted, bool)):
            return
    expected = [n for n, found in enumerate(documents) if matches(found, key, test, wanted)]
    assert select(documents, {key: {test: wanted}}) == expected


DOCUMENTS = [
    {"lang": "en", "year": 2019},
    {"lang": "en", "year": 2021, "author": {"name": "Ada"}},
    {"lang": "zh", "year": 2021, "tags": ["x", "y"]},
]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ({}, [0, 1, 2]),
        ({"lang": "en", "year": {"$gte": 2020}}, [1]),
        ({"year": {"$gt": 2018, "$lt": 2020}}, [0]),
        ({"author.name": "Ada"}, [1]),
        ({"tags": "y"}, [2]),
        ({"$or": [{"lang": "zh"}, {"year": 2019}]}, [0, 2]),
        ({"$not": {"lang": "en"}}, [2]),
        ({"$and": [{"lang": "en"}, {"$not": {"year": 2019}}]}, [1]),
        ({"$or": []}, []),
        ({"lang": "en'; DROP TABLE documents; --"}, []),
    ],
)
def test_conditions_combine(condition, rows):
    assert select(DOCUMENTS, condition) == rows


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"year": {"$near": 3}}, r"an operator of .* not '\$near'"),
        ({"$nor": []}, r"one of \$and, \$or, \$not, not '\$nor'"),
        ({"$or": {"a": 1}}, r"a list of filters for \$or"),
        ({"a": {"$in": "abc"}}, r"a list of values for \$in"),
        ({"a": object()}, "expected text, a number"),
        ({'a"b': 1}, 'field name without "'),
        ("lang = en", "expected a filter such as"),
    ],
)
def test_wrong_conditions_are_refused(condition, message):
    with pytest.raises(ValueError, match=message):
        compile_filter(condition)
