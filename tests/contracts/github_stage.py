"""A pull request on a stateful GitHub, with the bot and people around it, for the tests of ``GitHubForge``."""

from dataclasses import dataclass
from datetime import UTC, datetime

from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Account, PullRequest, Repository
from bot.forges.github.forge import GitHubForge
from bot.model.forge import Actor, RepositoryRef, Thread
from bot.model.reports import (
    Annotation,
    CheckAction,
    CheckActionName,
    CheckConclusion,
    CheckRunContent,
    CheckStatus,
    CommentContent,
)

SECRET = "the secret of these contract tests"
MARKER = "<!-- flowforge:sticky -->"
CONFIG = "policy:\n  resolve: write\n"


@dataclass
class HandSetClock:
    """A clock that stands still until it is moved; the simulator and the bot read the same one."""

    time: datetime = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A repository with a pull request in conflict, the bot, and the people around it."""

    sim: Simulator
    clock: HandSetClock
    forge: GitHubForge
    repository: Repository
    ref: RepositoryRef
    pull: PullRequest
    ada: Account
    eve: Account

    @property
    def thread(self) -> Thread:
        """Where people talk about the pull request."""
        return Thread(number=self.pull.number)


async def no_sleep(_seconds: float) -> None:
    """Try again at once."""


def actor(account: Account) -> Actor:
    return Actor(id=account.id, login=account.login)


def queued(stage: Stage, external_id: str = "job-1") -> CheckRunContent:
    return CheckRunContent(
        head_sha=stage.pull.head_sha,
        external_id=external_id,
        status=CheckStatus.QUEUED,
        conclusion=None,
        title="Waiting",
        summary="A worker will begin soon.",
        text="",
    )


def proposed(stage: Stage, external_id: str = "job-1") -> CheckRunContent:
    return CheckRunContent(
        head_sha=stage.pull.head_sha,
        external_id=external_id,
        status=CheckStatus.COMPLETED,
        conclusion=CheckConclusion.ACTION_REQUIRED,
        title="A proposal waits for you",
        summary="One conflict, resolved.",
        text="The diff",
        actions=(
            CheckAction(label="Approve", description="Push the proposal", identifier=CheckActionName.APPROVE),
            CheckAction(label="Discard", description="Throw it away", identifier=CheckActionName.DISCARD),
        ),
        annotations=(
            Annotation(path="fee.py", start_line=1, end_line=1, level="warning", message="look", title="Lost line"),
        ),
    )


def sticky(text: str) -> CommentContent:
    return CommentContent(marker=MARKER, body=f"{MARKER}\n{text}")
