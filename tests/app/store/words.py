"""Values for the tests: people, repositories, requests."""

import hashlib
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.model.deliveries import Delivery
from bot.model.forge import Actor, ActorKind, ForgeKind, RepositoryRef
from bot.model.intents import Strategy
from bot.model.jobs import Job, JobKind, JobLease, JobRequest, JobState
from bot.model.proposals import Proposal, ProposalKind, ProposalState, ProposedFile
from bot.model.runs import ModelCall, Run, RunKind, RunLimits
from bot.ports.store import Store

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REPOSITORY = RepositoryRef(
    forge=ForgeKind.GITHUB, id=9_007_199_254_740_993, owner="acme", name="shop", installation_id=77
)
OTHER = RepositoryRef(forge=ForgeKind.GITHUB, id=12, owner="acme", name="till", installation_id=77)
ALICE = Actor(id=1, login="alice")
ROBOT = Actor(id=2, login="robot[bot]", kind=ActorKind.BOT)
CONFIG = "c" * 64
LIMITS = RunLimits(
    deadline_seconds=600,
    stall_seconds=90.5,
    budget_usd=1.5,
    max_turns=30,
    max_workspace_bytes=1 << 20,
    max_result_bytes=1 << 20,
    max_result_files=100,
    max_log_bytes=1 << 20,
)

_numbers = itertools.count(1)


class HandClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def after(self, seconds: float) -> datetime:
        return self._now + timedelta(seconds=seconds)


class CountedIds:
    """Ids that a test can tell apart and no two tests share."""

    def new_id(self) -> str:
        return f"{next(_numbers):032x}"

    def new_token(self) -> str:
        return sha256(self.new_id())


def new_id() -> str:
    return CountedIds().new_id()


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def delivery(delivery_id: str = "d-1", **changes: Any) -> Delivery:
    made = Delivery(
        forge=ForgeKind.GITHUB,
        delivery_id=delivery_id,
        event="issue_comment",
        headers={"X-GitHub-Event": "issue_comment"},
        body=b'{"action":"created"}',
        received_at=START,
    )
    return replace(made, **changes)


def request(origin_key: str | None = None, **changes: Any) -> JobRequest:
    made = JobRequest(
        kind=JobKind.RESOLVE,
        origin_key=origin_key or f"comment:{new_id()}",
        repository=REPOSITORY,
        number=7,
        requested_by=ALICE,
        comment_id=55,
        instructions="keep both",
        strategy=Strategy.MERGE,
        budget_usd=1.5,
        model="claude-test",
        dry_run=False,
        config_version=CONFIG,
        head_ref="feature",
        head_sha=sha1("head"),
        base_ref="main",
    )
    return replace(made, **changes)


async def new_job(store: Store, **changes: Any) -> Job:
    """A queued job; its configuration is kept first, as it must be."""
    await store.registry.config_version(REPOSITORY, CONFIG, "version: 1\n")
    made = await store.jobs.create(request(**changes), job_id=new_id())
    assert made is not None
    return made


async def claimed(store: Store, job_id: str, *, owner: str = "worker-1", seconds: float = 60) -> JobLease:
    lease = await store.jobs.claim(job_id, owner=owner, seconds=seconds)
    assert lease is not None
    return lease


async def moved(store: Store, lease: JobLease, *states: JobState) -> JobLease:
    for state in states:
        lease = await store.jobs.move(lease, state)
    return lease


async def new_run(store: Store, job: Job, *, token: str | None = None, kind: RunKind = RunKind.AGENT) -> Run:
    run_id = new_id()
    return await store.runs.create(
        run_id=run_id,
        job=job,
        token_sha256=sha256(token or run_id),
        model="claude-test",
        limits=LIMITS,
        kind=kind,
    )


def proposal(job: Job, **changes: Any) -> Proposal:
    made = Proposal(
        id=new_id(),
        job_id=job.id,
        kind=ProposalKind.MERGE,
        state=ProposalState.OPEN,
        branch=f"flowforge/7-{job.short_id}",
        commit=sha1("commit"),
        tree=sha1("tree"),
        parents=(sha1("head"), sha1("base")),
        head_sha=sha1("head"),
        base_sha=sha1("base"),
        diff_sha256=sha256("diff"),
        files=(ProposedFile(path="src/a b.py", kind="content", resolver="agent", reasons=("both lines", "\ud83d")),),
        created_at=START,
    )
    return replace(made, **changes)


def model_call(run_id: str, **changes: Any) -> ModelCall:
    made = ModelCall(
        run_id=run_id,
        model="claude-test",
        status=200,
        request_bytes=4700,
        input_tokens=10,
        output_tokens=20,
        cache_write_tokens=30,
        cache_read_tokens=40,
        cost_usd=0.25,
        started_at=START,
        duration_ms=1200,
    )
    return replace(made, **changes)
