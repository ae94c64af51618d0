"""What the agent is doing, in one short line for people. Pure: a state and a line of the stream in, both out."""

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final

from bot.model.runs import AgentProgress
from runners.events import Event, items, mapping, parse_event
from runners.text import one_line

_MAX_LINE: Final = 120
_MAX_PATH: Final = 80
_TOOLS: Final = {"Read": "reading", "Edit": "editing", "Write": "writing"}
_SEARCHES: Final = frozenset({"Grep", "Glob"})
_REPORT_TOOL: Final = "StructuredOutput"
_RETRY_REASONS: Final = {
    "overloaded": "overloaded",
    "rate_limit": "rate limited",
    "authentication_failed": "not authorised",
    "server_error": "failing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressState:
    """What is remembered between lines; ``message_id`` because a message of the model spans several events."""

    line: str = "starting"
    turns: int = 0
    tool_uses: int = 0
    message_id: str = ""
    workspace: str = ""


START: Final = ProgressState()


def advance(state: ProgressState, line: bytes) -> tuple[ProgressState, AgentProgress | None]:
    """Take one more line of the stream; the progress is None when there is nothing new to say."""
    event = parse_event(line)
    if event is None:
        return state, None
    after = _after(state, event)
    if (after.line, after.turns, after.tool_uses) == (state.line, state.turns, state.tool_uses):
        return after, None
    return after, AgentProgress(line=after.line, turns=after.turns, tool_uses=after.tool_uses)


def _after(state: ProgressState, event: Event) -> ProgressState:
    match event.get("type"), event.get("subtype"):
        case "system", "init":
            return replace(state, line="started", workspace=str(event.get("cwd", "")))
        case "system", "api_retry":
            return replace(state, line=_waiting(event))
        case "system", "thinking_tokens":
            return replace(state, line="thinking")
        case "assistant", _:
            return _after_message(state, mapping(event.get("message")))
        case "result", _:
            return replace(state, line="finished")
        case _:
            return state


def _after_message(state: ProgressState, message: Event) -> ProgressState:
    message_id = str(message.get("id", ""))
    if message.get("model") == "<synthetic>":
        return state
    fresh = message_id != state.message_id
    after = replace(state, message_id=message_id, turns=state.turns + fresh)
    for block in items(message.get("content")):
        after = _after_block(after, mapping(block))
    return after


def _after_block(state: ProgressState, block: Event) -> ProgressState:
    match block.get("type"):
        case "tool_use":
            line = _tool(state, str(block.get("name", "")), mapping(block.get("input")))
            return replace(state, line=line, tool_uses=state.tool_uses + 1)
        case "text" | "thinking":
            return replace(state, line="thinking")
        case _:
            return state


def _tool(state: ProgressState, name: str, given: Event) -> str:
    if name == _REPORT_TOOL:
        return "reporting"
    if name in _SEARCHES:
        return "searching the files"
    verb = _TOOLS.get(name)
    if verb is None:
        return "asking for a tool it does not have"
    return one_line(f"{verb} {_path(state, given.get('file_path'))}", _MAX_LINE)


def _path(state: ProgressState, raw: Any) -> str:
    """The path as in the repository; of a long one the end."""
    path = str(raw) if isinstance(raw, str) else "a file"
    if state.workspace:
        inside = PurePosixPath(path[: 16 * _MAX_PATH])
        path = str(inside.relative_to(state.workspace)) if inside.is_relative_to(state.workspace) else str(inside)
    return path if len(path) <= _MAX_PATH else "…" + path[1 - _MAX_PATH :]


def _waiting(event: Event) -> str:
    attempt, most = event.get("attempt"), event.get("max_retries")
    reason = _RETRY_REASONS.get(str(event.get("error")), "not answering")
    if type(attempt) is not int or type(most) is not int:
        return f"waiting for the model ({reason})"
    return one_line(f"waiting for the model (attempt {attempt} of {most}, {reason})", _MAX_LINE)
