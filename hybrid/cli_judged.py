"""The commands about judged questions: tuning and measuring."""

from pathlib import Path
from typing import Any

import click

from hybrid.console import Command, print_json

_FOLDER = click.Path(path_type=Path)


@click.command(
    cls=Command,
    examples=[
        "hybrid tune my-index --queries questions.tsv --qrels judgements.tsv",
        "hybrid tune my-index --queries q.jsonl --qrels qrels.txt --out tuned.json --apply",
        "hybrid tune my-index --unlabelled --log questions.txt",
    ],
)
@click.argument("index", type=_FOLDER)
@click.option("--queries", type=_FOLDER, help="JSON lines, or id<TAB>text.")
@click.option("--qrels", type=_FOLDER, help="Judgements: TREC, BEIR or JSON lines.")
@click.option("--unlabelled", is_flag=True, help="Estimate without judgements (experimental).")
@click.option("--log", type=_FOLDER, metavar="FILE", help="Raw questions for that, one a line.")
@click.option("--measure", metavar="NAME", help='What is made high (default "nDCG@10").')
@click.option("--out", type=_FOLDER, metavar="FILE", help="Write what was found as JSON.")
@click.option("--apply", is_flag=True, help="Have the index search so from now on.")
@click.option("--plot", type=_FOLDER, metavar="FILE", help="Draw the weight's curve: .svg, .png.")
@click.option("--no-bm25", is_flag=True, default=None, help="Leave k1 and b of BM25.")
@click.option("--adaptive", is_flag=True, default=None, help="Try weights for each question.")
@click.option("--folds", type=click.IntRange(min=2), help="Parts that are held out (default 5).")
@click.option("--seed", type=int, help="Deals the questions to folds (default 0).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def tune(index: Path, as_json: bool, **options: Any) -> None:
    """Find weights and BM25's constants from judged questions.

    These are --queries and --qrels. What is expected of other questions is measured on questions
    that were left out, and where nothing is better than the default, that is the answer.
    """
    from hybrid import tune_command

    given = {name: value for name, value in options.items() if value is not None}
    if given.pop("no_bm25", False):
        given["bm25"] = False
    found = tune_command.run(index, given)
    print_json(found) if as_json else tune_command.show(found)


@click.command(
    cls=Command,
    examples=[
        "hybrid bench path/to/scifact",
        "hybrid bench irds:beir/scifact/test --encoder none --manifest scifact.json",
        "hybrid bench my-index --queries questions.tsv --qrels judgements.txt --report report.html",
        "hybrid bench --replay scifact.json",
    ],
)
@click.argument("source", required=False)
@click.option("--index", type=_FOLDER, help="Keep the index there, or take the one that is there.")
@click.option("--queries", type=_FOLDER, help="JSON lines with _id and text, or id<TAB>text.")
@click.option("--qrels", type=_FOLDER, help="Judgements as TREC, BEIR or JSON lines have them.")
@click.option("--split", metavar="NAME", help="Of a folder in BEIR layout (default test).")
@click.option("--fusion", "fusions", multiple=True, metavar="NAME", help="Only this; repeatable.")
@click.option("--depth", type=click.IntRange(min=1), help="Documents of an answer (1000).")
@click.option("--seed", type=int, help="Draws the questions that are timed (default 0).")
@click.option("--no-timing", is_flag=True, default=None, help="Do not time single questions.")
@click.option("--replay", type=_FOLDER, metavar="MANIFEST", help="Run again, and compare.")
@click.option("--json", type=_FOLDER, metavar="FILE", help="Write one JSON object for each way.")
@click.option("--runs", type=_FOLDER, metavar="FOLDER", help="Write a TREC run for each way.")
@click.option("--report", type=_FOLDER, metavar="FILE", help="Write a report as HTML.")
@click.option("--manifest", type=_FOLDER, metavar="FILE", help="Write what a replay needs.")
@click.option(
    "--dense-kind",
    "kind",
    type=click.Choice(["auto", "flat", "hnsw", "ivf", "ivf-pq"]),
    help="How vectors are searched (default auto).",
)
def bench(source: str | None, replay: Path | None, **options: Any) -> None:
    """Measure every index and every fusion on judged questions.

    SOURCE is a folder in BEIR layout, a collection of ir_datasets as irds:NAME, or an index with
    --queries and --qrels. A document scores as its best chunk. A replay ends with status 1 when its
    data, runs or measures are not those of the manifest.
    """
    from hybrid.benchmark import command

    given = {name: value for name, value in options.items() if value not in (None, ())}
    click.get_current_context().exit(command.run(source, replay, given))
