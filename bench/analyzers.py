"""BM25 alone under several analyzers, on collections in BEIR layout.

    python -m bench.analyzers english code auto --collections path/to/cosqa ... [--split dev]

Each cell has nDCG@10 and recall@100; the last column says what "auto" would choose.
"""

import argparse
from pathlib import Path
from typing import Any

import hybrid
from bench.recall import SHOWN, print_row
from hybrid.documents import ReadReport
from hybrid.judgements import read_beir_queries, read_qrels
from hybrid.readers import read_beir


def measure(folder: Path, analyzer: str, split: str) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the measures of BM25 on one collection, and the settings of the analyzer."""
    qrels = read_qrels(folder / "qrels" / f"{split}.tsv")
    queries = {name: text for name, text in read_beir_queries(folder).items() if name in qrels}
    with hybrid.Retriever.create(encoder=None, analyzer=analyzer) as retriever:
        retriever.add(read_beir(folder, report=ReadReport()))
        found = hybrid.evaluate(retriever.run(queries, k=100), qrels, SHOWN)
        return found, retriever.analyzer.settings()


def main() -> None:
    """Print a Markdown table of the collections and analyzers on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("analyzers", nargs="+", help='"auto", "code", "jieba" or a language')
    parser.add_argument("--collections", nargs="+", type=Path, required=True)
    parser.add_argument("--split", default="test", help="whose judgements (default: test)")
    arguments = parser.parse_args()
    print_row(["collection", *arguments.analyzers, "chosen"])
    print_row(["---"] * (2 + len(arguments.analyzers)))
    for folder in arguments.collections:
        cells, chosen = [], ""
        for analyzer in arguments.analyzers:
            found, settings = measure(folder, analyzer, arguments.split)
            cells.append(" / ".join(f"{found[name]:.4f}" for name in SHOWN))
            if analyzer == "auto":
                chosen = f"{settings['name']} {settings.get('latin', '')}".strip()
        print_row([folder.name, *cells, chosen])


if __name__ == "__main__":
    main()
