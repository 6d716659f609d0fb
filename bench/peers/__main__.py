"""Other engines beside ours on test collections: how good the answers are, and what one costs.

    python -m bench.peers path/to/scifact path/to/cacm --vectors path/to/vectors

Documents are not split, since vectors are of whole documents: ``<name>.npz`` in the folder has
arrays D and Q of the documents `ids` and the questions `qids`.  Questions without a vector are left
out.  One thread; give the process one core (``taskset -c 1``), because LanceDB has threads of its
own that no setting here reaches.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import hybrid
from bench import beir
from bench.fusion_data import _stored as vectors_of
from bench.peers.answering import answers
from bench.peers.entrants import PEERS
from bench.recall import print_row
from bench.timing import facts, one_thread
from hybrid.benchmark.collection import Collection, open_collection
from hybrid.benchmark.running import Plan, measure
from hybrid.documents import ReadReport
from hybrid.readers import read_beir

DEPTH = 100
SHOWN = ("nDCG@10", "R@100")


def searched(folder: Path, vectors: Path, place: Path) -> tuple[Collection, hybrid.Retriever]:
    """Return a collection, of it the questions that have a vector, and an index of it."""
    whole, collection = beir.Collection.read(folder), open_collection(str(folder))
    stored, asked = vectors_of(whole, vectors / f"{folder.name}.npz")
    queries = {name: text for name, text in collection.queries.items() if name in asked}
    encoder = hybrid.Precomputed(
        dict(zip(whole.texts.values(), stored, strict=True)),
        {text: asked[name] for name, text in queries.items()},
        str(vectors),
    )
    retriever = hybrid.Retriever.create(
        place / "index", encoder=encoder, chunker=hybrid.Chunker(size=None)
    )
    retriever.add(read_beir(folder, report=ReadReport()))
    retriever.commit()
    qrels = {name: collection.qrels[name] for name in queries}
    return replace(collection, queries=queries, qrels=qrels), retriever


def measured(folder: Path, vectors: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a record for each way to search a collection, ours first."""
    with tempfile.TemporaryDirectory() as place:
        collection, retriever = searched(folder, vectors, Path(place))
        with retriever:
            more = partial(answers, k=DEPTH, names=names)
            plan = Plan(fusions=("rrf",), depth=DEPTH, more=more)
            result = measure(collection, retriever, None, plan)
        for way in result.ways:
            figures = {name: round(way.mean(name), 4) for name in way.measures}
            yield {
                "collection": result.collection,
                "documents": result.size.documents,
                "queries": len(result.queries),
                "way": way.name,
                "kind": way.kind,
                **figures,
                **({} if way.latency is None else asdict(way.latency)),
                "settings": way.settings,
            }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", nargs="+", type=Path, help="folders in BEIR layout")
    parser.add_argument("--vectors", type=Path, required=True, help="folder of npz files")
    names = tuple(PEERS)
    parser.add_argument("--peers", nargs="*", choices=names, default=names, help="only these")
    parser.add_argument("--json", type=Path, help="append all figures to this JSON Lines file")
    return parser


def main() -> None:
    """Measure the collections that are named on the command line; print a table as it grows."""
    arguments = _parser().parse_args()
    one_thread("bench.peers")
    columns = ["collection", "documents", "queries", "way", *SHOWN, "p50_ms", "p95_ms", "p99_ms"]
    print_row([*columns, "per_second"])
    print_row(["---"] * (len(columns) + 1))
    for folder in arguments.collections:
        for record in measured(folder, arguments.vectors, arguments.peers):
            print_row([*(_cell(record.get(name)) for name in columns), _whole(record)])
            if arguments.json:
                with arguments.json.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"benchmark": "peers", **facts(), **record}) + "\n")


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str("" if value is None else value)


def _whole(record: dict[str, Any]) -> str:
    return f"{record['per_second']:.0f}" if "per_second" in record else ""


if __name__ == "__main__":
    main()
