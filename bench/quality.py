"""Quality of BM25 alone, ours beside bm25s, each with its own tokenizer and its own defaults.

    python -m bench.quality path/to/scifact path/to/cranfield ...

Ours is the whole pipeline without an encoder: detected analyzer, chunks, the best chunk of each
document.  bm25s has whole documents, title and text, its tokenizer with English stop words, and its
k1 and b; once as it is, once with Snowball's English stemmer.  Nothing is tuned here.
"""

import argparse
import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer

import hybrid
from bench.beir import Collection
from bench.recall import print_row
from hybrid.documents import ReadReport
from hybrid.readers import read_beir

MEASURES = ("nDCG@10", "R@100")
DEPTH = 100
Run = dict[str, dict[str, float]]


def ours(folder: Path, collection: Collection) -> Run:
    """Return our run."""
    with tempfile.TemporaryDirectory() as place:
        retriever = hybrid.Retriever.create(Path(place) / "index", encoder=None)
        with retriever:
            retriever.add(read_beir(folder, report=ReadReport()))
            return retriever.run(collection.queries, k=DEPTH)


def theirs(collection: Collection, stemmer: Any) -> Run:
    """Return the run of bm25s; rows of score 0 only fill its answers up and are left out."""
    index = bm25s.BM25(method="lucene", backend="numba")
    options = {"stopwords": "en", "stemmer": stemmer, "show_progress": False}
    index.index(bm25s.tokenize(list(collection.texts.values()), **options), show_progress=False)
    ids = np.array(list(collection.texts), object)
    asked = bm25s.tokenize(list(collection.queries.values()), return_ids=False, **options)
    depth = min(DEPTH, len(ids))
    run: Run = {}
    for query_id, terms in zip(collection.queries, asked, strict=True):
        known = [term for term in terms if term in index.vocab_dict]
        run[query_id] = {}
        if known:  # bm25s fails on a query of which it knows nothing
            rows, scores = index.retrieve([known], k=depth, n_threads=1, show_progress=False)
            pairs = zip(ids[rows[0]], scores[0].tolist(), strict=True)
            run[query_id] = {doc_id: score for doc_id, score in pairs if score > 0}
    return run


def measure(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a record of results for each engine."""
    collection = Collection.read(folder)
    runs = {
        "ours": ours(folder, collection),
        "bm25s": theirs(collection, None),
        "bm25s + stemmer": theirs(collection, Stemmer.Stemmer("english")),
    }
    facts = {"documents": len(collection.texts), "queries": len(collection.queries)}
    for engine, run in runs.items():
        found = hybrid.evaluate(run, collection.qrels, MEASURES)
        rounded = {name: round(value, 4) for name, value in found.items()}
        yield {"collection": folder.name, **facts, "engine": engine, **rounded}


def main() -> None:
    """Measure the collections that are named on the command line, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", nargs="+", type=Path, help="folders in BEIR layout")
    parser.add_argument("--json", type=Path, help="append every figure to this JSON Lines file")
    arguments = parser.parse_args()
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    engines = ["ours", "bm25s", "bm25s + stemmer"]
    print_row(["collection", "documents", "queries", *engines])
    print_row(["---"] * (3 + len(engines)))
    results = []
    for folder in arguments.collections:
        records = list(measure(folder))
        results.append([[record[name] for name in MEASURES] for record in records])
        sizes = [str(records[0][name]) for name in ("documents", "queries")]
        print_row([folder.name, *sizes, *map(_cell, results[-1])])
        if arguments.json:
            with arguments.json.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(record) + "\n" for record in records)
    print_row(["mean", "", "", *map(_cell, np.mean(results, axis=0))])


def _cell(values: Any) -> str:
    return " / ".join(f"{value:.3f}" for value in values)


if __name__ == "__main__":
    main()
