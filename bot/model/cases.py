"""What a resolver knows of one conflicted file, and how far the resolvers came with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.model.conflicts import ConflictKind, MarkedFile, Side, Stage
from bot.model.resolutions import HunkAnswer, SideTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class PathHistory:
    """The blobs that a path had on each side, from the merge base (excluded) to the tip (included).

    Facts of git's; empty where they were not looked up. ``ours`` and ``theirs`` are sets of object ids.
    """

    ours: frozenset[str] = frozenset()
    theirs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedKey:
    """What makes two file conflicts the same: the path and its three blobs, None where a side has none."""

    path: str
    ancestor: str | None
    ours: str | None
    theirs: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFile:
    """A resolution that a person approved for exactly this path and these three blobs.

    ``source`` says where it comes from, in words (the pull request and who approved it, or an imported rerere cache).
    """

    content: bytes
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHunk:
    """The text that a git rerere cache has for one hunk; ``digest`` is that of ``bot.resolvers.rerere.hunk_digest``."""

    digest: str
    content: bytes
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCase:
    """One text conflict, with all the facts that resolvers may use. Pure data: resolvers read nothing else.

    ``recorded`` is the exact repeat, if there is one; ``rerere`` holds texts for single hunks from a git rerere cache.
    """

    path: str
    kind: ConflictKind
    stages: Mapping[Side, Stage]
    sides: SideTexts
    marked: MarkedFile
    history: PathHistory = PathHistory()
    recorded: RecordedFile | None = None
    rerere: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProgress:
    """How far a file is: ``settled`` answers are applied, ``candidates`` (by hunk) are only shown, best first.

    ``failures`` names the resolvers that failed on it; that costs nothing but their time.
    """

    case: FileCase
    settled: Mapping[int, HunkAnswer]
    candidates: Mapping[int, tuple[HunkAnswer, ...]]
    failures: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[int, ...]:
        """The indexes of the hunks that nobody settled."""
        return tuple(hunk.index for hunk in self.case.marked.hunks if hunk.index not in self.settled)


class Choice(StrEnum):
    """What a person may take for a whole path: ``/flowforge take <choice> <path>``."""

    OURS = "ours"
    THEIRS = "theirs"
    BASE = "base"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A person's decision about one path of a merge."""

    path: str
    choice: Choice
    taken_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What people did in conflicts of this kind: a choice to offer, never applied by itself; the reason in words."""

    choice: Choice
    reason: str
