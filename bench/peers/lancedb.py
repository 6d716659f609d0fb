"""LanceDB's hybrid query: its own full-text index, vectors, its reranker by reciprocal ranks."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.peers.recipe import EF_SEARCH, RECIPROCAL
from indexes import Candidates

_AS_GIVEN = {
    "base_tokenizer": "whitespace",
    "lower_case": False,
    "stem": False,
    "remove_stop_words": False,
    "ascii_folding": False,
    "max_token_length": None,
}
"""Terms between blanks, as they are."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is made.

    Attributes
    ----------
    graph : bool
        An index over the vectors, IVF_HNSW_SQ of one partition, searched with ef = 128; else they
        are scanned.
    analysed : bool
        The texts are terms between blanks; else LanceDB analyses them by its defaults.
    metric : {"ip", "l2"}
    """

    graph: bool
    analysed: bool
    metric: str = "ip"

    @property
    def distance(self) -> str:
        """LanceDB's name of the metric."""
        return "l2" if self.metric == "l2" else "dot"


class Lance:
    """A table of texts and vectors.

    Parameters
    ----------
    texts : sequence of str
    vectors : ndarray of float32, shape (n, dimension)
    layout : Layout
    folder : Path
        Where the table is, or is to be kept.
    embedded : ndarray of bool, shape (n,), optional
        Which texts have a vector; all by default.

    Raises
    ------
    ValueError
        If what is kept holds another number of texts.
    """

    def __init__(
        self,
        texts: Sequence[str],
        vectors: NDArray[np.float32],
        layout: Layout,
        folder: Path,
        embedded: NDArray[np.bool_] | None = None,
    ) -> None:
        os.environ.setdefault("LANCEDB_LOG", "error")  # it warns of every query, which takes time
        import lancedb
        from lancedb.rerankers import RRFReranker

        self._layout = layout
        self._by_ranks = RRFReranker(K=RECIPROCAL)
        database = lancedb.connect(str(folder))
        name = "hnsw" if layout.graph else "flat"
        if name in database.list_tables().tables:
            self._table = database.open_table(name)
        else:
            self._table = _made(database, name, _columns(texts, vectors, embedded), layout)
        held = self._table.count_rows()
        indexed = self._table.index_stats("text_idx").num_indexed_rows
        if not held == indexed == len(texts):
            raise ValueError(
                f"expected {len(texts)} rows in {folder}, all in its full-text index, "
                f"not {held} and {indexed}"
            )

    def search(self, text: str, vector: NDArray[np.float32] | None, limit: int, column: str) -> Any:
        """Return one column of the best rows as an Arrow table.

        A question that has only words or only a vector is put to one index.
        """
        if vector is None:
            asked = self._table.search(text, query_type="fts")
        elif text:
            asked = self._table.search(query_type="hybrid").vector(vector).text(text)
            asked = asked.distance_type(self._layout.distance).rerank(self._by_ranks)
        else:
            asked = self._table.search(vector).distance_type(self._layout.distance)
        asked = asked.select([column]).limit(limit)
        if self._layout.graph and vector is not None:
            asked = asked.ef(EF_SEARCH)
        return asked.to_arrow()


def read(found: Any) -> Candidates:
    """Return rows and scores of an answer with the column "row"; a single list scores by ranks."""
    rows = found["row"].to_numpy()
    if "_relevance_score" in found.column_names:
        scores = found["_relevance_score"].to_numpy()
    else:
        scores = 1 / (RECIPROCAL + np.arange(1, len(rows) + 1))
    return Candidates(rows.astype(np.int64), scores.astype(np.float32))


def _columns(
    texts: Sequence[str], vectors: NDArray[np.float32], embedded: NDArray[np.bool_] | None
) -> Any:
    import pyarrow

    mask = None if embedded is None or embedded.all() else pyarrow.array(~embedded)
    listed = pyarrow.FixedSizeListArray.from_arrays(
        pyarrow.array(vectors.ravel()), vectors.shape[1], mask=mask
    )
    return pyarrow.table({"row": np.arange(len(texts)), "text": texts, "vector": listed})


def _made(database: Any, name: str, columns: Any, layout: Layout) -> Any:
    """Return a new table with its indexes."""
    from lancedb.index import FTS, HnswSq

    table = database.create_table(name, columns, on_bad_vectors="null")
    words = FTS(with_position=False, **(_AS_GIVEN if layout.analysed else {}))
    table.create_index("text", config=words)
    if layout.graph:
        config = HnswSq(distance_type=layout.distance, num_partitions=1)
        table.create_index("vector", config=config)
    return table
