"""Pauses: somebody said that nothing new is to begin, and nothing to be pushed."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Who paused what since when, and why. ``everywhere`` is a pause of the whole instance, not of one repository.

    ``reason`` is untrusted text, empty where none was given.
    """

    by: str
    reason: str
    at: datetime
    everywhere: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseCount:
    """How much is paused: everything or not, and so many single repositories besides."""

    everywhere: bool
    repositories: int


class HeldBy(Enum):
    """What holds a job back."""

    PAUSE = auto()
    SWITCH = auto()
    """``enabled: false``."""
    FAULT = auto()
    """The configuration is invalid, and nobody knows what it would say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a job neither begins nor is pushed now. ``reason`` is a sentence."""

    by: HeldBy
    reason: str
