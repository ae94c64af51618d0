"""What an answer that is no success means for whoever asked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from bot.errors import ForgeError, ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.redact import redact

SECONDARY_WAIT: Final = 60.0
"""Seconds to wait when GitHub limits us without saying for how long."""

OUTAGE_WAIT: Final = 30.0
"""Seconds to wait when GitHub is away."""

_LONGEST_WAIT: Final = 3600.0
_MAX_MESSAGE: Final = 300


class PassingError(ForgeUnavailableError):
    """A failure that is often over a moment later: a bad gateway, a broken connection."""


class LimitedError(ForgeUnavailableError):
    """We asked for more than GitHub gives; nothing may be asked until ``retry_after`` is over."""


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
    limited = _limited_seconds(status, headers, explanation, now)
    if limited is not None:
        return LimitedError(message, retry_after=limited)
    if status in {404, 410}:
        return ForgeNotFoundError(message)
    if status < 500:  # noqa: PLR2004 - redirects too: they are not followed, since they may lead anywhere
        return ForgeRefusedError(message, status=status)
    told = _retry_after(headers)
    if told is not None:
        return ForgeUnavailableError(message, retry_after=told)
    if status in {502, 503, 504}:
        return PassingError(message, retry_after=OUTAGE_WAIT)
    return ForgeUnavailableError(message, retry_after=OUTAGE_WAIT)


def _limited_seconds(status: int, headers: Mapping[str, str], explanation: str, now: datetime) -> float | None:
    """How long GitHub wants us to wait, None when the answer is not about limits.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    if status not in {403, 429}:
        return None
    told = _retry_after(headers)
    if told is not None:
        return told
    if headers.get("x-ratelimit-remaining") == "0":
        reset = headers.get("x-ratelimit-reset", "")
        if not reset.isdecimal():
            return SECONDARY_WAIT
        return _within_bounds(int(reset) - now.timestamp())
    if status == 429 or "rate limit" in explanation.lower() or "abuse detection" in explanation.lower():  # noqa: PLR2004 - Too Many Requests
        return SECONDARY_WAIT
    return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    told = headers.get("retry-after")
    if told is None:
        return None
    return _within_bounds(int(told)) if told.isdecimal() else SECONDARY_WAIT


def _within_bounds(seconds: float) -> float:
    return min(max(float(seconds), 1.0), _LONGEST_WAIT)


def _explanation(body: bytes) -> str:
    """GitHub's own words about a refusal, on one line, cut and redacted; empty when it has none."""
    try:
        answer = msgspec.json.decode(body, type=_ErrorBody)
        details = bytes(answer.errors).decode("utf-8")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    text = " ".join(f"{answer.message} {details}".split())
    return redact(text)[:_MAX_MESSAGE]
