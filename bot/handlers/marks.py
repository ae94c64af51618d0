"""Labels, assignments and emoji: whether one is meant for the bot, before anything else is asked about it."""

from dataclasses import dataclass
from typing import assert_never

from bot.config_keys import DEFAULT_CONFIG
from bot.handlers.configuration import load_config
from bot.model.events import Assigned, LabelAdded, Reacted
from bot.ports.forge import Forge
from bot.ports.store import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class SeeMarks:
    """Tell the marks that address the bot from all the others, silently: most labels have nothing to do with it.

    An assignment or an emoji costs no request at all. A label costs one, for the configuration that names ours; the
    forge answers it without counting it as long as the file stays as it is.
    """

    forge: Forge
    registry: Registry

    async def __call__(self, event: LabelAdded | Assigned | Reacted) -> bool:
        """Whether the mark is for us. What the bot did itself is not, nor where the App was removed or suspended."""
        repository, bot = event.repository, (await self.forge.bot_user(event.repository.forge)).id
        if event.actor.id == bot or not await self.registry.installation_active(
            repository.forge, repository.installation_id
        ):
            return False
        match event:
            case Assigned():
                return any(assignee.id == bot for assignee in (event.assignee, *event.more))
            case Reacted():
                # Whoever copies our words into a comment offers nothing.
                return event.author_id == bot
            case LabelAdded() if any(assignee.id == bot for assignee in event.assignees):
                return True
            case LabelAdded():
                await self.registry.repository(repository)
                loaded = await load_config(
                    repository, base_ref=event.base_ref, forge=self.forge, registry=self.registry
                )
                wanted = (loaded.config or DEFAULT_CONFIG).label
                added = (event.label, *event.more)
                return wanted is not None and any(label.casefold() == wanted.casefold() for label in added)
            case _:
                assert_never(event)
