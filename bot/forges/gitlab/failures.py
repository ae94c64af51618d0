"""What an answer that is no success means for whoever asked."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from bot.errors import ForgeError, ForgeLimitedError, ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.redact import redact

LIMIT_WAIT: Final = 60.0
"""Seconds to wait when GitLab limits us without saying for how long: its limits are by the minute.

https://docs.gitlab.com/user/gitlab_com/#rate-limits-on-gitlabcom
"""

OUTAGE_WAIT: Final = 30.0
"""Seconds to wait when GitLab is away."""

LONGEST_WAIT: Final = 3600.0

_MAX_MESSAGE: Final = 300
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_TOO_MANY: Final = 429


class PassingError(ForgeUnavailableError):
    """A failure that is often over a moment later: a bad gateway, a broken connection."""


class _ErrorBody(msgspec.Struct):
    """``message`` is a text, a list, or texts by field: https://docs.gitlab.com/api/rest/troubleshooting/ ."""

    message: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")


def failure(what: str, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> ForgeError:
    """The error for an answer that is no success.

    Args:
        what: the method and path that were asked for, without any secret.
        status: the HTTP status of the answer.
        headers: its headers, found by lower-case names.
        body: its body.
        now: the present moment, to make a duration of ``RateLimit-Reset``.
    """
    explanation = _explanation(body)
    message = f"GitLab answered {status} to {what}" + (f": {explanation}" if explanation else "")
    told = _seconds(headers.get("retry-after", ""))
    if status == _TOO_MANY:
        reset = _seconds(headers.get("ratelimit-reset", ""))
        wait = told if told is not None or reset is None else reset - now.timestamp()
        return ForgeLimitedError(message, retry_after=LIMIT_WAIT if wait is None else _within_bounds(wait))
    if status in {404, 410}:
        return ForgeNotFoundError(message)
    # Redirects too: they are not followed, since they may lead anywhere.
    if status < 500:  # noqa: PLR2004 - HTTP
        return ForgeRefusedError(message, status=status)
    if told is not None:
        return ForgeUnavailableError(message, retry_after=_within_bounds(told))
    if status in {502, 503, 504}:
        return PassingError(message, retry_after=OUTAGE_WAIT)
    return ForgeUnavailableError(message, retry_after=OUTAGE_WAIT)


def _seconds(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _within_bounds(seconds: float) -> float:
    return min(max(seconds, 1.0), LONGEST_WAIT)


def _explanation(body: bytes) -> str:
    """GitLab's own words about a refusal, on one line, cut and redacted; empty when it has none."""
    try:
        answer = msgspec.json.decode(body, type=_ErrorBody)
        said = bytes(answer.message or answer.error).decode("utf-8")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    return redact(" ".join(said.split()))[:_MAX_MESSAGE]
