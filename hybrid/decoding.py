"""Bytes of a file → text, also where the encoding is not told."""

import codecs
from pathlib import Path

from hybrid.documents import ReadReport

LARGEST_BYTES = 256 * 2**20
"""Files above this are not read in one piece: 256 MiB."""

_BOMS = {
    # UTF-32 stands before UTF-16: its little-endian mark begins with that of UTF-16.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# The most used come first, which decides where bytes fit several single-byte encodings equally
# well: charset-normalizer alone reads French "près" (cp1252) as cp1250 "prčs".  Its rarer
# encodings (shift_jis_2004, mac_*, utf_16 without a mark) are left out: short koi8-r and 16 random
# bytes were taken for them.
# fmt: off
_LEGACY = [
    "cp1252", "cp1251", "koi8_r", "gb18030", "big5hkscs", "cp932", "euc_jp", "cp949", "cp1250",
    "iso8859_2", "cp1253", "cp1254", "cp1255", "cp1256", "cp874", "cp1257", "cp866", "iso8859_5",
    "latin_1",  # for pages that declare it
]
# fmt: on


def read_text(path: Path, name: str, report: ReadReport) -> str:
    """Return the text of a file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        What the file is called in the report.
    report : ReadReport
        Where a guessed encoding is noted.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is too large, empty, or not text.
    """
    check_size(path)
    text, guess = decode(path.read_bytes())
    if guess:
        report.decoded[name] = guess
    if not text.strip():
        raise ValueError("empty file")
    return text


def check_size(path: Path) -> None:
    """Raise a ValueError for a file that is too large to be read in one piece."""
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise ValueError(
            f"expected a file of at most {LARGEST_BYTES} bytes, not {size}: split it, or use JSONL"
        )


def unicode_encoding(head: bytes) -> str | None:
    """Return the encoding that a byte order mark at the start of a file announces, if one does."""
    return next((encoding for bom, encoding in _BOMS.items() if head.startswith(bom)), None)


def decode(data: bytes) -> tuple[str, str]:
    """Return the text of bytes, and the encoding if it had to be guessed.

    Parameters
    ----------
    data : bytes
        A whole file.

    Returns
    -------
    text : str
        Without a byte order mark.
    guess : str
        "" for UTF-8, and for UTF-16 and UTF-32 with a byte order mark.

    Raises
    ------
    ValueError
        If the bytes are binary, or fit no known encoding.
    """
    encoding = unicode_encoding(data)
    if encoding is None and b"\0" in data[:8192]:
        raise ValueError("binary file")
    try:
        return data.decode(encoding or "utf-8"), ""
    except UnicodeDecodeError as error:
        if encoding in ("utf-16", "utf-32"):
            raise ValueError(f"undecodable bytes after the mark of {encoding}") from error
        return _mended(data) or _guessed(data)


def _mended(data: bytes) -> tuple[str, str] | None:
    """Read UTF-8 with a few broken bytes: a file cut in mid-character, a log with one bad line."""
    text = data.decode("utf-8-sig", errors="replace")
    broken = text.count("\ufffd")
    intact = len(text) - len(text.encode("ascii", errors="ignore")) - broken
    # Text in a legacy encoding hardly ever forms UTF-8 sequences: there the broken ones prevail.
    return (text, f"utf-8 with {broken} broken characters") if intact > 20 * broken else None


def _guessed(data: bytes) -> tuple[str, str]:
    from charset_normalizer import from_bytes

    # Plain lines tell nothing, but that the guess would be made from them if they come first.
    telling = [line for line in data.splitlines() if not line.isascii() or b"charset" in line]
    # With the default of 512 bytes a sample that begins in mid-character has Japanese refused.
    matches = from_bytes(b"\n".join(telling), cp_isolation=_LEGACY, steps=1, chunk_size=8192)
    best = matches.best()
    if best is None:
        raise ValueError("undecodable bytes")
    equals = [
        match.encoding
        for match in matches
        if match.chaos - best.chaos < 0.005
        and best.coherence - match.coherence < 0.02
        and match.multi_byte_usage == best.multi_byte_usage
    ]
    encoding = min(equals, key=_LEGACY.index)
    return data.decode(encoding), encoding


def well_formed(text: str) -> str:
    r"""Return text that can be written as UTF-8: halves of surrogate pairs joined, or replaced.

    >>> well_formed("\ud83d\ude00 \ud800")
    '😀 �'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
