"""Bytes are read as the text they were, and bytes that are no text are refused."""

import random

import pytest

from hybrid.decoding import decode, read_text
from hybrid.documents import ReadReport

CHINESE = "人工智能是计算机科学的一个分支，它企图了解智能的实质。猫在沙发上睡觉，外面下着雨。"
JAPANESE = """吾輩は猫である。名前はまだ無い。
どこで生れたかとんと見当がつかぬ。
何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。
吾輩はここで始めて人間というものを見た。
しかもあとで聞くとそれは書生という人間中で一番獰悪な種族であったそうだ。
この書生というのは時々我々を捕えて煮て食うという話である。
しかしその当時は何という考もなかったから別段恐しいとも思わなかった。
ただ彼の掌に載せられてスーと持ち上げられた時何だかフワフワした感じがあったばかりである。
"""
_LINES = JAPANESE.splitlines()
LONG_JAPANESE = "\n".join(_LINES[i % 8] + _LINES[(i * 3 + 1) % 8] for i in range(100))
RUSSIAN = "Привет, мир! Кошка сидела на окне и смотрела на улицу, где шёл дождь."
FRENCH = "Le chat dort sur le canapé près de la fenêtre, et il rêve d'être libre."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "gb18030"),
        (CHINESE * 300, "gb18030"),
        (JAPANESE, "shift_jis"),
        (JAPANESE * 300, "shift_jis"),
        (LONG_JAPANESE, "shift_jis"),
        (LONG_JAPANESE, "euc_jp"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (FRENCH, "cp1252"),
        ("مرحبا بالعالم هذا نص قصير باللغة العربية", "cp1256"),
        ("안녕하세요 이것은 짧은 한국어 텍스트입니다", "euc_kr"),
        ("Καλημέρα κόσμε, αυτό είναι ένα κείμενο", "cp1253"),
    ],
    ids=lambda value: value[:12],
)
def test_legacy_encodings_are_guessed(text, encoding):
    found, guess = decode(text.encode(encoding))
    assert found == text
    assert text.encode(guess) == text.encode(encoding)


def test_the_guess_looks_past_plain_lines():
    plain = "plain ASCII\n" * 5000
    text = f"{plain}{CHINESE}\n{plain}"
    assert decode(text.encode("gb18030")) == (text, "gb18030")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", [CHINESE, "", "a"])
def test_unicode_encodings_are_not_guessed(text, encoding):
    assert decode(text.encode(encoding)) == (text, "")


def test_utf8_with_a_broken_byte_is_still_utf8():
    text = CHINESE * 10
    expected = (text[:-1] + "\ufffd", "utf-8 with 1 broken characters")
    assert decode(text.encode()[:-1]) == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (random.Random(0).randbytes(5000), "binary file"),
        (random.Random(0).randbytes(5000).replace(b"\0", b"\1"), "undecodable bytes"),
        (b"\x93\xfa\x01\x96\x7b\x02", "undecodable bytes"),
        (b"text\0text", "binary file"),
        (CHINESE.encode("utf-16")[:-1], "undecodable bytes after the mark of utf-16"),
    ],
)
def test_what_is_not_text_is_refused(data, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        decode(data)


def test_guesses_are_reported(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(RUSSIAN.encode("cp1251"))
    report = ReadReport()
    assert read_text(path, "docs/a.txt", report) == RUSSIAN
    assert report == ReadReport(decoded={"docs/a.txt": "cp1251"})
