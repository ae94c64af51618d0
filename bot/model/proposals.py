"""Proposals: a commit that a person may approve, pinned to what was shown."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.forge import Actor


class ProposalKind(StrEnum):
    """What the commit does.

    A partial one carries what is safe of a merge for a person to finish; it is never pushed to the pull request. A
    rebase is a chain of commits, ``commit`` the last of them. A change is one
    commit on top of what it was made for: for a pull request of our own, or to mend one of others'.
    """

    MERGE = "merge"
    REVERT = "revert"
    PARTIAL = "partial"
    REBASE = "rebase"
    CHANGE = "change"


class ProposalState(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    APPROVED = "approved"
    PUBLISHED = "published"
    REJECTED = "rejected"
    STALE = "stale"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedFile:
    """One path of a proposal: its conflict kind, what resolved it, and the reasons (untrusted when the agent's)."""

    path: str
    kind: str
    resolver: str
    reasons: tuple[str, ...]


class SuiteOutcome(StrEnum):
    """What the repository's tests said about a tree, or why they said nothing."""

    UNDER_WAY = "under_way"
    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    COULD_NOT_RUN = "could_not_run"
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteEvidence:
    """What is known about the repository's tests on one tree. It counts for that tree and for no other.

    ``command`` is the configured one. ``exit_status`` is None where a ``signal`` ended it, or nothing is known.
    ``log_tail`` is the end of what the tests printed, ``detail`` why they could not be run: untrusted texts.
    ``left_out`` counts the links and submodules of the tree that are in no sandbox.
    """

    tree: str
    outcome: SuiteOutcome
    at: datetime
    command: str = ""
    run_id: str | None = None
    exit_status: int | None = None
    signal: int | None = None
    duration_ms: int | None = None
    log_tail: str = ""
    detail: str = ""
    left_out: int = 0

    def passed_on(self, tree: str) -> bool:
        """Whether the tests passed on exactly this tree."""
        return self.outcome is SuiteOutcome.PASSED and self.tree == tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A commit (tree and parents) on ``branch``, valid only for this head, base, tree and diff.

    ``diff_sha256`` is the hash of the diff people were shown, see ``bot.git``.
    """

    id: str
    job_id: str
    kind: ProposalKind
    state: ProposalState
    branch: str
    commit: str
    tree: str
    parents: tuple[str, ...]
    head_sha: str
    base_sha: str
    diff_sha256: str
    files: tuple[ProposedFile, ...]
    created_at: datetime


class ApprovalVia(StrEnum):
    """How somebody approved."""

    COMMENT = "comment"
    BUTTON = "button"
    EMOJI = "emoji"
    PAGE = "page"
    CONFIGURATION = "configuration"
    """Nobody was asked: the configuration lets such proposals through."""
    WITHDRAWN = "withdrawn"
    """The earlier approval of the same person does not count any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who approved which bytes, with which permission; never changed afterwards.

    ``old_head`` is the commit that the approval allows to be replaced by force, None where it named none.
    """

    proposal_id: str
    actor: Actor
    via: ApprovalVia
    permission: str
    commit: str
    diff_sha256: str
    old_head: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How far the approval of a proposal has come: who approved so far, how many have to, what else is missing.

    ``missing`` are sentences for people.
    """

    approved_by: tuple[Actor, ...]
    needed: int
    missing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing more is needed."""
        return len(self.approved_by) >= self.needed and not self.missing


class PushPurpose(StrEnum):
    """What a push is for."""

    PROPOSE = "propose"
    PUBLISH = "publish"
    ROLL_BACK = "roll_back"
    CLEAN_UP = "clean_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A push: ``ref`` goes from ``old`` (empty: the ref is new) to ``new`` (empty: the ref is deleted).

    ``proposal_id`` is None for a rollback, which puts back what was there before. ``fork`` is the ``owner/name`` of the
    fork that holds ``ref``, empty for the repository of the pull request. ``pull_number`` is the pull request that was
    opened from ``ref`` because the head could not be pushed to.
    """

    purpose: PushPurpose
    job_id: str
    proposal_id: str | None
    ref: str
    old: str
    new: str
    fork: str = ""
    pull_number: int | None = None
