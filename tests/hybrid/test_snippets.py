"""Snippets: the best passage, cut well, with its matches."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.analysis import Analyzer
from hybrid.snippets import Snippet, best_snippet, marked

ANALYZER = Analyzer()


def snippet(text: str, question: str, width: int) -> Snippet:
    return best_snippet(text, ANALYZER, ANALYZER.query_terms(question), width)


def highlighted(found: Snippet) -> list[str]:
    return [found.text[start:end] for start, end in found.marks]


def test_a_short_text_is_shown_whole():
    found = snippet("Cats  purr\n\twhen they sleep.", "why do cats purr", 100)
    assert found.text == "Cats purr when they sleep."
    assert highlighted(found) == ["Cats", "purr"]


def test_more_different_terms_win_over_more_matches():
    text = "Cats, cats, cats, cats. " + "Nothing here. " * 20 + "A cat purrs. " + "The end. " * 20
    found = snippet(text, "why do cats purr", 40)
    assert highlighted(found) == ["cat", "purrs"]
    assert found.text.startswith("…")
    assert found.text.endswith("…")


def test_more_matches_win_over_fewer_and_then_the_first():
    text = "A cat. " + "Nothing. " * 20 + "Cat and cat. " + "Nothing. " * 20 + "Cat or cat. "
    assert "Cat and cat" in snippet(text, "cat", 20).text


def test_words_are_not_cut():
    text = "internationalisation " * 10 + "cat " + "internationalisation " * 10
    found = snippet(text, "cat", 60)
    assert set(found.text.strip("…").split()) == {"internationalisation", "cat"}


def test_a_word_without_end_is_cut():
    found = snippet("x" * 10_000, "cat", 50)
    assert len(found.text) < 100


def test_chinese_is_cut_between_characters_and_its_bigrams_are_one_mark():
    text = "狗在院子里跑来跑去。" * 20 + "猫咪打呼噜是因为满足。" + "狗在院子里跑来跑去。" * 20
    found = snippet(text, "猫咪打呼噜", 24)
    assert highlighted(found) == ["猫咪打呼噜"]
    assert 24 <= len(found.text.strip("…")) <= 26


@pytest.mark.parametrize("text", ["cafe\u0301 " * 50, "แมววิ่งเร็วมาก" * 20])
def test_a_mark_stays_with_its_letter(text):
    for width in range(20, 40):
        shown = snippet(text, "cat", width).text.rstrip("…")
        assert len(shown) < len(text)
        assert unicodedata.category(text[len(shown)]) != "Mn"


def test_without_a_match_it_is_the_beginning():
    found = snippet("Dogs bark at night. " * 10, "cat", 30)
    assert found == Snippet("Dogs bark at night. Dogs bark at…", ())


def test_nothing_comes_of_nothing():
    assert snippet(" \n ", "cat", 10) == Snippet("", ())


def test_a_title_is_marked_as_a_whole():
    found = marked("The sleeping\ncat", ANALYZER, ["sleep"])
    assert found == Snippet("The sleeping cat", ((4, 12),))


def test_a_width_below_one_is_refused():
    with pytest.raises(ValueError, match="expected a width of at least 1, not 0"):
        snippet("cat", "cat", 0)


@given(st.text(st.sampled_from("ab cat猫咪ﬃก็\u0301\n.")), st.integers(1, 30))
def test_marks_are_matches_in_order_and_the_text_is_a_part(text, width):
    found = best_snippet(text, ANALYZER, ["cat", "猫", "猫咪", "a"], width)
    line = " ".join(text.split())
    assert found.text.strip("…") in line
    ends = [0, *(place for mark in found.marks for place in mark)]
    assert ends == sorted(ends)
    assert all(start < end <= len(found.text) for start, end in found.marks)
    assert bool(found.marks) == bool({"cat", "猫", "a"} & set(ANALYZER.terms(line)))


def test_time_is_linear():
    def seconds(repeats: int) -> float:
        start = time.perf_counter()
        snippet("cat dog mouse " * repeats, "cat mouse", 10_000)
        return time.perf_counter() - start

    seconds(10)
    # Ten times the text: about 10 times the time, and 100 times if it were quadratic.
    assert seconds(20_000) < 40 * seconds(2_000)
