"""Hybrid search from the question to the texts of its hits, beside its indexes and beside peers.

python -m bench.endtoend build /tmp/made --rows 100000 --kind hnsw
python -m bench.endtoend latency /tmp/made --k 10
"""

import argparse
import time
from pathlib import Path

import hybrid
from bench.endtoend_data import MadeUp


def build(arguments: argparse.Namespace) -> None:
    """Build and save an index of made-up passages, and questions beside it."""
    start = time.perf_counter()
    made = MadeUp.of(arguments.rows, arguments.dimension, arguments.seed)
    arguments.folder.mkdir(parents=True)
    made.questions(arguments.queries).save(arguments.folder)
    print(f"made {len(made.passages)} passages: {time.perf_counter() - start:.1f} s", flush=True)
    retriever = hybrid.Retriever.create(
        arguments.folder / "index",
        encoder=made.encoder(),
        analyzer="english",
        chunker=hybrid.Chunker(size=None),
        dense=hybrid.Dense(kind=arguments.kind),
    )
    retriever.add(made.documents())
    print(f"added: {time.perf_counter() - start:.1f} s", flush=True)
    retriever.commit()
    print(f"saved: {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--kind", default="hnsw")
    build(parser.parse_args())
