"""The commands that pause the whole instance, and end that."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import rich_click as click

from app.running import run_to_end
from app.settings import CommonSettings, load_settings
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds


@click.command()
@click.option("--reason", default="", metavar="TEXT", help="Why; refusals show it to people.")
def pause(*, reason: str) -> None:
    """Let nothing begin and nothing be pushed, in every repository, until `flowforge resume`.

    All processes obey at once. What runs goes on until it would push.
    """
    run_to_end(_pause(reason))
    click.echo("Paused.", err=True)


@click.command()
def resume() -> None:
    """End the pause of the whole instance; those of single repositories stay."""
    ended = run_to_end(_resume())
    click.echo("The pause is over." if ended else "Nothing was paused everywhere.", err=True)


async def _pause(reason: str) -> None:
    async with _store() as store:
        await store.pauses.begin(None, by=None, reason=" ".join(reason.split()))


async def _resume() -> bool:
    async with _store() as store:
        return await store.pauses.end(None, by=None)


@asynccontextmanager
async def _store() -> AsyncIterator[SqlStore]:
    url = load_settings(CommonSettings).database_url.get_secret_value()
    store = SqlStore.open(url, SystemClock(), SystemIds())
    try:
        yield store
    finally:
        await store.close()
