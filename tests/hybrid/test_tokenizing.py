"""Many texts at once have the terms that each has alone."""

import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from hybrid import Analyzer, analysis, tokenizing
from hybrid.characters import characters
from hybrid.languages import BY_SCRIPT
from hybrid.lexicon import Lexicon
from hybrid.token_kernels import CJK, UNSPACED, WORD
from hybrid.tokenizing import Tokenizer

ALPHABET = (
    "aZ09٣१𝟗½Ⅷ. ,_-'\n\x00\x85é\u0301\u0308ßẞİıſﬁŁΣςΐבּкТЁйقطﷺकिताब্বহ்թჩ"  # words
    "猫咪〇〡㐀豈丽𠀀㊀㈱㋐のがか\u3099\u309aーｰﾊﾞﾟゟヿㄅㆠ한국각\u1100\u1161\u11a8ㄱㅏﾡ\u302e"  # CJK
    "แมวำัฺุ่้๊๑ກຂຳໜໍກ໋កខ្មែរ៖ំមြန်မာဥ\u102e့\u103aꩠ"  # unspaced
    "\u200b\u200c\u200d\ufe0f\U000e0100🙂👩‍🚀\ud800\udfff\uffff\U0010ffff"  # between, or not text
)
EVERY = "".join(map(chr, range(sys.maxunicode + 1)))
texts = st.lists(
    st.text(st.sampled_from(ALPHABET), max_size=30) | st.text(st.characters(), max_size=10),
    max_size=6,
)
languages = sorted({name for group in BY_SCRIPT.values() for name in group.values()})


@pytest.fixture(autouse=True, scope="module")
def compiled_from_the_start():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizing, "_WORTH_LOADING", 0)
        yield


def assert_the_same(batch, analyzer, texts):
    expected = [list(analyzer.terms(text)) for text in texts]
    assert batch.lists() == expected
    assert batch.terms == list(dict.fromkeys(chain.from_iterable(expected)))
    assert (batch.ids.dtype, batch.offsets.dtype) == (np.uint32, np.int64)


remembering = Analyzer()


@given(texts)
def test_a_batch_has_the_terms_of_each_text(texts):
    """One analyzer for all examples, which remembers more and more."""
    assert_the_same(remembering.batch(texts), remembering, texts)


@given(texts, st.sampled_from(languages), st.booleans())
def test_in_every_language(texts, language, plain):
    analyzer = Analyzer(None, None, None, None) if plain else Analyzer.named(language)
    assert_the_same(analyzer.batch(texts), analyzer, texts)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["", "", "cat", ""],
        ["cat", "dog cat"],
        ["1.", "5", "3.14", "1,000.", ".5.5", "1.2.3a", "a.b", "〇.〇", "٣.٣"],
        ["cut", "between", "texts", "猫", "咪", "แ", "ม"],
        ["Straße STRASSE", "ﬁne İstanbul ſ", "\ufb01", "＄５．００"],
        ["น้ำ นํ้า น\u0e48\u0e38", "ບໍ່ ຫນ້າ ໜ້າ", "ခု့\u103a ဥ\u102eး", "ខ្មែរ\u200bភាសា"],
        [
            "が か\u3099 ｶﾞ",
            "각 \u1100\u1161\u11a8 가\u11a8",
            "猫\ufe00咪 葛\U000e0100飾",
            "㊀ 一",
            "一 ㊀",
        ],
        ["\ud83d\ude00 a\ud800b", "x\x00y\x1cz"],
    ],
)
def test_what_is_hard_to_cut(texts):
    analyzer = Analyzer()
    assert_the_same(analyzer.batch(texts), analyzer, texts)


def test_every_code_point_has_its_class():
    classes = characters(analysis.KINDS, analysis.normalised, 17).classes
    starts = [chr(place) for place in np.flatnonzero(classes & (WORD | CJK | UNSPACED))]
    assert starts == analysis._TOKEN.findall("\n".join(EVERY))
    for flag, pattern in ((CJK, analysis._CJK), (UNSPACED, analysis._UNSPACED)):
        assert regex.findall(f"(?V1)[{pattern}]", EVERY) == [
            chr(place) for place in np.flatnonzero(classes & flag)
        ]


def test_no_two_characters_with_a_quick_form_become_one():
    """Hangul is composed by arithmetic, all else by the table of decompositions."""
    folds = characters(analysis.KINDS, analysis.normalised, 17).folds
    parts = [unicodedata.decomposition(character).split() for character in EVERY]
    pairs = [pair for pair in parts if len(pair) == 2 and pair[0][0] != "<"]
    assert len(pairs) > 900
    assert not [pair for pair in pairs if all(folds[int(part, 16)] for part in pair)]
    assert not folds[0x1100:0x1200].any()
    assert folds[ord("각")] == ord("각")


def test_tables_grow():
    analyzer = Analyzer(None, None, None, None)
    words = " ".join(f"w{number:x}" for number in range(10_000))
    run = "".join(map(chr, range(0x4E00, 0x9000)))
    texts = [
        words,
        run,
        "x" * 100_000,
        words + run,
        "ก" * 9 + "".join(map(chr, range(0xE01, 0xE2F))),
    ]
    assert_the_same(analyzer.batch(texts), analyzer, texts)


def test_texts_are_read_in_pieces_and_little_is_remembered(monkeypatch):
    analyzer = Analyzer()
    texts = ["The cats 猫咪", "", "cats purr", "แมว" * 5] * 5
    monkeypatch.setattr(tokenizing, "_PIECE_CHARS", 12)
    monkeypatch.setattr(tokenizing, "_MOST_REMEMBERED", 40)
    for start in range(len(texts)):
        assert_the_same(analyzer.batch(texts[start:]), analyzer, texts[start:])
        assert not analyzer._tokenizer._idle
    assert analyzer.batch(["cats"]).terms == ["cat"]
    assert len(analyzer._tokenizer._idle) == 1


@pytest.mark.parametrize("bits", [0, 2, 34])
def test_words_with_the_same_hash_stay_apart(bits):
    lexicon = Lexicon(lambda word: [word], hash_bits=bits)
    ends = ["", "é", "y" * 8]  # packed; not ASCII; too long to be packed
    words = [f"{number:x}{end}" for number in range(300) for end in ends]
    tables = characters(analysis.KINDS, analysis.normalised, 1)
    read = [lexicon.read([" ".join(words), "ab ba"], lambda highest: tables) for _ in range(2)]
    assert lexicon.batch(read).lists() == [words, ["ab", "ba"]] * 2


def test_threads_share_an_analyzer():
    analyzer = Analyzer()
    texts = [f"Running w{number % 97} 猫{chr(0x4E00 + number)} นก{number}" for number in range(400)]
    parts = [texts[start::7] for start in range(7)] * 6
    with ThreadPoolExecutor(4) as pool:
        for part, batch in zip(parts, pool.map(analyzer.batch, parts), strict=True):
            assert_the_same(batch, analyzer, part)


def test_other_kinds_of_tokens_with_several_terms_or_none():
    """As an analyzer for source code has them."""
    kinds = analysis.KINDS._replace(word=(r"a-z_", r"a-z_0-9"), digit="")

    def parts(token):
        return [] if token == "_" else list(dict.fromkeys([token, *token.split("_")]))

    tokenizer = Tokenizer(kinds, plain=list, terms_of=parts, normalise=analysis.normalised)
    batch = tokenizer.batch(["max_len(_, 3.14) = len2 猫咪", "_"])
    assert batch.lists() == [["max_len", "max", "len", "len2", "猫", "咪", "猫咪"], []]


def test_a_mistake_in_an_analysis_leaves_no_trace():
    def refuse(token):
        if token == "bad":
            raise ValueError(token)
        return [token]

    tokenizer = Tokenizer(
        analysis.KINDS, plain=list, terms_of=refuse, normalise=analysis.normalised
    )
    with pytest.raises(ValueError, match="bad"):
        tokenizer.batch(["good bad", "better"])
    assert tokenizer.batch(["good better"]).terms == ["good", "better"]


def test_few_texts_do_without_compiled_code(monkeypatch):
    monkeypatch.setattr(tokenizing, "_WORTH_LOADING", 20)
    analyzer = Analyzer()
    assert_the_same(analyzer.batch(["few words"]), analyzer, ["few words"])
    assert not analyzer._tokenizer._idle
    assert_the_same(analyzer.batch(["a few words more"]), analyzer, ["a few words more"])
    assert analyzer._tokenizer._idle
