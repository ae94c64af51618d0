"""Workers without a disk in common: what one of them fetched or made, another one fetches from the forge."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from app.wiring import FlowForge, open_flowforge
from bot.model.jobs import JobState
from tests.bot.handlers.bench import Bench


@contextlib.asynccontextmanager
async def elsewhere(bench: Bench, directory: Path) -> AsyncIterator[FlowForge]:
    """A worker on another machine: same database, same sandboxes, a disk of its own."""
    settings = bench.settings.model_copy(update={"data_dir": directory})
    async with open_flowforge(settings, worker="elsewhere", clock=bench.clock, runner=bench.runner) as instance:
        yield instance


async def test_what_one_worker_proposed_another_one_pushes_and_undoes(bench: Bench, tmp_path: Path) -> None:
    before = bench.head
    await bench.until_proposed()
    proposal = await bench.store.proposals.of_job((await bench.job()).id)
    assert proposal is not None
    async with elsewhere(bench, tmp_path / "other") as other:
        mine, bench.instance = bench.instance, other
        bench.say("/flowforge approve")
        await bench.work()
        assert bench.errors == []
        assert bench.head == proposal.commit
        bench.instance = mine
        bench.say("/flowforge rollback")
        await bench.work()
        assert bench.errors == []
        assert bench.head == before


async def test_a_result_is_validated_where_nothing_was_fetched(bench: Bench, tmp_path: Path) -> None:
    await bench.until_running()
    await bench.finish()
    async with elsewhere(bench, tmp_path / "other") as other:
        bench.instance = other
        await bench.work()
        assert bench.errors == []
        job = await bench.job()
        assert job.state is JobState.AWAITING_APPROVAL, job.message


async def test_a_disk_that_was_lost_loses_no_proposal(bench: Bench) -> None:
    await bench.until_proposed()
    shutil.rmtree(bench.settings.data_dir / "mirrors" / "github")
    bench.say("/flowforge approve")
    await bench.work()
    assert bench.errors == []
    job = await bench.job()
    assert job.state is JobState.PUBLISHED, job.message
