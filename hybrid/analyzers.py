"""Which analyzer: by name, by what a collection holds, and by what an index has stored."""

import logging
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from hybrid.analysis import Analyzer
from hybrid.code_analysis import CodeAnalyzer
from hybrid.code_detection import mostly_code
from hybrid.errors import AnalyzerMismatch
from hybrid.field_analysis import FieldAnalyzer, title_end
from hybrid.settings import differences
from hybrid.text_analyzer import TextAnalyzer

log = logging.getLogger(__name__)

FIELDS = {"title", "text"}

_MOST_TEXTS = 10_000  # are looked at, to sample from


def _jieba() -> TextAnalyzer:
    from hybrid.jieba_analysis import JiebaAnalyzer

    return JiebaAnalyzer()


def _jieba_from_settings(settings: dict[str, Any]) -> TextAnalyzer:
    from hybrid.jieba_analysis import JiebaAnalyzer

    return JiebaAnalyzer.from_settings(settings)


def _fields_from_settings(settings: dict[str, Any]) -> TextAnalyzer:
    return FieldAnalyzer(from_settings(settings["title"]), from_settings(settings["text"]))


_BY_NAME: dict[str, Callable[[], TextAnalyzer]] = {"code": CodeAnalyzer, "jieba": _jieba}
_STORED: dict[str, Callable[[dict[str, Any]], TextAnalyzer]] = {
    "default": Analyzer.from_settings,
    "code": CodeAnalyzer.from_settings,
    "jieba": _jieba_from_settings,
    "fields": _fields_from_settings,
}


def as_analyzer(chosen: "TextAnalyzer | str | Mapping[str, TextAnalyzer | str]") -> TextAnalyzer:
    """Return the analyzer that is meant.

    Parameters
    ----------
    chosen : TextAnalyzer, str or mapping
        ``"code"``, ``"jieba"``, or a language by Snowball's name, such as ``"german"``; an
        analyzer; or one of these for each of ``"title"`` and ``"text"``.

    Raises
    ------
    ValueError
        If there is no analyzer of this name, or a field is missing or unknown.
    MissingDependency
        If jieba is meant and not installed.
    """
    if isinstance(chosen, Mapping):
        if set(chosen) != FIELDS:
            raise ValueError(
                f"expected an analyzer for each of the fields title and text, "
                f"not for {', '.join(sorted(map(str, chosen))) or 'none'}"
            )
        return FieldAnalyzer(as_analyzer(chosen["title"]), as_analyzer(chosen["text"]))
    if not isinstance(chosen, str):
        return chosen
    if chosen in _BY_NAME:
        return _BY_NAME[chosen]()
    try:
        return Analyzer.named(chosen)
    except ValueError as error:
        raise ValueError(f"expected the analyzer 'code' or 'jieba'; or {error}") from None


def detected(texts: Iterable[str]) -> TextAnalyzer:
    """Return the analyzer for a collection, from what its first texts are: code or prose."""
    first = list(islice(texts, _MOST_TEXTS))
    chosen: TextAnalyzer
    if mostly_code([text[title_end(text) :] for text in first]):
        chosen = CodeAnalyzer()
    else:
        chosen = Analyzer.detected(first)
    log.info("analyzer detected: %s", chosen)
    return chosen


def from_settings(settings: dict[str, Any]) -> TextAnalyzer:
    """Return the analyzer that its `settings` described.

    Raises
    ------
    AnalyzerMismatch
        If it is none of this package.
    """
    name = settings.get("name")
    if name not in _STORED:
        raise AnalyzerMismatch(
            f"expected the analyzer {name!r} that the index was built with: open the index with "
            f"analyzer=..., or with the version of hybrid that built it"
        )
    return _STORED[name](settings)


def reopen(stored: dict[str, Any], given: TextAnalyzer | None) -> TextAnalyzer:
    """Return the analyzer of a saved index.

    Parameters
    ----------
    stored : dict
        The settings of the analyzer that the index was built with.
    given : TextAnalyzer or None
        The one at hand; None makes it from the settings.

    Raises
    ------
    AnalyzerMismatch
        If the given one, or this version's, makes other terms; says what differs.
    """
    analyzer = from_settings(stored) if given is None else given
    differing = differences(_flat(stored), _flat(analyzer.settings()))
    if differing:
        raise AnalyzerMismatch(
            f"expected the analyzer that the index was built with, but they differ in "
            f"{differing}. Build the index again, or use the versions that built it"
        )
    return analyzer


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by names such as ``text.prose.latin``."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found
