"""Resolutions: the content for a conflict, what made it, and what the gate found in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.model.conflicts import Conflict, ConflictKind, MarkedFile


class Confidence(StrEnum):
    """How sure the author of a resolution says it is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class HunkRationale:
    """Why one hunk was resolved as it was, in the resolver's words. Untrusted text when the agent wrote it."""

    index: int
    resolved: bool
    reason: str
    confidence: Confidence = Confidence.MEDIUM


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The content for one conflicted path. ``content`` None means the path is deleted."""

    path: str
    kind: ConflictKind
    resolver: str
    mode: str
    content: bytes | None
    hunks: tuple[HunkRationale, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConflict:
    """A conflict nobody resolved, and why; it goes to a person."""

    path: str
    kind: ConflictKind
    reason: str


class GateVerdict(StrEnum):
    """What the gate says; ascending severity is pass, needs_person, refused."""

    PASS = "pass"  # noqa: S105 - a verdict
    NEEDS_PERSON = "needs_person"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One remark of one check.

    ``lines`` are the 1-based first and last line in the resolved file, None for the whole path.
    """

    check: str
    verdict: GateVerdict
    path: str
    message: str
    lines: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What all checks together found, and the names of the checks that ran."""

    verdict: GateVerdict
    findings: tuple[Finding, ...]
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideTexts:
    """The three versions of one path as bytes; None where a side has none."""

    ancestor: bytes | None
    ours: bytes | None
    theirs: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """All that the gate looks at: the conflicts, what was proposed for each, and what else the sandbox changed.

    ``changed`` maps every path that came out of the sandbox different to its new content (None: deleted); ``modes``
    gives their git modes. ``marked`` holds the taken-apart marker file of each text conflict.
    """

    conflicts: tuple[Conflict, ...]
    sides: Mapping[str, SideTexts]
    marked: Mapping[str, MarkedFile]
    resolutions: tuple[Resolution, ...]
    changed: Mapping[str, bytes | None]
    modes: Mapping[str, str]
    protected_paths: tuple[str, ...]
