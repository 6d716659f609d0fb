"""The demo: Python's standard library, and some questions to it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from hybrid.analysis import Analyzer
from hybrid.building import new_index, tell_left_out
from hybrid.console import tell_if_none
from hybrid.display import Highlighter, Stages, show_hits
from hybrid.documents import ReadReport, Skipped
from hybrid.results import Added, Hit
from hybrid.stdlib import stdlib_documents

# Of eighty that were tried, four with good answers.  LSA learns from these texts alone: it does not
# know that deleting a folder with everything in it is `shutil.rmtree`.
QUESTIONS = (
    "wait for several threads to reach the same point",
    "keep a list sorted while inserting",
    "run code in another process and wait for its output",
    "cache the results of a function",
)
ANALYZER = Analyzer.named("english")
HITS = 3


@dataclass(frozen=True, slots=True)
class Answers:
    """What the demo found.

    Attributes
    ----------
    documents : Added
        What was indexed.
    skipped : list of Skipped
        What could not be read.
    chunks : int
        How many chunks that gave.
    seconds : dict of str to float
        How long each stage took.
    answers : dict of str to list of Hit
        The hits of each question.
    """

    documents: Added
    skipped: list[Skipped]
    chunks: int
    seconds: dict[str, float]
    answers: dict[str, list[Hit]]


def ask(library: Path, questions: Sequence[str], *, keep: Path | None = None) -> Answers:
    """Index a standard library, and put questions to it.

    Parameters
    ----------
    library : Path
        The folder of the standard library.
    questions : sequence of str
        One or more.
    keep : Path, optional
        A new folder to save the index in.
    """
    report, stages = ReadReport(), Stages()
    with new_index(keep, {"encoder": "lsa", "analyzer": ANALYZER}) as retriever:
        documents = list(stages.counted("read", stdlib_documents(library, report=report)))
        added = retriever.add(stages.counted("index", documents))
        tell_left_out(report, added)
        with stages.stage("fit LSA"):
            if keep is None:
                retriever.search(questions[0], 1)  # the first search after a change fits it
            else:
                retriever.commit()
        with stages.stage("search"):
            answers = {question: retriever.search(question, HITS) for question in questions}
        return Answers(added, report.skipped, len(retriever), stages.seconds, answers)


def show(found: Answers, keep: Path | None) -> None:
    """Print the answers, how long it took, and what to try next."""
    for question, hits in found.answers.items():
        click.secho(f"{question}\n", bold=True)
        tell_if_none(hits)
        if hits:
            show_hits(hits, Highlighter.of(ANALYZER, question))
        click.echo()
    spent = ", ".join(f"{stage} {seconds:.2g} s" for stage, seconds in found.seconds.items())
    click.echo(
        f"{found.documents.added:,} docstrings and comments, {found.chunks:,} chunks: {spent}"
    )
    click.echo("\nTry next:")
    for line in _next_steps(next(iter(found.answers)), keep):
        click.echo(f"  {line}")


def _next_steps(question: str, keep: Path | None) -> list[str]:
    if keep is None:
        again = 'hybrid demo "a question of your own"'
    else:
        again = f"hybrid search {shlex.quote(str(keep))} {shlex.quote(question)}"
    return [
        again,
        "hybrid index FOLDER my-index                          # a folder of your own",
        "hybrid index FOLDER my-index --encoder BAAI/bge-m3    # with a trained model",
        'python -c \'import hybrid; print(hybrid.Retriever.from_folder("FOLDER").search("..."))\'',
    ]
