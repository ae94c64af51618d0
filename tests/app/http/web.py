"""The web service over a real socket and a real database."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.http.server import serving_loopback
from app.http.service import create_desk, create_service
from app.http.webhooks import Door, Intake
from app.store.database import SqlStore
from app.store.engine import parse_url
from app.system import SystemClock, SystemIds
from bot.forges.github.deliveries import DECODED_EVENTS, SignatureVerifier, identify
from bot.forges.gitlab import deliveries as gitlab
from bot.model.forge import ForgeKind, ForgeName

OLD, NEW = b"the-old-secret-of-the-app", b"the-new-secret-of-the-app"
GHES, TOKEN = b"the-secret-of-the-second-app", b"the-secret-token-of-a-hook"
SIGNING = "whsec_" + base64.b64encode(b"the key of a hook that signs, 32").decode()
BODY = b'{"action": "created"}'
CAP = 1024


def signature(body: bytes, secret: bytes = NEW) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def github_door(name: ForgeName, secrets: list[bytes]) -> Door:
    verify = SignatureVerifier(secrets).verify
    return Door(forge=name, verify=verify, identify=identify, events=DECODED_EVENTS)


@dataclass(slots=True, kw_only=True)
class Web:
    """The running service, the sandboxes' desk, what was rung for, and what the probe says."""

    http: httpx.AsyncClient
    desk: httpx.AsyncClient
    store: SqlStore
    database: Path
    rung: list[tuple[str, str]] = field(default_factory=list)
    rings: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: str | None = None

    async def rung_times(self, times: int) -> None:
        """Wait until so many were rung for."""
        while len(self.rung) < times:
            self.rings.clear()
            await self.rings.wait()

    async def deliver(
        self, body: bytes = BODY, *, secret: bytes = NEW, guid: str = "delivery-1", event: str = "push"
    ) -> int:
        headers = {"x-hub-signature-256": signature(body, secret), "x-github-delivery": guid, "x-github-event": event}
        answer = await self.http.post("/webhooks/github", content=body, headers=headers)
        assert "Traceback" not in answer.text
        return answer.status_code


@asynccontextmanager
async def running(database_url: str, *, max_bytes: int = CAP) -> AsyncIterator[Web]:
    """The service on a migrated database."""
    store = SqlStore.open(database_url, SystemClock(), SystemIds(), busy_seconds=0.2)
    rung: list[tuple[str, str]] = []

    async def ring(kind: str, key: str) -> None:
        rung.append((kind, key))
        web.rings.set()

    async def probe() -> str | None:
        return web.trouble

    intake = Intake(
        doors=[
            github_door(ForgeKind.GITHUB, [OLD, NEW]),
            github_door("github-ghes", [GHES]),
            Door(
                forge=ForgeKind.GITLAB,
                verify=gitlab.SignatureVerifier([TOKEN, SIGNING.encode()], clock=SystemClock()).verify,
                identify=gitlab.identify,
                events=gitlab.DECODED_EVENTS,
                always_well=True,
            ),
        ],
        deliveries=store.deliveries,
        ring=ring,
        clock=SystemClock(),
        max_bytes=max_bytes,
    )
    service = create_service(intake=intake, probes={"database": probe})
    desk_service = create_desk(store.runs, max_result_bytes=CAP)
    async with (
        serving_loopback(service) as url,
        serving_loopback(desk_service) as desk_url,
        httpx.AsyncClient(timeout=60, base_url=url, trust_env=False) as http,
        httpx.AsyncClient(timeout=60, base_url=desk_url, trust_env=False) as desk,
    ):
        web = Web(http=http, desk=desk, store=store, database=Path(str(parse_url(database_url).database)), rung=rung)
        yield web
    await store.close()
