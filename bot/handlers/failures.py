"""Checks that failed: where the configuration says so, a fix begins by itself, once for each head.

What an event says is a hint: somebody looks at the pull request and at its checks as they are now, however many of
them failed and however often that was told. Nobody asked, so nobody is answered; what was decided is on record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.config_keys import DEFAULT_CONFIG, RepositoryConfig
from bot.errors import ForgeNotFoundError
from bot.handlers.act import ActOnIntent
from bot.handlers.configuration import load_config
from bot.handlers.leveling import keep_level
from bot.handlers.watch import LIST_COUNTS
from bot.model.events import CheckFailed
from bot.model.forge import PullRequest, RepositoryRef
from bot.model.intents import Fix, Origin
from bot.model.jobs import JobState
from bot.model.levels import LevelKind, PullKey, parse_pull_key
from bot.policy.quiet import quiet_until
from bot.ports.background import background
from bot.ports.forge import Forge
from bot.ports.log import Log
from bot.ports.store import Store
from bot.ports.system import Clock, Queue

MAX_PULLS: Final = 10
"""So many pull requests with one head are looked at: anybody can open more of them."""

_AFTER_JOB: Final = timedelta(minutes=1)
"""After this somebody looks again whether the job that is under way ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeeFailures:
    """Tell the checks that failed on heads of pull requests, where that is to lead to something, from all the others.

    Most of them mean nothing to us, and they come in hundreds: a repository that did not ask for fixes costs a look at
    its configuration each, which GitHub does not count as long as the files stay as they are.
    """

    store: Store
    forge: Forge
    queue: Queue
    clock: Clock

    async def __call__(self, event: CheckFailed) -> bool:
        """Have the pull requests looked at whose head failed; False where there are none, or nobody wants that.

        Raises:
            ForgeUnavailableError: the forge is away, or what is left of its budget is for people.
        """
        repository, registry = event.repository, self.store.registry
        if not await registry.installation_active(repository.forge, repository.installation_id):
            return False
        with background():
            pulls = await self._pulls(event)
            if not pulls:
                return False
            await registry.repository(repository)
            wanted = await self._wanted(repository, pulls)
        for number in wanted:
            key = str(PullKey(forge=repository.forge, repository_id=repository.id, number=number))
            await self.store.levels.raise_(LevelKind.CHECK_SYNC, key)
            await self.queue.ring(LevelKind.CHECK_SYNC, key)
        return bool(wanted)

    async def _pulls(self, event: CheckFailed) -> Mapping[int, str]:
        """The open pull requests with that head and their bases: as the forge told, as we know, or else as listed."""
        watch, repository = self.store.watch, event.repository
        found = {**await watch.at_head(repository, event.head_sha), **dict(event.pulls)}
        if found:
            return found
        listed_at = await watch.listed_at(repository)
        if listed_at is not None and self.clock.now() - listed_at < LIST_COUNTS:
            return {}
        pulls = await self.forge.open_pull_requests(repository)
        await watch.listed(repository, pulls)
        return {pull.number: pull.base_ref for pull in pulls if pull.head_sha == event.head_sha}

    async def _wanted(self, repository: RepositoryRef, pulls: Mapping[int, str]) -> list[int]:
        numbers = sorted(pulls)[:MAX_PULLS]
        wanting = {
            base_ref: (await _config(repository, base_ref, self.forge, self.store)).on_check_failure == "fix"
            for base_ref in {pulls[number] for number in numbers}
        }
        return [number for number in numbers if wanting[pulls[number]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixFailures:
    """Look at the checks of a pull request's head, and begin the job of ``/flowforge fix`` where one failed.

    A ``check_sync`` is a level, and the intent that comes of it has one key for each head: neither many checks, nor
    deliveries that come twice, nor a worker that dies in between make two jobs.
    """

    store: Store
    forge: Forge
    act: ActOnIntent
    clock: Clock
    log: Log

    async def __call__(self, key: str) -> None:
        """Look at one pull request, again as long as it is asked for meanwhile; doing it again changes nothing.

        Raises:
            FlowForgeError: it could not be done; it is tried again later.
        """
        with background():
            await keep_level(self.store.levels, self.clock, LevelKind.CHECK_SYNC, key, lambda: self._look(key))

    async def _look(self, key: str) -> datetime | None:
        """Look once; when to look again although nobody asks, None for never."""
        about = parse_pull_key(key)
        repository = None if about is None else await self._repository(about)
        if about is None or repository is None:
            return None
        active = await self.store.jobs.active(repository, about.number)
        if active is not None and active.state is not JobState.AWAITING_APPROVAL:
            return self.clock.now() + _AFTER_JOB
        try:
            pull_request = await self.forge.pull_request(repository, about.number)
        except ForgeNotFoundError:
            return None
        if not pull_request.open:
            return None
        if active is not None:
            # What waits for an answer will change the head, or is not wanted. What was made for an older one just ends.
            return None if active.head_sha == pull_request.head_sha else self.clock.now() + _AFTER_JOB
        return await self._begin(pull_request)

    async def _begin(self, pull_request: PullRequest) -> datetime | None:
        """Begin the fix, unless it is too late or too early for one: then, when to look again."""
        repository, head = pull_request.repository, pull_request.head_sha
        config = await _config(repository, pull_request.base_ref, self.forge, self.store)
        if config.on_check_failure != "fix":
            return None
        quiet = quiet_until(config, self.clock.now())
        if quiet is not None:
            return quiet
        # Ours are not among them, and neither are those that failed on an older head, or pass by now.
        if not await self.forge.failing_checks(repository, head):
            return None
        self.log.info("a check failed", repository=repository.full_name, number=pull_request.number, head_sha=head)
        await self.act(Fix(origin=await self._origin(pull_request)))
        return None

    async def _repository(self, about: PullKey) -> RepositoryRef | None:
        if about.forge not in self.forge.names:
            return None
        registry = self.store.registry
        repository = await registry.find_repository(about.forge, about.repository_id)
        if repository is None or not await registry.installation_active(about.forge, repository.installation_id):
            return None
        return repository

    async def _origin(self, pull_request: PullRequest) -> Origin:
        """On behalf of the configuration; once for this head."""
        repository, number = pull_request.repository, pull_request.number
        return Origin(
            key=f"{repository.forge}:check:{repository.id}#{number}:{pull_request.head_sha}",
            delivery_id="",
            repository=repository,
            number=number,
            actor=await self.forge.bot_user(repository.forge),
            configured=True,
        )


async def _config(repository: RepositoryRef, base_ref: str, forge: Forge, store: Store) -> RepositoryConfig:
    """What holds for a base branch; an invalid configuration asks for nothing."""
    loaded = await load_config(repository, base_ref=base_ref, forge=forge, registry=store.registry)
    return loaded.config or DEFAULT_CONFIG
