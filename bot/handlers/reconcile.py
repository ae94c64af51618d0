"""What the forge has, compared with the rows: pull requests that changed unheard of, and reports that are not there.

An event that was dropped, and that nobody could have again, is made up for here: by the same levels that the event
would have raised.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.errors import ForgeError, ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError, GitError
from bot.handlers.notice import NoticeChanges
from bot.model.forge import RepositoryRef
from bot.model.jobs import Job, JobKind, JobState
from bot.model.reports import CheckRunContent, CommentContent
from bot.model.shown import ShownCheckRun
from bot.model.sweeps import RECONCILE, RepairKind, Swept, WrittenReport
from bot.model.watch import SeenPull
from bot.ports.background import RECONCILE_LEAVES, background
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.log import Log
from bot.ports.store import Store
from bot.ports.system import Clock, Queue

EVERY: Final = timedelta(minutes=10)
JITTER: Final = timedelta(minutes=2)
"""So much later than ``EVERY`` a repository's turn may come: those that came together do not stay together."""

RECENT: Final = timedelta(days=1)
"""The check runs of jobs that ended since are looked at, too."""

_AT_ONCE: Final = 5
_MAX_REPORTS: Final = 40
"""Check runs and comments of a repository that are looked at in one turn, the newest jobs' first."""

_OUT_OF_REACH: Final = timedelta(hours=1)

_PINNED: Final = frozenset(
    {JobState.PREPARING, JobState.RUNNING, JobState.VALIDATING, JobState.AWAITING_APPROVAL},
)
"""States in which a job is bound to a head and a base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile:
    """Compare a few repositories with what is live, each every ten minutes or so."""

    store: Store
    log: Log
    forge: Forge
    git: Git
    queue: Queue
    clock: Clock
    notice: NoticeChanges

    async def __call__(self, bookmark: str) -> Swept:
        """Look at the repositories whose turn it is; one that cannot be looked at stops no other."""
        del bookmark
        now = self.clock.now()
        repairs: Counter[RepairKind] = Counter()
        for repository in await self.store.sweeps.take_repositories(
            RECONCILE.name, again_at=now + EVERY, limit=_AT_ONCE
        ):
            later = now + EVERY + jitter(repository, now)
            try:
                # What people ask for comes first, whatever this finds.
                with background(leave=RECONCILE_LEAVES):
                    repairs[RepairKind.HOOK] += await self._hooks(repository)
                    repairs[RepairKind.PULL_REQUEST] += await self._pulls(repository)
                    repairs[RepairKind.REPORT] += await self._reports(repository)
            except ForgeUnavailableError as error:
                later = now + max(timedelta(seconds=error.retry_after), EVERY / 10)
                self.log.info("a repository waits for the forge", repository=repository.full_name, error=str(error))
            except (ForgeError, GitError) as error:
                later = now + _OUT_OF_REACH
                self.log.warning("a repository cannot be compared", repository=repository.full_name, error=str(error))
            await self.store.sweeps.put_off(RECONCILE.name, repository, until=later)
        return Swept(repairs=repairs)

    async def _hooks(self, repository: RepositoryRef) -> int:
        """Have the forge send events again where it had given up; what it did not send meanwhile is found below."""
        revived = await self.forge.revive_hooks(repository)
        if revived:
            self.log.warning("webhooks switched on again", repository=repository.full_name, hooks=revived)
        return revived

    # Pull requests.

    async def _pulls(self, repository: RepositoryRef) -> int:
        """Bring the rows up to the list, and have looked at what differs; how many pull requests differed."""
        before = await self.store.repairs.open_pulls(repository)
        pulls = {pull.number: pull for pull in await self.forge.open_pull_requests(repository)}
        await self.store.watch.listed(repository, list(pulls.values()))
        # A push to a base may have been missed as well; only git can tell.
        for base_ref in await self.store.watch.bases(repository):
            await self.notice.look(repository, base_ref)
        changed = {number for number in before or () if number not in pulls}
        changed |= {number for number in pulls if before is not None and before.get(number) != pulls[number].base_ref}
        changed |= await self._moved(repository, pulls)
        for number in sorted(changed):
            self.log.warning("pull request changed unheard of", repository=repository.full_name, number=number)
            await self.notice.look_at_pull(repository, number)
        return len(changed)

    async def _moved(self, repository: RepositoryRef, pulls: Mapping[int, SeenPull]) -> set[int]:
        """Pull requests with a job that works on, or proposed something for, what is no more."""
        jobs = [job for job in await self.store.repairs.unwatched_jobs(repository) if job.state in _PINNED]
        if not jobs:
            return set()
        access = await self.forge.git_access(repository, write=False)
        heads = {job.id: self.forge.pull_ref(repository, job.request.number) for job in jobs}
        names = [ref for job in jobs for ref in (_base_of(job), heads[job.id])]
        live = await self.git.remote_refs(repository, access, [*dict.fromkeys(names)])
        over = [job for job in jobs if _is_over(job, pulls.get(job.request.number), live, head=live.get(heads[job.id]))]
        return {job.request.number for job in over if await self._still(job)}

    async def _still(self, job: Job) -> bool:
        """Whether a job is as it was; one that went on meanwhile may have moved the head itself."""
        now = await self.store.jobs.get(job.id)
        return now is not None and (now.state, now.head_sha, now.base_sha) == (job.state, job.head_sha, job.base_sha)

    # Reports.

    async def _reports(self, repository: RepositoryRef) -> int:
        """Have written again what people should see and do not; how many reports."""
        since = self.clock.now() - RECENT
        reports = await self.store.repairs.written_reports(repository, since, limit=_MAX_REPORTS)
        heads: dict[str, list[WrittenReport]] = defaultdict(list)
        again = 0
        for report in reports:
            match report.content:
                case CheckRunContent(head_sha=head_sha):
                    heads[head_sha].append(report)
                case CommentContent(body=body):
                    text = await self.forge.shown_comment(repository, report.thread, report.remote_id)
                    if text is None or not _same(text, body):
                        again += await self._again(repository, report, gone=text is None)
        for head_sha, ours in heads.items():
            again += await self._check_runs(repository, head_sha, ours)
        return again

    async def _check_runs(self, repository: RepositoryRef, head_sha: str, ours: Sequence[WrittenReport]) -> int:
        try:
            shown = {run.id: run for run in await self.forge.shown_check_runs(repository, head_sha)}
        except (ForgeNotFoundError, ForgeRefusedError):
            return 0  # the commit is gone, and its check runs with it
        again = 0
        for report in ours:
            run = shown.get(report.remote_id)
            if isinstance(report.content, CheckRunContent) and (run is None or not _shows(run, report.content)):
                again += await self._again(repository, report, gone=run is None)
        return again

    async def _again(self, repository: RepositoryRef, report: WrittenReport, *, gone: bool) -> int:
        """Have a report written again, unless something else was wished for meanwhile."""
        if not await self.store.repairs.write_again(report, gone=gone):
            return 0
        self.log.warning(
            "report is not as it was written", repository=repository.full_name, target_id=report.id, gone=gone
        )
        await self.queue.ring("report", report.id)
        return 1


def jitter(repository: RepositoryRef, now: datetime) -> timedelta:
    """A part of ``JITTER`` that differs by repository and turn."""
    digest = hashlib.sha256(f"{repository.forge}:{repository.id}:{now.isoformat()}".encode()).digest()
    return JITTER * (int.from_bytes(digest[:4], "big") / 2**32)


def _base_of(job: Job) -> str:
    return f"refs/heads/{job.request.base_ref}"


def _is_over(job: Job, pull: SeenPull | None, live: Mapping[str, str], *, head: str | None) -> bool:
    """Whether what a job is bound to is no more: the pull request closed or goes elsewhere, head or base moved."""
    if pull is None or pull.base_ref != job.request.base_ref:
        return True
    base_counts = job.base_sha is not None and job.request.kind is JobKind.RESOLVE
    return head != job.head_sha or (base_counts and live.get(_base_of(job)) != job.base_sha)


def _shows(run: ShownCheckRun, content: CheckRunContent) -> bool:
    if run.replaced:
        return True
    conclusion = None if content.conclusion is None else content.conclusion.value
    standing = (run.status, run.conclusion, run.external_id) == (content.status.value, conclusion, content.external_id)
    texts = ((run.title, content.title), (run.summary, content.summary))
    return standing and all(shown is None or _same(shown, written) for shown, written in texts)


def _same(shown: str, written: str) -> bool:
    """Whether two texts are the same to a reader: forges change ends of lines, and blanks at the end."""
    return [line.rstrip() for line in shown.strip().splitlines()] == [
        line.rstrip() for line in written.strip().splitlines()
    ]
