"""Calls on their way: passed through as they come, metered, limited, stopped, recorded."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from app.demo.model.failures import (
    Always,
    HeldBack,
    InTurn,
    overloaded,
    rate_limited,
    server_error,
    unauthorized,
    web_page,
)
from app.demo.model.replies import Failure, Message, Raw, Text, Tokens, Truncated
from app.gateway.upstream import ModelApi
from app.http.server import serving_loopback
from bot.model.runs import RunOutcome
from tests.app.gateway.bench import KEY, MODEL, POLICY, REQUEST, Bench, bench, gateway

HELLO = Message(
    content=(Text(text="hello é🙂"),), tokens=Tokens(input=100, output=20, cache_write_5m=30, cache_read=40)
)
HELLO_COST = (100 * 3 + 20 * 15 + 30 * 3.75 + 40 * 0.3) / 1_000_000
WHOLE = REQUEST | {"stream": False}


async def eventually(check: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until ``check`` says something true; it is asked again as fast as the loop turns."""
    async with asyncio.timeout(60):
        while not (value := await check()):  # noqa: ASYNC110 - a database tells nobody about its rows
            await asyncio.sleep(0)
        return value


@pytest.mark.parametrize("stream", [True, False])
async def test_passes_the_answer_through_and_records_it(stream: bool, tmp_path: Path) -> None:
    async with bench(tmp_path, Always(HELLO)) as made:
        answer = await made.post(REQUEST | {"stream": stream}, query="?beta=true")
        async with httpx.AsyncClient(timeout=60, base_url=made.upstream.base_url) as direct:
            same = await direct.post("/v1/messages", json=REQUEST | {"stream": stream}, headers={"x-api-key": KEY})
        (row,) = await made.rows()
        usage = await made.store.runs.usage(made.run.job_id)
    assert (answer.status_code, answer.content) == (200, same.content)
    assert answer.headers["content-type"] == same.headers["content-type"]
    assert (row["run_id"], row["job_id"]) == (made.run.id, made.run.job_id)
    assert (row["model"], row["status"]) == (MODEL, 200)
    assert (row["input_tokens"], row["output_tokens"]) == (100, 20)
    assert (row["cache_write_tokens"], row["cache_read_tokens"]) == (30, 40)
    assert row["cost_usd"] == pytest.approx(HELLO_COST)
    assert row["request_bytes"] == made.upstream.calls[0].size
    assert (row["installation_id"], row["requested_by_id"]) == (77, 1)
    assert usage.cost_usd == pytest.approx(HELLO_COST)


async def test_the_model_sees_the_real_key_and_only_known_headers(tmp_path: Path) -> None:
    sent = {
        "anthropic-beta": "context-management-2025-06-27",
        "user-agent": "claude-cli/2.1.330",
        "cookie": "a=b",
        "x-forwarded-for": "10.0.0.1",
        "x-stainless-os": "Linux",
        "accept-encoding": "gzip, br",
        "authorization": "",
    }
    async with bench(tmp_path, Always(HELLO)) as made:
        assert (await made.post(WHOLE, **sent)).status_code == 200
        (call,) = made.upstream.calls
    assert dict(call.headers) == {
        "host": made.upstream.base_url.removeprefix("http://"),
        "accept": "*/*",
        "anthropic-beta": "context-management-2025-06-27",
        "anthropic-version": "2023-06-01",
        "user-agent": "claude-cli/2.1.330",
        "content-type": "application/json",
        "accept-encoding": "identity",
        "content-length": str(call.size),
    }


async def test_the_first_event_arrives_before_the_model_has_finished(tmp_path: Path) -> None:
    script = HeldBack(Always(HELLO), events=1)
    async with bench(tmp_path, script) as made:
        async with made.http.stream("POST", "/v1/messages", json=REQUEST, headers=made.headers()) as answer:
            chunks = answer.aiter_bytes()
            first = await anext(chunks)
            assert b"message_start" in first
            assert not script.held[0].release.is_set()
            script.held[0].release.set()
            rest = b"".join([chunk async for chunk in chunks])
        assert b"message_stop" in rest


FAILURES: list[tuple[Failure, str | None]] = [
    (overloaded(), None),
    (rate_limited(7), "7"),
    (server_error(), None),
    (unauthorized(), None),
]


@pytest.mark.parametrize(("failure", "retry_after"), FAILURES)
async def test_failures_pass_through_and_are_recorded(
    failure: Failure, retry_after: str | None, tmp_path: Path
) -> None:
    async with bench(tmp_path, Always(failure)) as made:
        answer = await made.post()
        (row,) = await made.rows()
        calls = await made.store.runs.model_calls(made.run.id)
    assert answer.status_code == row["status"] == failure.status
    assert answer.headers.get("retry-after") == retry_after
    assert answer.json()["error"] == {"type": failure.kind, "message": failure.message}
    assert (row["cost_usd"], calls) == (0, 1)
    assert (
        made.registry.get_sample_value("flowforge_model_calls_total", {"model": MODEL, "status": str(failure.status)})
        == 1
    )


async def test_does_not_retry_by_itself(tmp_path: Path) -> None:
    async with bench(tmp_path, InTurn([overloaded(), HELLO])) as made:
        assert (await made.post()).status_code == 529
        assert (await made.post()).status_code == 200
        assert [row["status"] for row in await made.rows()] == [529, 200]


async def test_an_unreachable_model_is_502_and_recorded_as_not_reached(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with gateway(tmp_path, f"http://127.0.0.1:{port}") as made:
        answer = await made.post()
        (row,) = await made.rows()
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")
    assert (row["status"], row["cost_usd"]) == (0, 0)


async def test_a_stream_that_breaks_off_says_so_and_is_charged_so_far(tmp_path: Path) -> None:
    async with bench(tmp_path, Always(Truncated(message=HELLO, events=3))) as made:
        answer = await made.post()
        (row,) = await made.rows()
    assert answer.status_code == 200
    assert json.loads(answer.text.rsplit("data: ", 1)[1])["error"]["type"] == "api_error"
    assert (row["status"], row["input_tokens"]) == (200, 100)
    assert 0 < row["output_tokens"] <= 20


async def test_a_web_page_passes_but_is_marked_as_unmetered(tmp_path: Path) -> None:
    page: Raw = web_page()
    async with bench(tmp_path, Always(page)) as made:
        with capture_logs() as logs:
            answer = await made.post()
    assert answer.content == page.body
    assert [(entry["log_level"], entry["metered"]) for entry in logs] == [("warning", False)]


async def test_is_not_sent_elsewhere(tmp_path: Path) -> None:
    elsewhere: list[Any] = []

    async def redirecting(scope: Any, receive: Any, send: Any) -> None:
        elsewhere.append(scope["path"])
        while (await receive()).get("more_body"):
            pass
        headers = [(b"location", b"/elsewhere"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with serving_loopback(redirecting) as upstream, gateway(tmp_path, upstream) as made:
        answer = await made.post()
        (row,) = await made.rows()
    assert elsewhere == ["/v1/messages"]
    assert (answer.status_code, "location" in answer.headers, row["status"]) == (502, False, 307)


async def _echoing(scope: Any, receive: Any, send: Any) -> None:
    """A model API that says all it was told, with headers of its own."""
    while (await receive()).get("more_body"):
        pass
    body = json.dumps({key.decode(): value.decode() for key, value in scope["headers"]}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"anthropic-organization-id", b"org-1"),
        (b"set-cookie", b"a=b"),
        (b"request-id", b"req_1"),
    ]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def test_the_key_is_in_no_answer_log_or_repr(tmp_path: Path) -> None:
    async with serving_loopback(_echoing) as upstream, gateway(tmp_path, upstream) as made:
        with capture_logs() as logs:
            answer = await made.post()
            await made.post(b"{", **{"x-api-key": KEY})
        rows = await made.rows()
        api = ModelApi(http=made.http, base_url=upstream, api_key=KEY, policy=POLICY)
    assert answer.json()["x-api-key"] == "<hidden>"
    assert KEY not in answer.text + repr(answer.headers) + repr(logs) + repr(rows) + repr(api)
    assert made.token not in repr(logs) + repr(rows)
    assert answer.headers["request-id"] == "req_1"
    assert {"anthropic-organization-id", "set-cookie"} & set(answer.headers) == set()


async def test_a_client_that_leaves_before_the_answer_ends_the_call(tmp_path: Path) -> None:
    script = HeldBack(Always(HELLO), events=0)
    async with bench(tmp_path, script) as made, httpx.AsyncClient(timeout=60, base_url=made.url) as client:
        asking = asyncio.create_task(client.post("/v1/messages", json=REQUEST, headers=made.headers()))
        async with asyncio.timeout(60), made.upstream.changed:
            await made.upstream.changed.wait_for(lambda: script.held)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        (row,) = await eventually(made.rows)
    assert (row["run_id"], row["input_tokens"]) == (made.run.id, 0)


async def test_one_run_has_few_calls_under_way_and_another_is_not_read(tmp_path: Path) -> None:
    script = HeldBack(Always(HELLO), events=1)
    policy = replace(POLICY, max_calls_at_once=1)
    async with bench(tmp_path, script, policy=policy) as made:
        async with made.http.stream("POST", "/v1/messages", json=REQUEST, headers=made.headers()) as answer:
            await anext(answer.aiter_bytes())
            crowd = await made.post()
            assert (crowd.status_code, crowd.json()["error"]["type"]) == (429, "rate_limit_error")
        await eventually(made.rows)
        asking = asyncio.create_task(made.post())
        async with asyncio.timeout(60), made.upstream.changed:
            await made.upstream.changed.wait_for(lambda: len(script.held) == 2)
        script.held[1].release.set()
        assert (await asking).status_code == 200, "the place is free again"


async def test_a_client_that_leaves_in_the_middle_pays_so_far(tmp_path: Path) -> None:
    async with bench(tmp_path, HeldBack(Always(HELLO), events=1)) as made:
        async with made.http.stream("POST", "/v1/messages", json=REQUEST, headers=made.headers()) as answer:
            await anext(answer.aiter_bytes())
        (row,) = await eventually(made.rows)
    assert (row["status"], row["input_tokens"], row["output_tokens"]) == (200, 100, 1)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [(RunOutcome.CANCELLED, "permission_error"), (RunOutcome.BUDGET_EXHAUSTED, "billing_error")],
)
async def test_a_call_under_way_is_cut_when_its_run_is_asked_to_stop(
    outcome: RunOutcome, kind: str, tmp_path: Path
) -> None:
    script = HeldBack(Always(HELLO), events=1)
    async with bench(tmp_path, script) as made:
        async with made.http.stream("POST", "/v1/messages", json=REQUEST, headers=made.headers()) as answer:
            chunks = answer.aiter_bytes()
            await anext(chunks)
            await made.store.runs.request_stop(made.run.id, outcome)
            rest = b"".join([chunk async for chunk in chunks])
        assert json.loads(rest.split(b"data: ")[1])["error"]["type"] == kind
        (row,) = await made.rows()
        assert (row["status"], row["input_tokens"]) == (200, 100)
        again = await made.post()
        assert again.status_code == (402 if outcome is RunOutcome.BUDGET_EXHAUSTED else 403)
        assert again.headers["x-should-retry"] == "false"
        assert len(made.upstream.calls) == 1


async def test_a_call_that_waits_for_its_head_is_answered_when_the_run_ends(tmp_path: Path) -> None:
    arrived = asyncio.Event()

    async def silent(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - the ASGI signature
        arrived.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    async with serving_loopback(silent) as upstream, gateway(tmp_path, upstream) as made:
        asking = asyncio.create_task(made.post())
        async with asyncio.timeout(60):
            await arrived.wait()
            await made.store.runs.ended(made.run.id, RunOutcome.TIMED_OUT, detail="")
            answer = await asking
        (row,) = await made.rows()
    assert answer.status_code == 401
    assert row["status"] == 0


@pytest.fixture
async def broken(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path, Always(HELLO)) as made:
        yield made


async def _rename(made: Bench, table: str, to: str) -> None:
    async with made.store.engine.begin() as connection:
        await connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {to}")


async def test_without_a_database_no_call_goes_out(broken: Bench) -> None:
    await _rename(broken, "runs", "gone")
    answer = await broken.post()
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "api_error")
    assert broken.upstream.calls == []


async def test_a_database_that_comes_back_was_only_waited_for(tmp_path: Path) -> None:
    async with bench(tmp_path, Always(HELLO), policy=replace(POLICY, patience_seconds=20.0)) as made:
        await _rename(made, "runs", "gone")
        call = asyncio.create_task(made.post())
        done, _ = await asyncio.wait({call}, timeout=0.5)
        assert (done, made.upstream.calls) == (set(), [])
        await _rename(made, "gone", "runs")
        assert (await call).status_code == 200


async def test_a_cost_that_cannot_be_recorded_still_counts(tmp_path: Path) -> None:
    dear = Message(content=(), tokens=Tokens(input=0, output=2000))
    async with bench(tmp_path, Always(dear), budget_usd=0.05) as made:
        async with made.store.engine.begin() as connection:
            await connection.exec_driver_sql(
                "CREATE TRIGGER full BEFORE INSERT ON model_usage BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        with capture_logs() as logs:
            assert (await made.post()).status_code == 200
            answer = await made.post()
        assert answer.status_code == 402
    assert "model call not recorded" in {entry["event"] for entry in logs}
