"""What of a request's body passes."""

import json
from typing import Any

import pytest

from app.gateway.bodies import parse_body
from app.gateway.refusals import CallRefusedError

TEXT = {"type": "text", "text": "hello"}


def _body(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"model": "m", "max_tokens": 9000, "messages": [{"role": "user", "content": [TEXT]}]}
    return {key: value for key, value in (made | changes).items() if value is not ...}


def _says(*blocks: Any, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": list(blocks)}]


def _image(source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


PASSES: dict[str, dict[str, Any]] = {
    "plain": _body(),
    "a string as content": _body(messages=[{"role": "user", "content": "hello"}], system="be brief"),
    "what Claude Code sends": _body(
        system=[TEXT | {"cache_control": {"type": "ephemeral"}}],
        tools=[{"name": "Read", "description": "", "input_schema": {}}, {"name": "x", "type": "custom"}],
        metadata={"user_id": "x"},
        thinking={"type": "adaptive", "display": "updates"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"effort": "medium"},
        messages=[*_says(TEXT), {"role": "system", "content": [], "output_config": {"effort": "medium"}}],
    ),
    "tools at work": _body(
        messages=[
            *_says({"type": "thinking", "thinking": "", "signature": "x"}, role="assistant"),
            *_says(
                {"type": "tool_use", "id": "t", "name": "Read", "input": {"source": {"type": "url"}}}, role="assistant"
            ),
            *_says({"type": "tool_result", "tool_use_id": "t", "content": [TEXT]}),
        ],
    ),
    "a picture in the request": _body(
        messages=_says(_image({"type": "base64", "media_type": "image/png", "data": ""}))
    ),
}

REFUSED: dict[str, tuple[dict[str, Any] | bytes, int, str]] = {
    "no JSON": (b"{", 400, "json"),
    "not UTF-8": (b'{"model": "\xff"}', 400, "json"),
    "NaN": (b'{"model": "m", "max_tokens": NaN, "messages": []}', 400, "json"),
    "nested without end": (b"[" * 100_000, 400, "json"),
    "a list": (b"[]", 400, "json"),
    "no model": (_body(model=...), 400, "shape"),
    "a model that is no name": (_body(model=["m"]), 400, "shape"),
    "no limit": (_body(max_tokens=...), 400, "shape"),
    "a limit of nothing": (_body(max_tokens=0), 400, "shape"),
    "true as a limit": (_body(max_tokens=True), 400, "shape"),
    "no messages": (_body(messages=...), 400, "shape"),
    "messages that are none": (_body(messages=[3]), 400, "shape"),
    "content that is none": (_body(messages=[{"role": "user", "content": [3]}]), 400, "shape"),
    "odd thinking": (_body(thinking={"type": "enabled", "budget_tokens": "9"}), 400, "shape"),
    "an MCP server": (_body(mcp_servers=[{"type": "url", "url": "https://evil.example"}]), 403, "field"),
    "a container": (_body(container="c"), 403, "field"),
    "fast mode": (_body(speed="fast"), 403, "field"),
    "another model on refusal": (_body(fallbacks="default"), 403, "field"),
    "where inference happens": (_body(inference_geo="us"), 403, "field"),
    "a service tier": (_body(service_tier="auto"), 403, "field"),
    "a tool at Anthropic": (_body(tools=[{"type": "web_fetch_20250910", "name": "web_fetch"}]), 403, "tool"),
    "code run at Anthropic": (_body(tools=[{"type": "code_execution_20250825", "name": "x"}]), 403, "tool"),
    "tools of an MCP server": (_body(tools=[{"type": "mcp_toolset", "mcp_server_name": "x"}]), 403, "tool"),
    "a summary that costs": (
        _body(context_management={"edits": [{"type": "compact_20260112"}]}),
        403,
        "context_management",
    ),
    "unknown context management": (_body(context_management={"x": 1}), 403, "context_management"),
    "a picture by link": (
        _body(messages=_says(_image({"type": "url", "url": "https://evil.example/?q="}))),
        403,
        "source",
    ),
    "a file": (_body(messages=_says({"type": "document", "source": {"type": "file", "file_id": "f"}})), 403, "source"),
    "a link in a tool's result": (
        _body(messages=_says({"type": "tool_result", "content": [_image({"type": "url", "url": "https://evil"})]})),
        403,
        "source",
    ),
    "a link inside a document": (
        _body(
            messages=_says(
                {"type": "document", "source": {"type": "content", "content": [_image({"type": "url", "url": "x"})]}},
            ),
        ),
        403,
        "source",
    ),
    "a link as a string": (_body(messages=_says(_image("https://evil.example"))), 403, "source"),
    "an upload to a container": (_body(messages=_says({"type": "container_upload", "file_id": "f"})), 403, "block"),
    "a server's tool call": (_body(messages=_says({"type": "server_tool_use"})), 403, "block"),
    "a link in the system prompt": (_body(system=[_image({"type": "url", "url": "https://evil"})]), 403, "source"),
    "an unknown role": (_body(messages=_says(TEXT, role="tool")), 403, "message"),
    "an unknown field of a message": (_body(messages=[{"role": "user", "content": [], "mcp": 1}]), 403, "message"),
}


@pytest.mark.parametrize("name", PASSES)
def test_passes(name: str) -> None:
    body = parse_body(json.dumps(PASSES[name]).encode())
    assert json.loads(body.encoded(max_tokens=9000)) == PASSES[name]


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(name: str) -> None:
    body, status, reason = REFUSED[name]
    with pytest.raises(CallRefusedError) as refused:
        parse_body(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (refused.value.status, refused.value.reason) == (status, reason)


def test_repeated_keys_are_read_the_way_they_are_sent_on() -> None:
    body = parse_body(b'{"model": "m", "max_tokens": 5, "model": "other", "messages": [], "max_tokens": 7}')
    sent = json.loads(body.encoded(max_tokens=body.max_tokens), object_pairs_hook=list)
    assert sorted(key for key, _ in sent) == ["max_tokens", "messages", "model"]
    assert dict(sent)["model"] == body.model == "other"


@pytest.mark.parametrize(
    ("limit", "thinking"),
    [
        (9000, {"type": "enabled", "budget_tokens": 8999}),
        (8000, {"type": "enabled", "budget_tokens": 4000}),
        (2048, {"type": "enabled", "budget_tokens": 1024}),
        (2047, {"type": "disabled"}),
    ],
)
def test_a_thinking_budget_stays_below_a_lowered_limit(limit: int, thinking: dict[str, Any]) -> None:
    body = parse_body(json.dumps(_body(thinking={"type": "enabled", "budget_tokens": 8999})).encode())
    sent = json.loads(body.encoded(max_tokens=limit))
    assert sent["max_tokens"] == limit
    assert sent["thinking"] == thinking
