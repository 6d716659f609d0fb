"""Identifiers whole and in parts, and what counts more in source code."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid import Analyzer, CodeAnalyzer
from hybrid import code_analysis as module
from hybrid.code_analysis import NAME_WEIGHT, with_names
from hybrid.code_words import FULL, LANGUAGES

_WORDS = """
def class func fn getHTTPResponse snake_case __init__ x1 SHA256 URLs naïveCafé É ß １２ ﬁ 变量 走る
แมว किताबें кот the Python mkdir _ __ 3.14 ( ) : . \u200d ¼
"""
code_text = st.tuples(
    st.lists(st.sampled_from([*_WORDS.split(), "\n", "e\u0301"]), max_size=12),
    st.sampled_from(["", " "]),
).map(lambda words_and_gap: words_and_gap[1].join(words_and_gap[0]))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("getHTTPResponseCode", ["get", "http", "respons", "code", "gethttpresponsecod"]),
        ("snake_case", ["snake", "case", "snake_case"]),
        ("CONSTANT_NAME", ["constant", "name", "constant_name"]),
        ("__init__", ["initi"]),
        ("utf8_decode", ["utf", "8", "decod", "utf8_decode"]),
        ("SHA256Hash", ["sha", "256", "hash", "sha256hash"]),
        ("x", ["x"]),
        ("_", []),
        ("userIDs URLs", ["user", "identifi", "userid", "url"]),
        ("naïveCafé", ["naiv", "cafe", "naivecafe"]),
        ("变量名", ["变", "量", "名", "变量", "量名"]),
        ("变量_x", ["变", "量", "变量", "x"]),
        ("a.b(c)", ["a", "b", "c"]),
        ("f(1,2)", ["f", "1", "2"]),
        ("attrs", ["attribut"]),
        ("mkdir", ["make", "directori", "mkdir"]),
        ("Running cats", ["run", "cat"]),
    ],
)
def test_identifiers_are_split_and_kept(text, terms):
    assert CodeAnalyzer().terms(text) == terms


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def parse(self):", "parse"),
        ("fn parse<T>(x: T)", "parse"),
        ("func (s *Server) Parse(x int)", "Parse"),
        ("function parse(x) {", "parse"),
        ("class Parse extends Base", "Parse"),
        ("class Parse:", "Parse"),
        ("def größe(x):", "größe"),
    ],
)
def test_a_name_counts_more_where_it_is_defined(text, name):
    analyzer = CodeAnalyzer()
    (term,) = analyzer.terms(name)
    assert analyzer.terms(text).count(term) == NAME_WEIGHT


def test_prose_about_classes_defines_nothing():
    text = "The class of all functions; a function which returns, a class method"
    assert with_names(text) == text


def test_words_of_a_question_are_those_of_prose():
    """A question in words finds the parts of a name: both are stemmed alike."""
    question = "How do I get the responses of a running server in Python?"
    assert CodeAnalyzer().query_terms(question) == ["get", "respons", "run", "server"]
    assert set(CodeAnalyzer().query_terms(question)) < set(Analyzer().query_terms(question))


def test_questions_of_stop_words_only_keep_them():
    assert CodeAnalyzer().query_terms("python") == ["python"]
    assert CodeAnalyzer().query_terms("is_not") == ["is", "not", "is_not"]
    assert CodeAnalyzer().query_terms("") == []


@given(code_text)
def test_spans_are_the_terms_with_their_places(text):
    analyzer = CodeAnalyzer()
    spans = list(analyzer.spans(text))
    terms = analyzer.terms(text)
    assert [span.term for span in spans] == terms[: len(spans)]
    assert set(terms) == {span.term for span in spans}
    for span in spans:
        assert 0 <= span.start < span.end <= len(text)
        assert span.term in analyzer.terms(text[span.start : span.end])


@given(st.lists(code_text, max_size=5))
def test_a_batch_has_the_same_terms(texts):
    analyzer = CodeAnalyzer()
    assert analyzer.batch(texts).lists() == [analyzer.terms(text) for text in texts]


@pytest.mark.parametrize("text", ["def getName(x): pass  # 取得名字 แมว", "fn ＡＢ_c１２() ¼"])
def test_compiled_code_gives_the_same_terms(text, monkeypatch):
    monkeypatch.setattr("hybrid.tokenizing._WORTH_LOADING", 0)
    analyzer = CodeAnalyzer()
    assert analyzer.batch([text, "", text]).lists() == [
        analyzer.terms(text),
        [],
        [*analyzer.terms(text)],
    ]


@given(code_text)
def test_a_question_has_no_other_terms_than_a_document(text):
    analyzer = CodeAnalyzer()
    assert set(analyzer.query_terms(text)) <= set(analyzer.terms(text))


@given(code_text)
def test_composed_and_decomposed_text_have_the_same_terms(text):
    analyzer = CodeAnalyzer()
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert analyzer.terms(composed) == analyzer.terms(decomposed)


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_the_quick_patterns_for_ascii_find_the_same(text):
    assert module._ASCII_TOKEN.findall(text) == module._TOKEN.findall(text)
    assert module._ASCII_PART.findall(text) == module._PART.findall(text)


def test_the_table_of_words_is_in_lower_case_and_ends_in_words():
    for short, words in FULL.items():
        assert short == short.lower(), short
        assert words, short
        assert not set(words) & (set(FULL) - {short}), short
    assert all(name == name.lower() for name in LANGUAGES)


def test_settings_go_through_json():
    analyzer = CodeAnalyzer(Analyzer(latin="german"))
    stored = json.loads(json.dumps(analyzer.settings()))
    assert CodeAnalyzer.from_settings(stored) == analyzer
    assert CodeAnalyzer.from_settings(stored).terms("vieleHunde") == ["viel", "hund", "vielehund"]
