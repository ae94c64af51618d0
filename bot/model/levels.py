"""Levels: what somebody should look at again, whatever happened in between.

A level is raised by events and by sweeps, and coalesced by its key: raising it again while it waits, or while a worker
is at it, only counts its generation up. The worker reads the live state, acts, and completes the generation that it
took; a level that was raised in the meantime stays due.
"""

from dataclasses import dataclass
from enum import StrEnum

from bot.model.forge import ForgeName, is_forge_name


class LevelKind(StrEnum):
    """What is compared with what should be."""

    BASE_SYNC = "base_sync"
    PR_SYNC = "pr_sync"
    CHECK_SYNC = "check_sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullKey:
    """Which pull request a ``pr_sync`` or a ``check_sync`` is about."""

    forge: ForgeName
    repository_id: int
    number: int

    def __str__(self) -> str:
        return f"{self.forge}:{self.repository_id}:{self.number}"


def parse_pull_key(text: str) -> PullKey | None:
    """Take a level's key apart; None for what is none."""
    forge, _, rest = text.partition(":")
    repository, _, number = rest.partition(":")
    if not is_forge_name(forge) or not _is_number(repository) or not _is_number(number):
        return None
    return PullKey(forge=forge, repository_id=int(repository), number=int(number))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLease:
    """The right to work on one level for a while; ``fencing`` grows each time a level is taken."""

    kind: LevelKind
    key: str
    generation: int
    fencing: int
    attempts: int
