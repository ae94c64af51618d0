"""Turns: how many jobs may be at work at once, and which queued job begins next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.model.forge import ForgeName
from bot.model.jobs import JobState

AT_WORK: frozenset[JobState] = frozenset({JobState.PREPARING, JobState.RUNNING, JobState.VALIDATING})
"""A job in one of these states holds a worker or a sandbox, and so does a queued one that a worker has just taken."""

WAITS = "waits: "
"""How the progress of a job begins that says why it does not have its turn."""

Owner = tuple[ForgeName, int]
"""A forge and the id of a repository or of an installation there."""


class Cap(StrEnum):
    """What bounds the jobs that are at work."""

    REPOSITORY = "repository"
    INSTALLATION = "installation"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCaps:
    """How many jobs may be at work at once; each is 1 at least."""

    per_repository: int
    per_installation: int
    overall: int


_MANY = 1_000_000
UNCAPPED = JobCaps(per_repository=_MANY, per_installation=_MANY, overall=_MANY)
"""More than there ever are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """A job that waits for its turn. ``serial`` grows with the time at which jobs were made."""

    job_id: str
    serial: int
    repository: Owner
    installation: Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many jobs are at work; who has none is left out."""

    repositories: Mapping[Owner, int] = field(default_factory=dict)
    installations: Mapping[Owner, int] = field(default_factory=dict)
    overall: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptWaiting:
    """Why a queued job does not begin: ``at_work`` jobs are as many as ``cap`` allows.

    ``ahead`` are the jobs whose turn it is now: they make it so many.
    """

    cap: Cap
    at_work: int
    ahead: tuple[str, ...] = ()
