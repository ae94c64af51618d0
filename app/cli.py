"""The ``flowforge`` command.

A command is imported when it is called: ``mergetool`` runs once for every file, and must not wait for a web service.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

import click as plain_click
import rich_click as click

from app import __version__

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "demo": "app.demo.command",
        "serve": "app.service_commands",
        "web": "app.service_commands",
        "worker": "app.service_commands",
        "gateway": "app.service_commands",
        "migrate": "app.service_commands",
        "doctor": "app.doctor.command",
        "github": "app.setup.command",
        "gitlab": "app.setup.gitlab_command",
        "recorded": "app.recorded",
        "audit": "app.audit",
        "resolve": "app.local.commands",
        "verify": "app.local.commands",
        "mergetool": "app.local.commands",
        "config": "app.local.config",
        "pause": "app.pausing",
        "resume": "app.pausing",
    },
)
"""Every command, in the order of the help, and the module that has it under its name."""


class _Group(click.RichGroup):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: plain_click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: plain_click.Context, cmd_name: str) -> plain_click.Command | None:  # noqa: ARG002
        """The command of a name, None where there is none."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = getattr(import_module(module), cmd_name)
        return command if isinstance(command, plain_click.Command) else None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flowforge")
def main() -> None:
    """A self-hosted bot that makes Claude Code safe and useful on pull requests."""


if __name__ == "__main__":
    main()
