"""What a comparison of a job with its live pull request comes to."""

from dataclasses import dataclass
from enum import StrEnum


class Branch(StrEnum):
    """What of a pull request can be somewhere else than a job saw it."""

    HEAD = "head"
    BASE = "base"
    TARGET = "target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Something is not where a job saw it: commits for head and base, names for the target (another base branch).

    ``now`` is None where it is gone. ``base_ref`` is the name of the base branch that moved; untrusted, as names are.
    """

    what: Branch
    before: str
    now: str | None
    base_ref: str = ""


class EndReason(StrEnum):
    """Why a job ends without a fresh start."""

    PROPOSAL_VOID = "proposal_void"
    ROLLBACK_VOID = "rollback_void"
    FIX_VOID = "fix_void"
    TOO_OFTEN = "too_often"
    PUSHED_BY_HAND = "pushed_by_hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Everything is where the job saw it, or the job will look for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """The pull request is closed: nothing is left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What the job did is void; ``moved`` is None where its result has arrived."""

    reason: EndReason
    moved: Moved | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Afresh:
    """The work under way is void, and begins anew."""

    moved: Moved


Course = Keep | Close | End | Afresh
