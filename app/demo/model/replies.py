"""What a script can answer: a message, an error, raw bytes, or a message that is not delivered whole."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.demo.model.messages import ModelRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call. ``id`` must be new in its conversation; scripts that are given calls give them ids of their own."""

    name: str
    input: Mapping[str, Any]
    id: str = ""


Block = Text | Call
Wanted = Call | tuple[str, Mapping[str, Any]]
"""A call that a script is told to make; a tool's name and its input will do."""


def numbered(wanted: Wanted, prefix: str, number: int) -> Call:
    """``wanted`` under an id of the script's own."""
    name, input_ = (wanted.name, wanted.input) if isinstance(wanted, Call) else wanted
    return Call(id=f"{prefix}{number}", name=name, input=input_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The usage that a message claims; None where it is counted from the bytes (four a token)."""

    input: int | None = None
    output: int | None = None
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A turn of the model. ``stop_reason`` None stands for ``tool_use`` after a call and ``end_turn`` otherwise."""

    content: tuple[Block, ...]
    stop_reason: str | None = None
    tokens: Tokens = Tokens()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An HTTP error with a body in Anthropic's shape; see https://docs.anthropic.com/en/api/errors ."""

    status: int
    kind: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Any bytes at all, as a proxy in the way might answer."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    """A message whose connection breaks after ``events`` events (of the JSON answer: in its middle)."""

    message: Message
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A message that stops after ``events`` events until ``release`` is set; never set, it stalls for good."""

    message: Message
    events: int
    release: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """A message with ``seconds`` between its events."""

    message: Message
    seconds: float


Reply = Message | Failure | Raw | Truncated | Held | Slow


class Script(Protocol):
    """A part to play."""

    def reply(self, request: ModelRequest) -> Reply:
        """What the model answers."""
        ...
