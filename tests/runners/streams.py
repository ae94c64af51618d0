"""Small event streams in the form of Claude Code's, written by hand."""

import json
from typing import Any

REPORT: dict[str, Any] = {
    "summary": "Both changes are kept.",
    "files": [
        {
            "path": "src/a.py",
            "hunks": [{"index": 0, "resolved": True, "reason": "Both added a line.", "confidence": "high"}],
        },
    ],
}


def init(**changes: Any) -> dict[str, Any]:
    return {"type": "system", "subtype": "init", "cwd": "/run/workspace", "claude_code_version": "2.1.330"} | changes


def assistant(*blocks: dict[str, Any], message_id: str = "msg_1", **changes: Any) -> dict[str, Any]:
    message = {"id": message_id, "model": "claude-test", "role": "assistant", "content": list(blocks)}
    return {"type": "assistant", "message": message} | changes


def tool_use(name: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": given}


def api_error(error: str) -> dict[str, Any]:
    """What the CLI puts in the model's mouth when the API fails."""
    message = {"id": "x", "model": "<synthetic>", "role": "assistant", "content": [{"type": "text", "text": "…"}]}
    return {"type": "assistant", "message": message, "error": error, "is_api_error_message": True}


def result(**changes: Any) -> dict[str, Any]:
    """A success with a report; a change of None takes a key away."""
    event = {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "num_turns": 3,
        "stop_reason": "tool_use",
        "api_error_status": None,
        "result": "Done.",
        "structured_output": REPORT,
        "terminal_reason": "completed",
    }
    return {key: value for key, value in (event | changes).items() if key not in changes or value is not None}


def stream(*events: dict[str, Any]) -> list[bytes]:
    return [json.dumps(event).encode() for event in events]
