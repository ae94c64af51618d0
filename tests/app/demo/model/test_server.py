"""The server itself: one content on two wires, what it records, what it refuses."""

import json
from typing import Any

import httpx
import pytest

from app.demo.model.failures import Always, HeldBack, InTurn, overloaded, rate_limited, refusal
from app.demo.model.replies import Call, Message, Text, Tokens, Truncated
from app.demo.model.server import SERVER_NAME, ScriptedModel

REQUEST = {"model": "some-model", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
MESSAGE = Message(
    content=(
        Text(text="é 🙂 \u2028 " * 600),
        Call(id="toolu_1", name="Read", input={"file_path": "/a b", "x": [1, None]}),
    ),
    tokens=Tokens(input=7, output=9, cache_write_5m=3, cache_write_1h=4, cache_read=5),
)


def _events(body: bytes) -> list[dict[str, Any]]:
    blocks = [block for block in body.decode().split("\n\n") if block]
    events = []
    for block in blocks:
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def _assembled(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Put a stream together by the documented rules."""
    message: dict[str, Any] = events[0]["message"]
    partial = ""
    for event in events[1:]:
        match event["type"]:
            case "content_block_start":
                message["content"].append(event["content_block"])
                partial = ""
            case "content_block_delta":
                delta = event["delta"]
                if delta["type"] == "text_delta":
                    message["content"][event["index"]]["text"] += delta["text"]
                else:
                    partial += delta["partial_json"]
                    message["content"][event["index"]]["input"] = partial
            case "content_block_stop" if partial:
                message["content"][event["index"]]["input"] = json.loads(partial)
            case "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
    return message


async def test_the_stream_and_the_json_say_the_same() -> None:
    async with ScriptedModel.serve(Always(MESSAGE)) as model, httpx.AsyncClient(base_url=model.base_url) as http:
        whole = await http.post("/v1/messages?beta=true", json=REQUEST)
        stream = await http.post("/v1/messages?beta=true", json=REQUEST | {"stream": True})
    events = _events(stream.content)
    assert stream.headers["content-type"] == "text/event-stream"
    assert events[0]["type"] == "message_start"
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    assert _assembled(events) == whole.json()
    assert whole.json()["model"] == "some-model"
    assert whole.json()["usage"] == {
        "input_tokens": 7,
        "output_tokens": 9,
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 5,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
    }
    assert whole.headers["server"] == stream.headers["server"] == SERVER_NAME


async def test_the_output_is_never_more_than_asked_for() -> None:
    script = Always(Message(content=(Text(text="x"),), tokens=Tokens(output=1_000_000)))
    async with ScriptedModel.serve(script) as model, httpx.AsyncClient(base_url=model.base_url) as http:
        answer = await http.post("/v1/messages", json=REQUEST | {"max_tokens": 77})
    assert answer.json()["usage"]["output_tokens"] == 77


async def test_records_requests_without_credentials() -> None:
    secrets = {"x-api-key": "sk-secret", "authorization": "Bearer sk-secret", "cookie": "sk-secret", "x-other": "kept"}
    async with ScriptedModel.serve(Always(MESSAGE)) as model, httpx.AsyncClient(base_url=model.base_url) as http:
        await http.head("/")
        await http.post("/v1/messages", json=REQUEST, headers=secrets)
        await http.get("/v1/models")
    assert [(request.method, request.path) for request in model.requests] == [
        ("HEAD", "/"),
        ("POST", "/v1/messages"),
        ("GET", "/v1/models"),
    ]
    assert model.calls[0].body == REQUEST
    assert model.calls[0].headers["x-other"] == "kept"
    assert "sk-secret" not in repr(model)


@pytest.mark.parametrize(
    ("request_line", "key", "body", "status", "kind"),
    [
        ("POST /v1/messages", "wrong", json.dumps(REQUEST), 401, "authentication_error"),
        ("POST /v1/messages", "right", "{", 400, "invalid_request_error"),
        (
            "POST /v1/messages",
            "right",
            '{"model": "x", "max_tokens": 1, "messages": [3]}',
            400,
            "invalid_request_error",
        ),
        ("POST /v1/messages", "right", '{"model": "x", "messages": []}', 400, "invalid_request_error"),
        ("POST /v1/files", "right", "{}", 404, "not_found_error"),
        ("GET /v1/models", "right", "", 404, "not_found_error"),
    ],
)
async def test_refuses(request_line: str, key: str, body: str, status: int, kind: str) -> None:
    async with (
        ScriptedModel.serve(Always(MESSAGE), api_key="right") as model,
        httpx.AsyncClient(base_url=model.base_url) as http,
    ):
        answer = await http.request(*request_line.split(), content=body, headers={"x-api-key": key})
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind


async def test_failures_have_the_api_s_shape() -> None:
    script = InTurn([rate_limited(7), overloaded()])
    async with ScriptedModel.serve(script) as model, httpx.AsyncClient(base_url=model.base_url) as http:
        limited = await http.post("/v1/messages", json=REQUEST)
        over = await http.post("/v1/messages", json=REQUEST)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    assert over.status_code == 529
    assert over.json() == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


async def test_a_refusal_is_a_message_without_content() -> None:
    async with ScriptedModel.serve(Always(refusal())) as model, httpx.AsyncClient(base_url=model.base_url) as http:
        answer = (await http.post("/v1/messages", json=REQUEST)).json()
    assert (answer["content"], answer["stop_reason"]) == ([], "refusal")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_truncated_answer_breaks_off(stream: bool) -> None:
    async with (
        ScriptedModel.serve(Always(Truncated(message=MESSAGE, events=1))) as model,
        httpx.AsyncClient(base_url=model.base_url) as http,
        http.stream("POST", "/v1/messages", json=REQUEST | {"stream": stream}) as answer,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()


async def test_a_held_answer_waits_for_its_release() -> None:
    script = HeldBack(script=Always(MESSAGE), events=1)
    async with (
        ScriptedModel.serve(script) as model,
        httpx.AsyncClient(base_url=model.base_url) as http,
        http.stream("POST", "/v1/messages", json=REQUEST | {"stream": True}) as answer,
    ):
        chunks = answer.aiter_bytes()
        first = await anext(chunks)
        assert [event["type"] for event in _events(first)] == ["message_start"]
        script.held[0].release.set()
        rest = b"".join([chunk async for chunk in chunks])
    assert _events(rest)[-1]["type"] == "message_stop"
