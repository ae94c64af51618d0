"""A sandbox's door: its own run's requests go through as they are, and nothing else does."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest

from app.http.door import Doors, open_doors
from app.http.server import serving_loopback
from bot.model.runs import RunKind, RunLimits, RunTask
from bot.ports.runner import RunDoors
from tests.app.crowds import hung_up_on

RUN: Final = "0123456789abcdef0123456789abcdef"
OTHER: Final = "f" * 32
TOKEN: Final = "token-of-the-run"
LIMITS: Final = RunLimits(
    deadline_seconds=60,
    stall_seconds=30,
    budget_usd=1.0,
    max_turns=5,
    max_workspace_bytes=2**20,
    max_result_bytes=2**20,
    max_result_files=5,
    max_log_bytes=2**20,
)


@dataclass(slots=True)
class Gateway:
    """Where the door leads to. ``go_on`` lets an answer to ``/v1/messages`` have its second half."""

    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    parts: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    breaks: bool = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            event = await receive()
            self.parts.append(event.get("body", b""))
            self.arrived.set()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        target = scope["raw_path"].decode() + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        self.requests.append((scope["method"], target, headers, body))
        kept = [(b"x-told", b"yes"), (b"connection", b"close"), (b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 207, "headers": kept})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        if scope["path"] == "/v1/messages":
            gone = asyncio.create_task(self._gone(receive))
            await asyncio.wait({gone, going := asyncio.create_task(self.go_on.wait())}, return_when="FIRST_COMPLETED")
            gone.cancel()
            going.cancel()
        if self.breaks:
            return
        await send({"type": "http.response.body", "body": b"second"})

    async def _gone(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.hung_up.set()


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ff-") as name:
        yield Path(name)


@pytest.fixture
async def gateway() -> AsyncIterator[tuple[Gateway, str]]:
    answering = Gateway()
    answering.go_on.set()
    async with serving_loopback(answering) as url:
        yield answering, url


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    async with open_doors() as doors:
        yield doors


def task(url: str, kind: RunKind = RunKind.AGENT) -> RunTask:
    return RunTask(run_id=RUN, token=TOKEN, gateway_url=url, model="m", limits=LIMITS, kind=kind)


def through(path: Path) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway.invalid", timeout=60)


async def raw(path: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request)
    await writer.drain()
    with contextlib.suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(4096), 60)
    writer.close()
    return answer


ALLOWED: Final = [
    ("GET", f"/runs/{RUN}/workspace"),
    ("PUT", f"/runs/{RUN}/result"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages?beta=true"),
    ("POST", "/v1/messages/count_tokens"),
    ("HEAD", "/"),
]


@pytest.mark.parametrize(("method", "target"), ALLOWED)
async def test_a_run_s_own_requests_go_through_as_they_are(
    gateway: tuple[Gateway, str], doors: Doors, place: Path, method: str, target: str
) -> None:
    answering, url = gateway
    async with through(await doors.open(task(url), place)) as client:
        body = b"x" * 100_000 if method in {"PUT", "POST"} else None
        answer = await client.request(
            method,
            target,
            content=body,
            headers={"Authorization": f"Bearer {TOKEN}", "Connection": "x-hop", "TE": "gzip"},
        )
    assert (answer.status_code, answer.headers["x-told"]) == (207, "yes")
    assert answer.content == (b"" if method == "HEAD" else b"firstsecond")
    ((asked, path, headers, sent),) = answering.requests
    assert (asked, path, sent) == (method, target, body or b"")
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["host"] == url.removeprefix("http://")
    assert "te" not in headers
    assert headers.get("connection") != "x-hop"


@pytest.mark.parametrize(
    "target",
    [
        f"GET /runs/{OTHER}/workspace",
        f"PUT /runs/{OTHER}/result",
        f"POST /runs/{RUN}/workspace",
        f"GET /runs/{RUN}/workspace?x",
        f"GET /runs/{RUN}/../{OTHER}/workspace",
        f"GET /runs/{RUN}%2fworkspace",
        f"GET //runs/{RUN}/workspace",
        f"GET http://127.0.0.1:1/runs/{RUN}/workspace",
        "GET /v1/messages",
        "POST /v1/messages?x=1",
        "POST /v1/messages/batches",
        "POST /v1/files",
        "GET /v1/models",
        "GET /health/ready",
        "GET /metrics",
        "GET /",
        "CONNECT 127.0.0.1:22",
        "OPTIONS *",
    ],
)
async def test_nothing_else_goes_through(gateway: tuple[Gateway, str], doors: Doors, place: Path, target: str) -> None:
    answering, url = gateway
    path = await doors.open(task(url), place)
    answer = await raw(path, f"{target} HTTP/1.1\r\nHost: {url.removeprefix('http://')}\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))
    assert answering.requests == []


@pytest.mark.parametrize(
    "header", [("Authorization", "Bearer other"), ("X-Api-Key", "other"), ("Cookie", "a=b"), ("Authorization", "x")]
)
async def test_no_other_credential_goes_through(
    gateway: tuple[Gateway, str], doors: Doors, place: Path, header: tuple[str, str]
) -> None:
    answering, url = gateway
    async with through(await doors.open(task(url), place)) as client:
        headers = [("X-Api-Key", TOKEN), header]
        assert (await client.post("/v1/messages", content=b"{}", headers=headers)).status_code == 401
        assert answering.requests == []
        assert (await client.post("/v1/messages", content=b"{}", headers=headers[:1])).status_code == 207


@pytest.mark.parametrize("kind", [RunKind.TEST, RunKind.REGENERATE])
async def test_a_run_without_a_model_has_no_way_to_one(
    gateway: tuple[Gateway, str], doors: Doors, place: Path, kind: RunKind
) -> None:
    answering, url = gateway
    async with through(await doors.open(task(url, kind), place)) as client:
        assert (await client.post("/v1/messages", content=b"{}")).status_code == 404
        assert (await client.head("/")).status_code == 404
        assert answering.requests == []
        assert (await client.get(f"/runs/{RUN}/workspace")).status_code == 207


async def test_an_answer_comes_as_it_is_made(gateway: tuple[Gateway, str], doors: Doors, place: Path) -> None:
    answering, url = gateway
    answering.go_on.clear()
    path = await doors.open(task(url), place)
    async with through(path) as client, client.stream("POST", "/v1/messages", content=b"{}") as answer:
        parts = answer.aiter_raw()
        assert await anext(parts) == b"first"
        answering.go_on.set()
        assert await anext(parts) == b"second"


async def test_a_request_goes_on_as_it_comes(gateway: tuple[Gateway, str], doors: Doors, place: Path) -> None:
    answering, url = gateway

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.wait_for(answering.arrived.wait(), 60)
        yield b"two"

    async with through(await doors.open(task(url), place)) as client:
        assert (await client.put(f"/runs/{RUN}/result", content=body())).status_code == 207
    assert answering.parts[0] == b"one"
    assert answering.requests[0][3] == b"onetwo"


async def test_who_hangs_up_is_hung_up_on_behind_the_door_too(
    gateway: tuple[Gateway, str], doors: Doors, place: Path
) -> None:
    answering, url = gateway
    answering.go_on.clear()
    path = await doors.open(task(url), place)
    async with through(path) as client, client.stream("POST", "/v1/messages", content=b"{}") as answer:
        assert await anext(answer.aiter_raw()) == b"first"
    await asyncio.wait_for(answering.hung_up.wait(), 60)


async def test_half_an_answer_is_not_taken_for_a_whole_one(
    gateway: tuple[Gateway, str], doors: Doors, place: Path
) -> None:
    answering, url = gateway
    answering.breaks = True
    async with through(await doors.open(task(url), place)) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"/runs/{RUN}/workspace")


async def test_without_a_gateway_the_door_says_so(doors: Doors, place: Path) -> None:
    async with through(await doors.open(task("http://127.0.0.1:1"), place)) as client:
        assert (await client.get(f"/runs/{RUN}/workspace")).status_code == 502


async def test_a_closed_door_is_closed(gateway: tuple[Gateway, str], doors: RunDoors, place: Path) -> None:
    _, url = gateway
    path = await doors.open(task(url), place)
    assert await doors.open(task(url), place) == path
    await doors.close(RUN)
    await doors.close(RUN)
    async with through(path) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"/runs/{RUN}/workspace")


async def test_two_doors_lead_to_two_runs(gateway: tuple[Gateway, str], doors: Doors, place: Path) -> None:
    _, url = gateway
    (place / "a").mkdir()
    (place / "b").mkdir()
    first = await doors.open(task(url), place / "a")
    second = await doors.open(replace(task(url), run_id=OTHER), place / "b")
    async with through(first) as one, through(second) as other:
        assert (await one.get(f"/runs/{RUN}/workspace")).status_code == 207
        assert (await one.get(f"/runs/{OTHER}/workspace")).status_code == 404
        assert (await other.get(f"/runs/{OTHER}/workspace")).status_code == 207


async def test_a_crowd_at_the_door_takes_few_files_of_ours(
    gateway: tuple[Gateway, str], doors: Doors, place: Path
) -> None:
    """Connections that say nothing: more of them than the door takes are hung up on."""
    _, url = gateway
    path = await doors.open(task(url), place)
    before = psutil.Process().num_fds()
    crowd = [await asyncio.open_unix_connection(str(path)) for _ in range(200)]

    ends = [asyncio.create_task(reader.read()) for reader, _ in crowd]
    hung_up, waiting = await hung_up_on(200 - 32, ends)
    assert (len(hung_up), len(waiting)) == (200 - 32, 32)
    # Each of ours has one end of the test's own.
    assert psutil.Process().num_fds() - before <= 200 + 40
    for _, writer in crowd:
        writer.close()
    await asyncio.gather(*ends, return_exceptions=True)
    async with through(path) as client:
        assert (await client.get(f"/runs/{RUN}/workspace")).status_code == 207
