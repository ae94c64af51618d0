"""Whatever happens to jobs, in whatever order: what must never happen does not."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Row, select

from app.store.database import SqlStore
from app.store.tables import jobs, runs
from bot.errors import FencingLostError, IllegalTransitionError
from bot.model.jobs import TERMINAL, TRANSITIONS, Job, JobLease, JobState
from bot.model.runs import RunOutcome, RunState
from tests.app.store.backends import Backend
from tests.app.store.words import ALICE, CONFIG, REPOSITORY, CountedIds, HandClock, new_id, new_run, request

T = TypeVar("T")
PICK = st.integers(min_value=0, max_value=10_000)
NEAR = st.integers(min_value=0, max_value=2)


class JobMachine(RuleBasedStateMachine):
    """Two users of one database do to the jobs of two pull requests all that can be done."""

    backend: Backend

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.clock = HandClock()
        self.jobs: list[str] = []
        self.leases: list[JobLease] = []
        self.holders: dict[str, JobLease | None] = {}
        self.rows: dict[str, Row[Any]] = {}
        self.ended: dict[str, dict[str, Any]] = {}
        self.fencing: dict[str, int] = {}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    @initialize()
    def open(self) -> None:
        self.url = self.do(self.backend.fresh())
        self.stores = [SqlStore.open(self.url, self.clock, CountedIds()) for _ in range(2)]
        self.do(self.store(0).registry.config_version(REPOSITORY, CONFIG, ""))

    def teardown(self) -> None:
        try:
            self.nothing_is_stuck()
            assert self.do(self.store(0).audit.first_broken()) is None
        finally:
            for store in self.stores:
                self.do(store.close())
            self.do(self.backend.drop(self.url))
            self.loop.close()

    def store(self, pick: int) -> SqlStore:
        return self.stores[pick % 2]

    def job(self, job_id: str) -> Job:
        found = self.do(self.store(0).jobs.get(job_id))
        assert found is not None
        return found

    def waits(self, job_id: str) -> bool:
        """By the rule that people know: an older job of the pull request has not ended."""
        mine = self.rows[job_id]
        return any(
            row.number == mine.number and row.serial < mine.serial and row.finished_at is None
            for row in self.rows.values()
        )

    def leased(self, job_id: str) -> bool:
        holder = self.holders.get(job_id)
        return holder is not None and holder.until > self.clock.now()

    # --- what happens

    @rule(who=PICK, number=st.integers(1, 2), supersede=st.booleans())
    def create(self, who: int, number: int, supersede: bool) -> None:
        store = self.store(who)
        active = self.do(store.jobs.active(REPOSITORY, number))
        older = active.id if supersede and active is not None else None
        made = self.do(store.jobs.create(request(number=number), job_id=new_id(), supersede=older))
        assert (made is None) == (active is not None and not supersede)
        if made is not None:
            self.jobs.append(made.id)

    @precondition(lambda self: self.jobs)
    @rule(who=PICK, which=NEAR, seconds=st.sampled_from([10, 60]))
    def claim(self, who: int, which: int, seconds: int) -> None:
        job_id = self.jobs[-1 - which % len(self.jobs)]
        free = self.job(job_id).state not in TERMINAL and not self.waits(job_id) and not self.leased(job_id)
        lease = self.do(self.store(who).jobs.claim(job_id, owner=f"worker-{who % 2}", seconds=seconds))
        assert (lease is not None) == free
        if lease is not None:
            self.leases.append(lease)
            self.holders[job_id] = lease

    @precondition(lambda self: self.leases)
    @rule(who=PICK, which=NEAR, step=PICK, any_step=st.booleans())
    def move(self, who: int, which: int, step: int, any_step: bool) -> None:
        lease = self.leases[-1 - which % len(self.leases)]
        ways = sorted(JobState if any_step else TRANSITIONS[lease.job.state])
        assume(ways)
        to = ways[step % len(ways)]
        before = self.job(lease.job.id)
        holder = self.holders[lease.job.id]
        held = holder is not None and holder.fencing == lease.fencing
        allowed = held and before.state is lease.job.state and to in TRANSITIONS[before.state]
        try:
            moved = self.do(self.store(who).jobs.move(lease, to))
        except (FencingLostError, IllegalTransitionError):
            assert not allowed
            assert self.job(lease.job.id) == before, "who may not write has written"
        else:
            assert allowed, "a lease that was lost has written"
            assert moved.job.state is to
            self.leases.append(moved)

    @precondition(lambda self: self.leases)
    @rule(who=PICK, which=NEAR)
    def release(self, who: int, which: int) -> None:
        lease = self.leases[-1 - which % len(self.leases)]
        self.do(self.store(who).jobs.release(lease))
        holder = self.holders[lease.job.id]
        if holder is not None and holder.fencing == lease.fencing:
            self.holders[lease.job.id] = None

    @precondition(lambda self: self.leases)
    @rule(who=PICK, which=NEAR, retry=st.booleans())
    def execute(self, who: int, which: int, retry: bool) -> None:
        lease = self.leases[-1 - which % len(self.leases)]
        store = self.store(who)
        before = self.job(lease.job.id)
        holder = self.holders[lease.job.id]
        held = holder is not None and holder.fencing == lease.fencing and before.state not in TERMINAL
        try:
            if retry:
                self.do(store.jobs.set_retry(lease, not_before=self.clock.after(30), error="away"))
            else:
                assert self.do(store.jobs.begin_execution(lease, worker="w")) == before.attempt + 1
        except FencingLostError:
            assert not held
            assert self.job(lease.job.id) == before
        else:
            assert held

    @precondition(lambda self: self.jobs)
    @rule(who=PICK, which=NEAR, state=st.sampled_from([JobState.CANCELLED, JobState.SUPERSEDED]))
    def request_end(self, who: int, which: int, state: JobState) -> None:
        job_id = self.jobs[-1 - which % len(self.jobs)]
        before = self.job(job_id)
        after = self.do(self.store(who).jobs.request_end(job_id, state, actor=ALICE, message=""))
        assert (after is None) == (before.state in TERMINAL)
        if after is not None:
            assert after.cancel_requested is (before.cancel_requested or state)
            assert not (after.state in TERMINAL and self.leased(job_id)), "a held job was ended under its worker"

    @precondition(lambda self: self.jobs)
    @rule(who=PICK, which=NEAR, start=st.booleans())
    def run(self, who: int, which: int, start: bool) -> None:
        job = self.job(self.jobs[-1 - which % len(self.jobs)])
        store = self.store(who)
        free = job.state not in TERMINAL and not self.waits(job.id)
        try:
            made = self.do(new_run(store, job))
        except FencingLostError:
            assert not free
            return
        assert free
        if start:
            deadline = self.clock.after(600)
            self.do(store.runs.started(made.id, owner="s", deadline=deadline, lease_until=deadline))

    @precondition(lambda self: self.jobs)
    @rule(who=PICK, which=NEAR)
    def end_run(self, who: int, which: int) -> None:
        store = self.store(who)
        latest = self.do(store.runs.latest(self.jobs[-1 - which % len(self.jobs)]))
        if latest is not None:
            self.do(store.runs.ended(latest.id, RunOutcome.SUCCEEDED, detail=""))

    @rule(seconds=st.sampled_from([1, 10, 60, 200]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def sweep(self) -> None:
        for job_id in self.do(self.store(0).jobs.due(self.clock.now(), limit=100)):
            row = self.rows[job_id]
            assert row.finished_at is None
            assert row.waits_for is None
            assert not self.leased(job_id)
            assert row.state is not JobState.AWAITING_APPROVAL or row.cancel_requested is not None

    # --- what always holds

    @invariant()
    def all_rules_hold(self) -> None:
        self.do(self.look())
        self.what_ended_never_changes()
        self.one_job_of_a_pull_request_works_and_one_may_wait()
        self.fencing_only_grows()

    async def look(self) -> None:
        unasked = (
            select(runs.c.id)
            .join(jobs, jobs.c.id == runs.c.job_id)
            .where(jobs.c.finished_at.is_not(None), runs.c.state != RunState.ENDED, runs.c.stop_requested.is_(None))
        )
        async with self.store(0).engine.connect() as connection:
            self.rows = {row.id: row for row in await connection.execute(select(jobs).order_by(jobs.c.serial))}
            assert (await connection.execute(unasked)).all() == [], "a run goes on after its job, and nobody asks it"

    def what_ended_never_changes(self) -> None:
        for job_id, row in self.rows.items():
            assert (row.finished_at is not None) == (row.state in TERMINAL)
            if row.state in TERMINAL:
                # the lease may still be given back
                kept = dict(row._mapping) | {"lease_owner": None, "lease_until": None}
                assert self.ended.setdefault(job_id, kept) == kept

    def one_job_of_a_pull_request_works_and_one_may_wait(self) -> None:
        for number in (1, 2):
            active = [row for row in self.rows.values() if row.number == number and row.finished_at is None]
            assert len(active) <= 2
            assert len([row for row in active if row.waits_for is None]) <= 1
            for row in active:
                assert (row.waits_for is not None) == self.waits(row.id)
                assert row.waits_for is None or self.rows[row.waits_for].finished_at is None

    def fencing_only_grows(self) -> None:
        for job_id, row in self.rows.items():
            assert row.fencing >= self.fencing.get(job_id, 0)
            self.fencing[job_id] = row.fencing

    def nothing_is_stuck(self) -> None:
        """Once every run ended and every lease ran out, each job waits for a worker, a person or another job."""
        store = self.store(0)
        self.clock.advance(3600)
        for run in self.do(store.runs.abandoned(self.clock.now())):
            self.do(store.runs.ended(run.id, RunOutcome.INFRA_RETRYABLE, detail=""))
        due = set(self.do(store.jobs.due(self.clock.now(), limit=100)))
        for job_id, row in self.rows.items():
            asked_person = row.state is JobState.AWAITING_APPROVAL and row.cancel_requested is None
            waits = row.waits_for is not None
            assert (job_id in due) == (row.finished_at is None and not waits and not asked_person)


def test_jobs_hold_their_rules_whatever_happens(backend: Backend) -> None:
    here = backend

    class Machine(JobMachine):
        backend = here

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
