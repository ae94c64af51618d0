"""The benchmark of the intake runs, in a small form without Node; what it measures is for the benchmark to say."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.http.server import serving_loopback
from benchmarks.intake import BARE, PROBOT, Burst, Loss, Measured, document, limit, lines, run
from benchmarks.load import LOST_ANSWER, Order, Outcome, percentile, read_payloads, requests_of, whole_answer
from benchmarks.serving import SECRET, load, write_payloads
from bot.forges.github.deliveries import verify_signature

BODIES = [
    ("issue_comment", '{"action":"created","padding":"' + "x" * 3000 + '"}'),
    ("push", '{"ref":"refs/heads/main"}'),
]


@pytest.fixture
def payloads(tmp_path: Path) -> Path:
    write_payloads(tmp_path / "payloads", BODIES)
    return tmp_path / "payloads"


def order(payloads: Path, url: str, **changes: Any) -> Order:
    values: dict[str, Any] = {"connections": 2, "seconds": 30.0, "accepted": str(payloads.parent / "accepted")}
    return Order(url=url, secret=SECRET, payloads=str(payloads), **values | changes)


@pytest.mark.timeout(300)
async def test_all_servers_take_deliveries_nothing_accepted_is_lost_and_a_burst_is_kept_once(
    tmp_path: Path, payloads: Path
) -> None:
    arguments = argparse.Namespace(
        payloads=payloads,
        without_probot=True,
        without_postgres=False,
        seconds=0.4,
        rounds=1,
        connections=[4],
        comments=40,
    )
    shown = await run(arguments, tmp_path)
    assert set(shown["servers"]) == {
        BARE,
        "FlowForge, SQLite",
        "FlowForge, PostgreSQL",
        "one INSERT per request, SQLite",
        "one INSERT per request, PostgreSQL",
    }
    for database in ("SQLite", "PostgreSQL"):
        killed = shown["kills"][database]
        assert killed["accepted"] > 0
        assert (killed["missing"], killed["double"]) == (0, 0)
        assert shown["burst"][database]["kept"] == 40
        assert dict(shown["burst"][database]["statuses"]) == {"202": 80}
    assert "limited by" in "\n".join(lines(shown))


def test_requests_are_signed_numbered_and_doubled(payloads: Path) -> None:
    made = requests_of(order(payloads, "http://127.0.0.1:1/webhooks/github", copies=2))
    found = [next(made) for _ in range(6)]
    assert len({delivery_id for delivery_id, _ in found}) == 3
    assert found[0] == found[1]
    for (delivery_id, request), (event, body) in zip(found[::2], [*BODIES, BODIES[0]], strict=True):
        head, _, sent = request.partition(b"\r\n\r\n")
        fields = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:])
        assert (sent.decode(), fields["X-GitHub-Event"], fields["X-GitHub-Delivery"]) == (body, event, delivery_id)
        assert verify_signature(sent, fields["X-Hub-Signature-256"], [SECRET.encode()])
    assert [event for event, _ in read_payloads(payloads)] == ["issue_comment", "push"]


@pytest.mark.parametrize(
    ("got", "status"),
    [
        (b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n", None),
        (b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok", 202),
        (b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n", 503),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
        (b"HTTP/1.1 2", None),
    ],
)
def test_an_answer_counts_when_it_is_whole(got: bytes, status: int | None) -> None:
    assert whole_answer(got) == status


async def test_a_server_that_hangs_up_gave_no_answer_and_others_are_counted(payloads: Path) -> None:
    asked = 0

    async def fickle(_: Any, receive: Any, send: Any) -> None:
        nonlocal asked
        asked += 1
        while (await receive()).get("more_body"):
            pass
        if asked == 4:
            raise ConnectionError("as if it had been killed")
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async with serving_loopback(fickle) as url:
        outcome = await load(order(payloads, url + "/", connections=1, at_most=4))
    assert outcome.statuses == {"202": 3, "500": 1}
    assert len((payloads.parent / "accepted").read_text().splitlines()) == 3

    async def gone(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(gone, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await load(order(payloads, f"http://127.0.0.1:{port}/", connections=3))
    assert outcome.statuses == {LOST_ANSWER: 3}


def measured(rate: float, p99: float, busy: float) -> dict[int, Measured]:
    one = Measured()
    one.add(Outcome(seconds=1.0, latencies_ms=[p99] * int(rate)), {"server": busy, "load": 0.1}, 50.0)
    return {16: one}


def test_ratios_and_what_limits() -> None:
    found = {
        "FlowForge, SQLite": measured(400, 5.0, 0.9),
        "one INSERT per request, SQLite": measured(100, 50.0, 0.2),
        BARE: measured(1600, 1.0, 0.9),
        PROBOT: measured(500, 4.0, 1.0),
    }
    losses = {"SQLite": Loss(kills=1, accepted=10, unanswered=2, missing=0, double=0)}
    bursts = {"SQLite": Burst(sent=10, kept=10, seconds=0.1, p99_ms=9.0, statuses={"202": 20})}
    shown = document(found, losses, bursts)
    assert shown["ratios"]["SQLite"]["16"] == {
        "to_one_insert": 4.0,
        "p99_to_one_insert": 0.1,
        "to_bare": 0.25,
        "to_probot": 0.8,
    }
    said = "\n".join(lines(shown))
    assert "0.80x Probot (goal 0.7), 4.0x one INSERT per request (goal 4), its p99 0.10x (goal 0.2)" in said
    assert "0 are missing and 0 are there twice" in said
    assert limit({"server": 0.9, "load": 0.1}, 2) == "its one processor"
    assert limit({"server": 0.8, "postgres": 0.6, "load": 0.4}, 2) == "all processors of the machine"
    assert limit({"server": 0.2, "load": 0.1}, 2).startswith("waiting")


def test_percentiles_are_of_the_values() -> None:
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 2.0, 3.0]
    assert percentile([], 0.5) == 0.0
