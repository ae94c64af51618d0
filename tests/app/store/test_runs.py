"""Runs: supervision, and the one-time hand-outs."""

import asyncio
from dataclasses import replace

import pytest

from app.store.database import SqlStore
from app.store.job_rows import START_GRACE
from bot.errors import FencingLostError, StoreError
from bot.model.jobs import JobState
from bot.model.runs import MODEL_KINDS, RESOLVING_KINDS, ModelGrant, RunKind, RunOutcome, RunState, Usage
from tests.app.store.words import (
    ALICE,
    LIMITS,
    REPOSITORY,
    START,
    HandClock,
    claimed,
    model_call,
    new_id,
    new_job,
    new_run,
    sha256,
)


async def run_of_new_job(store: SqlStore, token: str | None = None, **changes: object) -> str:
    job = await new_job(store, **changes)
    return (await new_run(store, job, token=token)).id


async def started(store: SqlStore, clock: HandClock, token: str | None = None) -> str:
    run_id = await run_of_new_job(store, token)
    await store.runs.started(run_id, owner="s-1", deadline=clock.after(600), lease_until=clock.after(30))
    return run_id


async def test_a_run_comes_back_as_it_was_made(store: SqlStore) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id)
    await store.jobs.begin_execution(lease, worker="w")
    run = await new_run(store, job)
    assert run == await store.runs.get(run.id) == await store.runs.latest(job.id)
    assert (run.job_id, run.attempt, run.state, run.limits) == (job.id, 1, RunState.CREATED, LIMITS)
    assert (run.outcome, run.detail, run.stop_requested) == (None, "", None)
    assert (run.started_at, run.deadline_at, run.ended_at) == (None, None, None)
    second = await new_run(store, job)
    assert await store.runs.latest(job.id) == second


async def test_a_direct_call_is_not_the_latest_run_in_a_sandbox(store: SqlStore) -> None:
    job = await new_job(store)
    agent = await new_run(store, job)
    direct = await new_run(store, job, kind=RunKind.DIRECT)
    assert await store.runs.get(direct.id) == direct
    assert (agent.kind, direct.kind) == (RunKind.AGENT, RunKind.DIRECT)
    assert await store.runs.latest(job.id) == agent
    made_anew = await new_run(store, job, kind=RunKind.REGENERATE)
    assert await store.runs.latest(job.id) == made_anew
    tests = await new_run(store, job, kind=RunKind.TEST)
    assert await store.runs.latest(job.id) == tests
    assert await store.runs.latest(job.id, kinds=RESOLVING_KINDS) == made_anew
    assert await store.runs.latest(job.id, kinds=[RunKind.AGENT]) == agent


async def test_an_unknown_run_is_none(store: SqlStore, clock: HandClock) -> None:
    assert await store.runs.get(new_id()) is None
    assert await store.runs.latest(new_id()) is None
    assert await store.runs.result(new_id()) is None
    assert await store.runs.take_workspace(new_id(), sha256("t")) is None
    assert not await store.runs.accept_result(new_id(), sha256("t"), b"")
    with pytest.raises(StoreError):
        await store.runs.heartbeat(new_id(), owner="s", lease_until=clock.now())


async def test_a_run_is_started_once(store: SqlStore, clock: HandClock) -> None:
    run_id = await started(store, clock)
    clock.advance(5)
    await store.runs.started(run_id, owner="s-2", deadline=clock.after(9), lease_until=clock.after(9))
    run = await store.runs.get(run_id)
    assert run is not None
    assert (run.state, run.started_at, run.deadline_at) == (RunState.STARTED, START, clock.after(595))


async def test_the_first_end_counts(store: SqlStore, clock: HandClock) -> None:
    run_id = await started(store, clock)
    await store.runs.ended(run_id, RunOutcome.TIMED_OUT, detail="600 s")
    clock.advance(1)
    await store.runs.ended(run_id, RunOutcome.SUCCEEDED, detail="late")
    await store.runs.request_stop(run_id, RunOutcome.CANCELLED)
    await store.runs.started(run_id, owner="s-2", deadline=clock.after(9), lease_until=clock.after(9))
    run = await store.runs.get(run_id)
    assert run is not None
    assert (run.state, run.outcome, run.detail, run.ended_at) == (
        RunState.ENDED,
        RunOutcome.TIMED_OUT,
        "600 s",
        START,
    )
    assert run.stop_requested is None


async def test_the_first_request_to_stop_counts(store: SqlStore, clock: HandClock) -> None:
    run_id = await started(store, clock, "token")
    beat = clock.after(30)
    assert await store.runs.heartbeat(run_id, owner="s-1", lease_until=beat) is None
    await store.runs.request_stop(run_id, RunOutcome.BUDGET_EXHAUSTED)
    await store.runs.request_stop(run_id, RunOutcome.CANCELLED)
    assert await store.runs.heartbeat(run_id, owner="s-1", lease_until=beat) is RunOutcome.BUDGET_EXHAUSTED
    grant = await store.ledger.grant(sha256("token"))
    assert grant is not None
    assert grant.stop_requested is RunOutcome.BUDGET_EXHAUSTED


async def test_a_run_without_heartbeats_is_abandoned_and_can_be_taken_over(store: SqlStore, clock: HandClock) -> None:
    run_id = await started(store, clock)
    clock.advance(20)
    await store.runs.heartbeat(run_id, owner="s-1", lease_until=clock.after(30))
    clock.advance(29)
    assert await store.runs.abandoned(clock.now()) == []
    with pytest.raises(FencingLostError):
        await store.runs.heartbeat(run_id, owner="s-2", lease_until=clock.after(30))
    clock.advance(1)
    assert [run.id for run in await store.runs.abandoned(clock.now())] == [run_id]
    assert await store.runs.heartbeat(run_id, owner="s-2", lease_until=clock.after(30)) is None
    assert await store.runs.abandoned(clock.now()) == []
    with pytest.raises(FencingLostError):
        await store.runs.heartbeat(run_id, owner="s-1", lease_until=clock.after(30))


async def test_of_several_supervisors_one_takes_an_abandoned_run(
    store: SqlStore, neighbour: SqlStore, clock: HandClock
) -> None:
    run_id = await started(store, clock)
    clock.advance(30)
    answers = await asyncio.gather(
        *(
            each.runs.heartbeat(run_id, owner=f"s-{index}-{each is store}", lease_until=clock.after(30))
            for each in (store, neighbour)
            for index in range(5)
        ),
        return_exceptions=True,
    )
    assert answers.count(None) == 1
    assert all(answer is None or isinstance(answer, FencingLostError) for answer in answers)


async def test_a_supervisor_learns_that_its_run_ended(store: SqlStore, clock: HandClock) -> None:
    run_id = await started(store, clock)
    await store.runs.ended(run_id, RunOutcome.INFRA_RETRYABLE, detail="")
    answer = await store.runs.heartbeat(run_id, owner="s-1", lease_until=clock.after(30))
    assert answer is RunOutcome.INFRA_RETRYABLE
    assert await store.runs.abandoned(clock.after(3600)) == []


async def test_runs_that_were_never_started_are_not_abandoned(store: SqlStore, clock: HandClock) -> None:
    await run_of_new_job(store)
    assert await store.runs.abandoned(clock.after(3600)) == []


async def test_a_run_that_nobody_started_ends_and_its_workspace_goes(store: SqlStore, clock: HandClock) -> None:
    forgotten = await run_of_new_job(store, "token")
    await store.runs.put_workspace(forgotten, b"workspace")
    cancelled = await run_of_new_job(store, number=8)
    await store.runs.request_stop(cancelled, RunOutcome.CANCELLED)
    held = await run_of_new_job(store, number=9)
    run = await store.runs.get(held)
    assert run is not None
    lease = await claimed(store, run.job_id, seconds=300)
    begun = await run_of_new_job(store, number=10)
    await store.runs.started(begun, owner="s-1", deadline=clock.after(600), lease_until=clock.after(30))
    clock.advance(START_GRACE.total_seconds() - 1)
    assert await store.runs.end_unstarted(clock.now()) == 0, "its maker may be slow"
    fresh = await run_of_new_job(store, number=11)
    clock.advance(1)
    assert await store.runs.end_unstarted(clock.now()) == 2
    found = [await store.runs.get(run_id) for run_id in (forgotten, cancelled, held, begun, fresh)]
    assert [one and one.outcome for one in found] == [
        RunOutcome.INFRA_RETRYABLE,
        RunOutcome.CANCELLED,
        None,
        None,
        None,
    ]
    assert await archives(store) == []
    assert found[0] is not None
    assert await store.runs.lost(found[0].job_id, RunKind.AGENT) == 0, "no sandbox was lost"
    await store.jobs.release(lease)
    clock.advance(START_GRACE.total_seconds())
    assert await store.runs.end_unstarted(clock.now()) == 2
    assert await store.runs.end_unstarted(clock.now()) == 0


async def archives(store: SqlStore) -> list[tuple[str, str]]:
    async with store.engine.connect() as connection:
        rows = (await connection.exec_driver_sql("SELECT run_id, kind FROM run_archives ORDER BY run_id, kind")).all()
    return [(row.run_id, row.kind) for row in rows]


async def test_what_a_sandbox_sent_is_kept_for_a_while_after_its_job_ended(store: SqlStore, clock: HandClock) -> None:
    old, newer, going = [await run_of_new_job(store, f"token {number}", number=number) for number in (7, 8, 9)]
    for number, run_id in ((7, old), (8, newer), (9, going)):
        assert await store.runs.accept_result(run_id, sha256(f"token {number}"), b"result")
        await store.runs.ended(run_id, RunOutcome.SUCCEEDED, detail="")
    for run_id in (old, newer):
        run = await store.runs.get(run_id)
        assert run is not None
        await store.jobs.request_end(run.job_id, JobState.CANCELLED, actor=ALICE, message="")
        clock.advance(3600)
    assert await store.runs.drop_results(clock.after(-7201)) == 0
    assert await store.runs.drop_results(clock.after(-7199)) == 1
    assert [await store.runs.result(run_id) for run_id in (old, newer, going)] == [None, b"result", b"result"]
    assert await store.runs.drop_results(clock.after(1)) == 1
    assert await store.runs.result(going) == b"result", "its job has not ended"


async def test_lost_sandboxes_are_counted_by_what_they_did(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    for kind in (RunKind.AGENT, RunKind.TEST, RunKind.TEST, RunKind.DIRECT):
        run = await new_run(store, job, kind=kind)
        await store.runs.started(run.id, owner="s-1", deadline=clock.after(600), lease_until=clock.after(30))
        await store.runs.ended(run.id, RunOutcome.INFRA_RETRYABLE, detail="")
    assert [await store.runs.lost(job.id, kind) for kind in (RunKind.AGENT, RunKind.TEST, RunKind.REGENERATE)] == [
        1,
        2,
        0,
    ]


async def test_the_workspace_is_handed_out_once(store: SqlStore, neighbour: SqlStore) -> None:
    run_id = await run_of_new_job(store, "token")
    assert await store.runs.take_workspace(run_id, sha256("token")) is None
    await store.runs.put_workspace(run_id, b"first")
    await store.runs.put_workspace(run_id, b"second\x00")
    taken = await asyncio.gather(
        *(each.runs.take_workspace(run_id, sha256("token")) for each in (store, neighbour) for _ in range(10)),
    )
    assert sorted(taken, key=bool) == [None] * 19 + [b"second\x00"]
    await store.runs.put_workspace(run_id, b"third")
    assert await store.runs.take_workspace(run_id, sha256("token")) is None


async def test_the_result_is_accepted_once(store: SqlStore, neighbour: SqlStore) -> None:
    run_id = await run_of_new_job(store, "token")
    assert await store.runs.result(run_id) is None
    accepted = await asyncio.gather(
        *(
            each.runs.accept_result(run_id, sha256("token"), b"%d" % index)
            for each in (store, neighbour)
            for index in range(10)
        ),
    )
    assert accepted.count(True) == 1
    kept = await store.runs.result(run_id)
    assert kept == b"%d" % (accepted.index(True) % 10)


async def test_a_result_is_waited_for_until_it_came_or_the_run_is_to_end(store: SqlStore, clock: HandClock) -> None:
    run_id, other = await started(store, clock, "token"), await run_of_new_job(store, "other", number=8)
    assert await store.runs.awaits_result(run_id, sha256("token"))
    assert not await store.runs.awaits_result(run_id, sha256("other"))
    assert not await store.runs.awaits_result(new_id(), sha256("token"))
    assert await store.runs.accept_result(run_id, sha256("token"), b"result")
    assert not await store.runs.awaits_result(run_id, sha256("token"))
    assert await store.runs.awaits_result(other, sha256("other"))
    await store.runs.request_stop(other, RunOutcome.CANCELLED)
    assert not await store.runs.awaits_result(other, sha256("other"))


async def test_a_token_opens_its_own_run_only(store: SqlStore) -> None:
    mine = await run_of_new_job(store, "mine")
    other = await run_of_new_job(store, "other", number=8)
    for run_id in (mine, other):
        await store.runs.put_workspace(run_id, run_id.encode())
    assert await store.runs.take_workspace(other, sha256("mine")) is None
    assert not await store.runs.accept_result(other, sha256("mine"), b"poison")
    assert await store.runs.take_workspace(other, "mine") is None, "the hash, not the token"
    assert await store.runs.take_workspace(other, sha256("other")) == other.encode()
    assert await store.runs.take_workspace(mine, sha256("mine")) == mine.encode()


@pytest.mark.parametrize("how", ["ended", "stopping"])
async def test_an_ended_or_stopping_run_gets_and_gives_nothing(store: SqlStore, clock: HandClock, how: str) -> None:
    run_id = await started(store, clock, "token")
    await store.runs.put_workspace(run_id, b"workspace")
    if how == "ended":
        await store.runs.ended(run_id, RunOutcome.TIMED_OUT, detail="")
    else:
        await store.runs.request_stop(run_id, RunOutcome.CANCELLED)
    assert await store.runs.take_workspace(run_id, sha256("token")) is None
    assert not await store.runs.accept_result(run_id, sha256("token"), b"late")
    assert await store.runs.result(run_id) is None


async def test_a_result_outlives_the_end_of_its_run(store: SqlStore, clock: HandClock) -> None:
    run_id = await started(store, clock, "token")
    assert await store.runs.accept_result(run_id, sha256("token"), b"result")
    await store.runs.ended(run_id, RunOutcome.SUCCEEDED, detail="")
    assert await store.runs.result(run_id) == b"result"


async def test_a_result_and_the_end_at_once_agree(store: SqlStore, neighbour: SqlStore) -> None:
    for number in range(1, 11):
        run_id = await run_of_new_job(store, f"token {number}", number=number)

        async def end_and_look(run_id: str = run_id) -> bytes | None:
            await neighbour.runs.ended(run_id, RunOutcome.TIMED_OUT, detail="")
            return await neighbour.runs.result(run_id)

        accepted, seen = await asyncio.gather(
            store.runs.accept_result(run_id, sha256(f"token {number}"), b"result"),
            end_and_look(),
        )
        assert accepted == (seen is not None), "who recorded the end has seen all that was accepted"


async def test_two_runs_cannot_share_a_token(store: SqlStore) -> None:
    await run_of_new_job(store, "token")
    with pytest.raises(StoreError):
        await run_of_new_job(store, "token", number=8)


# --- the ledger


@pytest.mark.parametrize("kind", RunKind)
async def test_the_token_of_a_run_without_a_model_is_worth_nothing_at_the_gateway(
    store: SqlStore, kind: RunKind
) -> None:
    run = await new_run(store, await new_job(store), token="token", kind=kind)
    grant = await store.ledger.grant(sha256("token"))
    if kind in MODEL_KINDS:
        assert grant is not None
        assert grant.run_id == run.id
    else:
        assert grant is None


async def test_a_grant_says_what_a_token_is_worth(store: SqlStore) -> None:
    run_id = await run_of_new_job(store, "token")
    run = await store.runs.get(run_id)
    assert run is not None
    assert await store.ledger.grant(sha256("unknown")) is None
    fresh = ModelGrant(
        run_id=run_id,
        job_id=run.job_id,
        model="claude-test",
        budget_usd=1.5,
        spent_usd=0.0,
        stop_requested=None,
    )
    assert await store.ledger.grant(sha256("token")) == fresh
    await store.ledger.record(model_call(run_id, cost_usd=0.25))
    await store.ledger.record(model_call(run_id, cost_usd=0.5))
    assert await store.ledger.grant(sha256("token")) == replace(fresh, spent_usd=0.75)
    await store.runs.ended(run_id, RunOutcome.SUCCEEDED, detail="")
    assert await store.ledger.grant(sha256("token")) is None


async def test_the_usage_of_a_job_is_that_of_all_its_runs(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    assert await store.runs.usage(job.id) == Usage()
    first, second = await new_run(store, job), await new_run(store, job)
    other = await run_of_new_job(store, number=8)
    # recorded when a call ends, listed as the calls began
    await store.ledger.record(model_call(second.id, request_bytes=300, started_at=clock.after(2)))
    await store.ledger.record(model_call(first.id, request_bytes=200, started_at=clock.after(1), status=529))
    await store.ledger.record(model_call(first.id, request_bytes=100, status=0, cost_usd=0.0))
    await store.ledger.record(model_call(other))
    assert await store.runs.usage(job.id) == Usage(
        model_calls=3,
        request_bytes=(100, 200, 300),
        input_tokens=30,
        output_tokens=60,
        cache_write_tokens=90,
        cache_read_tokens=120,
        cost_usd=0.5,
    )
    assert await store.runs.model_calls(first.id) == 1, "a call that never reached the model is none"
    assert await store.runs.model_calls(second.id) == 1


async def test_a_call_names_who_it_was_for(store: SqlStore) -> None:
    run_id = await run_of_new_job(store)
    run = await store.runs.get(run_id)
    assert run is not None
    await store.ledger.record(model_call(run_id))
    async with store.engine.connect() as connection:
        row = (await connection.exec_driver_sql("SELECT * FROM model_usage")).one()
    assert (row.run_id, row.job_id, row.forge) == (run_id, run.job_id, "github")
    assert (row.repository_id, row.installation_id, row.requested_by_id) == (REPOSITORY.id, 77, 1)


async def test_a_call_of_no_run_is_refused(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        await store.ledger.record(model_call(new_id()))
