"""The conflict watch: after a push to a base branch, which open pull requests does it bring into conflict?

A ``base_sync`` is a level: it reads what is live, compares it with the rows, and may be done again from any state. A
pull request whose changed paths lie apart from what was pushed keeps its verdict (``bot.policy.pruning``); git is asked
about the others in one batch. What comes of it for people is ``TellConflicts``'s matter.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.errors import FlowForgeError, GitError
from bot.handlers.alarm import TellConflicts
from bot.handlers.notice import NoticeChanges, parse_base_key
from bot.model.forge import RepositoryRef
from bot.model.levels import LevelKind
from bot.model.watch import BaseCommit, Footprint, MergeState, Pair, Push, WatchedPull, WatchVerdict
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.store import Store
from bot.ports.system import Clock, Queue
from bot.ports.watch import WatchGit

LIST_COUNTS: Final = timedelta(minutes=15)
"""So long a list of open pull requests counts, kept up to date by events; the reconcile reads it anew before."""

TICK_SECONDS: Final = 40.0
"""After this a tick asks git nothing new; what is left is for the next one."""

_LEASE: Final = timedelta(minutes=3)
_FIRST_RETRY: Final = timedelta(seconds=15)
_LONGEST_RETRY: Final = timedelta(hours=1)
_MAX_COMMITS: Final = 4_096
"""Commits of a push that are searched for the one that made a conflict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchBase:
    """Bring what is known about a base branch's pull requests up to what is live, and tell people what changed."""

    store: Store
    forge: Forge
    git: Git
    batch: WatchGit
    queue: Queue
    clock: Clock
    notice: NoticeChanges
    tell: TellConflicts

    async def __call__(self, key: str) -> None:
        """Look at one base branch, again as long as it is asked for meanwhile; doing it again changes nothing.

        Raises:
            FlowForgeError: it could not be done; it is tried again later.
        """
        kind, deadline = LevelKind.BASE_SYNC, time.monotonic() + TICK_SECONDS
        while (lease := await self.store.levels.take(kind, key, until=self.clock.now() + _LEASE)) is not None:
            try:
                again = await self._sync(key, deadline)
            except FlowForgeError as error:
                wait = min(_FIRST_RETRY * 2 ** min(lease.attempts, 10), _LONGEST_RETRY)
                await self.store.levels.later(lease, not_before=self.clock.now() + wait, error=str(error))
                raise
            if again is None:
                await self.store.levels.complete(lease)
            else:
                await self.store.levels.later(lease, not_before=again)
            if time.monotonic() >= deadline:
                await self.queue.ring(kind, key)
                return

    async def _sync(self, key: str, deadline: float) -> datetime | None:
        """Compare once; when to go on, where time ran out before the end or quiet hours keep something back."""
        about = parse_base_key(key)
        repository = None if about is None else await self._repository(key)
        if about is None or repository is None:
            return None
        await self._list(repository, about.base_ref)
        pulls = await self.store.watch.open_pulls(repository, about.base_ref)
        if not pulls:
            return None
        refs = await self._fetch(repository, about.base_ref, pulls)
        base = refs.get(f"refs/heads/{about.base_ref}")
        if base is None:
            return None
        live = {pull.number: refs.get(self.forge.pull_ref(repository, pull.number)) for pull in pulls}
        heads = {number: head for number, head in live.items() if head is not None}
        seconds = deadline - time.monotonic()
        finished = await compare(
            self.store, self.batch, repository, about.base_ref, base=base, heads=heads, seconds=seconds
        )
        quiet = await self.tell(repository, about.base_ref, heads=heads)
        return quiet if finished else self.clock.now()

    async def _repository(self, key: str) -> RepositoryRef | None:
        about = parse_base_key(key)
        if about is None or about.forge not in self.forge.names:
            return None
        registry = self.store.registry
        repository = await registry.find_repository(about.forge, about.repository_id)
        if repository is None or not await registry.installation_active(about.forge, repository.installation_id):
            return None
        return repository

    async def _list(self, repository: RepositoryRef, base_ref: str) -> None:
        """Read which pull requests are open, unless that is known; other bases that come up are looked at too."""
        listed_at = await self.store.watch.listed_at(repository)
        if listed_at is not None and self.clock.now() - listed_at < LIST_COUNTS:
            return
        await self.store.watch.listed(repository, await self.forge.open_pull_requests(repository))
        for other in await self.store.watch.bases(repository):
            if other != base_ref:
                await self.notice.look(repository, other)

    async def _fetch(self, repository: RepositoryRef, base_ref: str, pulls: Sequence[WatchedPull]) -> Mapping[str, str]:
        access = await self.forge.git_access(repository, write=False)
        refs = [f"refs/heads/{base_ref}", *(self.forge.pull_ref(repository, pull.number) for pull in pulls)]
        return await self.git.fetch(repository, access, refs)


async def compare(
    store: Store,
    batch: WatchGit,
    repository: RepositoryRef,
    base_ref: str,
    *,
    base: str,
    heads: Mapping[int, str],
    seconds: float,
) -> bool:
    """Bring the rows of a base branch's pull requests up to its tip and these heads; False when time ran out.

    Everything is in the mirror already. Whoever compares again begins with what was found out before.

    Raises:
        GitError: git failed for reasons that lie in this machine.
    """
    look = _Look(store, batch, repository=repository, base=base, deadline=time.monotonic() + seconds)
    return await look(base_ref, await store.watch.open_pulls(repository, base_ref), heads)


class _Look:
    """One comparison of a base's tip with the heads of its open pull requests."""

    def __init__(self, store: Store, batch: WatchGit, *, repository: RepositoryRef, base: str, deadline: float) -> None:
        self._store = store
        self._batch = batch
        self._repository = repository
        self._base = base
        self._deadline = deadline

    async def __call__(self, base_ref: str, pulls: Sequence[WatchedPull], heads: Mapping[int, str]) -> bool:
        """Bring the rows up to date; False when time ran out."""
        open_ones = [pull for pull in pulls if pull.number in heads and not self._is_current(pull, heads)]
        left = await self._carry(base_ref, open_ones, heads)
        verdicts, footprints = await self._judged([self._pair(pull, heads) for pull in left])
        before = await self._verdicts([pair for pull in left if (pair := self._before(pull, heads, verdicts))])
        judged: list[WatchedPull] = []
        for pull in left:
            verdict, then = verdicts.get(self._pair(pull, heads)), self._before(pull, heads, verdicts)
            if verdict is None or (then is not None and then not in before) or (judged and self._is_late()):
                continue
            started = then is not None and before[then].state is MergeState.CLEAN
            cause = await self._cause(then, heads[pull.number]) if then is not None and started else None
            judged.append(_after(pull, verdict, footprints.get(heads[pull.number]), started=started, cause=cause))
        await self._store.watch.judged(self._repository, judged, list(footprints.values()))
        return len(judged) == len(left)

    def _is_current(self, pull: WatchedPull, heads: Mapping[int, str]) -> bool:
        return pull.state is not None and pull.base_sha == self._base and pull.head_sha == heads[pull.number]

    def _pair(self, pull: WatchedPull, heads: Mapping[int, str]) -> Pair:
        return Pair(base_sha=self._base, head_sha=heads[pull.number])

    def _is_late(self) -> bool:
        return time.monotonic() >= self._deadline

    # What a push left alone.

    async def _carry(self, base_ref: str, pulls: Sequence[WatchedPull], heads: Mapping[int, str]) -> list[WatchedPull]:
        """Carry over what may be carried over; the pull requests that are left for git."""
        carried: set[int] = set()
        for old in {pull.base_sha for pull in pulls if pull.merge_base is not None and pull.state is not None}:
            push = None if old is None else await self._push(old)
            if push is not None:
                carried |= await self._store.watch.carry(self._repository, base_ref, push, heads=heads)
        return [pull for pull in pulls if pull.number not in carried]

    async def _push(self, old: str) -> Push | None:
        try:
            return await self._batch.push_between(self._repository, old=old, new=self._base)
        except GitError:
            return None  # the old tip may be gone for good; then nothing is carried over

    # What git says.

    async def _verdicts(self, pairs: Sequence[Pair]) -> dict[Pair, WatchVerdict]:
        """Verdicts that are kept, and new ones as far as the time goes."""
        version = await self._batch.version()
        found = dict(await self._store.watch.verdicts(self._repository, pairs, git_version=version))
        missing = [pair for pair in dict.fromkeys(pairs) if pair not in found]
        if missing:
            seconds = max(self._deadline - time.monotonic(), 0.0)
            answers = await self._batch.judge(self._repository, missing, seconds=seconds)
            await self._store.watch.keep(self._repository, answers)
            found |= {answer.pair: answer for answer in answers}
        return found

    async def _judged(self, pairs: Sequence[Pair]) -> tuple[dict[Pair, WatchVerdict], Mapping[str, Footprint]]:
        """Verdicts, as far as the time goes, and the footprints of what git merges, looked for while git is at work."""
        heads = [pair.head_sha for pair in pairs]
        looking = asyncio.ensure_future(self._footprints(heads))
        try:
            verdicts = await self._verdicts(pairs)
            merged = [pair.head_sha for pair in verdicts if verdicts[pair].state is not MergeState.IMPOSSIBLE]
            # A head that is missing is impossible to merge, and spoils the look at all of them.
            found = await (looking if len(merged) == len(heads) else self._footprints(merged))
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        return verdicts, found

    async def _footprints(self, heads: Sequence[str]) -> Mapping[str, Footprint]:
        try:
            return await self._batch.footprints(self._repository, base=self._base, heads=heads)
        except GitError:
            return {}  # without one a head is merged at each push; that costs time and nothing else

    # Who did it.

    def _before(
        self, pull: WatchedPull, heads: Mapping[int, str], verdicts: Mapping[Pair, WatchVerdict]
    ) -> Pair | None:
        """The pair to compare a new conflict with: the same head on the base as it was; None when none is new."""
        verdict = verdicts.get(self._pair(pull, heads))
        if verdict is None or verdict.state is not MergeState.CONFLICT or pull.alarm:
            return None
        head = heads[pull.number]
        if pull.state in {MergeState.CONFLICT, MergeState.IMPOSSIBLE} and pull.head_sha == head:
            return None
        base = pull.base_sha or pull.recorded_base
        return None if base == self._base else Pair(base_sha=base, head_sha=head)

    async def _cause(self, before: Pair, head: str) -> BaseCommit | None:
        """The commit of the base's first-parent history on whose parent the head merges, and on which it does not."""
        commits = await self._batch.first_parents(
            self._repository, old=before.base_sha, new=self._base, limit=_MAX_COMMITS
        )
        low, high = -1, len(commits) - 1
        while high - low > 1:
            middle = (low + high) // 2
            pair = Pair(base_sha=commits[middle].sha, head_sha=head)
            clean = (await self._verdicts([pair]))[pair].state is MergeState.CLEAN
            low, high = (middle, high) if clean else (low, middle)
        return commits[high] if commits else None


def _after(
    pull: WatchedPull,
    verdict: WatchVerdict,
    footprint: Footprint | None,
    *,
    started: bool,
    cause: BaseCommit | None,
) -> WatchedPull:
    """What is known once git has spoken. An alarm lasts until git calls the merge clean."""
    clean = verdict.state is MergeState.CLEAN
    return replace(
        pull,
        head_sha=verdict.pair.head_sha,
        base_sha=verdict.pair.base_sha,
        verdict_base=verdict.pair.base_sha,
        state=verdict.state,
        merge_base=None if footprint is None else footprint.merge_base,
        alarm=not clean and (pull.alarm or started),
        cause=None if clean else cause or pull.cause,
    )
