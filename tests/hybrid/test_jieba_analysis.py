"""Chinese by words, where jieba is installed, and what is said where it is not."""

import json
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid import Analyzer, JiebaAnalyzer, MissingDependency
from hybrid.analyzers import as_analyzer, reopen
from hybrid.jieba_analysis import _loaded


@pytest.fixture
def analyzer():
    try:
        return JiebaAnalyzer()
    except MissingDependency:
        pytest.skip("needs the extra: pip install 'hybrid-retrieval[jieba]'")


def test_the_extra_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    _loaded.cache_clear()
    with pytest.raises(MissingDependency, match=r"pip install 'hybrid-retrieval\[jieba\]'"):
        as_analyzer("jieba")
    monkeypatch.undo()
    _loaded.cache_clear()


def test_chinese_is_cut_into_words_and_the_rest_is_as_ever(analyzer):
    assert analyzer.terms("研究生命的 cats") == ["研究", "生命", "的", "cat"]
    for text in ("running cats", "走る猫", "แมววิ่ง", "한국어"):
        assert analyzer.terms(text) == Analyzer().terms(text)
    assert analyzer.query_terms("the 猫") == ["猫"]


def test_long_words_are_found_by_their_parts(analyzer):
    assert {"南京", "长江", "大桥", "长江大桥"} <= set(analyzer.terms("南京市长江大桥"))


@given(text=st.text(st.sampled_from("研究生命的猫咪 aX.のﾊ走￠兀\ufe00"), max_size=20))
def test_spans_lie_in_the_text(text):
    try:
        analyzer = JiebaAnalyzer()
    except MissingDependency:
        pytest.skip("needs the extra: pip install 'hybrid-retrieval[jieba]'")
    spans = list(analyzer.spans(text))
    assert (
        [span.term for span in spans] == analyzer.terms(text) == analyzer.batch([text]).lists()[0]
    )
    assert all(0 <= span.start < span.end <= len(text) for span in spans)


def test_it_is_silent_and_leaves_no_file(analyzer, capfd):
    """Jieba itself keeps a copy of its dictionary in the temporary folder."""
    kept = Path(tempfile.gettempdir(), "jieba.cache")
    before = kept.exists()
    _loaded.cache_clear()
    assert JiebaAnalyzer().terms("猫咪")
    assert kept.exists() == before
    assert capfd.readouterr() == ("", "")


def test_it_is_stored_and_reopened(analyzer):
    stored = json.loads(json.dumps(analyzer.settings()))
    assert reopen(stored, None) == analyzer
