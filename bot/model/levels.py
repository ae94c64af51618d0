"""Levels: what somebody should look at again, whatever happened in between.

A level is raised by events and by sweeps, and coalesced by its key: raising it again while it waits, or while a worker
is at it, only counts its generation up. The worker reads the live state, acts, and completes the generation that it
took; a level that was raised in the meantime stays due.
"""

from dataclasses import dataclass
from enum import StrEnum


class LevelKind(StrEnum):
    """What is compared with what should be."""

    BASE_SYNC = "base_sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLease:
    """The right to work on one level for a while; ``fencing`` grows each time a level is taken."""

    kind: LevelKind
    key: str
    generation: int
    fencing: int
    attempts: int
