"""Run the coroutine behind a command of the command line."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import rich_click as click

from bot.errors import FlowForgeError

T = TypeVar("T")


def run_to_end(work: Coroutine[Any, Any, T], *, new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> T:
    """Run a coroutine, in a loop that ``new_loop`` makes; an error of ours is a sentence, not a traceback.

    Raises:
        click.ClickException: with the sentence.
    """
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(work)
    except FlowForgeError as error:
        raise click.ClickException(str(error)) from None
