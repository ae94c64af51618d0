"""The web service over a real socket and a real database: what it takes and refuses, and how it says it is well."""

import hashlib
import hmac
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.http.server import serving_loopback
from app.http.service import create_service
from app.http.webhooks import Intake
from app.store.database import SqlStore
from app.store.migrate import upgrade
from app.system import SystemClock, SystemIds
from bot.forges.github.deliveries import DECODED_EVENTS, SignatureVerifier
from bot.model.forge import ForgeKind

OLD, NEW = b"the-old-secret-of-the-app", b"the-new-secret-of-the-app"
BODY = b'{"action": "created"}'
CAP = 1024


@dataclass(slots=True, kw_only=True)
class Web:
    """The running service, what it rang for, and what its probe says."""

    http: httpx.AsyncClient
    store: SqlStore
    database: Path
    rung: list[tuple[str, str]] = field(default_factory=list)
    trouble: str | None = None

    async def deliver(
        self, body: bytes = BODY, *, secret: bytes = NEW, guid: str = "delivery-1", event: str = "push"
    ) -> int:
        signature = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
        headers = {"x-hub-signature-256": signature, "x-github-delivery": guid, "x-github-event": event}
        answer = await self.http.post("/webhooks/github", content=body, headers=headers)
        assert "Traceback" not in answer.text
        return answer.status_code


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Web]:
    database = directory / "web.db"
    await upgrade(f"sqlite:///{database}")
    store = SqlStore.open(f"sqlite:///{database}", SystemClock(), SystemIds(), busy_seconds=0.2)
    rung: list[tuple[str, str]] = []

    async def ring(kind: str, key: str) -> None:
        rung.append((kind, key))

    async def probe() -> str | None:
        return web.trouble

    intake = Intake(
        verify=SignatureVerifier([OLD, NEW]).verify,
        deliveries=store.deliveries,
        ring=ring,
        clock=SystemClock(),
        events=DECODED_EVENTS,
        max_bytes=CAP,
    )
    service = create_service(intake=intake, runs=store.runs, max_result_bytes=CAP, probes={"database": probe})
    async with serving_loopback(service) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        web = Web(http=http, store=store, database=database, rung=rung)
        yield web
    await store.close()


async def test_a_delivery_is_kept_once_and_rung_once(tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        assert await web.deliver() == 202
        assert await web.deliver() == 202
        kept = await web.store.deliveries.get(ForgeKind.GITHUB, "delivery-1")
        assert kept is not None
        assert kept.body == BODY
        assert web.rung == [("delivery", "github:delivery-1")]


async def test_both_secrets_count_while_rotating_and_no_other(tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        assert await web.deliver(secret=OLD, guid="with-the-old") == 202
        assert await web.deliver(secret=NEW, guid="with-the-new") == 202
        assert await web.deliver(secret=b"somebody-elses-secret", guid="with-another") == 401
        assert [key for _, key in web.rung] == ["github:with-the-old", "github:with-the-new"]


async def test_what_the_bot_does_not_use_is_answered_and_forgotten(tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        assert await web.deliver(event="star") == 202
        assert await web.store.deliveries.waiting(limit=9) == []
        assert web.rung == []


async def test_malformed_headers_and_large_bodies_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        assert await web.deliver(guid="x") == 400
        assert await web.deliver(event="no event!") == 400
        assert await web.deliver(b"x" * (CAP + 1)) == 413
        assert web.rung == []


async def test_an_absent_database_is_503_and_nothing_is_rung(tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        holder = sqlite3.connect(web.database, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        assert await web.deliver() == 503
        assert web.rung == []
        holder.execute("ROLLBACK")
        holder.close()
        assert await web.deliver() == 202


async def test_a_sandbox_without_a_run_gets_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        for headers in ({}, {"authorization": "Bearer made-up"}, {"authorization": "Basic made-up"}):
            assert (await web.http.get("/runs/none/workspace", headers=headers)).status_code == 403
            assert (await web.http.put("/runs/none/result", content=b"x", headers=headers)).status_code == 403
        big = await web.http.put("/runs/none/result", content=b"x" * (CAP + 1), headers={"authorization": "Bearer x"})
        assert big.status_code == 413


async def test_ready_says_what_is_wrong_and_live_does_not_care(tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        ready = await web.http.get("/health/ready")
        assert (ready.status_code, ready.json()) == (200, {"database": "ok"})
        web.trouble = "the tables are not current; run `flowforge migrate`"
        ready = await web.http.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"database": web.trouble})
        assert (await web.http.get("/health/live")).status_code == 200


async def test_metrics_count_deliveries(tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        await web.deliver(secret=b"somebody-elses-secret")
        metrics = await web.http.get("/metrics")
        assert metrics.status_code == 200
        assert 'flowforge_deliveries_total{outcome="forged"}' in metrics.text
