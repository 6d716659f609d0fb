"""What is known of single languages: which stems, which stop words, and which one a text is in."""

from collections.abc import Iterable
from functools import cache
from itertools import islice

ENGLISH_FUNCTION_WORDS = """
a about above after again against all am an and any are aren as at be because been before
being below between both but by can could couldn d did didn do does doesn doing down during
each few for from further had hadn has hasn have haven having he her here hers herself him
himself his how i if in into is isn it its itself just ll m me more most my myself no nor not
of off on once only or other our ours ourselves out over own re s same she should shouldn so
some such t than that the their theirs them themselves then there these they this those through
to too under until up ve very was wasn we were weren what when where which while who whom whose
why will with would wouldn you your yours yourself yourselves"""
"""Closed-class words of English.  The list of the package stop-words has 1,333, among them
"computer", "effect" and "different", and costs .011 nDCG@10 on SQuAD (docs/adr/0003)."""

FUNCTION_CHARACTERS = frozenset(
    "的了是在和与及吗呢么或被把将由于之其所也都就而且但并从对为以到等个这那哪些什有何谁几多少怎样如请"
    "のはがをにでともへやかねよなだすしてれたるい"
)
"""Characters of which Chinese and Japanese function words are made: particles, pronouns, endings.
Chosen on cmrc2018 and jaquad (docs/adr/0003)."""

BY_SCRIPT = {
    "latin": {
        "ca": "catalan",
        "cs": "czech",
        "da": "danish",
        "de": "german",
        "en": "english",
        "es": "spanish",
        "et": "estonian",
        "eu": "basque",
        "fi": "finnish",
        "fr": "french",
        "ga": "irish",
        "hu": "hungarian",
        "id": "indonesian",
        "it": "italian",
        "lt": "lithuanian",
        "nb": "norwegian",
        "nl": "dutch",
        "nn": "norwegian",
        "no": "norwegian",
        "pl": "polish",
        "pt": "portuguese",
        "ro": "romanian",
        "sv": "swedish",
        "tr": "turkish",
    },
    "cyrillic": {"ru": "russian", "sr": "serbian"},
    "arabic": {"ar": "arabic", "fa": "persian"},
    "devanagari": {"hi": "hindi", "ne": "nepali"},
}
"""Scripts that several languages share: ISO 639-1 code -> Snowball's name."""

FIXED = {"greek": "greek", "armenian": "armenian", "tamil": "tamil"}
"""Scripts that one Snowball language has to itself."""

_ENOUGH_WORDS = 40
_LEAST_STOP_SHARE = 0.08


@cache
def stop_words(language: str) -> frozenset[str]:
    """Return the stop words of a language by Snowball's name; none where no list is known."""
    if language == "english":
        return frozenset(ENGLISH_FUNCTION_WORDS.split())
    import stop_words as lists

    if language not in lists.AVAILABLE_LANGUAGES:
        return frozenset()
    return frozenset(word.casefold() for word in lists.get_stop_words(language))


def detect(words: Iterable[str], script: str, default: str | None) -> str | None:
    """Return which language the words of one script are in, by Snowball's name.

    The guess of the classifier must be confirmed by the share of stop words; otherwise the words
    are in a language without a stemmer, such as Yoruba, and a wrong stemmer does harm.

    Parameters
    ----------
    words : iterable of str
        Running text in one script, word by word.
    script : str
        One of `BY_SCRIPT`.
    default : str or None
        The answer when there are too few words to tell.
    """
    sample = list(islice(words, 20_000))
    if len(sample) < _ENOUGH_WORDS:
        return default
    import py3langid

    code, _ = py3langid.classify(" ".join(sample))
    language = BY_SCRIPT[script].get(code)
    if language is None:
        return None
    known = stop_words(language)
    share = sum(word.casefold() in known for word in sample) / len(sample)
    return language if not known or share >= _LEAST_STOP_SHARE else None
