"""How the commands behave: errors on one line, log messages on stderr, JSON in and out."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import click

from hybrid.errors import HybridError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


class Commands(click.Group):
    """Commands whose errors are one line on stderr, and a traceback with ``--debug``."""

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


class JSONFilter(click.ParamType):
    """A condition on the metadata as a JSON object."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """Return the condition; what is wrong with it is a usage error."""
        try:
            condition = json.loads(value)
        except ValueError as error:
            self.fail(f"expected JSON, not {value!r}: {error}", param, ctx)
        if not isinstance(condition, dict):
            self.fail(f'expected a JSON object such as {{"lang": "en"}}, not {value}', param, ctx)
        return condition


class _Stderr(logging.Handler):
    """Writes through click, which finds the stderr of the moment and the progress bar on it."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def log_to_stderr(level: int) -> None:
    """Show the package's log messages from a level on."""
    logger = logging.getLogger("hybrid")
    logger.handlers = [_Stderr()]
    logger.setLevel(level)


def print_json(result: Any) -> None:
    """Print a result as one JSON document in UTF-8, whatever the encoding of stdout."""
    from hybrid.as_json import as_json

    click.echo(json.dumps(as_json(result), ensure_ascii=False, allow_nan=False, indent=2).encode())


def tell_if_none(found: Sequence[Any]) -> None:
    """Say so when there is no answer."""
    if not found:
        click.echo("nothing found", err=True)
