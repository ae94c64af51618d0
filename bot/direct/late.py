"""The direct model, with Anthropic's SDK loaded by the first question."""

import asyncio
from collections.abc import Callable

from bot.model.direct import DirectQuestion, DirectReply, ModelAccess, NotAsked
from bot.model.runs import Usage
from bot.ports.direct import DirectModel


class LateDirect:
    """The ``DirectModel`` of the Messages API.

    The SDK takes about as long to load as everything else that a process loads at its start. Most processes never ask
    it anything, and those that do load it in a thread, beside their other work.
    """

    def __init__(self, *, price: Callable[[str, Usage], float]) -> None:
        """``price`` is what some usage of a model costs, in US dollars."""
        self._price = price

    async def ask(self, question: DirectQuestion, access: ModelAccess) -> DirectReply | NotAsked:
        """Put the open hunks to the model in one call; see ``bot.direct.client.AnthropicDirect``.

        Raises:
            ModelError: the model could not be reached, refused, or its answer cannot be used.
        """
        direct = await asyncio.to_thread(self._load)
        return await direct.ask(question, access)

    def _load(self) -> DirectModel:
        from bot.direct.client import AnthropicDirect  # noqa: PLC0415 - see above

        return AnthropicDirect(price=self._price)
