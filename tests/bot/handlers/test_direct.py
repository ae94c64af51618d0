"""Direct calls that fail, and workers that die around them."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import SecretStr
from sqlalchemy import text

from app.demo.model.direct import OnDirect
from app.demo.model.direct_answers import answer_from
from app.demo.model.resolver import HonestResolver
from app.demo.model.server import ScriptedModel
from app.http.server import bind, url_of
from app.processes import running_gateway
from app.settings import GatewaySettings
from bot.errors import SandboxError
from bot.handlers.direct import why_not
from bot.model.jobs import JobState
from bot.model.resolutions import Tier
from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import Bench, open_bench
from tests.bot.handlers.puppet import workspace_of

KEY = "the model key of this bench"
TWO = {"rate.py": "RATE = 23\n", "fee.py": "FEE = 23\n"}


FAILED = "The model was asked directly, but that failed: the model API was not reached."
NO_AGENT = {".flowforge.yml": "version: 1\nresolvers:\n  agent: false\n"}


def side(number: int) -> Mapping[str, str]:
    return {"rate.py": f"RATE = {number}\n", "fee.py": f"FEE = {number}\n"}


async def direct_runs(bench: Bench) -> list[str | None]:
    async with bench.store.engine.connect() as connection:
        rows = await connection.execute(text("SELECT outcome FROM runs WHERE kind = 'direct' ORDER BY serial"))
        return [row.outcome for row in rows]


@contextlib.asynccontextmanager
async def with_model(
    databases: SqliteBackend, directory: Path, *, more: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[tuple[Bench, ScriptedModel]]:
    """A bench whose model decides ``rate.py`` when it is asked directly, and leaves ``fee.py`` open.

    ``more`` are files that nobody changes.
    """
    script = OnDirect(lambda question: answer_from(question, {"rate.py": TWO["rate.py"]}), HonestResolver())
    database = await databases.fresh()
    listener = bind("127.0.0.1", 0)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        model = await stack.enter_async_context(ScriptedModel.serve(script, api_key=KEY))
        settings = GatewaySettings.model_validate(
            {
                "database_url": SecretStr(database),
                "gateway_url": url_of(listener),
                "anthropic_api_key": SecretStr(KEY),
                "anthropic_base_url": model.base_url,
            }
        )
        await stack.enter_async_context(running_gateway(settings, listener))
        overrides = {"direct_calls": True, "gateway_url": url_of(listener)}
        opened = open_bench(
            directory, database, base={**side(1), **more}, ours=side(2), theirs=side(3), overrides=overrides
        )
        yield await stack.enter_async_context(opened), model


async def test_a_direct_call_that_fails_costs_nothing_but_time(databases: SqliteBackend, tmp_path: Path) -> None:
    async with open_bench(tmp_path, await databases.fresh(), overrides={"direct_calls": True}) as bench:
        job = await bench.until_running()
        assert await direct_runs(bench) == ["model_unreachable"]
        assert (await bench.store.runs.usage(job.id)).cost_usd == 0
        (record,) = await bench.store.proposals.conflicts(job.id)
        assert record.reasons == (FAILED,)
        await bench.finish()
        await bench.work()
        assert (await bench.job()).state is JobState.AWAITING_APPROVAL
        assert bench.errors == []


async def test_what_a_direct_call_said_outlives_the_worker_that_asked(databases: SqliteBackend, tmp_path: Path) -> None:
    async with with_model(databases, tmp_path) as (bench, model):
        bench.runner.fails.append(SandboxError("no sandbox today"))
        bench.say("/flowforge resolve")
        await bench.work()
        job = await bench.job()
        assert job.state is JobState.QUEUED, job.message
        asked = len(model.calls)
        bench.clock.advance(6)
        await bench.work()
        job = await bench.job()
        assert job.state is JobState.RUNNING, job.message
        assert len(model.calls) == asked
        assert await direct_runs(bench) == ["succeeded"]
        files, context = await workspace_of(bench.store, bench.runner.last)
        assert [file["path"] for file in context["files"]] == ["fee.py"]
        assert any(content == TWO["rate.py"].encode() for content in files.values())

        await bench.finish({"fee.py": TWO["fee.py"].encode()})
        await bench.work()
        assert (await bench.job()).state is JobState.AWAITING_APPROVAL, (await bench.job()).message
        records = await bench.store.proposals.conflicts(job.id)
        found = {record.path: [answer.tier for answer in record.answers] for record in records}
        assert found == {"fee.py": [Tier.AGENT], "rate.py": [Tier.DIRECT]}


async def test_the_report_says_why_the_model_was_not_asked(databases: SqliteBackend, tmp_path: Path) -> None:
    async with with_model(databases, tmp_path, more=NO_AGENT) as (bench, model):
        bench.say("/flowforge resolve --budget 0.02")
        await bench.work()
        job = await bench.job()
        assert job.state is JobState.UNRESOLVED, (job.message, bench.errors)
        assert [call for call in model.calls if not call.path.endswith("/count_tokens")] == []
        for record in await bench.store.proposals.conflicts(job.id):
            (reason,) = record.reasons
            assert reason.startswith("The model was not asked directly: Even one hunk alone needs about ")
            assert reason.endswith("$0.0200.")
        (comment,) = bench.stickies
        assert comment.count("The model was not asked directly: Even one hunk alone needs about ") == 2


def test_why_a_direct_call_failed_is_told_without_secrets_and_in_bounds() -> None:
    secret = f"github_pat_{'a' * 30}"
    said = why_not("Failed:", f"the model\nAPI said {secret} {'so ' * 500}")
    assert said.startswith("Failed: the model API said [redacted] so so")
    assert len(said) < 320
    assert said.endswith("….")
