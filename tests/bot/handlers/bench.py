"""Jobs on a bench: real database, real git, a simulated forge; the test is the worker, and holds the clock.

Nothing happens by itself: deliveries arrive through the real web service, and ``work`` does what is due, as workers do
that never miss a ring. Sandboxes are puppets.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import SecretStr

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.record import Exchange
from app.demo.simulator.server import ForgeSimulator, Simulator
from app.demo.simulator.state import Account, CheckRun, Comment, PullRequest, Repository, Role
from app.http.server import bind, serving, url_of
from app.settings import Environment, ServiceSettings
from app.store.database import SqlStore
from app.wiring import FlowForge, open_flowforge
from bot.model.forge import ForgeKind, RepositoryRef
from bot.model.jobs import Job, JobState
from bot.model.runs import RunOutcome
from tests.bot.handlers.puppet import Puppet, PuppetRunner, send_result
from tests.contracts import github, gitlab
from tests.scenarios.play import ANSWER, BASE, OURS, THEIRS

SECRET = "the webhook secret of this bench"
WAIT = 60.0
_ROUNDS = 30


@dataclass(slots=True)
class HandClock:
    """A clock that stands still until it is moved."""

    time: datetime = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass(slots=True)
class HandTimer:
    """Pauses that take no time: the bench's clock moves by hand, and this goes on with it and with each pause."""

    clock: HandClock
    slept: float = 0.0

    def monotonic(self) -> float:
        return self.clock.time.timestamp() + self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        await asyncio.sleep(0)


@dataclass(slots=True, kw_only=True)
class ForgeBench:
    """One pull request in conflict, its people, and the instance that serves it."""

    sim: ForgeSimulator
    instance: FlowForge
    settings: ServiceSettings
    clock: HandClock
    runner: PuppetRunner
    repository: Repository
    pull: PullRequest
    author: Account
    maintainer: Account
    stranger: Account
    errors: list[Exception] = field(default_factory=list)

    @property
    def store(self) -> SqlStore:
        return self.instance.store

    @property
    def ref(self) -> RepositoryRef:
        return RepositoryRef(
            forge=ForgeKind.GITLAB,
            id=self.repository.id,
            owner=self.repository.owner.login,
            name=self.repository.name,
            installation_id=0,
        )

    # What people do.

    def say(self, body: str, *, who: Account | None = None) -> Comment:
        return self.sim.people.comment(self.pull, who or self.maintainer, body)

    async def arrived(self) -> None:
        """Wait until the web service took in what people did."""
        await self.sim.webhooks.settled(timeout=WAIT)

    # What a worker does.

    async def work(self) -> None:
        """Do all that is due at this moment, and what comes of it. Errors of ticks are kept in ``errors``."""
        failed: set[tuple[str, str]] = set()
        for _ in range(_ROUNDS):
            await self.arrived()
            due = [key for key in await self.due() if key not in failed]
            if not due:
                return
            for kind, key in due:
                if not await self.tick(kind, key):
                    failed.add((kind, key))
        raise AssertionError(f"there is no end of work: {due}")

    async def due(self) -> list[tuple[str, str]]:
        now = self.clock.now()
        deliveries = [f"{forge}:{key}" for forge, key in await self.store.deliveries.waiting(limit=100)]
        jobs = [*await self.store.jobs.due(now, limit=100), *await self.store.jobs.unconcluded(now, limit=100)]
        reports = await self.store.reports.unreported(now, limit=100)
        levels = [(kind.value, key) for kind, key in await self.store.levels.due(now, limit=100)]
        kinds = (("job", jobs), ("report", reports))
        rings = [(kind, key) for kind, keys in kinds for key in dict.fromkeys(keys)]
        return [*(("delivery", key) for key in deliveries), *levels, *rings]

    async def tick(self, kind: str, key: str) -> bool:
        """One call of a worker. False when it failed."""
        try:
            await self.instance.ticks.on[kind](key)
        except Exception as error:  # noqa: BLE001 - the worker's own tick logs it; here the test looks at it
            self.errors.append(error)
            return False
        return True

    async def until_running(self, body: str = "/flowforge resolve") -> Job:
        """Ask for a resolution and get as far as the sandbox."""
        self.say(body)
        await self.work()
        job = await self.job()
        assert job.state is JobState.RUNNING, (job.state, job.message, self.errors)
        return job

    async def until_proposed(self) -> Job:
        """Ask for a resolution and get as far as the proposal."""
        await self.until_running()
        await self.finish()
        await self.work()
        job = await self.job()
        assert job.state is JobState.AWAITING_APPROVAL, (job.state, job.message, self.errors)
        return job

    async def finish(
        self,
        changed: Mapping[str, bytes] | None = None,
        *,
        deleted: Sequence[str] = (),
        puppet: Puppet | None = None,
    ) -> bool:
        """Let the last sandbox end with a good answer, and wait until its supervisor has seen to it."""
        puppet = puppet or self.runner.last
        answer = {"fees.py": ANSWER.encode()} if changed is None else changed
        accepted = await send_result(self.store, puppet, self.clock.now(), answer, deleted)
        await self.ended(puppet)
        return accepted

    async def ended(self, puppet: Puppet | None = None) -> None:
        async with asyncio.timeout(WAIT):
            await (puppet or self.runner.last).forgotten.wait()

    # What there is to see.

    async def job(self) -> Job:
        job = await self.store.jobs.latest(self.ref, self.pull.number)
        assert job is not None
        return job

    async def outcome(self) -> RunOutcome | None:
        run = await self.store.runs.latest((await self.job()).id)
        return None if run is None else run.outcome

    @property
    def head(self) -> str:
        return self.repository.refs["refs/heads/feature"]

    @property
    def branches(self) -> dict[str, str]:
        return {ref: sha for ref, sha in self.repository.refs.items() if ref.startswith("refs/heads/flowforge/")}

    @property
    def comments(self) -> list[str]:
        return [one.body for one in self.sim.comments(self.pull, self.sim.bot)]

    @property
    def stickies(self) -> list[str]:
        return [body for body in self.comments if "<!-- flowforge:sticky" in body]

    def asked(self, method: str | None = None, path: str = "") -> list[Exchange]:
        """The requests of the bot with that method and that part of a path."""
        return self.sim.record.requests(method, path)


@dataclass(slots=True, kw_only=True)
class Bench(ForgeBench):
    """The bench at GitHub."""

    sim: Simulator

    @property
    def ref(self) -> RepositoryRef:
        installation = self.sim.world.installation_for(self.repository)
        return RepositoryRef(
            forge=ForgeKind.GITHUB,
            id=self.repository.id,
            owner=self.repository.owner.login,
            name=self.repository.name,
            installation_id=0 if installation is None else installation.id,
        )

    @property
    def check_runs(self) -> list[CheckRun]:
        return self.sim.check_runs(self.repository)


@dataclass(slots=True, kw_only=True)
class GitLabBench(ForgeBench):
    """The bench at GitLab."""

    sim: GitLabSimulator


def settings_of(
    directory: Path, sim: ForgeSimulator, database_url: str, overrides: Mapping[str, object]
) -> ServiceSettings:
    """Settings of an instance that has no Redis: every ring is lost."""
    return ServiceSettings.model_validate(
        {
            "environment": Environment.DEVELOPMENT,
            "data_dir": directory / "data",
            "database_url": SecretStr(database_url),
            "redis_url": SecretStr(f"unix://{directory / 'no-redis'}"),
            "gateway_url": "http://127.0.0.1:9",
            "direct_calls": False,
            **(_of_github(sim) if isinstance(sim, Simulator) else {}),
            **(_of_gitlab(sim) if isinstance(sim, GitLabSimulator) else {}),
            # Tests jump over leases; only what is about silence and deadlines should meet these.
            "stall_timeout_seconds": 3000,
            "run_timeout_seconds": 6000,
            **overrides,
        },
    )


def _of_github(sim: Simulator) -> dict[str, object]:
    return {
        "github_api_url": sim.base_url,
        "github_git_url": sim.base_url,
        "github_app_id": sim.app.id,
        "github_app_slug": sim.app.slug,
        "github_private_key": SecretStr(sim.app.private_key_pem),
        "github_webhook_secrets": (SecretStr(SECRET),),
    }


def _of_gitlab(sim: GitLabSimulator) -> dict[str, object]:
    return {
        "gitlab_url": sim.base_url,
        "gitlab_token": SecretStr(sim.token),
        "gitlab_webhook_secrets": (SecretStr(SECRET),),
    }


@contextlib.asynccontextmanager
async def open_bench(
    directory: Path,
    database_url: str,
    *,
    base: Mapping[str, str] = BASE,
    ours: Mapping[str, str | None] = OURS,
    theirs: Mapping[str, str | None] = THEIRS,
    overrides: Mapping[str, object] | Callable[[Simulator], Mapping[str, object]] = MappingProxyType({}),
) -> AsyncIterator[Bench]:
    """A bench at GitHub; afterwards, what was said on the wire must be what GitHub describes."""
    async with _standing(ForgeKind.GITHUB, directory, database_url, (base, ours, theirs), overrides) as parts:
        yield Bench(**parts)
    faults = list(github.validate_record(parts["sim"].record))
    assert not faults, faults[:3]


@contextlib.asynccontextmanager
async def open_gitlab_bench(
    directory: Path,
    database_url: str,
    *,
    base: Mapping[str, str] = BASE,
    ours: Mapping[str, str | None] = OURS,
    theirs: Mapping[str, str | None] = THEIRS,
    overrides: Mapping[str, object] | Callable[[GitLabSimulator], Mapping[str, object]] = MappingProxyType({}),
) -> AsyncIterator[GitLabBench]:
    """A bench at GitLab; afterwards, what was said on the wire must be what GitLab documents."""
    async with _standing(ForgeKind.GITLAB, directory, database_url, (base, ours, theirs), overrides) as parts:
        yield GitLabBench(**parts)
    faults = list(gitlab.validate_record(parts["sim"].record))
    assert not faults, faults[:3]


@contextlib.asynccontextmanager
async def _standing(
    kind: ForgeKind,
    directory: Path,
    database_url: str,
    files: tuple[Mapping[str, str], Mapping[str, str | None], Mapping[str, str | None]],
    overrides: Mapping[str, object] | Callable[[Any], Mapping[str, object]],
) -> AsyncIterator[dict[str, Any]]:
    """The fields of a bench."""
    (directory / "data").mkdir(parents=True, exist_ok=True)
    clock, runner, listener = HandClock(), PuppetRunner(), bind("127.0.0.1", 0)
    url = url_of(listener)
    base, ours, theirs = files
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        simulator = Simulator if kind is ForgeKind.GITHUB else GitLabSimulator
        sim: ForgeSimulator = await stack.enter_async_context(
            simulator.serve(
                directory / "forge",
                webhook_secret=SECRET,
                webhook_url=f"{url}/webhooks/{kind}",
                clock=clock,
            ),
        )
        settings = settings_of(directory, sim, database_url, overrides(sim) if callable(overrides) else overrides)
        opened = open_flowforge(settings, worker="bench", clock=clock, runner=runner, timer=HandTimer(clock))
        instance = await stack.enter_async_context(opened)
        await stack.enter_async_context(serving(instance.service, listener))
        people = sim.people
        author, maintainer, stranger = people.user("robin"), people.user("maintainer"), people.user("stranger")
        repository = await people.repository(
            "acme/fees",
            files=base,
            roles={author: Role.WRITE, maintainer: Role.MAINTAIN, stranger: Role.READ},
        )
        await people.commit(repository, "feature", ours, author=author)
        await people.commit(repository, "main", theirs, author=maintainer)
        pull = await people.open_pull_request(repository, author=author, head="feature", title="Another rate")
        yield {
            "sim": sim,
            "instance": instance,
            "settings": settings,
            "clock": clock,
            "runner": runner,
            "repository": repository,
            "pull": pull,
            "author": author,
            "maintainer": maintainer,
            "stranger": stranger,
        }
        assert sim.errors == []
