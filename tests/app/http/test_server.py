"""What those who connect may hold of a server."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from app.http.server import Bounds, bind, serving

REQUEST: Final = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def refuse(_: Any, __: Any, send: Any) -> None:
    """An application that reads no body."""
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def read_all(_: Any, receive: Any, send: Any) -> None:
    """An application that waits for the whole body, however long that takes."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def served(application: Any, bounds: Bounds) -> AsyncIterator[int]:
    """A server's port; nothing it does may end in an error that nobody catches."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    listener = bind("0.0.0.0", 0)  # noqa: S104 - to be reached by two addresses
    async with serving(application, listener, bounds=bounds):
        yield listener.getsockname()[1]
    assert faults == []


@contextlib.asynccontextmanager
async def connected(port: int, *, count: int, source: str = "127.0.0.1") -> AsyncIterator[list[Connection]]:
    opened = [
        await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0), family=socket.AF_INET)
        for _ in range(count)
    ]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def hung_up_on(connections: list[Connection]) -> int:
    """How many of the connections end without a word, once every one was asked something."""
    answers = await asyncio.gather(*(ask(*connection) for connection in connections))
    return answers.count(b"")


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    try:
        writer.write(REQUEST % 0)
        await writer.drain()
        return await asyncio.wait_for(reader.readline(), 60)
    except ConnectionError:
        return b""


async def is_ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 60) == b""
    except ConnectionError:
        return True


async def test_one_address_cannot_keep_all_others_out() -> None:
    bounds = Bounds(connections=8, of_one_address=5)
    async with (
        served(refuse, bounds) as port,
        connected(port, count=7) as greedy,
        connected(port, count=3, source="127.0.0.2") as modest,
        connected(port, count=2, source="127.0.0.3") as late,
    ):
        assert await hung_up_on(greedy) == 2
        assert await hung_up_on(modest) == 0
        assert await hung_up_on(late) == 2, "more than there may be of all addresses"


@pytest.mark.parametrize("said", [b"", b"POST / HTTP/1.1\r\nHost", REQUEST % 9 + b"12"])
async def test_who_does_not_come_to_the_end_of_a_request_is_hung_up_on(said: bytes) -> None:
    bounds = Bounds(connections=1, request_seconds=0.3)
    async with served(refuse, bounds) as port, connected(port, count=1) as ((reader, writer),):
        writer.write(said)
        if said.endswith(b"12"):
            assert b"403" in await reader.readuntil(b"\r\n\r\n")
        dripping = asyncio.create_task(drip(writer, to=b"y" if said else b""))
        assert await is_ended(reader)
        dripping.cancel()


async def drip(writer: asyncio.StreamWriter, *, to: bytes) -> None:
    """Go on so slowly that there is no end to it."""
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(to)
            await asyncio.sleep(0.05)


async def test_a_request_that_is_being_answered_has_all_the_time_it_needs() -> None:
    bounds = Bounds(connections=1, request_seconds=0.2)
    async with served(read_all, bounds) as port, connected(port, count=1) as ((reader, writer),):
        for _ in range(2):
            writer.write(REQUEST % 2 + b"1")
            await asyncio.sleep(0.5)
            writer.write(b"2")
            assert b"204" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)


# --- the fast parser, of the web service


@contextlib.asynccontextmanager
async def fast(application: Any) -> AsyncIterator[Connection]:
    """A connection to a server that parses with httptools."""
    listener = bind("127.0.0.1", 0)
    async with (
        serving(application, listener, fast=True),
        connected(listener.getsockname()[1], count=1) as (connection,),
    ):
        yield connection


async def test_the_fast_parser_takes_large_bodies_and_many_requests() -> None:
    async with fast(read_all) as (reader, writer):
        for _ in range(3):
            writer.write(REQUEST % 500_000 + b"x" * 500_000)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")


@pytest.mark.parametrize("line", [b"X-Long: " + b"x" * 1000, b"X-Many: x\r\n" * 100 + b"X-Last: x"])
async def test_a_head_without_an_end_is_hung_up_on(line: bytes) -> None:
    async with fast(read_all) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n")
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(60):
                for _ in range(2000):
                    writer.write(line)
                    await writer.drain()
                assert await reader.read() == b""
        assert reader.at_eof() or reader.exception() is not None


async def test_a_request_that_is_cut_off_when_the_server_ends_has_ended_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.http.server._GRACE_SECONDS", 0)
    began, ended = asyncio.Event(), asyncio.Event()

    async def endless(_: Any, __: Any, ___: Any) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):  # giving things back takes a few turns
                await asyncio.sleep(0)
            ended.set()

    async with served(endless, Bounds(connections=5)) as port, connected(port, count=1) as [(_, writer)]:
        writer.write(REQUEST % 0)
        await began.wait()
        writer.close()
    assert ended.is_set()
