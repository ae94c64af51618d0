"""The commands that run FlowForge's processes, and the one that makes their tables."""

import rich_click as click
import uvloop

from app.processes import Role, run_until_signal
from app.running import run_to_end
from app.settings import CommonSettings, load_settings
from app.store.migrate import upgrade


@click.command()
def serve() -> None:
    """Run web service, worker and gateway in one process."""
    run_to_end(run_until_signal(frozenset(Role)))


@click.command()
def web() -> None:
    """Run the web service alone."""
    # It only moves bytes, which uvloop does in half the time. Workers start programs, which asyncio's own loop watches.
    run_to_end(run_until_signal(frozenset({Role.WEB})), new_loop=uvloop.new_event_loop)


@click.command()
def worker() -> None:
    """Run a worker alone."""
    run_to_end(run_until_signal(frozenset({Role.WORKER})))


@click.command()
def gateway() -> None:
    """Run the model gateway alone."""
    run_to_end(run_until_signal(frozenset({Role.GATEWAY})))


@click.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    run_to_end(_migrate())
    click.echo("The tables are current.", err=True)


async def _migrate() -> None:
    await upgrade(load_settings(CommonSettings).database_url.get_secret_value())
