"""Reports: what people see of a job on the forge, before it is put into the forge's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.model.cases import Suggestion, Take
from bot.model.conflicts import Side, Stage
from bot.model.forge import ForgeKind, ForgeName, RepositoryRef, Thread
from bot.model.jobs import Job
from bot.model.proposals import Approval, Proposal, Publication, SuiteEvidence, Tally
from bot.model.resolutions import GateResult, HunkAnswer, ProvenanceSpan
from bot.model.runs import NO_USAGE, RunOutcome, Usage


class Surface(StrEnum):
    """Where a report appears."""

    CHECK_RUN = "check_run"
    STICKY_COMMENT = "sticky_comment"
    REPLY = "reply"
    REACTION = "reaction"


class CheckStatus(StrEnum):
    """https://docs.github.com/en/rest/checks/runs#create-a-check-run ."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class CheckConclusion(StrEnum):
    """The conclusions we use of https://docs.github.com/en/rest/checks/runs#create-a-check-run ."""

    ACTION_REQUIRED = "action_required"
    SUCCESS = "success"
    NEUTRAL = "neutral"
    CANCELLED = "cancelled"
    FAILURE = "failure"


class CheckActionName(StrEnum):
    """The identifiers of our buttons."""

    APPROVE = "approve"
    RETRY = "retry"
    DISCARD = "discard"
    TAKE_OURS = "take_ours"
    TAKE_THEIRS = "take_theirs"
    TAKE_DELETE = "take_delete"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAction:
    """A button of a check run: label ≤ 20, description ≤ 40, identifier ≤ 20 characters."""

    label: str
    description: str
    identifier: CheckActionName


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A remark on lines of a file: at most 50 of them go with one check run."""

    path: str
    start_line: int
    end_line: int
    level: str
    message: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRunContent:
    """A check run as it should be. ``external_id`` is ours and finds it again after a lost answer.

    ``details_url`` is where it leads, empty where that is for the forge to say.
    """

    head_sha: str
    external_id: str
    status: CheckStatus
    conclusion: CheckConclusion | None
    title: str
    summary: str
    text: str
    actions: tuple[CheckAction, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    details_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentContent:
    """A comment as it should be. ``marker`` is a hidden line in the body that finds it again after a lost answer."""

    marker: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionContent:
    """An emoji under somebody's comment, by the forge's own name (``eyes``, ``rocket``, ``confused``)."""

    comment_id: int
    reaction: str


ReportContent = CheckRunContent | CommentContent | ReactionContent


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTarget:
    """One surface of one subject: what should be there, what was written, and where it is.

    ``owner`` is the job's id for check runs, ``watch:<pull request>:<head>`` for those of the conflict watch,
    ``<pull request>`` for the sticky comment (both as ``pull_owner`` has it), the origin's key for replies and
    reactions. ``desired_hash`` equals ``reported_hash`` when nothing is to be done.
    """

    id: str
    forge: ForgeName
    repository_id: int
    thread: Thread
    owner: str
    surface: Surface
    desired: ReportContent
    desired_hash: str
    reported_hash: str | None
    remote_id: int | None
    attempts: int
    not_before: datetime | None

    @property
    def asked_for(self) -> bool:
        """Whether it answers a person's wish: what the conflict watch says, nobody waits for."""
        return not self.owner.startswith("watch:")


def pull_owner(repository: RepositoryRef, number: int) -> str:
    """The owner of what is shown once for a pull request: ``[<forge>:]<repository id>#<number>``.

    The first GitHub goes without its name, as it did when it was the only forge.
    """
    known = f"{repository.id}#{number}"
    return known if repository.forge == ForgeKind.GITHUB else f"{repository.forge}:{known}"


class ResolutionStatus(StrEnum):
    """Where one conflict of a job stands."""

    OPEN = "open"
    PROPOSED = "proposed"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictRecord:
    """What became of one conflict in one attempt at a job, as kept in the database.

    ``prompt`` is what the resolver was given about it, ``response`` what it answered; both may be empty for a rule.
    ``answers`` are the texts its hunks have so far, ``candidates`` those that were only shown; ``provenance`` is
    that of the resolved file. ``taken`` is a person's decision, ``suggestion`` what people did in such cases.
    """

    path: str
    kind: str
    hunks: int
    resolver: str
    status: ResolutionStatus
    reasons: tuple[str, ...]
    oid: str | None
    prompt: str
    response: str
    stages: Mapping[Side, Stage] = field(default_factory=dict)
    answers: tuple[HunkAnswer, ...] = ()
    candidates: tuple[HunkAnswer, ...] = ()
    provenance: tuple[ProvenanceSpan, ...] = ()
    taken: Take | None = None
    suggestion: Suggestion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Why we cannot push the result ourselves, and the exact commands with which a person can."""

    reason: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDiffs:
    """A proposal against each of its parents, as unified diffs; None where one is too large to be kept.

    There is none against the base where the proposal is no merge: it is empty then.
    """

    against_head: str | None
    against_base: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """All that a report about a job is rendered from.

    The diffs are unified diffs of the proposal's tree against each parent, untrusted text. ``superseded_by`` is the
    short id of the job that took this one's place. ``where_it_goes`` says what an approval does for a fork, and what
    merging makes of it. ``tests`` is what they said about the proposal's tree; ``tests_demanded_in`` is where it stands
    that without a pass nothing may be approved, as Markdown; empty where that is nowhere. ``approvals`` are those that
    stand; ``tally`` says how many more are needed, while the proposal waits for them.
    ``page`` is the address at which people can sign in and decide, empty where there is none or nothing to decide.
    """

    job: Job
    conflicts: tuple[ConflictRecord, ...] = ()
    gate: GateResult | None = None
    proposal: Proposal | None = None
    diff_against_head: str = ""
    diff_against_base: str = ""
    usage: Usage = NO_USAGE
    run_outcome: RunOutcome | None = None
    run_detail: str = ""
    duration_seconds: float | None = None
    hand_over: HandOver | None = None
    approvals: tuple[Approval, ...] = ()
    tally: Tally | None = None
    publication: Publication | None = None
    superseded_by: str | None = None
    where_it_goes: str = ""
    page: str = ""
    tests: SuiteEvidence | None = None
    tests_demanded_in: str = ""

    @property
    def blocked_by_tests(self) -> bool:
        """Whether the proposal may not be approved because its tests did not pass."""
        if not self.tests_demanded_in or self.proposal is None:
            return False
        return self.tests is None or not self.tests.passed_on(self.proposal.tree)
