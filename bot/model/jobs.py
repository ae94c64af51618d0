"""Jobs: allowed intents. Their rows are the truth about what happens; this module is the table of their states."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from bot.model.cases import Take
from bot.model.forge import Actor, RepositoryRef, Thread, ThreadKind
from bot.model.intents import Strategy
from bot.model.work import Brief


class JobKind(StrEnum):
    """What a job is for."""

    RESOLVE = "resolve"
    ROLLBACK = "rollback"
    IMPLEMENT = "implement"
    PLAN = "plan"
    EXPLAIN = "explain"
    FIX = "fix"


ANSWERS: frozenset[JobKind] = frozenset({JobKind.PLAN, JobKind.EXPLAIN})
"""The kinds that end in words; nothing is proposed."""

WORK: frozenset[JobKind] = ANSWERS | {JobKind.IMPLEMENT, JobKind.FIX}
"""The kinds that an agent does by what people wrote: there is no merge, and no conflict."""

ON_HEAD: frozenset[JobKind] = frozenset({JobKind.ROLLBACK, JobKind.FIX})
"""The kinds that are about the head of a pull request alone: where its base is does not matter to them."""


class JobState(StrEnum):
    """Where a job stands. See ``TRANSITIONS``."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    VALIDATING = "validating"
    AWAITING_APPROVAL = "awaiting_approval"
    PUBLISHING = "publishing"
    # terminal
    PUBLISHED = "published"
    NOTHING_TO_DO = "nothing_to_do"
    REPORTED = "reported"
    UNRESOLVED = "unresolved"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


TERMINAL: frozenset[JobState] = frozenset(
    {
        JobState.PUBLISHED,
        JobState.NOTHING_TO_DO,
        JobState.REPORTED,
        JobState.UNRESOLVED,
        JobState.REFUSED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.REJECTED,
        JobState.SUPERSEDED,
    },
)

_ENDS = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.SUPERSEDED, JobState.REFUSED})

TRANSITIONS: Mapping[JobState, frozenset[JobState]] = MappingProxyType(
    {
        JobState.QUEUED: frozenset({JobState.PREPARING, JobState.PUBLISHING}) | _ENDS,
        JobState.PREPARING: frozenset(
            {
                JobState.QUEUED,
                JobState.RUNNING,
                JobState.VALIDATING,
                JobState.AWAITING_APPROVAL,
                # without a person's approval, where the configuration lets it through
                JobState.PUBLISHING,
                JobState.NOTHING_TO_DO,
                JobState.REPORTED,
                JobState.UNRESOLVED,
            },
        )
        | _ENDS,
        JobState.RUNNING: frozenset({JobState.VALIDATING, JobState.QUEUED, JobState.UNRESOLVED}) | _ENDS,
        JobState.VALIDATING: frozenset(
            {
                # the next commit of a rebase
                JobState.PREPARING,
                JobState.RUNNING,
                JobState.QUEUED,
                JobState.AWAITING_APPROVAL,
                JobState.PUBLISHING,
                JobState.UNRESOLVED,
                # words alone, or no change at all
                JobState.REPORTED,
                JobState.NOTHING_TO_DO,
                # a pull request of our own
                JobState.PUBLISHING,
            },
        )
        | _ENDS,
        JobState.AWAITING_APPROVAL: frozenset({JobState.PUBLISHING, JobState.REJECTED}) | _ENDS,
        # thrown away in a pause that keeps it from being pushed
        JobState.PUBLISHING: frozenset({JobState.PUBLISHED, JobState.AWAITING_APPROVAL, JobState.REJECTED}) | _ENDS,
        **{state: frozenset[JobState]() for state in TERMINAL},
    },
)
"""From each state, the states a job may go to. Terminal states lead nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a person asked for, as it goes into the job's row.

    ``number`` is a pull request's, or an issue's with a minus: not every forge counts the two in one row.

    ``target_job_id`` is the published job that a rollback undoes. ``takes`` are people's decisions about single paths.
    ``asked_before`` are those who asked for what is done again here, on behalf of somebody else by now.
    ``brief`` holds the words that work was asked for by, None where there is a merge instead.
    """

    kind: JobKind
    origin_key: str
    repository: RepositoryRef
    number: int
    requested_by: Actor
    comment_id: int | None
    instructions: str
    strategy: Strategy
    budget_usd: float
    model: str
    dry_run: bool
    config_version: str
    head_ref: str
    head_sha: str
    base_ref: str
    target_job_id: str | None = None
    takes: tuple[Take, ...] = ()
    brief: Brief | None = None
    asked_before: tuple[Actor, ...] = ()

    @property
    def requesters(self) -> frozenset[int]:
        """The ids of all whose words the job carries out."""
        return frozenset(actor.id for actor in (self.requested_by, *self.asked_before))

    @property
    def on_issue(self) -> bool:
        """Whether it is about an issue: then there is no head, and nothing to show a check run on."""
        return self.number < 0

    @property
    def thread(self) -> Thread:
        """Where people talk about it."""
        return Thread(kind=ThreadKind.ISSUE if self.on_issue else ThreadKind.PULL, number=abs(self.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as read from its row.

    ``base_sha`` is set once the base's live tip was fetched. ``rule`` and ``message`` say why a job ended otherwise
    than hoped. ``cancel_requested`` holds the state that the job is asked to end in, or None. ``fencing`` grows with
    each claim. Before ``not_before``, nobody begins with it by himself. ``answer`` is what the agent had to say at the
    end of work that was asked for in words: untrusted text.
    """

    id: str
    request: JobRequest
    state: JobState
    attempt: int
    fencing: int
    base_sha: str | None
    head_sha: str
    cancel_requested: JobState | None
    rule: str | None
    message: str | None
    progress: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    not_before: datetime | None = None
    answer: str = ""

    @property
    def short_id(self) -> str:
        """The eight characters people see in branch names and logs."""
        return self.id[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLease:
    """The right to change one job until ``until``; every write carries ``fencing``."""

    job: Job
    owner: str
    fencing: int
    until: datetime
