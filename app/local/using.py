"""How the commands that need no service are used and end: a wrong use is an error like any other.

Click's own status for a wrong use is 2, which means something else to these commands.
"""

import sys
from typing import Any, Final, NoReturn

import click as plain_click
import rich_click as click

from app.local.display import harmless

ERROR: Final = 1
_MAX_ERROR: Final = 2_000


class WrongUseError(click.UsageError):
    """A command was used wrongly."""

    exit_code = ERROR


class Command(click.RichCommand):
    """A command that ends with our status when it is used wrongly."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> Any:
        """Read the arguments; see the class."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise WrongUseError(error.format_message(), error.ctx) from None


class Group(click.RichGroup):
    """A group of such commands."""

    def resolve_command(
        self, ctx: plain_click.Context, args: list[str]
    ) -> tuple[str | None, plain_click.Command | None, list[str]]:
        """Find the command that is named; see ``Command``."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise WrongUseError(error.format_message(), error.ctx) from None


def complain(message: str) -> NoReturn:
    """Say what went wrong, and end."""
    for line in message.splitlines() or [""]:
        click.echo(f"Error: {harmless(line, limit=_MAX_ERROR)}", err=True)
    sys.exit(ERROR)
