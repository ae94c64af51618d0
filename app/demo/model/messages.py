"""What a client asked, taken apart: requests of the Messages API and the conversation in them.

Source: https://docs.anthropic.com/en/api/messages
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.errors import BadInputError

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A tool call of an earlier turn with what came of it; ``result`` is None while there is no result."""

    id: str
    name: str
    input: JsonObject
    result: str | None = None
    is_error: bool = False

    @property
    def succeeded(self) -> bool:
        """True when the tool ran and did not complain."""
        return self.result is not None and not self.is_error


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One request: what the model is asked to continue.

    ``index`` counts the requests of one server from 0. ``max_tokens`` is the most tokens of output that are wanted.
    ``tool_uses`` are all tool calls of the conversation, in order.
    """

    index: int
    model: str
    stream: bool
    max_tokens: int
    system: str
    prompt: str
    messages: tuple[JsonObject, ...]
    tools: tuple[str, ...]
    tool_uses: tuple[ToolUse, ...]
    body_bytes: int

    @property
    def turns(self) -> int:
        """How many turns the model has taken already."""
        return sum(1 for message in self.messages if message.get("role") == "assistant")

    def without(self, ids: frozenset[str]) -> "ModelRequest":
        """The same request as if the tool calls ``ids`` had never been made."""
        return replace(self, tool_uses=tuple(use for use in self.tool_uses if use.id not in ids))


def parse_request(body: bytes, *, index: int) -> ModelRequest:
    """Decode the body of ``POST /v1/messages``.

    Raises:
        BadInputError: the body is not a request of the Messages API.
    """
    try:
        raw = json.loads(body)
        messages = tuple(raw["messages"])
        return ModelRequest(
            index=index,
            model=str(raw["model"]),
            stream=bool(raw.get("stream", False)),
            max_tokens=int(raw["max_tokens"]),
            system=_text(raw.get("system", "")),
            prompt=_text(messages[0]["content"]) if messages else "",
            messages=messages,
            tools=tuple(str(tool.get("name")) for tool in raw.get("tools", ())),
            tool_uses=tuple(_tool_uses(messages)),
            body_bytes=len(body),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(f"not a request of the Messages API: {type(error).__name__}") from error


def _tool_uses(messages: Sequence[JsonObject]) -> Iterator[ToolUse]:
    blocks = [block for message in messages for block in _blocks(message["content"])]
    results = {block["tool_use_id"]: block for block in blocks if block.get("type") == "tool_result"}
    for block in blocks:
        if block.get("type") != "tool_use":
            continue
        result = results.get(block["id"])
        yield ToolUse(
            id=block["id"],
            name=block["name"],
            input=block["input"],
            result=None if result is None else _text(result.get("content", "")),
            is_error=result is not None and bool(result.get("is_error", False)),
        )


def _blocks(content: Any) -> Sequence[JsonObject]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(content: Any) -> str:
    return "\n".join(str(block["text"]) for block in _blocks(content) if block.get("type") == "text")
