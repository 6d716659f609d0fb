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

MEASURES = ("nDCG@10", "R@10", "R@100", "RR@10")
SHOWN = ("nDCG@10", "R@100")


def methods(retriever: hybrid.Retriever, encoder: str) -> dict[str, Method]:
    """Return each index alone, both by rank, and the default, by the name of its column."""
    return {
        "BM25": hybrid.Weighted({"bm25": 1.0, "dense": 0.0}),
        encoder: hybrid.Weighted({"bm25": 0.0, "dense": 1.0}),
        "RRF k=60": hybrid.RRF(),
        "default": retriever.fusion,
    }


def measure(folder: Path, encoder: str, chunker: hybrid.Chunker) -> Iterator[dict[str, Any]]:
    """Yield a row of results for each index alone and for their fusions."""
    qrels = read_qrels(folder / "qrels" / "test.tsv")
    queries = {name: text for name, text in read_beir_queries(folder).items() if name in qrels}
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
        for name, method in methods(retriever, encoder).items():
            retriever.fusion = method
            start = time.perf_counter()
            run = retriever.run(queries, k=100)
            mean_ms = 1000 * (time.perf_counter() - start) / len(queries)
            found = hybrid.evaluate(run, qrels, MEASURES)
            rounded = {measure: round(value, 4) for measure, value in found.items()}
            yield {**facts, "method": name, **rounded, "mean_ms": round(mean_ms, 3)}
        retriever.close()


def print_row(cells: list[str]) -> None:
    """Print one row of a Markdown table at once."""
    print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


def main() -> None:
    """Measure the collections that are named on the command line, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", nargs="+", type=Path, help="folders in BEIR layout")
    parser.add_argument("--encoder", default="lsa", help="as in Retriever.create (default: lsa)")
    parser.add_argument("--whole", action="store_true", help="do not split documents")
    parser.add_argument("--json", type=Path, help="append every figure to this JSON Lines file")
    arguments = parser.parse_args()
    chunker = hybrid.Chunker(size=None) if arguments.whole else hybrid.Chunker()
    columns = ["BM25", arguments.encoder, "RRF k=60", "default"]
    print_row(["collection", "chunks", "queries", *columns])
    print_row(["---"] * (3 + len(columns)))
    sums = {column: [0.0] * len(SHOWN) for column in columns}
    for folder in arguments.collections:
        rows = {row["method"]: row for row in measure(folder, arguments.encoder, chunker)}
        cells = [" / ".join(f"{rows[name][shown]:.3f}" for shown in SHOWN) for name in columns]
        print_row([folder.name, *(str(rows["BM25"][key]) for key in ("chunks", "queries")), *cells])
        for name in columns:
            sums[name] = [s + rows[name][m] for s, m in zip(sums[name], SHOWN, strict=True)]
        if arguments.json:
            with arguments.json.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows.values())
    count = len(arguments.collections)
    means = [" / ".join(f"{total / count:.3f}" for total in sums[name]) for name in columns]
    print_row(["mean", "", "", *means])


if __name__ == "__main__":
    main()
