"""The questions that an index can be asked."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Unpack

from fusion import Limit
from fusion.exact import NO_LIMIT
from hybrid.context import Context, build_context, estimate_tokens
from hybrid.explaining import explain
from hybrid.facets import Facet, facets
from hybrid.results import Explanation, Hit
from hybrid.searching import Filter, Search, Wanted, check_question
from hybrid.why_not import WhyNot, why_not

if TYPE_CHECKING:
    from fusion.measures import OfRanking
    from hybrid.tuned import Tuned
    from hybrid.tuning import TuningOptions


class Asking(ABC):
    """What can be asked, of whatever can be searched."""

    @abstractmethod
    def _search(self) -> Search:
        """Return the present state."""

    @contextmanager
    def _searching(self) -> Iterator[Search]:
        """Give the present state, which does not change meanwhile."""
        yield self._search()

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        filter: Filter | None = None,
        min_score: float | None = None,
        limit: Limit = NO_LIMIT,
    ) -> list[Hit]:
        """Return the best `k` chunks for a question.

        Parameters
        ----------
        query : str
            The question; one without any word finds nothing.
        k : int
            Most hits to return, >= 1.  The hits for k are a prefix of those for k + 1.
        filter : mapping, optional
            Condition on the metadata, applied inside the search: see `hybrid.filters`.
        min_score : float, optional
            Hits with a lower score are left out, so that a pipeline can say that it found nothing.
            What scores are like depends on the fusion; those of z-scores mean the same whatever
            the question: how many standard deviations a chunk is above the mean of all.
        limit : Limit
            How deep the lists may be read, or for how long: then `Hit.proved` says which hits are
            certain.
        """
        wanted = Wanted(k, filter, min_score, limit)
        with self._searching() as search:
            return search.hits(query, wanted)

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        filter: Filter | None = None,
        min_score: float | None = None,
        limit: Limit = NO_LIMIT,
    ) -> list[list[Hit]]:
        """Return `search` of every question; they are encoded together, searched in parallel."""
        wanted = Wanted(k, filter, min_score, limit)
        with self._searching() as search:
            return search.hits_of_many(queries, wanted)

    async def asearch(
        self,
        query: str,
        k: int = 10,
        *,
        filter: Filter | None = None,
        min_score: float | None = None,
        limit: Limit = NO_LIMIT,
    ) -> list[Hit]:
        """Return `search` without holding up the event loop."""
        return await asyncio.to_thread(
            self.search, query, k, filter=filter, min_score=min_score, limit=limit
        )

    def explain(self, query: str, k: int = 3, *, filter: Filter | None = None) -> Explanation:
        """Return the hits of a question with ranks, matched terms, certificate and timings."""
        with self._searching() as search:
            return explain(search, query, Wanted(k, filter))

    def why_not(
        self, query: str, chunk_id: str, k: int = 10, *, filter: Filter | None = None
    ) -> WhyNot:
        """Return why a chunk is not among the first `k` hits of a question.

        Parameters
        ----------
        query : str
            The question.
        chunk_id : str
            The chunk, or a document: then its best chunk.
        k : int
            How many hits there are.
        filter : mapping, optional
            As in `search`.

        Raises
        ------
        ValueError
            If there is no such chunk.
        """
        with self._searching() as search:
            return why_not(search, query, chunk_id, k, filter)

    def facets(
        self, key: str, *, filter: Filter | None = None, top: int | None = 10
    ) -> list[Facet]:
        """Return in how many documents each value of a metadata key stands, most first.

        Parameters
        ----------
        key : str
            As in a filter.
        filter : mapping, optional
            Counts only the documents that it lets through.
        top : int or None
            Most values to return; None: all.
        """
        with self._searching() as search:
            return facets(search.store, key, filter, top)

    def context(
        self,
        query: str,
        max_tokens: int = 1500,
        *,
        k: int = 20,
        filter: Filter | None = None,
        min_score: float | None = None,
        count_tokens: Callable[[str], int] = estimate_tokens,
    ) -> Context:
        """Return the best of the first `k` hits that fit into a budget, with their sources."""
        hits = self.search(query, k, filter=filter, min_score=min_score)
        return build_context(hits, max_tokens, count_tokens)

    def tune(
        self,
        queries: Mapping[str, str],
        qrels: Mapping[str, Mapping[str, int]],
        measure: "str | OfRanking" = "nDCG@10",
        **options: "Unpack[TuningOptions]",
    ) -> "Tuned":
        """Find weights, norm and constants of BM25 from judged questions; change nothing.

        Cross-validated: what is expected of other questions is measured on questions that were
        left out, and where nothing is better than the default, that is the answer.

        Parameters
        ----------
        queries : mapping
            {query_id: text}.
        qrels : mapping
            {query_id: {doc_id: relevance}}; a document scores as its best chunk.
        measure : str or callable
            "nDCG", "R", "P", "RR", "Success" or "AP" with a cutoff, such as "nDCG@10"; or a
            function of the relevance of the documents found, best first, and of all relevant ones.
        **options
            bm25, adaptive, groups, folds, seed, progress: see `hybrid.tuning.TuningOptions`.

        Returns
        -------
        Tuned
            Its `fusion` and `bm25` are for this retriever, ``apply`` sets both; `report` says what
            they are worth, ``print`` shows it.

        Raises
        ------
        ValueError
            If no question has a text and a relevant document.

        Examples
        --------
        >>> found = r.tune(queries, qrels)  # doctest: +SKIP
        >>> print(found)  # doctest: +SKIP
        >>> found.apply(r)  # doctest: +SKIP
        """
        from hybrid.tuning import Tuner

        with self._searching() as search:
            tuner = Tuner(search.store, search.indexes, search.fusion)
            return tuner.tune(queries, qrels, measure, options)

    def run(self, queries: Mapping[str, str], k: int = 100) -> dict[str, dict[str, float]]:
        """Return {query_id: {doc_id: score}}; a document scores as its best chunk."""
        for query in queries.values():
            check_question(query)
        Wanted(k)  # refuses what k cannot be
        with self._searching() as search:
            answers = search.documents_of_many(list(queries.values()), k)
        return dict(zip(queries, answers, strict=True))
