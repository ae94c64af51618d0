"""Resolutions: the content for a conflict, what made it, and what the gate found in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.model.conflicts import Conflict, ConflictKind, MarkedFile


class Confidence(StrEnum):
    """How sure the author of a resolution says it is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Tier(StrEnum):
    """How much a resolution's origin is worth by itself. The values are part of the JSON contract.

    ``B`` is never applied: its answers are candidates that people and models are shown.
    """

    A = "A"
    RECORDED = "recorded"
    STRUCTURAL = "structural"
    REGENERATED = "regenerated"
    B = "B"
    DIRECT = "direct"
    AGENT = "agent"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class HunkAnswer:
    """A text for the place of one hunk, and who gives it for which reason.

    ``index`` counts the hunks of the file as git left it. ``content`` is whole lines: empty, or ending with a newline
    (but for the last line of a file that ends without one). ``reason`` is the evidence, in words a reviewer
    understands; untrusted text when a model wrote it.
    """

    index: int
    content: bytes
    resolver: str
    tier: Tier
    reason: str
    confidence: Confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class HunkRationale:
    """Why one hunk was resolved as it was, in the resolver's words. Untrusted text when a model wrote it."""

    index: int
    resolved: bool
    reason: str
    confidence: Confidence = Confidence.MEDIUM
    resolver: str = "agent"
    tier: Tier = Tier.AGENT


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


class LineOrigin(StrEnum):
    """Where a line of a resolved file comes from. The values are part of the JSON contract.

    ``recombined`` lines are new as lines, but every token of them is in the sides; ``new`` lines come from nobody.
    """

    BOTH = "both"
    OURS = "ours"
    THEIRS = "theirs"
    RECOMBINED = "recombined"
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceSpan:
    """Consecutive lines of one origin; ``first`` and ``last`` are 1-based and both included."""

    first: int
    last: int
    origin: LineOrigin


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
    gives their git modes. ``marked`` holds the taken-apart marker file of each text conflict, ``settled`` the texts of
    those of its hunks that were settled before a model saw the file: path, index of the hunk, text. ``generated`` are
    the paths that the repository's own command may write, in conflict or not: those were made anew, not merged.
    """

    conflicts: tuple[Conflict, ...]
    sides: Mapping[str, SideTexts]
    marked: Mapping[str, MarkedFile]
    resolutions: tuple[Resolution, ...]
    changed: Mapping[str, bytes | None]
    modes: Mapping[str, str]
    protected_paths: tuple[str, ...]
    settled: Mapping[str, Mapping[int, bytes]] = field(default_factory=dict)
    generated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthoredChange:
    """A change that an agent wrote because people asked for it in words, and the tree that it is made on.

    ``before`` has each changed or deleted file as it was, None where there was none or it is too large to be read.
    ``modes`` has the mode of each of them: a new file's is ``100644``. ``new`` are the changed paths at which no file
    was. ``directories`` are all those of the tree on the way to the paths, the root as "", with the names in each and
    their modes. ``pipelines`` says what is a part of the forge's CI, see ``bot.validation.pipelines``: empty means
    nothing beside the files that always are.
    """

    before: Mapping[str, bytes | None]
    changed: Mapping[str, bytes]
    deleted: tuple[str, ...]
    modes: Mapping[str, str]
    new: frozenset[str]
    directories: Mapping[str, Mapping[str, str]]
    pipelines: tuple[str, ...] = ()
