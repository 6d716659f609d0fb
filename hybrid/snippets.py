"""The passage of a text that shows best why a question found it."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import regex

from hybrid.text_analyzer import TextAnalyzer

# Unicode's word boundaries lie between Chinese characters, but not before an accent.
_WORD_START, _WORD_END = regex.compile(r"(?w)\b(?=\w)"), regex.compile(r"(?w)(?<=\S)\b")
_LONGEST_WORD = 30  # a longer one is cut anywhere
_LEAD = 3  # one part in so many of the spare room goes before the first match

Range = tuple[int, int]
Match = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A passage with its matches.

    Attributes
    ----------
    text : str
        On one line, with "…" where the text goes on.
    marks : tuple of (int, int)
        Start and end of the matches in the text, ascending; those that touch are one.
    """

    text: str
    marks: tuple[Range, ...]


def best_snippet(
    text: str, analyzer: TextAnalyzer, terms: Iterable[str], width: int = 200
) -> Snippet:
    """Return the passage with the most different terms of a question.

    Among equals it is the one with the most matches, and then the first.  Without any match it is
    the beginning.

    Parameters
    ----------
    text : str
        A chunk's text.
    analyzer : TextAnalyzer
        The one of the index.
    terms : iterable of str
        The question's terms, by the same analyzer.
    width : int
        About how many characters, >= 1; the last word is not cut.

    Raises
    ------
    ValueError
        If `width` < 1.
    """
    if width < 1:
        raise ValueError(f"expected a width of at least 1, not {width}")
    line = " ".join(text.split())
    matches = _matches(line, analyzer, frozenset(terms))
    start, end = _cut_around(line, _densest(matches, width), width)
    before, after = "…" * (start > 0), "…" * (end < len(line))
    shown = [(max(a, start), min(b, end)) for a, b, _ in matches if a < end and b > start]
    shift = len(before) - start
    marks = tuple((a + shift, b + shift) for a, b in _joined(shown))
    return Snippet(f"{before}{line[start:end]}{after}", marks)


def marked(text: str, analyzer: TextAnalyzer, terms: Iterable[str]) -> Snippet:
    """Return the whole of a text, such as a title, on one line with its matches."""
    return best_snippet(text, analyzer, terms, width=max(len(text), 1))


def _matches(line: str, analyzer: TextAnalyzer, wanted: Collection[str]) -> list[Match]:
    """Return start, end and term of every match, ascending."""
    return sorted(
        (span.start, span.end, span.term) for span in analyzer.spans(line) if span.term in wanted
    )


def _densest(matches: list[Match], width: int) -> Range:
    """Return the stretch of at most `width` characters with the best matches; one at the least.

    Both of its ends only move forward: the time is linear in the number of matches.
    """
    best, stretch = (0, 0), (0, 0)
    inside: Counter[str] = Counter()
    after = 0
    for first, (start, _, term) in enumerate(matches):
        while after < len(matches) and (after == first or matches[after][1] <= start + width):
            inside[matches[after][2]] += 1
            after += 1
        value = (len(inside), after - first)
        if value > best:
            best, stretch = value, (start, matches[after - 1][1])
        inside[term] -= 1
        if not inside[term]:
            del inside[term]
    return stretch


def _cut_around(line: str, kept: Range, width: int) -> Range:
    """Return where to cut a line so that about `width` characters around `kept` are left."""
    spare = max(width - (kept[1] - kept[0]), 0)
    start = max(min(kept[0] - spare // _LEAD, len(line) - width), 0)
    end = start + width
    if start > 0:
        start = min(_next(_WORD_START, line, start), kept[0])
    return start, _next(_WORD_END, line, end)


def _next(boundary: "regex.Pattern[str]", line: str, at: int) -> int:
    """Return the first boundary from `at` on."""
    limit = min(at + _LONGEST_WORD, len(line))
    found = boundary.search(line, min(at, limit), limit)
    return limit if found is None else found.start()


def _joined(ranges: list[Range]) -> list[Range]:
    """Join ascending ranges that overlap or touch, as the n-grams of a Chinese word do."""
    joined: list[Range] = []
    for start, end in ranges:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
