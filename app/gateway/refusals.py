"""Calls that are not forwarded: why, and what the sandbox is told."""

from typing import Any

from bot.errors import FlowForgeError


class CallRefusedError(FlowForgeError):
    """A call is not forwarded.

    Attributes:
        status: the HTTP status of the answer.
        kind: Anthropic's name of the error; see https://platform.claude.com/docs/en/api/errors .
        reason: a stable word for logs and metrics.
    """

    def __init__(self, status: int, kind: str, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.reason = reason


def forbidden(message: str, *, reason: str) -> CallRefusedError:
    """403: Claude Code does not ask again."""
    return CallRefusedError(403, "permission_error", message, reason=reason)


def invalid(message: str, *, reason: str) -> CallRefusedError:
    """400."""
    return CallRefusedError(400, "invalid_request_error", message, reason=reason)


def error_body(kind: str, message: str) -> dict[str, Any]:
    """An error in Anthropic's shape."""
    return {"type": "error", "error": {"type": kind, "message": message}}
