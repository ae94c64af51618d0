"""The main job as a story: a pull request in conflict, a comment, a proposal, an approval, a push, a rollback."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from app.demo import sample
from app.demo.hosts import ShownCheck
from app.demo.simulator.state import Account, Comment, PullRequest, Repository, Role
from app.demo.stage import Stage
from app.demo.steps import Progress, Scenario, Step
from bot.errors import BadInputError
from bot.model.forge import RepositoryRef
from bot.model.jobs import TERMINAL, Job, JobState
from bot.model.proposals import Proposal, SuiteEvidence
from bot.model.reports import ConflictRecord
from bot.model.resolutions import GateVerdict
from bot.model.runs import RESOLVING_KINDS, Run, RunOutcome, RunState, Usage
from bot.report.headings import heading

FULL_NAME: Final = "acme/payments"
HEAD: Final = "more-currencies"
COMMAND: Final = "/flowforge resolve"
OK: Final = "/flowforge ok"

_ACCEPTED: Final = 202
LOOK_SECONDS: Final = 0.02
STEP_SECONDS: Final = 60.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the pull request comes from: the sample, or branches of a repository or bundle on disk."""

    path: Path | None = None
    head: str = "refs/heads/ours"
    base: str = "refs/heads/theirs"


@dataclass(slots=True, kw_only=True)
class Scene:
    """What the story has come to; the JSON document and the screen are made of it."""

    repository: Repository
    maintainer: Account
    base: str
    head_before: str | None = None
    scenario: Scenario = Scenario.CONFLICT
    job: Job | None = None
    conflicts: tuple[ConflictRecord, ...] = ()
    proposal: Proposal | None = None
    tests: SuiteEvidence | None = None
    check: ShownCheck | None = None
    comment: str = ""
    usage: Usage | None = None
    head_after_approve: str | None = None
    head_after_rollback: str | None = None


@dataclass(slots=True, kw_only=True)
class PullScene(Scene):
    """A scene around a pull request in conflict."""

    pull: PullRequest
    author: Account


async def set_up(stage: Stage, source: Source, scenario: Scenario = Scenario.CONFLICT) -> PullScene:
    """Create the repository and the pull request. Raises ``BadInputError`` when the source has no such branches."""
    people = stage.host.simulator.people
    author, maintainer = people.user("robin"), people.user("maintainer")
    roles = {maintainer: Role.MAINTAIN} | ({} if scenario is Scenario.FORK else {author: Role.WRITE})
    head_repository = None
    if source.path is None:
        repository = await people.repository(FULL_NAME, files=sample.BASE, roles=roles)
        if scenario is Scenario.FORK:
            head_repository = await people.fork(repository, author)
        await people.commit(head_repository or repository, HEAD, sample.OURS, author=author, message="Settle in yen")
        await people.commit(repository, "main", sample.THEIRS, author=maintainer, message="Settle in francs and kronor")
        head = HEAD
    else:
        branches = {"main": source.base, "pull-request": source.head}
        try:
            repository = await people.repository_from(FULL_NAME, source.path, branches, roles=roles)
        except Exception as error:
            raise BadInputError(f"cannot take {source.head} and {source.base} from {source.path}: {error}") from error
        head = "pull-request"
    pull = await people.open_pull_request(
        repository, author=author, head=head, head_repository=head_repository, title="Settle in more currencies"
    )
    return PullScene(
        repository=repository,
        pull=pull,
        author=author,
        maintainer=maintainer,
        head_before=pull.head_sha,
        base=repository.refs["refs/heads/main"],
        scenario=scenario,
    )


@dataclass(slots=True, kw_only=True)
class Story:
    """Plays the main job and marks each step as it is seen from outside: on the forge, and in the database."""

    stage: Stage
    scene: PullScene
    progress: Progress
    confirm: Callable[[Scene], Awaitable[bool]]

    async def play(self) -> None:
        """Go as far as the job goes, ``until`` allows, and a person agrees. The scene tells the rest.

        Raises:
            TimeoutError: something did not happen in time; the message says what.
        """
        await self._ask()
        if not await self._watch_until_proposed() or self._done:
            return
        if await self.confirm(self.scene):
            await self._approve()
            if not self._done:
                await self._roll_back()

    @property
    def _done(self) -> bool:
        return self.progress.complete

    @property
    def _ref(self) -> RepositoryRef:
        return ref_of(self.stage, self.scene.repository)

    async def _ask(self) -> None:
        scene, forge = self.scene, self.stage.host.simulator
        self.progress.begin()
        if scene.scenario is Scenario.FORK:
            await self._vouch()
        before = len(self._replies())
        comment = forge.people.comment(scene.pull, scene.maintainer, COMMAND)

        def delivered() -> bool:
            sent = [one for one in forge.webhooks.deliveries if one.event == self.stage.host.comment_event]
            return any(attempt.status_code == _ACCEPTED for one in sent for attempt in one.attempts)

        await forge.wait_for(delivered, what="the delivery")
        self.progress.mark(Step.DELIVERED)
        answer: Job | str = await look(self._find_answer(comment, before), "a job, or a refusal")
        if isinstance(answer, Job):
            scene.job = answer
            self.progress.mark(Step.ACCEPTED)
        else:
            scene.comment = answer

    async def _vouch(self) -> None:
        """Nothing runs on a stranger's commit before somebody who may write here named it."""
        scene, forge = self.scene, self.stage.host.simulator
        forge.people.comment(scene.pull, scene.maintainer, f"{OK} {scene.pull.head_sha}")
        await forge.wait_for(self._replies, timeout=STEP_SECONDS, what="the answer to an ok")

    def _replies(self) -> list[str]:
        bot = self.stage.host.simulator.world.bot
        return [one.body for one in self.scene.pull.comments.values() if one.author is bot]

    def _find_answer(self, comment: Comment, before: int) -> Callable[[], Awaitable[Job | str | None]]:
        async def find() -> Job | str | None:
            job = await self.stage.instance.store.jobs.latest(self._ref, self.scene.pull.number)
            if job is not None and job.request.comment_id == comment.id:
                return job
            replies = self._replies()[before:]
            return replies[-1] if replies else None

        return find

    async def _watch_until_proposed(self) -> bool:
        """True when a proposal waits; False when the job ended before."""
        while not self._done:
            await self._observe()
            job = self.scene.job
            if Step.PROPOSED in self.progress.reached:
                return True
            if job is None or (job.state in TERMINAL and self._reported(job)):
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _observe(self) -> None:
        """Look at everything once, and mark what is new."""
        run = await observe(self.stage, self.scene, self.progress)
        job = self.scene.job
        if job is None:
            return
        self._look_at_forge(job)
        if job.state is JobState.AWAITING_APPROVAL and self._shows_proposal():
            if run is None:
                self.progress.skip(Step.RUN_STARTED, Step.AGENT_DONE)
            self.progress.mark(Step.PROPOSED)

    def _look_at_forge(self, job: Job) -> None:
        scene = self.scene
        scene.check = self.stage.host.check(scene.pull, job.id)
        if scene.check is not None:
            self.progress.mark(Step.STATUS_SHOWN)
        scene.comment = self._sticky()

    def _sticky(self) -> str:
        bot = self.stage.host.simulator.world.bot
        ours = [one.body for one in self.scene.pull.comments.values() if one.author is bot]
        return next((body for body in ours if "<!-- flowforge:sticky" in body), "")

    def _shows_proposal(self) -> bool:
        scene = self.scene
        shown = scene.proposal is not None and scene.proposal.commit[:12] in scene.comment
        return shown and scene.check is not None and scene.check.waits

    def _reported(self, job: Job) -> bool:
        """Whether the end of the job is on the forge: on its check run, and in the comment."""
        check = self.scene.check
        said = heading(job.request.kind, job.state) in self.scene.comment
        return said and check is not None and check.ended

    async def _approve(self) -> None:
        scene, forge = self.scene, self.stage.host.simulator
        if scene.job is None or scene.proposal is None:
            return
        self.stage.host.approve(scene.pull, scene.maintainer, scene.job.id)
        proposal = scene.proposal
        await look(lambda: self.stage.instance.store.proposals.approvals(proposal.id), "the approval")
        self.progress.mark(Step.APPROVED)
        with contextlib.suppress(TimeoutError):
            await forge.wait_for(lambda: self._head() == proposal.commit, timeout=STEP_SECONDS, what="the push")
        scene.head_after_approve = self._head()
        if scene.head_after_approve == proposal.commit:
            self.progress.mark(Step.PUSHED)
            await look(self._published, "the record of the push")

    def _head(self) -> str:
        """The head of the pull request, or of the draft that was opened beside it for a fork that is closed to us."""
        bot = self.stage.host.simulator.world.bot
        beside = [one for one in self.scene.repository.pull_requests() if one.author is bot and one.open]
        return (beside[-1] if beside else self.scene.pull).head_sha

    async def _published(self) -> Job | None:
        job = None if self.scene.job is None else await self.stage.instance.store.jobs.get(self.scene.job.id)
        return job if job is not None and job.state in TERMINAL else None

    async def _roll_back(self) -> None:
        scene, forge = self.scene, self.stage.host.simulator
        if Step.PUSHED not in self.progress.reached:
            return
        forge.people.comment(scene.pull, scene.maintainer, "/flowforge rollback")
        with contextlib.suppress(TimeoutError):
            await forge.wait_for(
                lambda: self._head() == scene.head_before,
                timeout=STEP_SECONDS,
                what="the rollback",
            )
        scene.head_after_rollback = self._head()
        if scene.head_after_rollback == scene.head_before:
            self.progress.mark(Step.ROLLED_BACK)
            await look(self._rollback_reported, "the report of the rollback")

    async def _rollback_reported(self) -> Job | None:
        job = await self.stage.instance.store.jobs.latest(self._ref, self.scene.pull.number)
        said = job is not None and heading(job.request.kind, job.state) in self._sticky()
        return job if job is not None and job.state in TERMINAL and said else None


def ref_of(stage: Stage, repository: Repository) -> RepositoryRef:
    """A repository as the rows know it."""
    return RepositoryRef(
        forge=stage.host.kind,
        id=repository.id,
        owner=repository.owner.login,
        name=repository.name,
        installation_id=0,
    )


async def observe(stage: Stage, scene: Scene, progress: Progress) -> Run | None:
    """Look at the rows of the scene's job once, and mark what is new; the run that does its work."""
    store = stage.instance.store
    job = None if scene.job is None else await store.jobs.get(scene.job.id)
    if job is None:
        return None
    scene.job = job
    progress.line = job.progress
    run = await store.runs.latest(job.id, kinds=RESOLVING_KINDS)
    gate = await store.proposals.gate(job.id)
    scene.proposal = await store.proposals.of_job(job.id)
    scene.tests = None if scene.proposal is None else await store.proposals.tests(job.id, scene.proposal.tree)
    scene.usage = await store.runs.usage(job.id)
    scene.conflicts = await store.proposals.conflicts(job.id)
    if run is not None and run.state is not RunState.CREATED:
        progress.mark(Step.RUN_STARTED)
    if run is not None and run.outcome is RunOutcome.SUCCEEDED:
        progress.mark(Step.AGENT_DONE)
    if gate is not None and gate.verdict is GateVerdict.PASS:
        progress.mark(Step.GATE_PASSED)
    return run


async def look(find: Callable[[], Awaitable[T | None]], what: str) -> T:
    """The demo is an outsider, whom nobody tells: it looks until it sees."""
    try:
        async with asyncio.timeout(STEP_SECONDS):
            found = await find()
            while found is None:
                await asyncio.sleep(LOOK_SECONDS)
                found = await find()
            return found
    except TimeoutError:
        raise TimeoutError(f"{what} did not come within {STEP_SECONDS:.0f} s") from None
