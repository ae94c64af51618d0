"""What is under way on a pull request, compared with the pull request as it is now.

A ``pr_sync`` is a level: it reads what is live, compares it with the rows, and may be done again from any state. A
dropped, doubled or late event makes no difference to where it ends.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from bot.errors import BusyError, ForgeNotFoundError, GitError
from bot.handlers.act import ActOnIntent
from bot.handlers.deeds import again
from bot.handlers.leveling import keep_level
from bot.model.forge import Actor, ActorKind, PullRequest, RepositoryRef
from bot.model.intents import Allowed, Ignored, Origin, Refused, Resolve
from bot.model.jobs import ON_HEAD, Job, JobState
from bot.model.levels import LevelKind, PullKey, parse_pull_key
from bot.model.sync import Afresh, Branch, Close, End, EndReason, Keep, Moved
from bot.model.watch import BaseCommit
from bot.policy.sync import MAX_AFRESH, afresh_key, decide_sync
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.store import Store
from bot.ports.system import Clock, Ids
from bot.ports.watch import WatchGit
from bot.report import endings
from bot.report.watch import pull_request_of

_SOON: Final = timedelta(seconds=3)
"""After this the rows are read again, where somebody is in the middle of something that will tell more."""

_MAX_COMMITS: Final = 1_000
"""Commits of a base that are looked through for who moved it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPull:
    """Bring what is under way on a pull request in line with it.

    Work on another head or base than the live one ends, and begins afresh ``debounce`` later on behalf of whoever asked
    for it, if policy lets it; a proposal ends.
    """

    store: Store
    forge: Forge
    git: Git
    commits: WatchGit
    clock: Clock
    ids: Ids
    act: ActOnIntent
    debounce: timedelta

    async def __call__(self, key: str) -> None:
        """Look at one pull request, again as long as it is asked for meanwhile; doing it again changes nothing.

        Raises:
            FlowForgeError: it could not be done; it is tried again later.
        """
        await keep_level(self.store.levels, self.clock, LevelKind.PR_SYNC, key, lambda: self._sync(key))

    async def _sync(self, key: str) -> datetime | None:
        """Compare once; when to compare again although nobody asks, None for never."""
        about = parse_pull_key(key)
        repository = None if about is None else await self._repository(about)
        if about is None or repository is None:
            return None
        job = await self.store.jobs.active(repository, about.number)
        if job is None:
            await self._clear(repository, about.number)
            return None
        job = await self._settled(job)
        if job is None:
            return self.clock.now() + _SOON
        try:
            pull_request = await self.forge.pull_request(repository, about.number)
        except ForgeNotFoundError:
            return None  # out of our reach; whoever advances the job finds out too
        return await self._follow(job, pull_request)

    async def _repository(self, about: PullKey) -> RepositoryRef | None:
        if about.forge not in self.forge.names:
            return None
        registry = self.store.registry
        repository = await registry.find_repository(about.forge, about.repository_id)
        if repository is None or not await registry.installation_active(about.forge, repository.installation_id):
            return None
        return repository

    async def _settled(self, job: Job) -> Job | None:
        """The job as it can be compared with what is live; None while somebody is about to change that.

        Of a queued job that a worker holds, nobody can tell whether it fetched head and base before or after they
        moved. One that was seen queued after nobody held it, fetches later than that. A push under way is not ours to
        judge before it ended.
        """
        if job.state is JobState.PUBLISHING:
            return None
        if job.state is not JobState.QUEUED:
            return job
        if await self.store.jobs.held(job.id):
            return None
        seen = await self.store.jobs.get(job.id)
        return None if seen is None or seen.finished_at is not None else seen

    async def _follow(self, job: Job, pull_request: PullRequest) -> datetime | None:
        waiting = job.state is JobState.AWAITING_APPROVAL
        proposal = await self.store.proposals.of_job(job.id) if waiting else None
        live_base = await self._live_base(job, pull_request)
        course = decide_sync(job, proposal, pull_request=pull_request, live_base=live_base)
        match course:
            case Keep():
                return None
            case Close():
                await self._end(job, JobState.CANCELLED, endings.CLOSED)
                return None
            case End(reason=reason, moved=moved):
                return await self._end_stale(job, reason, moved)
            case Afresh(moved=moved):
                return await self._start_afresh(job, moved, pull_request)
            case _:
                assert_never(course)

    async def _live_base(self, job: Job, pull_request: PullRequest) -> str | None:
        """The tip of the base branch, where anything hangs on it."""
        if not pull_request.open or job.base_sha is None or job.request.kind in ON_HEAD:
            return None
        if (pull_request.head_sha, pull_request.base_ref) != (job.head_sha, job.request.base_ref):
            return None  # that alone is enough
        access = await self.forge.git_access(pull_request.repository, write=False)
        return await self.git.remote_ref(pull_request.repository, access, f"refs/heads/{pull_request.base_ref}")

    async def _end_stale(self, job: Job, reason: EndReason, moved: Moved | None) -> datetime | None:
        """End a job for good; a proposal that waits becomes stale with it."""
        words = "" if moved is None else endings.moved(moved, names=await self._named(job, moved))
        message = endings.ended_by_move(reason, words, most=MAX_AFRESH)
        proposal = await self.store.proposals.of_job(job.id)
        if proposal is None or job.state is not JobState.AWAITING_APPROVAL:
            await self._end(job, JobState.SUPERSEDED, message)
            return None
        try:
            await self.act.deeds.stale(job, proposal, Refused(rule="stale", message=message))
        except BusyError:
            return self.clock.now() + _SOON
        return None

    async def _start_afresh(self, job: Job, moved: Moved, live: PullRequest) -> datetime | None:
        """End the work under way, and in the same transaction queue it anew; or only end it, if policy says no."""
        words = endings.moved(moved)
        intent = await self._asked_again(job)
        decision, _, loaded = await self.act.weigh(intent, pull_request=live)
        if not isinstance(decision, Allowed):
            await self._end(job, JobState.SUPERSEDED, endings.not_afresh(words, self._why(job, decision)))
            return None
        version = job.request.config_version if loaded is None else loaded.version
        request = again(job.request, intent.origin, live, version)
        fresh = await self.store.jobs.create(
            # What people decided about single files, they decided about others.
            replace(request, takes=()),
            job_id=self.ids.new_id(),
            supersede=job.id,
            because=endings.afresh(words),
            by=await self._ourselves(job),
            not_before=self.clock.now() + self.debounce,
            progress=endings.begins_afresh(words),
        )
        if fresh is None:
            return self.clock.now() + _SOON  # another job of the pull request became active meanwhile
        deeds = self.act.deeds
        await deeds.after_end(job)
        await deeds.refresh(fresh.id)
        return None

    async def _asked_again(self, job: Job) -> Resolve:
        """The request of a job, made again by whoever made it: a person, or the configuration."""
        request, bot = job.request, await self._ourselves(job)
        origin = Origin(
            key=afresh_key(job),
            delivery_id="",
            repository=request.repository,
            number=request.number,
            actor=request.requested_by,
            comment_id=request.comment_id,
            configured=request.requested_by.kind is ActorKind.BOT and request.requested_by.id == bot.id,
        )
        return Resolve(
            origin=origin,
            instructions=request.instructions,
            strategy=request.strategy,
            budget_usd=request.budget_usd,
            model=request.model,
            dry_run=request.dry_run,
        )

    def _why(self, job: Job, decision: Refused | Ignored) -> str:
        if isinstance(decision, Refused) and decision.rule != "permission":
            return decision.message
        return endings.may_not_ask_again(job.request.requested_by.login)

    async def _end(self, job: Job, state: JobState, message: str) -> None:
        await self.act.deeds.end(job, state, actor=await self._ourselves(job), message=message)

    async def _ourselves(self, job: Job) -> Actor:
        return await self.forge.bot_user(job.request.repository.forge)

    async def _clear(self, repository: RepositoryRef, number: int) -> None:
        """An unfinished merge that was prepared for another head, or for nobody any more, has no use."""
        partials = await self.store.proposals.partials(repository, number)
        if not partials:
            return
        try:
            pull_request = await self.forge.pull_request(repository, number)
        except ForgeNotFoundError:
            return
        if not pull_request.open or pull_request.head_sha != partials[-1].head_sha:
            await self.act.deeds.conclude.clear(repository, number)

    async def _named(self, job: Job, moved: Moved) -> int | None:
        """The pull request that the newest commit of a base names, as a merge does; None where none can be told."""
        if moved.what is not Branch.BASE or moved.now is None:
            return None
        repository = job.request.repository
        try:
            access = await self.forge.git_access(repository, write=False)
            await self.git.fetch(repository, access, [f"refs/heads/{moved.base_ref}"])
            came: tuple[BaseCommit, ...] = await self.commits.first_parents(
                repository, old=moved.before, new=moved.now, limit=_MAX_COMMITS
            )
        except GitError:
            return None
        return pull_request_of(came[-1]) if came else None
