"""Terms of every script, and what is stored about how they were made."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid import Analyzer, AnalyzerMismatch
from hybrid import analysis as module
from hybrid.analyzers import reopen
from hybrid.languages import detect, stop_words

mixed_text = st.text(
    st.sampled_from("aZé09 ._-'’\n猫咪のーハ한국แมววิ่ກຂकिताबкотΣςقط\u200c\u0301１２ﬁß¼"), max_size=40
)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Running CATS", ["run", "cat"]),
        ("naïve café", ["naiv", "cafe"]),
        ("Fußgänger", ["fussgang"]),
        ("cat's don't", ["cat", "s", "don", "t"]),
        ("3.14 1,000 v1.2", ["3.14", "1,000", "v1", "2"]),
        ("ＦＵＬＬ　ｗｉｄｔｈ", ["full", "width"]),
        ("٢٠١٥", ["2015"]),
        ("snake_case os.path", ["snake", "case", "os", "path"]),
        ("猫", ["猫"]),
        ("猫咪叫", ["猫", "咪", "叫", "猫咪", "咪叫"]),
        ("Python3中文", ["python3", "中", "文", "中文"]),
        ("データ", ["デ", "ー", "タ", "デー", "ータ"]),
        ("한국어", ["한", "국", "어", "한국", "국어"]),
        ("แมว", ["แม", "มว", "แมว"]),
        ("किताबें", ["किताब"]),
        ("бегущие коты", ["бегущ", "кот"]),
        ("...!? 🙂", []),
    ],
)
def test_terms_of_every_script(text, terms):
    analyzer = Analyzer(latin="german") if "Fuß" in text else Analyzer()
    assert analyzer.terms(text) == terms


def test_vowel_signs_do_not_cut_words():
    """Python's own regular expressions take them for separators."""
    assert len(Analyzer(devanagari=None).terms("हिन्दी")) == 1


def test_questions_leave_out_stop_words_unless_there_is_nothing_else():
    analyzer = Analyzer()
    assert analyzer.query_terms("Why do the cats purr?") == ["cat", "purr"]
    assert analyzer.query_terms("to be or not to be") == ["to", "be", "or", "not", "to", "be"]
    assert analyzer.query_terms("") == []


@given(mixed_text)
def test_spans_are_the_terms_with_their_places(text):
    analyzer = Analyzer()
    spans = list(analyzer.spans(text))
    assert [span.term for span in spans] == analyzer.terms(text)
    for span in spans:
        assert 0 <= span.start < span.end <= len(text)
        there = text[span.start : span.end]
        plain = unicodedata.normalize("NFKC", there).casefold()
        assert span.term in analyzer.terms(there) or span.term in plain


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_the_quick_pattern_for_ascii_finds_the_same_tokens(text):
    assert module._tokens(text) == module._TOKEN.findall(text)


@given(mixed_text)
def test_composed_and_decomposed_text_have_the_same_terms(text):
    analyzer = Analyzer()
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert analyzer.terms(composed) == analyzer.terms(decomposed)


@pytest.mark.parametrize(
    ("text", "script", "language"),
    [
        ("the cat sat on the mat and it was happy with this " * 5, "latin", "english"),
        ("der Hund und die Katze sind nicht in dem Haus, das ist gut " * 5, "latin", "german"),
        ("кошка и собака не были в этом доме, но это хорошо для всех " * 5, "cyrillic", "russian"),
        ("القط في البيت وهو على السرير و هذا من الجيد ان يكون هنا " * 5, "arabic", "arabic"),
        ("Ó jẹ́ ọ̀kan nínú àwọn ìlú tí ó wà ní ìpínlẹ̀ náà fún ọdún " * 5, "latin", None),
    ],
)
def test_languages_are_detected_by_script(text, script, language):
    assert detect(text.split(), script, "default") == language
    assert getattr(Analyzer.detected([text]), script) == language


def test_too_few_words_keep_the_default():
    assert detect(["Katze", "Hund"], "latin", "english") == "english"
    assert Analyzer.detected([]) == Analyzer()


def test_a_language_is_chosen_by_name():
    assert Analyzer.named("german") == Analyzer(latin="german")
    assert Analyzer.named("hindi") == Analyzer()
    with pytest.raises(ValueError, match="not 'klingon'"):
        Analyzer.named("klingon")
    with pytest.raises(ValueError, match="for words in latin script, not 'elvish'"):
        Analyzer(latin="elvish")


def test_function_characters_leave_a_question_in_chinese_and_japanese():
    asked = Analyzer().query_terms("谁是鲁迅的父亲")
    assert {"鲁迅", "父亲", "是鲁", "迅的", "鲁", "亲"} <= set(asked)
    assert not {"谁", "是", "的", "谁是"} & set(asked)
    assert "の" not in Analyzer().query_terms("猫の世界")
    assert Analyzer().query_terms("谁是") == ["谁", "是", "谁是"]
    stops = {span.term: span.stop for span in Analyzer().spans("猫の")}
    assert stops == {"猫": False, "の": True, "猫の": False}


def test_no_stop_words_where_no_list_is_known():
    assert stop_words("basque") == frozenset()
    assert "und" in stop_words("german")
    assert "computer" not in stop_words("english")


def test_settings_go_through_json_and_refuse_another_analyzer():
    stored = json.loads(json.dumps(Analyzer(latin="german").settings()))
    assert reopen(stored, None) == Analyzer(latin="german")
    with pytest.raises(AnalyzerMismatch, match="latin: index 'german', given 'english'"):
        reopen(stored, Analyzer())


def test_other_terms_under_the_same_settings_are_noticed(monkeypatch):
    """As after an update of the stemmer."""
    stored = Analyzer().settings()
    monkeypatch.setattr(module, "_CANARY", "other words")
    with pytest.raises(AnalyzerMismatch, match="canary"):
        reopen(stored, None)
