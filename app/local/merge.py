"""What is to be merged in a clone, and what a person has done about it already."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.local.outcome import SideNames
from app.local.standing import MarkerStyle
from bot.git.discovery import Activity
from bot.model.conflicts import CleanMerge, ConflictedMerge

SUBMODULE: Final = "160000"
"""The mode of a link to a commit of another repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """A conflict that a person has dealt with in the clone: its content and mode now, None when it was deleted.

    The content of a submodule is the id of its commit. With a ``reason`` the conflict is not settled yet, but begun,
    and nothing of ours goes there.
    """

    content: bytes | None = None
    mode: str = "100644"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What is to be merged: ``theirs`` into ``ours``, and what a person has settled of it before.

    ``swapped`` when git's first side is our *theirs*, as in a rebase. ``looked`` are the fingerprints of the files that
    may be written, ``styles`` the markers in them. ``activity`` is what is under way in the clone, if anything is.
    """

    ours: str
    theirs: str
    names: SideNames
    merge_bases: tuple[str, ...]
    verdict: CleanMerge | ConflictedMerge
    protected_paths: tuple[str, ...]
    activity: Activity | None = None
    swapped: bool = False
    left_alone: Mapping[str, LeftAlone] = field(default_factory=dict)
    looked: Mapping[str, str] = field(default_factory=dict)
    styles: Mapping[str, MarkerStyle] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
