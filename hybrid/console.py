"""How the commands behave: help with examples, errors on one line, JSON in and out."""

import io
import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

import click

from hybrid.errors import HybridError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


class Command(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(self.examples, formatter)


class Commands(click.Group):
    """Commands in the order of the file; errors are one line on stderr, without a traceback."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self.commands)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(self.examples, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:  # click ends quietly
            raise
        except (HybridError, ValueError, OSError) as error:
            if ctx.params["debug"]:
                raise
            click.echo(f"error: {' '.join(str(error).split())}", err=True)
            ctx.exit(1)


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    with formatter.section("Examples"):
        for example in examples:
            formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class _Stderr(logging.Handler):
    """Writes through click, which finds the stderr of the moment and the progress bar on it."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def log_to_stderr(level: int) -> None:
    """Show the package's log messages from a level on."""
    logger = logging.getLogger("hybrid")
    logger.handlers = [_Stderr()]
    logger.setLevel(level)


def replace_unprintable() -> None:
    """Have characters that the encoding of stdout or stderr lacks printed as question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def parse_filter(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> dict[str, Any] | None:
    """Return the condition that an option holds as JSON; what is wrong with it is a usage error."""
    if value is None:
        return None
    try:
        condition = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"expected JSON, not {value!r}: {error}") from error
    if not isinstance(condition, dict):
        raise click.BadParameter(f'expected a JSON object such as {{"lang": "en"}}, not {value}')
    return condition


def print_json(result: Any) -> None:
    """Print a result as one JSON document in UTF-8, whatever the encoding of stdout."""
    from hybrid.as_json import as_json

    click.echo(json.dumps(as_json(result), ensure_ascii=False, allow_nan=False, indent=2).encode())


def tell_if_none(found: Sequence[Any]) -> None:
    """Say so when there is no answer."""
    if not found:
        click.echo("nothing found", err=True)
