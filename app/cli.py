"""The ``flowforge`` command."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from app import __version__
from app.demo.main import DemoOptions, run_demo
from app.demo.steps import Step
from app.processes import Role, run_until_signal
from app.settings import CommonSettings, load_settings
from app.store.migrate import upgrade
from bot.errors import FlowForgeError

T = TypeVar("T")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flowforge")
def main() -> None:
    """A self-hosted bot that makes Claude Code safe and useful on pull requests."""


@main.command()
@click.option("--once", is_flag=True, help="Exit after the main job instead of serving until Ctrl-C.")
@click.option("--yes", is_flag=True, help="Approve without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; all else goes to standard error.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Leave repositories, database, transcript and logs there."
)
@click.option(
    "--bundle",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A git bundle with the branches base, ours and theirs as the pull request.",
)
@click.option(
    "--repo", type=click.Path(exists=True, path_type=Path), help="A repository to take the pull request from."
)
@click.option("--head", help="With --repo: the pull request's head, any ref.")
@click.option("--base", help="With --repo: the base branch, any ref.")
@click.option(
    "--answers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON object, path to resolved text: what the scripted model answers.",
)
@click.option("--until", type=click.Choice([step.value for step in Step]), help="Stop after this step.")
@click.option("--direct", is_flag=True, help="Let small conflicts go to the model in one call, without an agent's run.")
def demo(**options: Any) -> None:
    """Run the main job on embedded parts: SQLite, its own Redis, a simulated forge, the real Claude Code."""
    options["until"] = None if options["until"] is None else Step(options["until"])
    sys.exit(_run(run_demo(DemoOptions(**options))))


@main.command()
def serve() -> None:
    """Run web service, worker and gateway in one process."""
    _run(run_until_signal(frozenset(Role)))


@main.command()
def web() -> None:
    """Run the web service alone."""
    _run(run_until_signal(frozenset({Role.WEB})))


@main.command()
def worker() -> None:
    """Run a worker alone."""
    _run(run_until_signal(frozenset({Role.WORKER})))


@main.command()
def gateway() -> None:
    """Run the model gateway alone."""
    _run(run_until_signal(frozenset({Role.GATEWAY})))


@main.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    _run(_migrate())
    click.echo("The tables are current.", err=True)


async def _migrate() -> None:
    await upgrade(load_settings(CommonSettings).database_url.get_secret_value())


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; an error of ours is a sentence, not a traceback."""
    try:
        return asyncio.run(work)
    except FlowForgeError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
