"""What an answer that is no success means for whoever asked."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from bot.errors import (
    ForgeError,
    ForgeLimitedError,
    ForgeNotFoundError,
    ForgeRefusedError,
    ForgeUnavailableError,
)
from bot.redact import redact

SECONDARY_WAIT: Final = 60.0
"""Seconds to wait when GitHub limits us without saying for how long."""

OUTAGE_WAIT: Final = 30.0
"""Seconds to wait when GitHub is away."""

LONGEST_WAIT: Final = 3600.0
"""Seconds; GitHub's longest limits are by the hour."""

_MAX_MESSAGE: Final = 300
_NUMBER: Final = re.compile(r"[0-9]{1,15}")


class PassingError(ForgeUnavailableError):
    """A failure that is often over a moment later: a bad gateway, a broken connection."""


class LimitedError(ForgeLimitedError):
    """GitHub turned us away: nothing may be asked until ``retry_after`` is over.

    Attributes:
        told: whether GitHub said for how long. Where it did not, the wait has to grow from one time to the next.
    """

    def __init__(self, message: str, *, retry_after: float, told: bool) -> None:
        super().__init__(message, retry_after=retry_after)
        self.told = told


class _ErrorBody(msgspec.Struct):
    """https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api ."""

    message: str = ""
    errors: msgspec.Raw = msgspec.Raw(b"")


def failure(what: str, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> ForgeError:
    """The error for an answer that is no success.

    Args:
        what: the method and path that were asked for, without any secret.
        status: the HTTP status of the answer.
        headers: its headers, found by lower-case names.
        body: its body.
        now: the present moment, to make a duration of ``X-RateLimit-Reset``.
    """
    explanation = _explanation(body)
    message = f"GitHub answered {status} to {what}" + (f": {explanation}" if explanation else "")
    if _is_limit(status, headers, explanation):
        told = _told_wait(headers, now)
        return LimitedError(message, retry_after=told or SECONDARY_WAIT, told=told is not None)
    if status in {404, 410}:
        return ForgeNotFoundError(message)
    # Redirects too: they are not followed, since they may lead anywhere. "Not modified" of what is not known is odd.
    if status < 500 and status != 304:  # noqa: PLR2004 - HTTP
        return ForgeRefusedError(message, status=status)
    told = _retry_after(headers)
    if told is not None:
        return ForgeUnavailableError(message, retry_after=told)
    if status in {502, 503, 504}:
        return PassingError(message, retry_after=OUTAGE_WAIT)
    return ForgeUnavailableError(message, retry_after=OUTAGE_WAIT)


def _is_limit(status: int, headers: Mapping[str, str], explanation: str) -> bool:
    """Whether an answer says that we asked for too much.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    if status not in {403, 429}:
        return False
    words = explanation.lower()
    return (
        status == 429  # noqa: PLR2004 - Too Many Requests
        or "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in words
        or "abuse detection" in words
    )


def _told_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """For how long a limit says that it holds, None where it does not."""
    if "retry-after" in headers:
        seconds = _seconds(headers["retry-after"])
        return None if seconds is None else _within_bounds(seconds)
    reset = _seconds(headers.get("x-ratelimit-reset", ""))
    if headers.get("x-ratelimit-remaining") != "0" or reset is None:
        return None
    return _within_bounds(reset - now.timestamp())


def _retry_after(headers: Mapping[str, str]) -> float | None:
    told = headers.get("retry-after")
    if told is None:
        return None
    seconds = _seconds(told)
    return SECONDARY_WAIT if seconds is None else _within_bounds(seconds)


def _seconds(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _within_bounds(seconds: float) -> float:
    return min(max(float(seconds), 1.0), LONGEST_WAIT)


def _explanation(body: bytes) -> str:
    """GitHub's own words about a refusal, on one line, cut and redacted; empty when it has none."""
    try:
        answer = msgspec.json.decode(body, type=_ErrorBody)
        details = bytes(answer.errors).decode("utf-8")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    text = " ".join(f"{answer.message} {details}".split())
    return redact(text)[:_MAX_MESSAGE]
