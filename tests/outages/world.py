"""One pull request in conflict, its people, and what became of it in forge and database."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Select, select, update

from app.demo.model.resolver import HonestResolver
from app.demo.model.server import ScriptedModel
from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Account, Comment, PullRequest, Repository, Role
from app.store.database import SqlStore
from app.store.migrate import upgrade
from app.store.sweep_tables import sweeps
from app.store.tables import deliveries, git_operations, jobs, report_targets
from app.store.watch_tables import levels
from app.system import SystemClock, SystemIds
from bot.model.deliveries import DeliveryState
from bot.model.jobs import JobKind, JobState
from bot.model.proposals import PushPurpose
from tests.contracts.github import validate_record
from tests.outages.service import Service, free_port, serving
from tests.scenarios.play import ANSWER, BASE, OURS, THEIRS, Gated, claude_processes

WAIT = 180.0
SECRET = "the webhook secret of these outages"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
STICKY = "<!-- flowforge:sticky"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The state of forge and database when all is done. Ids, times and money are left out: they always differ."""

    head_tree: str
    parents: int
    pushes: Counter[tuple[str, str]]
    check_runs: list[tuple[str, str, str | None]]
    stickies: list[str]
    replies: int
    branches: set[str]
    reactions: set[str]
    jobs: list[tuple[JobKind, JobState]]
    deliveries: Counter[DeliveryState]
    git_operations: Counter[tuple[PushPurpose, str]]


@dataclass(slots=True, kw_only=True)
class World:
    """People act, servers come and go; what the forge shows is waited for."""

    sim: Simulator
    model: ScriptedModel
    gate: Gated
    service: Service
    database_url: str
    repository: Repository
    pull: PullRequest
    maintainer: Account
    before: str

    # What people do.

    def say(self, body: str) -> Comment:
        return self.sim.people.comment(self.pull, self.maintainer, body)

    def approve(self) -> None:
        self.sim.people.click(self.sim.check_runs(self.repository)[-1], self.maintainer, "approve")

    # What is waited for.

    async def until_running(self) -> None:
        """Until the run's first call of the model is being answered; it stops there until the gate opens."""
        async with asyncio.timeout(WAIT), self.model.changed:
            await self.model.changed.wait_for(lambda: len(self.model.calls) >= 1)

    async def until_proposed(self) -> None:
        await self._until_conclusion("action_required")

    async def until_pushed(self) -> None:
        await self._until_conclusion("success")
        await self.sim.wait_for(
            lambda: not self._branches() and self.pull.head_sha != self.before, timeout=WAIT, what="the push"
        )

    async def until_answered(self) -> int:
        """The status that the newest delivery got last."""
        await self.sim.webhooks.settled(timeout=WAIT)
        return self.sim.webhooks.deliveries[-1].attempts[-1].status_code

    async def until_ready(self, status: int) -> dict[str, str]:
        """What ``/health/ready`` says once it has this status."""
        async with asyncio.timeout(WAIT), httpx.AsyncClient(trust_env=False) as http:
            while True:
                answer = await http.get(f"{self.service.web}/health/ready", timeout=WAIT)
                if answer.status_code == status:
                    return dict(answer.json())
                await asyncio.sleep(0.1)

    async def _until_conclusion(self, conclusion: str) -> None:
        await self.sim.wait_for(
            lambda: any(one.conclusion == conclusion for one in self.sim.check_runs(self.repository)),
            timeout=WAIT,
            what=f"a check run that ends {conclusion}",
        )

    # What there is in the end.

    async def outcome(self) -> Outcome:
        """The final state, as soon as nothing is left to do."""
        async with asyncio.timeout(WAIT):
            while await self._left_to_do():  # noqa: ASYNC110 - rows tell nobody
                await asyncio.sleep(0.2)
        bot = self.sim.bot
        ours = [one.body for one in self.pull.comments.values() if one.author is bot]
        asked = next(one for one in self.pull.comments.values() if one.body.startswith("/flowforge"))
        tree, parents = (await self.sim.git(self.repository, "log", "-1", "--format=%T%n%P", self.pull.head_sha)).split(
            "\n", 1
        )
        return Outcome(
            head_tree=tree,
            parents=len(parents.split()),
            pushes=Counter(
                ("ours" if "/flowforge/" in str(one.payload["ref"]) else str(one.payload["ref"]), self._by(one.payload))
                for one in self.sim.webhooks.deliveries
                if one.event == "push"
            ),
            check_runs=[
                ("before" if one.head_sha == self.before else "after", one.status, one.conclusion)
                for one in self.sim.check_runs(self.repository)
            ],
            stickies=[one.split("\n")[0] for one in ours if STICKY in one],
            replies=len([one for one in ours if STICKY not in one]),
            branches=self._branches(),
            reactions={one.content for one in asked.reactions},
            jobs=[(kind, state) for kind, state in await self._rows(select(jobs.c.kind, jobs.c.state))],
            deliveries=Counter(state for (state,) in await self._rows(select(deliveries.c.state))),
            git_operations=Counter(
                (operation, status)
                for operation, status in await self._rows(select(git_operations.c.operation, git_operations.c.status))
            ),
        )

    async def forget_leases(self) -> None:
        """Let everything run out at once that whoever lost the database in the middle of a step holds for minutes."""
        async with self._store() as store, store.engine.begin() as connection:
            for table, until in (
                (jobs, jobs.c.lease_until),
                (levels, levels.c.taken_until),
                (sweeps, sweeps.c.taken_until),
                (report_targets, report_targets.c.retry_at),
            ):
                await connection.execute(update(table).where(until.is_not(None)).values({until: LONG_AGO}))

    async def hurry(self, sweep: str) -> None:
        """Move a sweep's last pass into the past: it is due at the worker's next look instead of minutes later."""
        async with self._store() as store, store.engine.begin() as connection:
            await connection.execute(update(sweeps).where(sweeps.c.name == sweep).values(began_at=LONG_AGO))

    async def _rows(self, query: Select[Any]) -> list[Any]:
        async with self._store() as store, store.engine.begin() as connection:
            return [tuple(row) for row in await connection.execute(query)]

    async def _left_to_do(self) -> bool:
        """Whether anything is under way or due. Deliveries come one after the other, so none is on its way then."""
        await self.sim.webhooks.settled(timeout=WAIT)
        now = SystemClock().now()
        pushing = await self._rows(select(git_operations.c.serial).where(git_operations.c.ended_at.is_(None)))
        async with self._store() as store:
            return bool(
                pushing
                or await store.deliveries.waiting(limit=1)
                or await store.jobs.due(now, limit=1)
                or await store.jobs.unconcluded(now, limit=1)
                or await store.reports.unreported(now, limit=1)
                or await store.levels.due(now, limit=1)
            )

    @contextlib.asynccontextmanager
    async def _store(self) -> AsyncIterator[SqlStore]:
        store = SqlStore.open(self.database_url, SystemClock(), SystemIds())
        try:
            yield store
        finally:
            await store.close()

    def _branches(self) -> set[str]:
        return {ref for ref in self.repository.refs if ref.startswith("refs/heads/flowforge/")}

    def _by(self, payload: Any) -> str:
        return "bot" if payload["sender"]["login"] == self.sim.bot.login else "people"


@contextlib.asynccontextmanager
async def open_world(directory: Path, *, database_url: str, redis_url: str) -> AsyncIterator[World]:
    """A pull request in conflict and a process that serves it, whose database and Redis are the caller's.

    Afterwards, what was said on the wire must be what GitHub describes, and no process is left.
    """
    await upgrade(database_url)
    gate = Gated(script=HonestResolver(answers={"fees.py": ANSWER}))
    async with (
        ScriptedModel.serve(gate, api_key="sk-of-these-outages") as model,
        Simulator.serve(directory / "forge", webhook_secret=SECRET) as sim,
        serving(directory, _environment(sim, model, database_url, redis_url)) as service,
    ):
        sim.webhooks.url = f"{service.web}/webhooks/github"
        people = sim.people
        author, maintainer = people.user("robin"), people.user("maintainer")
        repository = await people.repository(
            "acme/fees", files=BASE, roles={author: Role.WRITE, maintainer: Role.MAINTAIN}
        )
        await people.commit(repository, "feature", OURS, author=author)
        await people.commit(repository, "main", THEIRS, author=maintainer)
        pull = await people.open_pull_request(repository, author=author, head="feature", title="Another rate")
        await sim.webhooks.settled()
        yield World(
            sim=sim,
            model=model,
            gate=gate,
            service=service,
            database_url=database_url,
            repository=repository,
            pull=pull,
            maintainer=maintainer,
            before=pull.head_sha,
        )
        assert sim.errors == []
    assert list(validate_record(sim.record)) == []
    assert claude_processes() == []


def _environment(sim: Simulator, model: ScriptedModel, database_url: str, redis_url: str) -> dict[str, str]:
    gateway = free_port()
    return {
        "FLOWFORGE_ENVIRONMENT": "development",
        "FLOWFORGE_DATABASE_URL": database_url,
        "FLOWFORGE_REDIS_URL": redis_url,
        "FLOWFORGE_PORT": "0",
        "FLOWFORGE_GATEWAY_PORT": str(gateway),
        "FLOWFORGE_GATEWAY_URL": f"http://127.0.0.1:{gateway}",
        "FLOWFORGE_GITHUB_API_URL": sim.base_url,
        "FLOWFORGE_GITHUB_GIT_URL": sim.base_url,
        "FLOWFORGE_GITHUB_APP_ID": str(sim.app.id),
        "FLOWFORGE_GITHUB_APP_SLUG": sim.app.slug,
        "FLOWFORGE_GITHUB_PRIVATE_KEY": sim.app.private_key_pem,
        "FLOWFORGE_GITHUB_WEBHOOK_SECRETS": SECRET,
        "FLOWFORGE_ANTHROPIC_API_KEY": "sk-of-these-outages",
        "FLOWFORGE_ANTHROPIC_BASE_URL": model.base_url,
        "FLOWFORGE_DIRECT_CALLS": "false",
    }
