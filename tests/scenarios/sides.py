"""What differs between the forges for a scenario: where reports are shown, and how a person presses a button."""

from collections.abc import Iterator
from typing import Protocol

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.gitlab.state import CommitStatus
from app.demo.simulator.server import ForgeSimulator, Simulator
from app.demo.simulator.state import Account, CheckRun, PullRequest, Repository
from app.demo.simulator.webhooks import Delivery
from bot.model.forge import ForgeKind
from bot.model.reports import CheckConclusion, CheckStatus
from tests.contracts import github, gitlab

ABOUT = "#flowforge/"
NAME = "FlowForge"


class Side(Protocol):
    """One forge, as a scenario needs it."""

    kind: ForgeKind
    bot_login: str
    """The name of another bot than ours."""
    comment_event: str
    shared: str
    """The repository that speaks for all of its organisation or group."""
    buttons: bool
    """Whether reports have buttons; without them people give commands."""

    def reports(self, repository: Repository) -> list[CheckRun]:
        """What people see of our jobs, oldest first: check runs, or what stands in for them."""
        ...

    def press(self, report: CheckRun, pull: PullRequest, who: Account, action: str) -> None:
        """Press a button, or say what it stands for."""
        ...

    def press_late(self, report: CheckRun, pull: PullRequest, who: Account, action: str) -> None:
        """Press a button that is no longer shown, as who has an old page before them."""
        ...

    def headers(self, delivery: Delivery, *, under: str = "") -> dict[str, str]:
        """The headers by which anybody may send a delivery of today again, under another id if they like."""
        ...

    def validate(self) -> list[str]:
        """Where anything that was said is not as the forge describes it."""
        ...


class GitHubSide:
    """Check runs with buttons."""

    kind = ForgeKind.GITHUB
    bot_login = "dependabot[bot]"
    comment_event = "issue_comment"
    shared = "acme/.flowforge"
    buttons = True

    def __init__(self, forge: Simulator) -> None:
        self._forge = forge

    def reports(self, repository: Repository) -> list[CheckRun]:
        return self._forge.check_runs(repository)

    def press(self, report: CheckRun, pull: PullRequest, who: Account, action: str) -> None:
        del pull
        self._forge.people.click(report, who, action)

    def press_late(self, report: CheckRun, pull: PullRequest, who: Account, action: str) -> None:
        del pull
        self._forge.people.send_requested_action(report, who, action)

    def headers(self, delivery: Delivery, *, under: str = "") -> dict[str, str]:
        signature = self._forge.webhooks.sign(delivery.body)
        named = {"x-github-event": delivery.event, "x-github-delivery": under or delivery.guid}
        return {**named, "x-hub-signature-256": signature}

    def validate(self) -> list[str]:
        return list(github.validate_record(self._forge.record))


class GitLabSide:
    """Commit statuses, whose links say what they are about, and commands."""

    kind = ForgeKind.GITLAB
    bot_login = "project_7_bot_0a1b2c"
    comment_event = "Note Hook"
    shared = "acme/flowforge"
    buttons = False

    def __init__(self, forge: GitLabSimulator) -> None:
        self._forge = forge

    def reports(self, repository: Repository) -> list[CheckRun]:
        """The newest status of each job, as a check run."""
        jobs: dict[str, CheckRun] = {}
        for report in self._told(repository):
            job = report.external_id.partition(":")[0]
            jobs.pop(job, None)
            jobs[job] = report
        return list(jobs.values())

    def _told(self, repository: Repository) -> Iterator[CheckRun]:
        for status in self._forge.statuses(repository):
            if status.author is self._forge.bot and status.name == NAME:
                yield _as_check_run(repository, status)

    def press(self, report: CheckRun, pull: PullRequest, who: Account, action: str) -> None:
        del report
        self._forge.people.comment(pull, who, f"/flowforge {action}")

    def press_late(self, report: CheckRun, pull: PullRequest, who: Account, action: str) -> None:
        self.press(report, pull, who, action)

    def headers(self, delivery: Delivery, *, under: str = "") -> dict[str, str]:
        told = self._forge.webhooks.headers(delivery).items()
        named = {name.lower(): value for name, value in told if name != "Content-Type"}
        if under:
            named = {name: value for name, value in named.items() if not name.startswith("webhook-")}
            named["idempotency-key"] = under
        return named

    def validate(self) -> list[str]:
        return list(gitlab.validate_record(self._forge.record))


def _as_check_run(repository: Repository, status: CommitStatus) -> CheckRun:
    external_id, _, word = (status.target_url or "").partition(ABOUT)[2].partition("/")
    ended = word in set(CheckConclusion)
    return CheckRun(
        id=status.id,
        suite_id=status.pipeline.id,
        repository=repository,
        name=status.name,
        head_sha=status.pipeline.sha,
        external_id=external_id,
        details_url=status.target_url or "",
        status=CheckStatus.COMPLETED.value if ended else word,
        conclusion=word if ended else None,
        started_at=status.started_at or status.created_at,
        completed_at=status.finished_at,
        title=status.description,
    )


def side_of(forge: ForgeSimulator) -> Side:
    """The side of a simulator."""
    match forge:
        case Simulator():
            return GitHubSide(forge)
        case GitLabSimulator():
            return GitLabSide(forge)
        case _:
            raise AssertionError(f"no such forge: {forge}")
