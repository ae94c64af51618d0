"""What an OAuth server lets us act with, and how that is kept: each renewal replaces all of it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An access token until ``expires_at``, and what the next one is got with, once."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptGrant:
    """The grant as all processes see it. ``version`` counts its renewals; without one there is no ``grant`` yet.

    After a renewal that failed, none is tried before ``again_at``. ``fault`` is why, where the server refused it for
    good; empty where it only did not answer.
    """

    version: int = 0
    grant: Grant | None = None
    fault: str = ""
    again_at: datetime | None = None
