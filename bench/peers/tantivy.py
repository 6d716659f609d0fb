"""tantivy: one segment on disk, a field with frequencies and without positions.

Its BM25 has k1 = 1.2 and b = 0.75 as ours has, but it keeps the length of a passage in one byte, so
it orders near neighbours differently.  A query is built from its terms as a boolean of term
queries, or by the query parser; the quicker one is taken.  Hits are not counted beyond k.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tantivy
from tantivy import Occur, Query

from bench.peers import quickest
from indexes import Candidates
from indexes.terms import TermBatch

FIELD = "body"
HEAP_BYTES = 3_500_000_000  # as much as fits in one segment, so that nothing is merged
Terms = list[str]


class Tantivy:
    """Terms between blanks, one writer thread."""

    name = "tantivy"
    least_overlap = 0.9

    def __init__(self) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_text_field(FIELD, tokenizer_name="whitespace", index_option="freq")
        self._schema = builder.build()
        self._folder = Path()
        self._ways: dict[str, Callable[[Terms, int], Any]] = {
            "boolean of terms": self._boolean,
            "query parser": self._parsed,
        }
        self._way = self._ways["boolean of terms"]

    def build(self, content: TermBatch, folder: Path) -> None:
        """Index the passages as terms between blanks."""
        self._folder = folder
        self._index = tantivy.Index(self._schema, path=str(folder))
        writer = self._index.writer(HEAP_BYTES, 1)
        bounds = content.offsets.tolist()
        for low, high in pairwise(bounds):
            document = tantivy.Document()
            words = [content.terms[number] for number in content.ids[low:high].tolist()]
            document.add_text(FIELD, " ".join(words))
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._searcher = self._index.searcher()
        held, segments = self._searcher.num_docs, self._searcher.num_segments
        if held != len(content) or segments > 1:
            raise RuntimeError(f"expected {len(content)} rows, one segment: {held}, {segments}")

    def tune(self, queries: Sequence[Terms], k: int, exact: Sequence[Candidates]) -> str:
        """Choose between a boolean query and the parser."""
        ways = dict(self._ways)
        if not all(term.isalnum() for query in queries for term in query):
            del ways["query parser"]  # it has a syntax, in which such terms mean something else
        way = quickest(ways, queries, k)
        self._way = ways[way]
        return way

    def search(self, query: Terms, k: int) -> Any:
        """Return a list of (score, address)."""
        return self._way(query, k)

    def read(self, answer: Any) -> Candidates:
        """Return the answer; in one segment a document's number is its row."""
        rows = np.array([address.doc for _, address in answer], np.int64)
        return Candidates(rows, np.array([score for score, _ in answer], np.float32))

    def size_bytes(self) -> int:
        """Return the bytes on disk."""
        return sum(path.stat().st_size for path in self._folder.iterdir())

    def _boolean(self, query: Terms, k: int) -> Any:
        schema = self._schema
        terms = [(Occur.Should, Query.term_query(schema, FIELD, t, "freq")) for t in query]
        return self._searcher.search(Query.boolean_query(terms), k, count=False).hits

    def _parsed(self, query: Terms, k: int) -> Any:
        parsed = self._index.parse_query(" ".join(query), [FIELD])
        return self._searcher.search(parsed, k, count=False).hits


def create() -> Tantivy:
    """Return an engine that holds nothing yet."""
    return Tantivy()
