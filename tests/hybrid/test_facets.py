"""Counts of values are those of a plain count over the documents that are there."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid import Document, Retriever
from hybrid.chunking import Chunk
from hybrid.facets import Facet, facets
from hybrid.filters import moment_of
from hybrid.store import ChunkStore
from tests.hybrid.plain_filters import holds, kind, names, reached
from tests.hybrid.test_filters import conditions, keys, metadata


def counted(documents, key):
    counts = Counter()
    for found in documents:
        under = reached(found, names(key))
        values = [one for value in under for one in (value if isinstance(value, list) else [value])]
        counts.update({(kind(v), v) for v in values if not isinstance(v, dict | list)})
    return counts


@settings(max_examples=150)
@given(st.lists(metadata, max_size=6), st.data(), keys, conditions)
def test_counts_equal_a_plain_count(documents, data, key, condition):
    store, live = ChunkStore(), {}
    for number, found in enumerate(documents):
        name = data.draw(st.sampled_from("uvw"))
        chunks = [Chunk(name, 0, "x", 0, 1)] * (number % 2)
        store.put(Document(name, "x", metadata=found), chunks)
        live[name] = found
        if data.draw(st.booleans()):
            facets(store, key)  # reads in parts
    got = facets(store, key, condition, None)
    passed = [found for found in live.values() if holds(condition, found)]
    assert Counter({(kind(f.value), f.value): f.documents for f in got}) == counted(passed, key)
    assert [f.documents for f in got] == sorted((f.documents for f in got), reverse=True)
    assert facets(store, key, condition, 2) == got[:2]
    store.close()


def test_a_retriever_counts_documents():
    metadata = [{"lang": "en", "year": 1}, {"lang": "de", "year": 2}, {"lang": "en", "year": 2}]
    texts = ["cats purr", "dogs bark", "birds sing"]
    with Retriever.from_texts(texts, metadata=metadata, encoder=None) as r:
        assert r.facets("lang") == [Facet("en", 2), Facet("de", 1)]
        assert r.facets("year", filter={"lang": "en"}) == [Facet(1, 1), Facet(2, 1)]
        r.delete(["2"])
        assert r.facets("lang", top=1) == [Facet("de", 1)]
        assert r.facets("none") == []
        with pytest.raises(ValueError, match="top as a whole number"):
            r.facets("lang", top=0)
        with pytest.raises(ValueError, match="a key of the metadata as text, not int"):
            r.facets(3)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T01:00:00.5+01:00", 500_000),
        ("1970-01-01 00:00", 0),
        ("19700101", None),
        ("1970-W01-4", None),
        ("1970-02-30", None),
        ("1970-01-01T", None),
        ("٢٠٢٤-٠٥-٣١", None),
    ],
)
def test_which_texts_are_dates(text, microseconds):
    assert moment_of(text) == microseconds
