"""A gateway in front of a scripted model, over the real store."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from app.demo.model.replies import Script
from app.demo.model.server import ScriptedModel
from app.gateway.metrics import GatewayMetrics
from app.gateway.policy import GatewayPolicy
from app.gateway.service import create_gateway
from app.http.server import serving_loopback
from app.store.database import SqlStore
from app.store.migrate import upgrade
from bot.model.runs import Run
from tests.app.store.words import LIMITS, CountedIds, HandClock, new_id, new_job

KEY = "sk-ant-the-real-model-key"
MODEL = "claude-sonnet-4-5"
POLICY = GatewayPolicy(stop_poll_seconds=0.02, max_calls_at_once=64)
REQUEST: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 2000,
    "stream": True,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
}


@dataclass(slots=True, kw_only=True)
class Bench:
    store: SqlStore
    url: str
    http: httpx.AsyncClient
    registry: CollectorRegistry
    model: ScriptedModel | None = None
    token: str = ""
    run: Run = field(init=False)

    async def new_run(self, *, budget_usd: float = 1.0, model: str = MODEL) -> str:
        """Another run with a token of its own."""
        job = await new_job(self.store, number=int(new_id(), 16))
        token = f"run-token-{new_id()}"
        self.run = await self.store.runs.create(
            run_id=new_id(),
            job=job,
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            model=model,
            limits=replace(LIMITS, budget_usd=budget_usd),
        )
        self.token = token
        return token

    @property
    def upstream(self) -> ScriptedModel:
        """The scripted model behind the gateway."""
        assert self.model is not None
        return self.model

    def forget(self) -> None:
        """Forget what reached the scripted model so far."""
        self.upstream.requests.clear()

    def headers(self, **more: str) -> dict[str, str]:
        return {"x-api-key": self.token, "anthropic-version": "2023-06-01", **more}

    async def post(
        self, body: Mapping[str, Any] | bytes = REQUEST, *, query: str = "", **headers: str
    ) -> httpx.Response:
        content: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.http.post(f"/v1/messages{query}", headers=self.headers(**headers), **content)

    async def rows(self) -> list[Mapping[str, Any]]:
        """The rows of model_usage, oldest first."""
        async with self.store.engine.connect() as connection:
            return [
                dict(row._mapping)
                for row in await connection.execute(text("SELECT * FROM model_usage ORDER BY serial"))
            ]

    async def spent(self) -> float:
        return float(sum(row["cost_usd"] for row in await self.rows()))


@contextlib.asynccontextmanager
async def gateway(
    directory: Path, upstream: str, *, budget_usd: float = 1.0, policy: GatewayPolicy = POLICY
) -> AsyncIterator[Bench]:
    """A gateway to ``upstream`` with one run."""
    database = f"sqlite:///{directory / 'flowforge.db'}"
    await upgrade(database)
    store = SqlStore.open(database, HandClock(), CountedIds())
    registry = CollectorRegistry()
    try:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            app = create_gateway(
                ledger=store.ledger,
                runs=store.runs,
                http=client,
                upstream=upstream,
                api_key=KEY,
                clock=HandClock(),
                policy=policy,
                metrics=GatewayMetrics(registry),
            )
            async with (
                serving_loopback(app) as url,
                httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http,
            ):
                bench = Bench(store=store, url=url, http=http, registry=registry)
                await bench.new_run(budget_usd=budget_usd)
                yield bench
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def bench(
    directory: Path, script: Script, *, budget_usd: float = 1.0, policy: GatewayPolicy = POLICY
) -> AsyncIterator[Bench]:
    """A gateway to a scripted model that knows the real key."""
    async with (
        ScriptedModel.serve(script, api_key=KEY) as model,
        gateway(directory, model.base_url, budget_usd=budget_usd, policy=policy) as made,
    ):
        made.model = model
        yield made
