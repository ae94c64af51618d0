"""The body of a call: only what an agent without a shell and the direct resolver need, read and written anew.

A body is decoded, looked at, and encoded again before it goes on: what was looked at is what the model API reads,
whatever it makes of repeated keys. Everything is refused that would let a sandbox use the API to reach somewhere else
(tools that run at Anthropic, MCP servers, files, links) or that costs money outside of tokens (fast mode, compaction).

Source of the fields: https://platform.claude.com/docs/en/api/messages
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.gateway.refusals import forbidden, invalid

_FIELDS: Final = frozenset(
    {
        "cache_control",
        "context_management",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    },
)
_COUNT_FIELDS: Final = frozenset(
    {"cache_control", "messages", "model", "output_config", "system", "thinking", "tool_choice", "tools"},
)
_OUTPUT_FIELDS: Final = frozenset({"effort", "format", "task_budget"})
_MESSAGE_FIELDS: Final = frozenset({"role", "content", "output_config"})
_ROLES: Final = frozenset({"user", "assistant", "system"})
_BLOCKS: Final = frozenset(
    {"text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result"},
)
_SOURCES: Final = frozenset({"base64", "text", "content"})
_CONTEXT_EDITS: Final = ("clear_thinking_", "clear_tool_uses_")
_MIN_THINKING: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBody:
    """A body that may pass."""

    value: Mapping[str, Any]

    @property
    def model(self) -> str:
        """The model that is asked."""
        return str(self.value["model"])

    @property
    def max_tokens(self) -> int:
        """The most tokens of output that are asked for."""
        return int(self.value["max_tokens"])

    @property
    def stream(self) -> bool:
        """Whether the answer comes as events."""
        return bool(self.value.get("stream", False))

    def as_is(self) -> bytes:
        """The body that goes on when tokens are only counted."""
        return msgspec.json.encode(self.value)

    def encoded(self, *, max_tokens: int) -> bytes:
        """The body that goes on, asking for ``max_tokens`` tokens of output.

        A thinking budget must be smaller than ``max_tokens``: it is halved with it, or thinking is off.
        Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking
        """
        value = dict(self.value) | {"max_tokens": max_tokens}
        thinking = value.get("thinking")
        if isinstance(thinking, dict) and thinking.get("budget_tokens", 0) >= max_tokens:
            smaller = max_tokens // 2
            value["thinking"] = (
                thinking | {"budget_tokens": smaller} if smaller >= _MIN_THINKING else {"type": "disabled"}
            )
        return msgspec.json.encode(value)


def parse_body(content: bytes) -> CallBody:
    """Decode and check the body of a call.

    Raises:
        CallRefusedError: it is no request of the Messages API, or asks for what does not pass.
    """
    value = _object(content, _FIELDS)
    limit = value.get("max_tokens")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise invalid("max_tokens: a positive number is needed", reason="shape")
    _check_prompt(value)
    return CallBody(value=value)


def parse_count(content: bytes) -> CallBody:
    """Decode and check the body of a request to count tokens: a call's, less all that is no prompt.

    Raises:
        CallRefusedError: as ``parse_body``.
    """
    value = _object(content, _COUNT_FIELDS)
    _check_prompt(value)
    return CallBody(value=value)


def _object(content: bytes, fields: frozenset[str]) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise invalid("the body is not JSON", reason="json") from None
    if not isinstance(value, dict):
        raise invalid("the body is not an object", reason="json")
    unknown = sorted(set(value) - fields)
    if unknown:
        raise forbidden(f"the field {unknown[0][:40]!r} does not pass", reason="field")
    return value


def _check_prompt(value: Mapping[str, Any]) -> None:
    if not isinstance(value.get("model"), str):
        raise invalid("model: a name is needed", reason="shape")
    _check_thinking(value.get("thinking"))
    _check_tools(value.get("tools", []))
    _check_output(value.get("output_config"))
    _check_context_edits(value.get("context_management"))
    _check_blocks(value.get("system", []))
    for message in _objects(value.get("messages"), "messages"):
        if set(message) - _MESSAGE_FIELDS or message.get("role") not in _ROLES:
            raise forbidden("a message of this kind does not pass", reason="message")
        _check_blocks(message.get("content", []))


def blocks_of(content: object) -> Iterable[Mapping[str, Any]]:
    """All content blocks in ``content``, those inside of tool results and documents included."""
    waiting: list[object] = [content]
    while waiting:
        content = waiting.pop()
        if not isinstance(content, list):
            continue
        for block in content:
            if isinstance(block, dict):
                yield block
                waiting.append(block.get("content"))
                source = block.get("source")
                waiting.append(source.get("content") if isinstance(source, dict) else None)


def _check_thinking(thinking: object) -> None:
    if thinking is None:
        return
    if not isinstance(thinking, dict) or not isinstance(thinking.get("budget_tokens", 0), int):
        raise invalid("thinking: an object is needed", reason="shape")


def _check_tools(tools: object) -> None:
    for tool in _objects(tools, "tools"):
        # A tool without a type, or of type custom, is run by the client. All others may run at Anthropic.
        if tool.get("type", "custom") != "custom":
            raise forbidden("only tools that Claude Code runs itself pass", reason="tool")


def _check_output(config: object) -> None:
    if config is None:
        return
    if not isinstance(config, dict) or set(config) - _OUTPUT_FIELDS:
        raise forbidden("this configuration of the output does not pass", reason="output_config")
    form = config.get("format")
    if form is not None and (not isinstance(form, dict) or form.get("type") != "json_schema"):
        raise forbidden("this format of the output does not pass", reason="output_config")


def _check_context_edits(management: object) -> None:
    if management is None:
        return
    if not isinstance(management, dict) or set(management) - {"edits"}:
        raise forbidden("this context management does not pass", reason="context_management")
    for edit in _objects(management.get("edits", []), "context_management.edits"):
        if not str(edit.get("type", "")).startswith(_CONTEXT_EDITS):
            raise forbidden("this context management does not pass", reason="context_management")


def _check_blocks(content: object) -> None:
    if isinstance(content, str):
        return
    _objects(content, "content")
    for block in blocks_of(content):
        if block.get("type") not in _BLOCKS:
            raise forbidden("a content block of this kind does not pass", reason="block")
        source = block.get("source")
        if isinstance(source, dict) and source.get("type") not in _SOURCES:
            raise forbidden("content must stand in the request itself", reason="source")
        if isinstance(source, str) and block.get("type") != "search_result":
            raise forbidden("content must stand in the request itself", reason="source")


def _objects(value: object, name: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid(f"{name}: a list of objects is needed", reason="shape")
    return value
