"""Tokens counted through the gateway: the same policy as for calls, nothing metered, and of use to the budget."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.demo.model.failures import Always
from app.demo.model.replies import Message, Text
from app.gateway.bodies import parse_count
from app.gateway.prices import load_prices
from app.gateway.refusals import CallRefusedError
from app.http.server import serving_loopback
from bot.model.runs import RunOutcome
from tests.app.gateway.bench import KEY, MODEL, POLICY, REQUEST, Bench, bench, gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT: dict[str, Any] = {key: value for key, value in REQUEST.items() if key not in {"max_tokens", "stream"}}
HELLO = Always(Message(content=(Text(text="hello"),)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with bench(tmp_path_factory.mktemp("counting"), HELLO) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def door(opened: Bench) -> Bench:
    """One gateway for all tests here, with a new run for each."""
    await opened.new_run()
    opened.forget()
    return opened


async def count(door: Bench, body: dict[str, Any] | bytes = COUNT, **headers: str) -> httpx.Response:
    content: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
    return await door.http.post("/v1/messages/count_tokens", headers=door.headers(**headers), **content)


async def test_the_count_comes_from_the_model_api(door: Bench) -> None:
    answer = await count(door)
    (request,) = door.upstream.requests
    assert answer.status_code == 200
    assert answer.json() == {"input_tokens": request.size // 4}
    assert (request.path, request.query, request.body) == ("/v1/messages/count_tokens", "", COUNT)
    assert answer.headers["content-type"] == "application/json"


async def test_nothing_is_metered(door: Bench) -> None:
    before = await door.rows()
    await count(door)
    assert await door.rows() == before
    assert await door.store.runs.model_calls(door.run.id) == 0


async def test_no_money_is_needed(door: Bench) -> None:
    await door.new_run(budget_usd=0.0)
    assert (await count(door)).status_code == 200
    assert (await door.post()).status_code == 402


async def test_another_model_is_refused(door: Bench) -> None:
    answer = await count(door, COUNT | {"model": "claude-opus-5-5"})
    assert (answer.status_code, answer.headers["x-flowforge-refused"]) == (403, "model")


async def test_an_unknown_token_is_401(door: Bench) -> None:
    door.token = "another"
    assert (await count(door)).status_code == 401
    assert door.upstream.requests == []


async def test_a_run_that_was_asked_to_stop_counts_no_more(door: Bench) -> None:
    await door.store.runs.request_stop(door.run.id, RunOutcome.CANCELLED)
    answer = await count(door)
    assert (answer.status_code, answer.headers["x-flowforge-refused"]) == (403, "stopped")


@pytest.mark.parametrize(
    "more",
    [
        {"max_tokens": 5},
        {"stream": True},
        {"mcp_servers": []},
        {"betas": ["x"]},
        {"container": "x"},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://x"}}]}]},
        {"output_config": {"format": {"type": "anything"}}},
        {"output_config": {"unknown": 1}},
        {"output_config": []},
    ],
    ids=str,
)
async def test_what_does_not_pass_in_a_call_does_not_pass_here(more: dict[str, Any], door: Bench) -> None:
    assert (await count(door, COUNT | more)).status_code == 403
    assert door.upstream.requests == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"model": "m", "messages": 7}'])
async def test_what_is_no_request_is_400(body: bytes) -> None:
    with pytest.raises(CallRefusedError) as raised:
        parse_count(body)
    assert raised.value.status == 400


async def test_failures_of_the_model_api_pass_through(door: Bench) -> None:
    door.upstream.counts = False
    answer = await count(door)
    door.upstream.counts = True
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")
    assert "x-flowforge-refused" not in answer.headers


async def test_counting_has_an_end(tmp_path: Path) -> None:
    async with bench(tmp_path, HELLO, policy=replace(POLICY, max_counts=3)) as door:
        statuses = [answer.status_code for answer in await asyncio.gather(*(count(door) for _ in range(5)))]
        assert sorted(statuses) == [200, 200, 200, 403, 403]
        assert len(door.upstream.requests) == 3
        assert (await door.post()).status_code == 200


async def test_an_exact_count_takes_the_place_of_the_bound_by_bytes(door: Bench) -> None:
    """The scripted model counts four bytes a token; without the count, the gateway reckons with one."""
    prices = load_prices()
    text = {"messages": [{"role": "user", "content": "word " * 40_000}]}
    budget = prices.input_bound(MODEL, 60_000) + 1_500 * prices.output_rate(MODEL, 60_000)
    await door.new_run(budget_usd=budget)
    assert (await door.post(REQUEST | text)).status_code == 402
    await door.new_run(budget_usd=budget)
    assert (await count(door, COUNT | text)).status_code == 200
    assert (await door.post(REQUEST | text)).status_code == 200
    assert (door.upstream.calls[-1].body or {})["max_tokens"] >= 1_500


@pytest.mark.parametrize("said", [b"[]", b'{"input_tokens": "many"}', b'{"input_tokens": -5}', b"x" * 100_000])
async def test_a_count_that_is_none_changes_nothing(said: bytes, tmp_path: Path) -> None:
    async def upstream(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": said})

    async with serving_loopback(upstream) as url, gateway(tmp_path, url) as door:
        answer = await count(door)
    assert answer.status_code == (502 if len(said) > 64 * 1024 else 200)
    assert KEY not in answer.text


async def test_a_model_api_that_is_away_is_502(tmp_path: Path) -> None:
    async with gateway(tmp_path, "http://127.0.0.1:1") as door:
        answer = await count(door)
    assert (answer.status_code, answer.headers["x-flowforge-refused"]) == (502, "upstream")
