"""Telling people once that a push brought a pull request into conflict, and once that it merges again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bot.config_keys import DEFAULT_CONFIG, RepositoryConfig
from bot.errors import ForgeNotFoundError
from bot.handlers.act import ActOnIntent
from bot.handlers.configuration import load_config
from bot.model.forge import RepositoryRef
from bot.model.intents import Origin, Resolve
from bot.model.reports import pull_owner
from bot.model.watch import ConflictWatch, MergeState, Pair, WatchedPull
from bot.policy.quiet import quiet_until
from bot.ports.forge import Forge
from bot.ports.store import Store
from bot.ports.system import Clock, Queue
from bot.ports.watch import WatchGit
from bot.report.watch import render_watch


@dataclass(frozen=True, slots=True, kw_only=True)
class TellConflicts:
    """Compare what is known about pull requests with what was told, and tell the difference.

    That something was told is on record with the wish for it: of a conflict that was told, the end is told as well,
    whoever dies in between.
    """

    store: Store
    forge: Forge
    batch: WatchGit
    queue: Queue
    act: ActOnIntent
    clock: Clock

    async def __call__(self, repository: RepositoryRef, base_ref: str, *, heads: Mapping[int, str]) -> datetime | None:
        """Tell what is not told yet; when to come again, where quiet hours keep something until then.

        The forge is asked about a pull request only when there is something to tell.
        """
        pulls = await self.store.watch.troubled(repository, base_ref)
        begun = [pull for pull in pulls if _has_begun(pull) and heads.get(pull.number) == pull.head_sha]
        ended = [pull for pull in pulls if pull.told_head is not None and pull.state is MergeState.CLEAN]
        for pull in ended:
            await self._close(repository, pull)
        if not begun:
            return None
        loaded = await load_config(repository, base_ref=base_ref, forge=self.forge, registry=self.store.registry)
        config = loaded.config or DEFAULT_CONFIG
        quiet = quiet_until(config, self.clock.now())
        if quiet is not None:
            return quiet
        for pull in begun:
            if await self._is_silenced(repository, pull, config):
                await self.store.watch.judged(repository, [replace(pull, alarm=False)])
        return None

    async def _close(self, repository: RepositoryRef, pull: WatchedPull) -> None:
        if pull.told_head is None or pull.base_sha is None:
            return
        await self._show(repository, pull, head=pull.told_head, conflict=False)

    async def _is_silenced(self, repository: RepositoryRef, pull: WatchedPull, config: RepositoryConfig) -> bool:
        """Tell of one conflict; True when there is nothing to tell of it, now or later."""
        if config.on_conflict == "off" or not config.enabled or await self._is_at_work(repository, pull.number):
            return True
        if not await self._is_live(repository, pull):
            await self.store.watch.forget_list(repository)
            return False
        if config.on_conflict == "resolve":
            await self.act(Resolve(origin=await self._origin(repository, pull)))
            if await self._is_at_work(repository, pull.number):
                return True
        await self._show(repository, pull, head=pull.head_sha, conflict=True)
        return False

    async def _is_at_work(self, repository: RepositoryRef, number: int) -> bool:
        """Whether a job, or what it proposed, is about to deal with the conflict."""
        if await self.store.jobs.active(repository, number) is not None:
            return True
        return bool(await self.store.proposals.partials(repository, number))

    async def _is_live(self, repository: RepositoryRef, pull: WatchedPull) -> bool:
        try:
            live = await self.forge.pull_request(repository, pull.number)
        except ForgeNotFoundError:
            return False
        return live.open and (live.head_sha, live.base_ref) == (pull.head_sha, pull.base_ref)

    async def _origin(self, repository: RepositoryRef, pull: WatchedPull) -> Origin:
        """On behalf of the configuration; once for this head and what the base brought."""
        since = pull.base_sha if pull.cause is None else pull.cause.sha
        key = f"{repository.forge}:watch:{repository.id}#{pull.number}:{pull.head_sha}:{since}"
        actor = await self.forge.bot_user(repository.forge)
        return Origin(key=key, delivery_id="", repository=repository, number=pull.number, actor=actor, configured=True)

    async def _show(self, repository: RepositoryRef, pull: WatchedPull, *, head: str, conflict: bool) -> None:
        watch = ConflictWatch(
            repository=repository,
            number=pull.number,
            base_ref=pull.base_ref,
            base_sha=pull.base_sha or "",
            head_sha=head,
            conflict=conflict,
            paths=await self._paths(repository, pull) if conflict else (),
            cause=pull.cause,
        )
        told = replace(pull, told_head=head if conflict else None)
        owner = f"watch:{pull_owner(repository, pull.number)}:{head}"
        target = await self.store.watch.tell(repository, told, owner=owner, content=render_watch(watch))
        await self.queue.ring("report", target)

    async def _paths(self, repository: RepositoryRef, pull: WatchedPull) -> tuple[str, ...]:
        if pull.verdict_base is None:
            return ()
        pair = Pair(base_sha=pull.verdict_base, head_sha=pull.head_sha)
        version = await self.batch.version()
        found = await self.store.watch.verdicts(repository, [pair], git_version=version)
        return found[pair].paths if pair in found else ()


def _has_begun(pull: WatchedPull) -> bool:
    return pull.alarm and pull.state is MergeState.CONFLICT and pull.told_head != pull.head_sha
