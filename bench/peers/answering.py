"""Other engines are asked the questions of a test collection, over the chunks of a retriever.

All are given the terms of our analyzer and the vectors that our index stores, and a document scores
as its best chunk, as with us.  What each has of its own is in its settings.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hybrid
from bench.peers import versions
from bench.peers.content import Asking, Chunks, Question, of_retriever
from bench.peers.entrants import PEERS, Engine
from hybrid.benchmark.rankings import Rankings
from hybrid.benchmark.results import Latency
from hybrid.benchmark.running import DEPTH, Answered
from hybrid.benchmark.timing import HITS, latency, sample

_TUNING = 50
_ENCODED_AT_ONCE = 256


def answers(
    retriever: hybrid.Retriever,
    queries: Mapping[str, str],
    k: int = DEPTH,
    names: Sequence[str] | None = None,
) -> Iterator[Answered]:
    """Yield what other engines answer.

    Parameters
    ----------
    retriever : Retriever
        Whose chunks, terms and vectors the others are given.
    queries : mapping of str to str
        The questions, by id.
    k : int
        Documents of an answer.
    names : sequence of str, optional
        Of `PEERS`; all by default.  One that cannot take part is left out, with a line on stderr.

    Raises
    ------
    ValueError
        If a name is not that of a peer.
    RuntimeError
        If a peer answers no question.
    """
    names = tuple(PEERS) if names is None else names
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise ValueError(f"expected peers of {', '.join(PEERS)}, not {', '.join(unknown)}")
    chunks, asking = of_retriever(retriever)
    for name in names:
        entrant = PEERS[name]
        obstacle = entrant.obstacle(chunks, len(queries))
        if obstacle is not None:
            print(f"{name} is left out: {obstacle}", file=sys.stderr)
            continue
        with TemporaryDirectory() as folder:
            for label, engine in entrant.build(chunks, Path(folder), k).items():
                run = _run(engine, chunks, asking, queries, k)
                if queries and not any(run.values()):
                    raise RuntimeError(f"{label}: expected answers, but no question has one")
                taken = _latency(engine, asking, list(queries.values()))
                settings = {
                    "peer": name,
                    "versions": versions(entrant.needed),
                    "same as ours": "terms, vectors" if engine.by_vectors else "terms",
                    "its own": engine.own,
                }
                yield Answered(label, run, taken, settings)


def _run(
    engine: Engine, chunks: Chunks, asking: Asking, queries: Mapping[str, str], k: int
) -> Rankings:
    """Return the best documents of every question; a blank one is not asked."""
    found = {}
    asked = [(query_id, text) for query_id, text in queries.items() if text.strip()]
    for start in range(0, len(asked), _ENCODED_AT_ONCE):
        part = asked[start : start + _ENCODED_AT_ONCE]
        questions = asking.questions([text for _, text in part], vectors=engine.by_vectors)
        for (query_id, _), question in zip(part, questions, strict=True):

            def best(count: int, question: Question = question) -> tuple[Any, Any]:
                answer = engine.read(engine.search(question, count))
                return answer.rows, answer.scores

            found[query_id] = chunks.owners.best(best, k)
    return Rankings(chunks.owners.names, found)


def _latency(engine: Engine, asking: Asking, texts: list[str]) -> Latency | None:
    """Return how long questions take from their text to `HITS` hits in the engine's own form."""
    asked = sample([text for text in texts if text.strip()], 0, engine.timed)
    if not asked:
        return None
    engine.tune(asking.questions(asked[:_TUNING], vectors=engine.by_vectors))

    def ask(text: str) -> object:
        (question,) = asking.questions([text], vectors=engine.by_vectors)
        return engine.search(question, HITS)

    return latency(ask, asked)
