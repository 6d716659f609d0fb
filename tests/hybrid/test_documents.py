"""`Document` refuses what cannot be stored, and its hash changes with its content alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.documents import Document, ReadReport, Skipped, documents_from_texts

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_defaults():
    document = Document("a", "text")
    assert (document.title, dict(document.metadata), document.format) == ("", {}, "text")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"doc_id": ""}, ValueError, "doc_id"),
        ({"doc_id": 7}, TypeError, "doc_id of document 7 to be a str, not int"),
        ({"text": None}, TypeError, "text of document 'a' to be a str, not NoneType"),
        ({"text": b"bytes"}, TypeError, "not bytes"),
        ({"text": "x\ud800"}, ValueError, "text of document 'a'.*character 1.*lone surrogate"),
        ({"title": "\udcff"}, ValueError, "title of document 'a'.*lone surrogate"),
        ({"doc_id": "\udcff"}, ValueError, "doc_id"),
        ({"metadata": [1]}, TypeError, "metadata of document 'a' to be a mapping, not list"),
        ({"metadata": {1: "x"}}, TypeError, "keys of document 'a' to be str, not 1"),
        ({"metadata": {"x": float("nan")}}, ValueError, "metadata of document 'a' to be JSON"),
        ({"metadata": {"x": [float("inf")]}}, ValueError, "metadata of document 'a' to be JSON"),
        ({"metadata": {"x": {1, 2}}}, ValueError, "metadata of document 'a' to be JSON"),
        ({"metadata": {"x": "\ud800"}}, ValueError, "metadata of document 'a' to be JSON"),
    ],
)
def test_bad_fields_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Document(**{"doc_id": "a", "text": "text", **arguments})


def test_metadata_nested_without_end_is_refused():
    loop = {}
    loop["x"] = loop
    with pytest.raises(ValueError, match="metadata of document 'a'"):
        Document("a", "text", metadata=loop)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values, max_size=4))
def test_any_json_is_metadata_and_the_order_of_keys_does_not_matter(metadata):
    turned = dict(reversed(metadata.items()))
    document = Document("a", "text", metadata=metadata)
    assert document.content_hash == Document("b", "text", metadata=turned).content_hash
    again = json.loads(json.dumps(metadata))
    assert document.content_hash == Document("a", "text", metadata=again).content_hash


def test_hash_tells_contents_apart():
    contents = [
        Document("a", "text"),
        Document("a", "other"),
        Document("a", "", title="text"),
        Document("a", "text", title="t"),
        Document("a", "text", metadata={"x": 1}),
        Document("a", "text", metadata={"x": "1"}),
        Document("a", "text", format="markdown"),
    ]
    assert len({document.content_hash for document in contents}) == len(contents)


def test_hash_is_the_same_in_every_version():
    hash_ = Document("a", "猫", title="t", metadata={"b": 1, "a": [None]}).content_hash
    assert hash_ == "2729db96b52bc540d728668aaff1b5b0"


def test_texts_get_numbers_as_ids():
    documents = list(documents_from_texts(iter(["x", "y"])))
    assert documents == [Document("0", "x"), Document("1", "y")]


def test_texts_with_ids_titles_and_metadata():
    documents = documents_from_texts(["x"], ids=["a"], titles=["T"], metadata=[{"n": 1}])
    assert list(documents) == [Document("a", "x", "T", {"n": 1})]


@pytest.mark.parametrize("name", ["ids", "titles", "metadata"])
def test_numbers_must_agree(name):
    with pytest.raises(ValueError, match=f"as many {name} as texts, not 1 {name} for 2 texts"):
        documents_from_texts(["x", "y"], **{name: ["a"]})


def test_one_str_is_not_a_list_of_texts():
    with pytest.raises(TypeError, match=r"pass \[text\]"):
        documents_from_texts("text")


def test_report_collects():
    report = ReadReport()
    report.skip("a.pdf", "binary file")
    assert report == ReadReport(skipped=[Skipped("a.pdf", "binary file")], decoded={})
