"""What the web service takes and refuses at the webhook's door, and how it says it is well."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator

import httpx
import pytest

from app.http.server import serving_loopback
from app.http.service import create_service
from app.http.webhooks import Door, Intake
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds
from bot.forges.github.deliveries import identify
from bot.model.deliveries import Delivery
from bot.model.forge import ForgeKind
from tests.app.http.web import BODY, CAP, NEW, OLD, Web, signature


async def kept(web: Web) -> list[str]:
    return [key for _, key in await web.store.deliveries.waiting(limit=99)]


# --- what is taken


async def test_a_delivery_is_kept_as_it_came_once_and_rung_once(web: Web) -> None:
    assert await web.deliver() == 202
    assert await web.deliver() == 202
    delivery = await web.store.deliveries.get(ForgeKind.GITHUB, "delivery-1")
    assert delivery is not None
    assert (delivery.body, delivery.event) == (BODY, "push")
    assert "signature" not in str(delivery.headers).lower()
    assert web.rung == [("delivery", "github:delivery-1")]


async def test_of_the_same_delivery_ten_times_at_once_one_is_kept(web: Web) -> None:
    answers = await asyncio.gather(*(web.deliver() for _ in range(10)))
    assert answers == [202] * 10
    assert await kept(web) == ["delivery-1"]
    assert len(web.rung) == 1


async def test_both_secrets_count_while_rotating_and_no_other(web: Web) -> None:
    assert await web.deliver(secret=OLD, guid="with-the-old") == 202
    assert await web.deliver(secret=NEW, guid="with-the-new") == 202
    assert await web.deliver(secret=b"somebody-elses-secret", guid="with-another") == 401
    assert [key for _, key in web.rung] == ["github:with-the-old", "github:with-the-new"]


async def test_what_the_bot_does_not_use_is_answered_and_forgotten(web: Web) -> None:
    assert await web.deliver(event="star") == 202
    assert (await kept(web), web.rung) == ([], [])


async def test_a_body_of_exactly_the_cap_is_taken(web: Web) -> None:
    assert await web.deliver(b"x" * CAP) == 202
    assert await web.deliver(b"x" * (CAP + 1), guid="one-too-many") == 413
    assert await kept(web) == ["delivery-1"]


# --- what is refused (ADV-059)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": signature(BODY).upper()},
        {"x-hub-signature-256": signature(BODY)[:-1]},
        {"x-hub-signature-256": signature(BODY) + ", " + signature(BODY)},
        {"x-hub-signature-256": signature(BODY + b" ")},
        {"x-hub-signature-256": "sha256=" + "é" * 64},
        {"x-hub-signature": "sha1=ec40b2ec9c2c8b6e16ea7f3d5f6c3f3c7e1b3a0d"},
        {"x-hub-signature-256": "sha1=" + signature(BODY)[7:]},
    ],
)
async def test_a_forged_delivery_is_401_and_leaves_nothing(web: Web, headers: dict[str, str]) -> None:
    named = {"x-github-delivery": "delivery-1", "x-github-event": "push"}
    encoded = [(name.encode(), value.encode()) for name, value in (named | headers).items()]
    answer = await web.http.post("/webhooks/github", content=BODY, headers=encoded)
    assert (answer.status_code, answer.json()) == (401, {"detail": "the signature does not match"})
    assert (await kept(web), web.rung) == ([], [])


@pytest.mark.parametrize(
    ("guid", "event"), [("x", "push"), ("", "push"), ("a" * 65, "push"), ("../../etc", "push"), ("delivery-1", "no!")]
)
async def test_malformed_headers_are_400(web: Web, guid: str, event: str) -> None:
    assert await web.deliver(guid=guid, event=event) == 400
    assert (await kept(web), web.rung) == ([], [])


async def test_a_large_body_is_413_also_when_it_does_not_say_how_large_it_is(web: Web) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 256

    assert (await web.http.post("/webhooks/github", content=endless())).status_code == 413
    assert await web.deliver(b"x" * (CAP + 1)) == 413
    assert web.rung == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_do_nothing(web: Web, method: str) -> None:
    answer = await web.http.request(method, "/webhooks/github")
    assert answer.status_code in {204, 405}
    assert web.rung == []


# --- trouble


async def test_a_locked_database_is_503_and_nothing_is_rung(web: Web) -> None:
    holder = sqlite3.connect(web.database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert await web.deliver() == 503
    assert web.rung == []
    holder.execute("ROLLBACK")
    holder.close()
    assert await web.deliver() == 202


async def test_a_broken_database_is_503_until_it_is_mended(web: Web) -> None:
    holder = sqlite3.connect(web.database, isolation_level=None)
    holder.execute("ALTER TABLE deliveries RENAME TO gone")
    assert await web.deliver() == 503
    assert web.rung == []
    holder.execute("ALTER TABLE gone RENAME TO deliveries")
    holder.close()
    assert await web.deliver() == 202
    assert web.rung == [("delivery", "github:delivery-1")]


class Unreliable:
    """A ``Deliveries`` with a fault of our own."""

    async def add(self, delivery: Delivery) -> bool:
        raise ZeroDivisionError(f"while adding {delivery.body!r}")


async def test_a_fault_of_ours_is_500_and_shows_nothing_of_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LITESTAR_DEBUG", "1")
    caplog.set_level(logging.CRITICAL)
    intake = Intake(
        doors=[
            Door(
                forge=ForgeKind.GITHUB,
                verify=lambda _headers, _body: True,
                identify=identify,
                events=frozenset({"push"}),
            )
        ],
        deliveries=Unreliable(),  # type: ignore[arg-type]
        ring=None,  # type: ignore[arg-type]
        clock=SystemClock(),
        max_bytes=CAP,
    )
    service = create_service(intake=intake, probes={})
    async with serving_loopback(service) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        headers = {"x-github-delivery": "delivery-1", "x-github-event": "push", "accept": "text/html"}
        answer = await http.post("/webhooks/github", content=BODY, headers=headers)
    assert (answer.status_code, json.loads(answer.content)) == (500, {"detail": "internal error"})


# --- health


async def test_ready_says_what_is_wrong_and_live_does_not_care(web: Web) -> None:
    ready = await web.http.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"database": "ok"})
    web.trouble = "the tables are not current; run `flowforge migrate`"
    ready = await web.http.get("/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"database": web.trouble})
    assert (await web.http.get("/health/live")).status_code == 200


async def test_metrics_count_deliveries_by_what_became_of_them(web: Web) -> None:
    async def count(outcome: str) -> float:
        name = f'flowforge_deliveries_total{{outcome="{outcome}"}} '
        lines = (await web.http.get("/metrics")).text.splitlines()
        return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)

    before = {outcome: await count(outcome) for outcome in ("accepted", "duplicate", "forged", "unused")}
    await web.deliver()
    await web.deliver()
    await web.deliver(secret=b"somebody-elses-secret")
    await web.deliver(event="star", guid="delivery-2")
    assert {outcome: await count(outcome) - was for outcome, was in before.items()} == dict.fromkeys(before, 1.0)


async def test_two_services_on_one_database_keep_a_delivery_once(web: Web) -> None:
    store = SqlStore.open(f"sqlite:///{web.database}", SystemClock(), SystemIds())
    delivery = Delivery(
        forge=ForgeKind.GITHUB,
        delivery_id="delivery-1",
        event="push",
        headers={},
        body=BODY,
        received_at=SystemClock().now(),
    )
    assert await store.deliveries.add(delivery)
    assert await web.deliver() == 202
    assert web.rung == []
    await store.close()
