"""The steps of the main job, in order, as the demo's JSON names them."""

from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic
from typing import Final


class Scenario(StrEnum):
    """What the demo shows."""

    CONFLICT = "conflict"
    ISSUE = "issue"
    FORK = "fork"


class Step(StrEnum):
    """What has to happen, one after the other, for the demo to be a success."""

    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    STATUS_SHOWN = "status_shown"
    RUN_STARTED = "run_started"
    AGENT_DONE = "agent_done"
    GATE_PASSED = "gate_passed"
    PROPOSED = "proposed"
    APPROVED = "approved"
    PUSHED = "pushed"
    ROLLED_BACK = "rolled_back"


MEANING = {
    Step.DELIVERED: "the comment reached the web service",
    Step.ACCEPTED: "policy allowed it, a job is queued",
    Step.STATUS_SHOWN: "the pull request shows a status",
    Step.RUN_STARTED: "Claude Code was started on a workspace",
    Step.AGENT_DONE: "Claude Code finished with a report",
    Step.GATE_PASSED: "every check of the result passed",
    Step.PROPOSED: "the proposal waits for a person",
    Step.APPROVED: "a person approved it",
    Step.PUSHED: "exactly that commit is the head now",
    Step.ROLLED_BACK: "one command put the old head back",
}


ISSUE_STEPS: Final = tuple(step for step in Step if step not in {Step.APPROVED, Step.PUSHED})
"""A draft pull request is itself what waits for a person: nothing else is approved or pushed."""


@dataclass(slots=True)
class Progress:
    """Which steps were reached, and when, in milliseconds since the comment was posted.

    ``steps`` are those of what is shown. ``not_needed`` are those of an agent's run where every conflict was settled
    without one.
    """

    until: Step | None = None
    steps: tuple[Step, ...] = tuple(Step)
    reached: dict[Step, int] = field(default_factory=dict)
    not_needed: set[Step] = field(default_factory=set)
    line: str = ""
    _began: float = field(default_factory=monotonic)

    def begin(self) -> None:
        """The clock starts: the comment is being posted."""
        self._began = monotonic()

    def mark(self, step: Step) -> None:
        """``step`` was reached now; the first time counts."""
        self.reached.setdefault(step, round((monotonic() - self._began) * 1000))

    def skip(self, *steps: Step) -> None:
        """What ``steps`` stand for was not needed: they count as reached now."""
        for step in steps:
            if step not in self.reached:
                self.not_needed.add(step)
                self.mark(step)

    @property
    def wanted(self) -> list[Step]:
        """The steps up to ``until``."""
        steps = list(self.steps)
        return steps if self.until is None else steps[: steps.index(self.until) + 1]

    @property
    def complete(self) -> bool:
        """Whether all wanted steps were reached."""
        return all(step in self.reached for step in self.wanted)
