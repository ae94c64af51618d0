"""The conflict watch: which open pull requests merge with their base, and which pushes cannot have changed that."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.forge import RepositoryRef


class MergeState(StrEnum):
    """Git's answer about a base and a head, without its details."""

    CLEAN = "clean"
    CONFLICT = "conflict"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two commits to be merged: a base's tip and a pull request's head."""

    base_sha: str
    head_sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchVerdict:
    """What one version of git says about a pair; it never changes if it is ``lasting``.

    ``paths`` are the paths in conflict: there may be none, as in an unclear directory rename. ``reason`` says why a
    merge is impossible.
    """

    pair: Pair
    git_version: str
    state: MergeState
    paths: tuple[str, ...] = ()
    reason: str = ""
    lasting: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a head changes against its only merge base with a base branch.

    Paths are raw bytes as in git's trees. ``paths`` has both names of what was renamed, ``directories`` all directories
    above them; ``commits`` are those of the head that the base does not have.
    """

    merge_base: str
    head_sha: str
    paths: frozenset[bytes]
    directories: frozenset[bytes]
    commits: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What moved a base branch forward from ``old`` to ``new``.

    ``touched`` has every path that changed and the directories above it; ``replaced`` the files that are new and the
    directories that are gone, for what lies below such a path may be in its way or move along with it.
    """

    old: str
    new: str
    commits: frozenset[str]
    touched: frozenset[bytes]
    replaced: frozenset[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseCommit:
    """A commit of a base branch's first-parent history. ``subject`` is untrusted text."""

    sha: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPull:
    """A pull request as an event or a list of the forge told of it.

    ``base_sha`` is the base that the forge has on record: the tip when the head came. ``updated_at`` orders what is
    told about one pull request; two different things told of the same moment have no order.
    """

    number: int
    open: bool
    base_ref: str
    base_sha: str
    head_sha: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedPull:
    """An open pull request with what is known about its merge.

    ``state`` holds for ``base_sha`` and ``head_sha``; None as long as git was not asked. Git was asked for
    ``verdict_base``: where that is another commit than ``base_sha``, the verdict was carried over, because what was
    pushed since lies apart from what the head changes. ``merge_base`` is the one of the head's footprint, None where
    nothing may be carried over.

    ``alarm`` is set from the moment when a push to the base brought the pull request into conflict until it merges
    again; ``cause`` is the commit of the base that did. ``told_head`` is the head whose check run says so.
    """

    number: int
    base_ref: str
    head_sha: str
    recorded_base: str
    base_sha: str | None = None
    verdict_base: str | None = None
    state: MergeState | None = None
    merge_base: str | None = None
    alarm: bool = False
    cause: BaseCommit | None = None
    told_head: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictWatch:
    """All that the watch's check run is rendered from. Words in it are untrusted."""

    repository: RepositoryRef
    number: int
    base_ref: str
    base_sha: str
    head_sha: str
    conflict: bool
    paths: tuple[str, ...] = ()
    cause: BaseCommit | None = None
