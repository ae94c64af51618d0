"""What a call used, read off the answer while it passes by.

Sources: https://platform.claude.com/docs/en/build-with-claude/streaming (``message_start`` and ``message_delta`` carry
usage; the numbers are cumulative) and https://platform.claude.com/docs/en/build-with-claude/prompt-caching (kinds).
"""

from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

_MAX_EVENT: Final = 4 * 2**20
_MAX_JSON: Final = 32 * 2**20
_BYTES_PER_TOKEN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """Tokens of one call by kind. ``in_us`` is true when the answer says that inference was kept in the US."""

    input: int = 0
    output: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    in_us: bool = False

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input + self.cache_write + self.cache_read

    @property
    def cache_write(self) -> int:
        """Tokens written to the cache, for whatever time."""
        return self.cache_write_5m + self.cache_write_1h


class _CacheCreation(msgspec.Struct, frozen=True):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class _Usage(msgspec.Struct, frozen=True):
    """The fields of a usage object; None where it does not speak of one."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    inference_geo: str | None = None


class _Message(msgspec.Struct, frozen=True):
    usage: _Usage | None = None


class _Delta(msgspec.Struct, frozen=True):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _Event(msgspec.Struct, frozen=True):
    type: str = ""
    message: _Message | None = None
    usage: _Usage | None = None
    delta: _Delta | None = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_WHOLE: Final = msgspec.json.Decoder(_Message)


class Meter(Protocol):
    """Reads usage off the bytes of an answer, however they are cut into chunks."""

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes."""
        ...

    def usage(self) -> TokenUsage:
        """What was used, as far as the bytes so far tell."""
        ...

    @property
    def seen(self) -> bool:
        """Whether the answer spoke of usage at all."""
        ...


class _Tally:
    """The highest number seen of every kind: usage is cumulative and never goes down."""

    def __init__(self) -> None:
        self.seen = False
        self._input = self._output = self._write = self._write_5m = self._write_1h = self._read = 0
        self._in_us = False

    def add(self, usage: _Usage) -> None:
        self.seen = True
        self._input = max(self._input, usage.input_tokens or 0)
        self._output = max(self._output, usage.output_tokens or 0)
        self._write = max(self._write, usage.cache_creation_input_tokens or 0)
        self._read = max(self._read, usage.cache_read_input_tokens or 0)
        if usage.cache_creation is not None:
            self._write_5m = max(self._write_5m, usage.cache_creation.ephemeral_5m_input_tokens)
            self._write_1h = max(self._write_1h, usage.cache_creation.ephemeral_1h_input_tokens)
        self._in_us = self._in_us or usage.inference_geo == "us"

    def result(self, *, at_least_output: int = 0) -> TokenUsage:
        # Cache writes that no breakdown explains are charged as the dearer kind.
        unexplained = max(0, self._write - self._write_5m - self._write_1h)
        return TokenUsage(
            input=self._input,
            output=max(self._output, at_least_output),
            cache_write_5m=self._write_5m,
            cache_write_1h=self._write_1h + unexplained,
            cache_read=self._read,
            in_us=self._in_us,
        )


class StreamMeter:
    """Meters server-sent events.

    The output of a stream that was cut before its last count is estimated from the text that came, three bytes a token.
    """

    def __init__(self) -> None:
        self._tally = _Tally()
        self._line = bytearray()
        self._shown = 0
        self._counted = False

    @property
    def seen(self) -> bool:
        """Whether the stream spoke of usage."""
        return self._tally.seen

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes; lines end with CR, LF or both, as the specification of event streams has it."""
        *lines, rest = chunk.replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._line += line
            self._end_line()
        self._line += rest
        if len(self._line) > _MAX_EVENT:  # no event of the API is that long: forget it
            self._line.clear()

    def usage(self) -> TokenUsage:
        """What was used so far."""
        estimate = 0 if self._counted else -(-self._shown // _BYTES_PER_TOKEN)
        return self._tally.result(at_least_output=estimate)

    def _end_line(self) -> None:
        """A line is complete; only ``data:`` lines matter, and each of the API's events has one."""
        line = bytes(self._line)
        self._line.clear()
        if not line.startswith(b"data:"):
            return
        try:
            event = _EVENT.decode(line[5:])
        except (msgspec.MsgspecError, RecursionError):
            return
        self._take(event)

    def _take(self, event: _Event) -> None:
        if event.message is not None and event.message.usage is not None:
            self._tally.add(event.message.usage)
        if event.usage is not None:
            self._tally.add(event.usage)
            self._counted = True
        if event.delta is not None and event.type == "content_block_delta":
            said = event.delta.text + event.delta.thinking + event.delta.partial_json
            self._shown += len(said.encode("utf-8", "surrogatepass"))


class JsonMeter:
    """Meters a whole message."""

    def __init__(self) -> None:
        self._tally = _Tally()
        self._body = bytearray()

    @property
    def seen(self) -> bool:
        """Whether the message spoke of usage; known once it is complete."""
        self._read()
        return self._tally.seen

    def feed(self, chunk: bytes) -> None:
        """Keep the next bytes."""
        if len(self._body) + len(chunk) <= _MAX_JSON:
            self._body += chunk

    def usage(self) -> TokenUsage:
        """What was used; nothing while the message is not complete."""
        self._read()
        return self._tally.result()

    def _read(self) -> None:
        if self._tally.seen or not self._body:
            return
        try:
            message = _WHOLE.decode(bytes(self._body))
        except (msgspec.MsgspecError, RecursionError):
            return
        if message.usage is not None:
            self._tally.add(message.usage)


def meter_for(content_type: str) -> Meter:
    """The meter for an answer of that content type."""
    return StreamMeter() if content_type.lower().startswith("text/event-stream") else JsonMeter()
