"""An issue as a story: a command, a run, a draft pull request that links the issue, and a rollback of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.demo import sample
from app.demo.simulator.state import Comment, Issue, PullRequest, Role
from app.demo.stage import Stage
from app.demo.steps import Progress, Scenario, Step
from app.demo.story import FULL_NAME, LOOK_SECONDS, STEP_SECONDS, Scene, look, observe, ref_of
from bot.model.jobs import TERMINAL, Job, JobState
from bot.report.headings import heading

COMMAND: Final = "/flowforge implement with a test"
ROLLBACK: Final = "/flowforge rollback"
TITLE: Final = "Settle in yen"
BODY: Final = "We want to settle in Japanese yen (JPY), which has no smaller unit."

_ACCEPTED: Final = 202


@dataclass(slots=True, kw_only=True)
class IssueScene(Scene):
    """A scene around an issue. ``draft`` is the pull request that comes of it."""

    issue: Issue
    draft: PullRequest | None = None


def what_was_done(context: Mapping[str, Any]) -> str:
    """What the scripted model says of its change."""
    return f"Scripted model, no AI took part: yen are settled without digits after the point ({context['title']})."


async def set_up_issue(stage: Stage) -> IssueScene:
    """Create the repository and the issue."""
    people = stage.host.simulator.people
    author, maintainer = people.user("robin"), people.user("maintainer")
    roles = {author: Role.READ, maintainer: Role.MAINTAIN}
    repository = await people.repository(FULL_NAME, files=sample.BASE, roles=roles)
    issue = people.open_issue(repository, author=author, title=TITLE, body=BODY)
    return IssueScene(
        repository=repository,
        maintainer=maintainer,
        base=repository.refs["refs/heads/main"],
        scenario=Scenario.ISSUE,
        issue=issue,
    )


@dataclass(slots=True, kw_only=True)
class IssueStory:
    """Plays it and marks each step as it is seen from outside."""

    stage: Stage
    scene: IssueScene
    progress: Progress

    async def play(self) -> None:
        """Go as far as the job goes and ``until`` allows. The scene tells the rest.

        Raises:
            TimeoutError: something did not happen in time; the message says what.
        """
        await self._ask()
        while not self.progress.complete and self.scene.job is not None:
            await observe(self.stage, self.scene, self.progress)
            self._look_at_forge(self.scene.job)
            if Step.PROPOSED in self.progress.reached and Step.STATUS_SHOWN in self.progress.reached:
                await self._roll_back()
                return
            if self._ended_otherwise(self.scene.job):
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _ended_otherwise(self, job: Job) -> bool:
        """Whether the job ended without a draft, and the issue says so."""
        ended = job.state in TERMINAL and job.state is not JobState.PUBLISHED
        return ended and heading(job.request.kind, job.state) in self.scene.comment

    async def _ask(self) -> None:
        scene, forge = self.scene, self.stage.host.simulator
        self.progress.begin()
        comment = forge.people.comment(scene.issue, scene.maintainer, COMMAND)

        def delivered() -> bool:
            sent = [one for one in forge.webhooks.deliveries if one.event == self.stage.host.comment_event]
            return any(attempt.status_code == _ACCEPTED for one in sent for attempt in one.attempts)

        await forge.wait_for(delivered, what="the delivery")
        self.progress.mark(Step.DELIVERED)
        answer: Job | str = await look(lambda: self._answer(comment), "a job, or a refusal")
        if isinstance(answer, Job):
            scene.job = answer
            self.progress.mark(Step.ACCEPTED)
        else:
            scene.comment = answer

    async def _answer(self, comment: Comment) -> Job | str | None:
        # Jobs about issues are kept under the number with a minus.
        ref = ref_of(self.stage, self.scene.repository)
        job = await self.stage.instance.store.jobs.latest(ref, -self.scene.issue.number)
        if job is not None and job.request.comment_id == comment.id:
            return job
        return self._said() or None

    def _said(self) -> str:
        """Our newest words under the issue."""
        bot = self.stage.host.simulator.world.bot
        ours = [one.body for one in self.scene.issue.comments.values() if one.author is bot]
        return ours[-1] if ours else ""

    def _look_at_forge(self, job: Job) -> None:
        scene, bot = self.scene, self.stage.host.simulator.world.bot
        scene.comment = self._said()
        drafts = [one for one in scene.repository.pull_requests() if one.author is bot]
        if not drafts:
            return
        scene.draft = drafts[-1]
        scene.head_after_approve = scene.draft.head_sha
        if f"#{scene.draft.number}" in scene.comment or f"!{scene.draft.number}" in scene.comment:
            self.progress.mark(Step.PROPOSED)
        scene.check = self.stage.host.check(scene.draft, job.id)
        if scene.check is not None and scene.check.ended:
            self.progress.mark(Step.STATUS_SHOWN)

    async def _roll_back(self) -> None:
        scene, forge = self.scene, self.stage.host.simulator
        if self.progress.complete:
            return
        forge.people.comment(scene.issue, scene.maintainer, ROLLBACK)

        def is_gone() -> bool:
            branches = [ref for ref in scene.repository.refs if ref.startswith("refs/heads/flowforge/")]
            return scene.draft is not None and not scene.draft.open and not branches

        await forge.wait_for(is_gone, timeout=STEP_SECONDS, what="the rollback")
        self.progress.mark(Step.ROLLED_BACK)
