"""Many texts to terms at once, by compiled code: what an analyzer does, on batches.

The tokens of a batch are read by compiled code, and each distinct one is analysed once by the
analyzer's own function.  What was analysed is remembered for the batches that follow.
"""

from collections.abc import Callable, Iterator, Sequence

from hybrid.characters import Kinds, characters
from hybrid.lexicon import Lexicon
from hybrid.token_tables import Characters
from indexes.terms import TermBatch

_PIECE_CHARS = 1_000_000  # read at once; four bytes each stay in a cache
_MOST_REMEMBERED = 8_000_000  # code points of distinct tokens, about 200 MB in all
_WORTH_LOADING = 1_000_000  # characters; up to there compiled code saves less than it takes to load


class Tokenizer:
    """The terms of many texts, fast.

    Parameters
    ----------
    kinds : Kinds
        Which characters make tokens of which kind.
    plain : callable
        The terms of a text: what a tokenizer must equal, and what it calls until it has seen enough
        to make compiled code worth its loading.
    terms_of : callable
        The terms of a token as it stands in a text, none or several.  Of the runs that become
        n-grams it gets those in which characters change each other.
    normalise : callable
        What happens to the text of a run before it is cut into n-grams; for one character it must
        not depend on others, apart from canonical composition and order.

    Notes
    -----
    Threads may share a tokenizer.  Each call takes a lexicon that no other is using and puts it
    back, so nothing is locked while texts are read, and threads remember separately.
    """

    def __init__(
        self,
        kinds: Kinds,
        *,
        plain: Callable[[str], Sequence[str]],
        terms_of: Callable[[str], Sequence[str]],
        normalise: Callable[[str], str],
    ) -> None:
        self._kinds, self._plain, self._terms_of = kinds, plain, terms_of
        self._normalise = normalise
        self._seen = 0
        self._idle: list[Lexicon] = []

    def batch(self, texts: Sequence[str]) -> TermBatch:
        """Return the terms of texts, distinct ones in the order of their first occurrence."""
        self._seen += sum(map(len, texts))
        if self._seen < _WORTH_LOADING:
            return TermBatch.of(map(self._plain, texts))
        try:
            lexicon = self._idle.pop()
        except IndexError:
            lexicon = Lexicon(self._terms_of)
        terms = lexicon.batch([lexicon.read(piece, self._tables) for piece in _pieces(texts)])
        if len(lexicon) <= _MOST_REMEMBERED:  # else it starts anew: memory stays bounded
            self._idle.append(lexicon)
        return terms

    def _tables(self, highest: int) -> Characters:
        """Return the tables up to a code point."""
        return characters(self._kinds, self._normalise, 1 + (highest >> 16))


def _pieces(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield consecutive texts of about as many characters as are read at once."""
    start = size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= _PIECE_CHARS:
            yield texts[start : place + 1]
            start, size = place + 1, 0
    if start < len(texts):
        yield texts[start:]
