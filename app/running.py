"""Run the coroutine behind a command of the command line."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import rich_click as click

from bot.errors import FlowForgeError

T = TypeVar("T")


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; an error of ours is a sentence, not a traceback.

    Raises:
        click.ClickException: with the sentence.
    """
    try:
        return asyncio.run(work)
    except FlowForgeError as error:
        raise click.ClickException(str(error)) from None
