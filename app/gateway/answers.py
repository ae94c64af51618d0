"""What the sandbox gets: an answer as it comes, or an error in Anthropic's shape."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import msgspec

from app.gateway.refusals import CallRefusedError, error_body
from bot.model.direct import REFUSED_HEADER

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"


class Answer:
    """One HTTP answer, begun at most once and ended exactly once."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._events = False
        self.begun = False
        self.ended = False

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head."""
        self.begun = True
        self._events = headers.get("content-type", "").lower().startswith(_EVENTS)
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def pass_on(self, chunk: bytes) -> None:
        """Send bytes on, now."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, rest: bytes = b"") -> None:
        """Send the last bytes."""
        if not self.ended:
            self.ended = True
            await self._send({"type": "http.response.body", "body": rest})

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a complete answer."""
        await self.begin(status, {**headers, "content-length": str(len(body))})
        await self.end(body)

    async def fail(self, error: CallRefusedError) -> None:
        """Say what went wrong: by the status, or, where that was sent before, by an event of the stream.

        Source: https://platform.claude.com/docs/en/build-with-claude/streaming#error-events
        """
        body = msgspec.json.encode(error_body(error.kind, str(error)))
        if not self.begun:
            headers = {
                "content-type": _JSON,
                # Without this Claude Code asks again after a 401.
                "x-should-retry": retry_word(error.status),
                REFUSED_HEADER: error.reason,
            }
            await self.whole(error.status, headers, body)
        elif self._events:
            await self.end(b"event: error\ndata: " + body + b"\n\n")
        else:
            await self.end()


def retry_word(status: int) -> str:
    """Whether asking again can help."""
    return "true" if status in {429, 500, 502, 503, 529} else "false"
