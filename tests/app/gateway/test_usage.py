"""Metering: whatever way the bytes are cut, the usage is the same."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.gateway.usage import JsonMeter, Meter, StreamMeter, TokenUsage, meter_for


def _sse(*events: dict[str, Any], end: str = "\n") -> bytes:
    return "".join(f"event: {event['type']}{end}data: {json.dumps(event)}{end}{end}" for event in events).encode()


def _start(**usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"type": "message", "usage": {"output_tokens": 1, **usage}}}


def _text(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def _delta(**usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


STREAM = (
    _start(
        input_tokens=11,
        cache_creation_input_tokens=30,
        cache_read_input_tokens=40,
        cache_creation={"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    ),
    {"type": "ping"},
    _text('é🙂 data: {"type":"message_delta","usage":{"output_tokens":999999}}\n\ndata: x'),
    _delta(output_tokens=77),
    {"type": "message_stop"},
)
EXPECTED = TokenUsage(input=11, output=77, cache_write_5m=10, cache_write_1h=20, cache_read=40)


def _metered(meter: Meter, chunks: list[bytes]) -> TokenUsage:
    for chunk in chunks:
        meter.feed(chunk)
    return meter.usage()


def _cut(body: bytes, places: list[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:end] for start, end in pairwise(ends)]


@given(
    places=st.lists(st.integers(min_value=0, max_value=10_000), max_size=60),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_cutting_of_a_stream_gives_the_same_usage(places: list[int], end: str) -> None:
    assert _metered(StreamMeter(), _cut(_sse(*STREAM, end=end), places)) == EXPECTED


@given(places=st.lists(st.integers(min_value=0, max_value=10_000), max_size=20))
def test_any_cutting_of_a_message_gives_the_same_usage(places: list[int]) -> None:
    usage = STREAM[0]["message"]["usage"] | {"output_tokens": 77}
    body = json.dumps({"type": "message", "content": [], "usage": usage}, indent=1).encode()
    assert _metered(JsonMeter(), _cut(body, places)) == EXPECTED


@given(data=st.data())
def test_a_stream_that_breaks_off_never_counts_less_than_before(data: st.DataObject) -> None:
    body = _sse(*STREAM)
    short, long = sorted(data.draw(st.tuples(st.integers(0, len(body)), st.integers(0, len(body)))))
    before, after = (_metered(StreamMeter(), [body[:end]]) for end in (short, long))
    assert before.prompt <= after.prompt
    assert before.output <= EXPECTED.output


def test_output_of_a_stream_cut_before_its_count_is_estimated_from_what_was_said() -> None:
    meter = StreamMeter()
    meter.feed(_sse(_start(input_tokens=5), _text("x" * 300)))
    assert meter.usage() == TokenUsage(input=5, output=100)
    meter.feed(_sse(_delta(output_tokens=60)))
    assert meter.usage() == TokenUsage(input=5, output=60)


def test_counts_are_cumulative_and_the_last_word_may_repeat_the_input() -> None:
    meter = StreamMeter()
    meter.feed(_sse(_start(input_tokens=5), _delta(output_tokens=10), _delta(input_tokens=9, output_tokens=30)))
    assert meter.usage() == TokenUsage(input=9, output=30)


def test_cache_writes_without_a_breakdown_are_charged_as_the_dearer_kind() -> None:
    meter = JsonMeter()
    meter.feed(b'{"usage": {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 9}}')
    assert meter.usage() == TokenUsage(input=1, output=2, cache_write_1h=9)


def test_says_where_inference_was_kept() -> None:
    meter = JsonMeter()
    meter.feed(b'{"usage": {"input_tokens": 1, "output_tokens": 2, "inference_geo": "us"}}')
    assert meter.usage().in_us


def test_what_is_no_answer_of_the_api_speaks_of_no_usage() -> None:
    for meter, body in (
        (meter_for("text/html"), b"<html>"),
        (meter_for("text/event-stream"), b"data: [DONE]\n\ndata: {\n\ndata: 3\n\nevent: x\n\n"),
        (meter_for("application/json"), b'{"usage": {"input_tokens": "many"}}'),
        (meter_for("text/event-stream; charset=utf-8"), b"data: " + b"[" * 200_000 + b"\n"),
    ):
        meter.feed(body)
        assert not meter.seen
        assert meter.usage() == TokenUsage()


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    meter = StreamMeter()
    for _ in range(5):
        meter.feed(b"data: " + b"x" * 2**20)
    meter.feed(b"\n" + _sse(*STREAM))
    assert meter.usage() == EXPECTED
