"""What events say about open pull requests and their bases: kept, and looked into by those who compare states."""

import re
from dataclasses import dataclass
from typing import Final, assert_never

from bot.model.events import BranchPushed, PullRequestAction, PullRequestChanged
from bot.model.forge import ForgeName, RepositoryRef, is_forge_name
from bot.model.levels import LevelKind, PullKey
from bot.model.watch import SeenPull
from bot.ports.store import Store
from bot.ports.system import Queue

OWN_BRANCHES: Final = "flowforge/"
"""What we push there is for no pull request to be merged into."""

OWN_BRANCH: Final = re.compile(re.escape(OWN_BRANCHES) + r"([1-9][0-9]{0,8})-([0-9a-f]{8})")
"""The names that ``Propose`` gives, and no others: the number of what it is about, and the job's short id.

Of nine digits at most: more may be too much for the database, and whoever pushes a branch chooses its name.
"""

ALL_BASES: Final = "*"
"""In place of a base branch, none of which may be called so: list the pull requests, and look at all their bases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseKey:
    """Which base branch a ``base_sync`` is about."""

    forge: ForgeName
    repository_id: int
    base_ref: str

    def __str__(self) -> str:
        return f"{self.forge}:{self.repository_id}:{self.base_ref}"


def parse_base_key(text: str) -> BaseKey | None:
    """Take a level's key apart; None for what is none."""
    forge, _, rest = text.partition(":")
    number, _, base_ref = rest.partition(":")
    if not is_forge_name(forge) or not number.isdecimal() or not base_ref:
        return None
    return BaseKey(forge=forge, repository_id=int(number), base_ref=base_ref)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeChanges:
    """Keep what an event says, and have its pull request and base branch looked at.

    An event is a hint: what it says may be old, its order means nothing, and one that never comes is made up for by
    whoever calls ``look_at_jobs`` now and then.
    """

    store: Store
    queue: Queue

    async def __call__(self, event: PullRequestChanged | BranchPushed) -> bool:
        """Note one event; a second time changes nothing but makes us look again. False where it is of no use."""
        match event:
            case BranchPushed():
                if event.branch.startswith(OWN_BRANCHES):
                    return False
                await self.store.watch.noticed(event.repository)
                await self.look_at_jobs(event.repository, base_ref=event.branch)
                await self.look(event.repository, event.branch)
            case PullRequestChanged():
                if event.action is PullRequestAction.OTHER:
                    return False
                await self._keep(event)
                await self.look_at_pull(event.repository, event.number)
                await self.look(event.repository, event.base_ref)
            case _:
                assert_never(event)
        return True

    async def look(self, repository: RepositoryRef, base_ref: str) -> None:
        """Have somebody compare the open pull requests of a base branch with what it is now."""
        key = str(BaseKey(forge=repository.forge, repository_id=repository.id, base_ref=base_ref))
        await self.store.levels.raise_(LevelKind.BASE_SYNC, key)
        await self.queue.ring(LevelKind.BASE_SYNC, key)

    async def look_at_pull(self, repository: RepositoryRef, number: int) -> None:
        """Have somebody compare what is under way on a pull request with what it is now."""
        key = str(PullKey(forge=repository.forge, repository_id=repository.id, number=number))
        await self.store.levels.raise_(LevelKind.PR_SYNC, key)
        await self.queue.ring(LevelKind.PR_SYNC, key)

    async def look_at_jobs(self, repository: RepositoryRef, *, base_ref: str | None = None) -> None:
        """The same for all pull requests (of one base branch) with a job under way; the others cost nothing."""
        for key in await self.store.levels.raise_for_jobs(repository, base_ref=base_ref):
            await self.queue.ring(LevelKind.PR_SYNC, key)

    async def _keep(self, event: PullRequestChanged) -> None:
        if event.open is None or event.base_sha is None or event.updated_at is None:
            await self.store.watch.noticed(event.repository)
            await self.store.watch.forget_list(event.repository)
            return
        seen = SeenPull(
            number=event.number,
            open=event.open,
            base_ref=event.base_ref,
            base_sha=event.base_sha,
            head_sha=event.head_sha,
            updated_at=event.updated_at,
        )
        await self.store.watch.seen(event.repository, seen)
