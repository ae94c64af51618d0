"""The port to direct calls of the model."""

from typing import Protocol

from bot.model.direct import DirectQuestion, DirectReply, ModelAccess, NotAsked


class DirectModel(Protocol):
    """One Messages API call for small conflicts."""

    async def ask(self, question: DirectQuestion, access: ModelAccess) -> DirectReply | NotAsked:
        """Put the open hunks to the model in one call. Tokens are counted first; too large a question is narrowed.

        Raises:
            ModelError: the model could not be reached, refused, or its answer cannot be used.
        """
        ...
