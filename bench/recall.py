"""Quality of every index and of their fusion on collections in BEIR layout.

    python -m bench.recall path/to/scifact path/to/cranfield ...

Each collection is indexed with the defaults, its judged test queries are run, and the measures are
those of ir-measures.  Documents are scored by their best chunk.  Nothing is tuned here.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hybrid
from fusion import Method
from hybrid.documents import ReadReport
from hybrid.judgements import read_beir_queries, read_qrels
from hybrid.readers import read_beir

MEASURES = ("nDCG@10", "R@100", "RR@10")


def measure(folder: Path, encoder: str, whole: bool) -> Iterator[dict[str, Any]]:
    """Yield a row of results for each index alone and for their default fusion."""
    qrels = read_qrels(folder / "qrels" / "test.tsv")
    queries = {name: text for name, text in read_beir_queries(folder).items() if name in qrels}
    chunker = hybrid.Chunker(size=None) if whole else hybrid.Chunker()
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        retriever = hybrid.Retriever.create(Path(place) / "index", encoder=encoder, chunker=chunker)
        added = retriever.add(read_beir(folder, report=ReadReport()))
        retriever.commit()
        facts = {
            "collection": folder.name,
            "documents": added.added,
            "chunks": len(retriever),
            "queries": len(queries),
            "build_s": round(time.perf_counter() - start, 2),
        }
        methods: dict[str, Method] = {
            "bm25": hybrid.Weighted({"bm25": 1.0, "dense": 0.0}),
            encoder: hybrid.Weighted({"bm25": 0.0, "dense": 1.0}),
            "RRF k=60": hybrid.RRF(),
            "default": retriever.fusion,
        }
        for name, method in methods.items():
            retriever.fusion = method
            start = time.perf_counter()
            run = retriever.run(queries, k=100)
            mean_ms = 1000 * (time.perf_counter() - start) / len(queries)
            found = hybrid.evaluate(run, qrels, MEASURES)
            yield {**facts, "method": name, **found, "mean_ms": round(mean_ms, 3)}
        retriever.close()


def main() -> None:
    """Measure the collections that are named on the command line, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", nargs="+", type=Path, help="folders in BEIR layout")
    parser.add_argument("--encoder", default="lsa", help="as in Retriever.create (default: lsa)")
    parser.add_argument("--whole", action="store_true", help="do not split documents")
    parser.add_argument("--json", type=Path, help="append the rows to this JSON Lines file")
    arguments = parser.parse_args()
    columns = ("collection", "chunks", "method", *MEASURES, "build_s", "mean_ms")
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for folder in arguments.collections:
        for row in measure(folder, arguments.encoder, arguments.whole):
            cells = [row[name] for name in columns]
            shown = [f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in cells]
            print("| " + " | ".join(shown) + " |")
            sys.stdout.flush()
            if arguments.json:
                with arguments.json.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
