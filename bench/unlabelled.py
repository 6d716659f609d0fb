"""What tuning without judgements is worth, beside the default and tuning with judgements.

    python -m bench.unlabelled COLLECTION... --vectors DIR
    python -m bench.unlabelled COLLECTION... --encoder lsa

nDCG@10 over whole documents.  "estimated" looks at the chunks alone, "with log" at the texts of the
questions, too; "judged" is what `Retriever.tune` expects of questions that it left out, so it is
what the judgements are worth and no ceiling for luck.  Questions above --most are left out by lot.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import hybrid
from bench.recall import print_row
from hybrid.documents import ReadReport
from hybrid.encoders.base import Encoder
from hybrid.judgements import read_beir_queries, read_qrels
from hybrid.readers import read_beir
from hybrid.significance import paired_differences
from hybrid.stored_chunks import indexed_text
from hybrid.unlabelled import estimate

MEASURE = "nDCG@10"

Queries = dict[str, str]


def encoder_of(folder: Path, vectors: Path) -> tuple[Encoder, set[str]]:
    """Return an encoder that knows the vectors of a collection, and the questions it knows.

    The files are those of `bench.fusion_data`.
    """
    texts = {doc.doc_id: indexed_text(doc.title, doc.text) for doc in _documents(folder)}
    asked = read_beir_queries(folder)
    with np.load(vectors / f"{folder.name}.npz", allow_pickle=False) as file:
        stored = zip(file["ids"].tolist(), file["D"].astype(np.float32), strict=True)
        given = zip(file["qids"].tolist(), file["Q"].astype(np.float32), strict=True)
        documents = {str(texts[doc_id]): vector for doc_id, vector in stored}
        queries = {asked[name]: vector for name, vector in given if name in asked}
    return hybrid.Precomputed(documents, queries, folder.name), set(queries)


def measure(
    folder: Path, encoder: Encoder | str, queries: Queries, *, judged: bool
) -> dict[str, Any]:
    """Return the figures of one collection."""
    qrels = {name: of for name, of in _qrels(folder).items() if name in queries}
    with hybrid.Retriever.create(encoder=encoder, chunker=hybrid.Chunker(size=None)) as retriever:
        retriever.add(_documents(folder))

        def values() -> list[float]:
            found = hybrid.evaluation.evaluate_each(retriever.run(queries), qrels, [MEASURE])
            return list(found[MEASURE].values())

        start, own = values(), retriever.bm25
        figures: dict[str, Any] = {"collection": folder.name, "queries": len(queries)}
        figures["default"] = float(np.mean(start))
        logged = list(queries.values())
        for name, found in (
            ("estimated", estimate(retriever)),
            ("with log", estimate(retriever, logged)),
        ):
            found.apply(retriever)
            gains = paired_differences(values(), start)
            error = float(gains.std(ddof=1) / len(gains) ** 0.5)
            figures[name] = {"b": found.bm25.b, "gain": float(gains.mean()), "error": error}
            retriever.bm25 = own
        if judged:
            report = retriever.tune(queries, qrels, MEASURE).report
            figures["judged"] = report.expected[report.verdict]
    return figures


def _documents(folder: Path) -> Iterator[hybrid.Document]:
    return iter(read_beir(folder, report=ReadReport()))


def _qrels(folder: Path) -> dict[str, dict[str, int]]:
    return read_qrels(folder / "qrels" / "test.tsv")


def questions(folder: Path, known: set[str] | None, most: int) -> Queries:
    """Return judged questions by id: those that have a vector, `most` of them at most."""
    asked = read_beir_queries(folder)
    names = [name for name in _qrels(folder) if name in asked]
    names = [name for name in names if known is None or asked[name] in known]
    if len(names) > most:
        chosen = np.random.default_rng(0).choice(len(names), most, replace=False)
        names = [names[place] for place in sorted(chosen.tolist())]
    return {name: asked[name] for name in names}


def _print(record: dict[str, Any]) -> None:
    cells = [record["collection"], str(record["queries"]), f"{record['default']:.4f}"]
    for name in ("estimated", "with log"):
        one = record[name]
        cells.append(f"b={one['b']:g} {one['gain']:+.4f} ± {one['error']:.4f}")
    cells.append(f"{record['judged'] - record['default']:+.4f}" if "judged" in record else "")
    print_row(cells)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", nargs="+", type=Path, help="folders in BEIR layout")
    parser.add_argument("--vectors", type=Path, help="folder with NAME.npz of each collection")
    parser.add_argument("--encoder", default="lsa", help="without --vectors (default lsa)")
    parser.add_argument("--most", type=int, default=1000, help="questions (default 1000)")
    parser.add_argument("--no-judged", action="store_true", help="do not tune with judgements")
    parser.add_argument("--json", type=Path, help="append all figures to this JSON Lines file")
    arguments = parser.parse_args()
    print_row(["collection", "questions", "default", "estimated", "with log", "judged"])
    print_row(["---"] * 6)
    for folder in arguments.collections:
        encoder: Encoder | str = arguments.encoder
        known = None
        if arguments.vectors is not None:
            encoder, known = encoder_of(folder, arguments.vectors)
        asked = questions(folder, known, arguments.most)
        record = measure(folder, encoder, asked, judged=not arguments.no_judged)
        _print(record)
        if arguments.json:
            with arguments.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
