"""The ``flowforge`` command."""

import sys
from pathlib import Path
from typing import Any

import rich_click as click

from app import __version__
from app.demo.main import DemoOptions, run_demo
from app.demo.steps import Step
from app.local.commands import mergetool, resolve, verify
from app.processes import Role, run_until_signal
from app.recorded import recorded
from app.running import run_to_end
from app.settings import CommonSettings, load_settings
from app.store.migrate import upgrade


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
    sys.exit(run_to_end(run_demo(DemoOptions(**options))))


@main.command()
def serve() -> None:
    """Run web service, worker and gateway in one process."""
    run_to_end(run_until_signal(frozenset(Role)))


@main.command()
def web() -> None:
    """Run the web service alone."""
    run_to_end(run_until_signal(frozenset({Role.WEB})))


@main.command()
def worker() -> None:
    """Run a worker alone."""
    run_to_end(run_until_signal(frozenset({Role.WORKER})))


@main.command()
def gateway() -> None:
    """Run the model gateway alone."""
    run_to_end(run_until_signal(frozenset({Role.GATEWAY})))


@main.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    run_to_end(_migrate())
    click.echo("The tables are current.", err=True)


async def _migrate() -> None:
    await upgrade(load_settings(CommonSettings).database_url.get_secret_value())


main.add_command(recorded)
main.add_command(resolve)
main.add_command(verify)
main.add_command(mergetool)


if __name__ == "__main__":
    main()
