"""Deliver signed webhooks over loopback as fast as they are answered: the other process of ``benchmarks.intake``.

Reads one JSON object from standard input (``Order``), writes one to standard output (``Outcome``), and every accepted
delivery's id as a line of its own into a file: what a killed server had promised is read from there. Each connection
sends its next request when the last one was answered.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import psutil
import uvloop

LOST_ANSWER: Final = "no answer"
_ACCEPTED: Final = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to send: until so many are answered or so many seconds are over, and with how many doublets."""

    url: str
    secret: str
    payloads: str
    connections: int
    seconds: float
    accepted: str
    at_most: int = 10_000_000
    copies: int = 1


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of it. ``statuses`` counts answers; those that a dead server did not give are ``no answer``."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)


def read_payloads(path: Path) -> list[tuple[str, bytes]]:
    """Events and bodies of a file with one ``[event, body]`` a line."""
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [(event, body.encode()) for event, body in found]


def requests_of(order: Order) -> Iterator[tuple[str, bytes]]:
    """Delivery ids and whole requests, for ever; each id ``copies`` times in a row. The bodies take turns."""
    where = urlsplit(order.url)
    made: list[tuple[bytes, bytes]] = []
    for event, body in read_payloads(Path(order.payloads)):
        signature = hmac.new(order.secret.encode(), body, hashlib.sha256).hexdigest()
        head = (
            f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nUser-Agent: GitHub-Hookshot/0000000\r\n"
            f"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"X-GitHub-Event: {event}\r\nX-GitHub-Hook-ID: 1\r\n"
            f"X-Hub-Signature-256: sha256={signature}\r\nX-GitHub-Delivery: "
        )
        made.append((head.encode(), b"\r\n\r\n" + body))
    for before, after in itertools.cycle(made):
        delivery_id = str(uuid.uuid4())
        request = before + delivery_id.encode() + after
        for _ in range(order.copies):
            yield delivery_id, request


class _Connection(asyncio.Protocol):
    """One connection: ask, wait for the whole answer, ask again."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._asked: tuple[str, float] | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")  # noqa: S101 - also uvloop's
        self._transport = transport  # type: ignore[assignment]  # it is one, see above
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._got += data
        status = whole_answer(self._got)
        if status is None or self._asked is None:
            return
        delivery_id, began = self._asked
        self._got = b""
        self._load.answered(delivery_id, status, time.perf_counter() - began)
        self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        if self._asked is not None:
            self._load.count(LOST_ANSWER)
        if not self.done.done():
            self.done.set_result(None)

    def _ask(self) -> None:
        self._asked = None
        if self._transport is None:
            return
        request = self._load.next()
        if request is None:
            self._transport.close()
            return
        self._asked = (request[0], time.perf_counter())
        self._transport.write(request[1])


def whole_answer(got: bytes) -> int | None:
    """The status of an answer that is there to its end, else None."""
    head, found, body = got.partition(b"\r\n\r\n")
    if not found:
        return None
    lower = head.lower()
    _, chunked, _ = lower.partition(b"transfer-encoding: chunked")
    _, sized, rest = lower.partition(b"content-length:")
    length = int(rest.split(b"\r\n", 1)[0]) if sized else 0
    whole = body.endswith(b"0\r\n\r\n") if chunked else len(body) >= length
    return int(head.split(b" ", 2)[1]) if whole else None


class _Load:
    """All connections' common book."""

    def __init__(self, order: Order, accepted: IO[bytes]) -> None:
        self.outcome = Outcome()
        self._requests = requests_of(order)
        self._left = order.at_most * order.copies
        self._until = time.perf_counter() + order.seconds
        self._accepted = accepted

    def next(self) -> tuple[str, bytes] | None:
        if self._left == 0 or time.perf_counter() >= self._until:
            return None
        self._left -= 1
        return next(self._requests)

    def answered(self, delivery_id: str, status: int, seconds: float) -> None:
        if status in _ACCEPTED:
            self._accepted.write(delivery_id.encode() + b"\n")
        self.count(str(status))
        self.outcome.latencies_ms.append(seconds * 1000)

    def count(self, what: str) -> None:
        self.outcome.statuses[what] = self.outcome.statuses.get(what, 0) + 1


async def deliver(order: Order, accepted: IO[bytes]) -> Outcome:
    """Deliver as ordered; the ids of what was accepted go into ``accepted``.

    Raises:
        OSError: nobody listens at the address.
    """
    where = urlsplit(order.url)
    loop = asyncio.get_running_loop()
    load = _Load(order, accepted)
    before, began = psutil.Process().cpu_times(), time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Connection(load), where.hostname or "", where.port or 80)
        for _ in range(order.connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in made))
    after = psutil.Process().cpu_times()
    load.outcome.seconds = time.perf_counter() - began
    load.outcome.cpu_seconds = after.user + after.system - before.user - before.system
    return load.outcome


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def main() -> None:
    """Do what standard input orders."""
    order = Order(**json.loads(sys.stdin.read()))
    # So small a buffer that whoever waits for the first acceptances sees them soon.
    with Path(order.accepted).open("wb", buffering=512) as accepted:
        outcome = uvloop.run(deliver(order, accepted))
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
