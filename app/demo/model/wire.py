"""How a message looks on the wire: server-sent events, or the same content as one JSON object.

Source: https://docs.anthropic.com/en/api/messages-streaming
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, assert_never

from app.demo.model.messages import ModelRequest
from app.demo.model.replies import Block, Call, Failure, Message, Text

_BYTES_PER_TOKEN = 4
_DELTA = 2048


def message_json(message: Message, request: ModelRequest) -> dict[str, Any]:
    """The answer to a request without ``stream``."""
    return {
        "id": _message_id(request),
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": [_block_json(block) for block in message.content],
        "stop_reason": stop_reason(message),
        "stop_sequence": None,
        "usage": usage_json(message, request),
    }


def message_events(message: Message, request: ModelRequest) -> Iterator[bytes]:
    """The answer to a request with ``stream``: one chunk of bytes per event."""
    usage = usage_json(message, request)
    start = message_json(message, request) | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    yield _event({"type": "message_start", "message": start})
    for index, block in enumerate(message.content):
        yield from _block_events(index, block)
    yield _event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason(message), "stop_sequence": None},
            "usage": {"output_tokens": usage["output_tokens"]},
        },
    )
    yield _event({"type": "message_stop"})


def failure_json(failure: Failure) -> dict[str, Any]:
    """The body of an HTTP error."""
    return {"type": "error", "error": {"type": failure.kind, "message": failure.message}}


def stop_reason(message: Message) -> str:
    """Why the message ends."""
    if message.stop_reason is not None:
        return message.stop_reason
    return "tool_use" if any(isinstance(block, Call) for block in message.content) else "end_turn"


def usage_json(message: Message, request: ModelRequest) -> dict[str, Any]:
    """The usage a message reports: what it claims, or its size in bytes divided by four.

    Like the real API's, its output never is more than what was asked for.
    """
    tokens = message.tokens
    said = max(1, sum(len(json.dumps(_block_json(block))) for block in message.content) // _BYTES_PER_TOKEN)
    output = tokens.output if tokens.output is not None else said
    return {
        "input_tokens": tokens.input if tokens.input is not None else request.body_bytes // _BYTES_PER_TOKEN,
        "output_tokens": min(output, request.max_tokens),
        "cache_creation_input_tokens": tokens.cache_write_5m + tokens.cache_write_1h,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write_5m,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
    }


def _message_id(request: ModelRequest) -> str:
    seed = json.dumps([use.id for use in request.tool_uses] + [request.prompt])
    return f"msg_scripted_{hashlib.sha256(seed.encode()).hexdigest()[:16]}"


def _block_json(block: Block) -> dict[str, Any]:
    match block:
        case Text():
            return {"type": "text", "text": block.text}
        case Call():
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": dict(block.input)}
        case _:
            assert_never(block)


def _block_events(index: int, block: Block) -> Iterator[bytes]:
    match block:
        case Text():
            opening: dict[str, Any] = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": part} for part in _parts(block.text)]
        case Call():
            opening = _block_json(block) | {"input": {}}
            partial = json.dumps(dict(block.input), ensure_ascii=False)
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in _parts(partial)]
        case _:
            assert_never(block)
    yield _event({"type": "content_block_start", "index": index, "content_block": opening})
    for delta in deltas:
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield _event({"type": "content_block_stop", "index": index})


def _parts(text: str) -> Iterator[str]:
    for start in range(0, max(1, len(text)), _DELTA):
        yield text[start : start + _DELTA]


def _event(data: dict[str, Any]) -> bytes:
    # ASCII only: neither a surrogate nor a line separator in a script's text can break an event apart.
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
