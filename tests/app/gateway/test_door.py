"""What the gateway lets in. Requests are written to the socket byte by byte, as an attacker in a sandbox would."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from app.demo.model.failures import Always
from app.demo.model.replies import Message, Text
from app.gateway.policy import hosts_of
from bot.model.runs import RunOutcome
from tests.app.gateway.bench import KEY, MODEL, POLICY, REQUEST, Bench, bench

BODY = json.dumps(REQUEST).encode()


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    script = Always(Message(content=(Text(text="hello"),)))
    async with bench(tmp_path_factory.mktemp("door"), script) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def door(opened: Bench) -> Bench:
    """One gateway for all tests here, with a new run for each."""
    await opened.new_run()
    opened.forget()
    return opened


async def send(door: Bench, line: str, *headers: str, body: bytes = BODY, host: str | None = None) -> bytes:
    """Send a request as it is; the whole answer."""
    address = httpx.URL(door.url)
    first = (line, f"Host: {host or address.netloc.decode()}", "Connection: close", f"Content-Length: {len(body)}")
    sent = [*first, *headers]
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write("\r\n".join([*sent, "", ""]).encode("latin-1") + body)
        await writer.drain()
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "GET /v1/models": ("GET /v1/models", {}),
    "POST /v1/files": ("POST /v1/files", {}),
    "POST http://evil/": ("POST http://evil/", {}),
    "CONNECT evil:443": ("CONNECT evil:443", {}),
    "POST /v1/messages model=other": ("POST /v1/messages", {"body": json.dumps(REQUEST | {"model": "other"}).encode()}),
    "POST /v1/../admin": ("POST /v1/../admin", {}),
    "Host: evil": ("POST /v1/messages", {"host": "evil"}),
    "https://api.anthropic.com@evil/": ("POST https://api.anthropic.com@evil/v1/messages", {}),
    "API.ANTHROPIC.COM.": ("POST /v1/messages", {"host": "API.ANTHROPIC.COM."}),
    "//evil": ("POST //evil/v1/messages", {}),
    "the real host": ("POST /v1/messages", {"host": "api.anthropic.com"}),
    "absolute form of the right host": ("POST http://127.0.0.1/v1/messages", {}),
    "user information in the host": ("POST /v1/messages", {"host": "127.0.0.1@evil"}),
    "a trailing dot": ("POST /v1/messages", {"host": "127.0.0.1."}),
    "an odd port": ("POST /v1/messages", {"host": "127.0.0.1:80:evil"}),
    "escaped dots": ("POST /v1/%2e%2e/v1/messages", {}),
    "an escaped letter": ("POST /v1/m%65ssages", {}),
    "a trailing slash": ("POST /v1/messages/", {}),
    "another query": ("POST /v1/messages?beta=true&x=1", {}),
    "counting tokens with a query": ("POST /v1/messages/count_tokens?beta=true", {}),
    "counting something else": ("POST /v1/messages/count_tokens/x", {}),
    "batches": ("POST /v1/messages/batches", {}),
    "another method": ("PUT /v1/messages", {}),
    "GET /": ("GET /", {}),
    "everything": ("OPTIONS *", {}),
    "the gateway's own schema": ("GET /schema", {}),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_is_turned_away_with_one_line_in_the_log(name: str, door: Bench) -> None:
    line, options = REQUESTS[name]
    with capture_logs() as logs:
        answer = await send(door, f"{line} HTTP/1.1", f"x-api-key: {door.token}", **options)
    assert status_of(answer) == 403
    assert b'"permission_error"' in answer or line.startswith("CONNECT")
    assert [entry["event"] for entry in logs] == ["model call refused"]
    assert door.token not in repr(logs)
    assert door.upstream.requests == []


async def test_a_null_byte_in_the_target_is_not_even_a_request(door: Bench) -> None:
    assert status_of(await send(door, "POST /v1/messages\0.anthropic.com HTTP/1.1")) == 400


async def test_two_hosts_are_refused(door: Bench) -> None:
    answer = await send(door, "POST /v1/messages HTTP/1.1", f"x-api-key: {door.token}", "Host: evil")
    assert status_of(answer) in {400, 403}
    assert door.upstream.requests == []


async def test_every_case_of_the_corpus_is_here() -> None:
    corpus = Path(__file__).parents[4] / "shared" / "corpus" / "adversarial.jsonl"
    if not corpus.exists():
        pytest.skip(f"{corpus} is not here")
    cases = {case["id"]: case for case in map(json.loads, corpus.read_text(encoding="utf-8").splitlines())}
    elsewhere = {"POST /v1/messages with another run token", "SOCKS5 DOMAINNAME with NUL"}
    asked = {*cases["ADV-020"]["setup"]["requests"], *cases["ADV-022"]["setup"]["requests"]}
    assert asked - elsewhere <= set(REQUESTS)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("x-api-key: ",),
        ("x-api-key: another-token",),
        ("x-api-key: " + "x" * 5000,),
        (f"x-api-key: {KEY}",),
        ("Authorization: Basic eDp5",),
        ("Authorization: Bearer another-token",),
    ],
)
async def test_an_unknown_token_is_401_before_the_body_is_read(headers: tuple[str, ...], door: Bench) -> None:
    with capture_logs() as logs:
        answer = await send(door, "POST /v1/messages HTTP/1.1", *headers, body=b"")
    assert status_of(answer) == 401
    assert json.loads(answer.split(b"\r\n\r\n")[1])["error"]["type"] == "authentication_error"
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("model call refused", "token")]


async def test_two_tokens_are_refused(door: Bench) -> None:
    other = await door.new_run()
    first = await door.new_run()
    headers = (f"x-api-key: {first}", f"Authorization: Bearer {other}")
    assert status_of(await send(door, "POST /v1/messages HTTP/1.1", *headers)) == 401


async def test_the_token_of_an_ended_run_is_worth_nothing(door: Bench) -> None:
    assert (await door.post()).status_code == 200
    await door.store.runs.ended(door.run.id, RunOutcome.SUCCEEDED, detail="")
    assert (await door.post()).status_code == 401


async def test_a_token_of_another_run_pays_from_that_run(door: Bench) -> None:
    first = door.run
    await door.new_run()
    assert (await door.post()).status_code == 200
    paying = {row["run_id"] for row in await door.rows()}
    assert door.run.id in paying
    assert first.id not in paying


async def test_head_answers_without_a_token(door: Bench) -> None:
    answer = await send(door, "HEAD / HTTP/1.1", body=b"")
    assert status_of(answer) == 200
    assert door.upstream.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8081"])
async def test_its_own_hosts_are_served(host: str, door: Bench) -> None:
    assert status_of(await send(door, "POST /v1/messages HTTP/1.1", f"x-api-key: {door.token}", host=host)) == 200


async def test_hosts_are_named_by_the_addresses_of_the_gateway() -> None:
    assert hosts_of("http://ff-gateway:8081", "https://[fd00::1]/x", "http://Gateway.NS.svc") == {
        "ff-gateway",
        "[fd00::1]",
        "gateway.ns.svc",
    }


async def test_a_bearer_token_will_do(door: Bench) -> None:
    headers = (f"Authorization: Bearer {door.token}", "content-type: application/json")
    assert status_of(await send(door, "POST /v1/messages?beta=true HTTP/1.1", *headers)) == 200
    assert door.upstream.calls[0].query == "beta=true"


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_413(declared: bool, tmp_path: Path) -> None:
    policy = replace(POLICY, max_body_bytes=10_000)
    body = json.dumps(REQUEST | {"system": "x" * 10_000}).encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:9_000]
        yield body[9_000:]

    async with bench(tmp_path, Always(Message(content=())), policy=policy) as door:
        content: Any = body if declared else chunks()
        answer = await door.http.post("/v1/messages", headers=door.headers(), content=content)
        assert answer.status_code == 413
        assert answer.json()["error"]["type"] == "request_too_large"
        assert (await door.post()).status_code == 200


async def test_a_compressed_body_does_not_pass(door: Bench) -> None:
    answer = await door.post(BODY, **{"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")


async def test_a_refused_body_does_not_go_out(door: Bench) -> None:
    with capture_logs() as logs:
        answer = await door.post(REQUEST | {"mcp_servers": []})
    assert answer.status_code == 403
    assert [entry["reason"] for entry in logs] == ["field"]
    assert door.upstream.requests == []


async def test_an_alias_in_the_grant_stands_for_the_model_it_means(door: Bench) -> None:
    await door.new_run(model="sonnet")
    assert (await door.post(REQUEST | {"model": "claude-sonnet-5-5"})).status_code == 200
    assert (await door.post(REQUEST | {"model": MODEL})).status_code == 403
