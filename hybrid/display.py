"""What the command line shows: tables of hits, and progress."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich import box
from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from hybrid.encoders.cache import Embedded
from hybrid.results import ExplainedHit, Explanation, Hit, Part, listed
from hybrid.snippets import Snippet, best_snippet, marked
from hybrid.text_analyzer import TextAnalyzer

_ROOM = 32  # columns of a table that are not the hit
_NOT_RANKED = "–"
# Documents may hold escape sequences that would change the terminal.
_HARMLESS = dict.fromkeys([*range(32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Highlighter:
    """Shows texts with the terms of a question highlighted.

    Parameters
    ----------
    analyzer : TextAnalyzer
        The one of the index.
    terms : sequence of str
        The question's terms.
    """

    analyzer: TextAnalyzer
    terms: Sequence[str]

    @classmethod
    def of(cls, analyzer: TextAnalyzer, query: str) -> "Highlighter":
        """Return the highlighter for a question."""
        return cls(analyzer, analyzer.query_terms(query))

    def heading(self, hit: Hit) -> Text:
        """Return the name of a hit, and its title on the next line."""
        heading = Text(hit.chunk_id.translate(_HARMLESS), "bold")
        if hit.title and hit.title != hit.doc_id:
            title = _styled(marked(hit.title, self.analyzer, self.terms))
            heading = Text("\n").join([heading, title])
        return heading

    def snippet(self, hit: Hit, width: int = 200) -> Text:
        """Return the passage of a hit that fits best."""
        return _styled(best_snippet(hit.text, self.analyzer, self.terms, width))


def show_hits(hits: Sequence[Hit], highlighter: Highlighter) -> None:
    """Print hits as a table, with the rank that each index gave them."""
    table = _table(leading=1)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    names = sorted({name for hit in hits for name in hit.parts})
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("hit", overflow="fold")
    for hit in hits:
        ranks = [_rank(hit.parts.get(name)) for name in names]
        found = Text("\n").join([highlighter.heading(hit), highlighter.snippet(hit)])
        table.add_row(str(hit.rank), f"{hit.score:.3f}", *ranks, found)
    _stdout(hits).print(table)


def show_explanation(explanation: Explanation, highlighter: Highlighter) -> None:
    """Print how the score of each hit came about."""
    console = _stdout([found.hit for found in explanation.hits])
    console.print(Text(f"terms: {' '.join(explanation.query_terms) or '(none)'}\n"))
    for found in explanation.hits:
        console.print(Text.assemble(f"{found.hit.rank}. ", highlighter.heading(found.hit)))
        console.print(highlighter.snippet(found.hit))
        console.print(_sum(found))
        console.print(Text(_reasons(found)))
    spent = ", ".join(f"{stage} {ms:.1f} ms" for stage, ms in explanation.timings_ms.items())
    console.print(Text(f"answer: {explanation.certificate}\ntime: {spent}", "dim"))


def _reasons(found: ExplainedHit) -> str:
    """Return which terms matched, and which index alone would have missed the hit."""
    lines = [f"matched: {listed(found.terms) or 'no term of the question'}"]
    if found.lexical_terms:
        lines.append(f"weights: {listed(found.lexical_terms)}")
    if found.missed_by:
        lines.append(f"missed by: {', '.join(found.missed_by)}")
    return "\n".join([*lines, ""])


def _sum(found: ExplainedHit) -> Table:
    """Return the parts of a score as a sum."""
    table = _table(show_footer=True)
    table.add_column("index", "score")
    for name in ("rank", "own score", "normalised", "× weight"):
        table.add_column(name, justify="right")
    table.add_column("= adds", f"{found.hit.score:.4f}", justify="right")
    for name, part in found.hit.parts.items():
        numbers = (part.score, part.normalised, part.weight, part.contribution)
        table.add_row(name, _rank(part), *(f"{number:.4f}" for number in numbers))
    return table


def _table(**options: Any) -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), **options)


def _rank(part: Part | None) -> str:
    return _NOT_RANKED if part is None or part.rank is None else str(part.rank)


def _styled(snippet: Snippet) -> Text:
    text = Text(snippet.text.translate(_HARMLESS))
    for start, end in snippet.marks:
        text.stylize("bold red", start, end)
    return text


def _stdout(hits: Sequence[Hit]) -> Console:
    """Return a console that, in a pipe, is wide enough to leave the ids on one line."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        widest = max((len(hit.chunk_id) for hit in hits), default=0)
        console.width = max(console.width, _ROOM + widest)
    return console


class _Rate(ProgressColumn):
    """How many a second, once there are some."""

    def render(self, task: Task) -> Text:
        """Return the number so far, and the rate."""
        if not task.completed:
            return Text("")
        rate = f", {task.speed:,.0f}/s" if task.speed else ""
        return Text(f"{task.completed:,.0f} documents{rate}", "cyan")


class _Embedding(ProgressColumn):
    """How many chunks were embedded, how fast that goes, and how long it will take."""

    def __init__(self, counts: Callable[[], Embedded], total: int | None) -> None:
        super().__init__()
        self._counts, self._total = counts, total
        self._start = time.perf_counter()

    def render(self, task: Task) -> Text:
        """Return the counts of the moment; nothing when no model is at work."""
        spent_s = time.perf_counter() - self._start
        return Text(embedding_progress(self._counts(), self._total, spent_s), "cyan")


def embedding_progress(embedded: Embedded, total: int | None, spent_s: float) -> str:
    """Return the progress of embedding in words.

    Parameters
    ----------
    embedded : Embedded
        What was done so far.
    total : int or None
        How many chunks there are, where that is known.
    spent_s : float
        How long it has taken.

    Examples
    --------
    >>> embedding_progress(Embedded(encoded=434, reused=800), 10_000, 7.6)
    'embedding 1,234/10,000 chunks, 57/s, 2:34 left, 800 from the cache'
    """
    done = embedded.encoded + embedded.reused
    if not done:
        return ""
    shown = [
        f"embedding {done:,} chunks" if total is None else f"embedding {done:,}/{total:,} chunks"
    ]
    if embedded.encoded and spent_s > 0:
        rate = embedded.encoded / spent_s
        shown.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
        if total is not None:
            minutes, seconds = divmod(round(max(total - done, 0) / rate), 60)
            hours, minutes = divmod(minutes, 60)
            clock = f"{hours}:{minutes:02}" if hours else f"{minutes}"
            shown.append(f"{clock}:{seconds:02} left")
    if embedded.reused:
        shown.append(f"{embedded.reused:,} from the cache")
    return ", ".join(shown)


@dataclass(slots=True)
class Stages:
    """Shows on stderr what is being done, when that is a terminal, and how long each stage took.

    Attributes
    ----------
    seconds : dict of str to float
        By stage, as far as they are done.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def shown(self) -> bool:
        """Whether somebody sees it."""
        return Console(stderr=True).is_terminal

    @contextmanager
    def stage(self, name: str, *more: ProgressColumn) -> Iterator[Progress]:
        """Show a spinner while the stage runs."""
        console = Console(stderr=True)
        columns = SpinnerColumn(), TextColumn("{task.description}"), _Rate(), *more
        start = time.perf_counter()
        with Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as progress:
            progress.add_task(name, total=None)
            yield progress
        self.seconds[name] = time.perf_counter() - start

    def counted(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, and show how many there were."""
        with self.stage(name) as progress:
            yield from progress.track(items, task_id=progress.task_ids[0])

    @contextmanager
    def embedding(
        self, name: str, counts: Callable[[], Embedded], total: int | None
    ) -> Iterator[Callable[[Iterable[T]], Iterable[T]]]:
        """Show how far embedding is while the stage runs; give what counts the documents.

        Parameters
        ----------
        name : str
            Of the stage.
        counts : callable
            Returns what was embedded so far.
        total : int or None
            How many chunks there are, where that is known.
        """
        with self.stage(name, _Embedding(counts, total)) as progress:
            yield lambda items: progress.track(items, task_id=progress.task_ids[0])
