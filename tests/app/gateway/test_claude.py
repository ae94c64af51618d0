"""The real Claude Code through the gateway."""

from pathlib import Path

import pytest

from app.demo.model.failures import (
    Always,
    Costly,
    EndlessTools,
    HeldBack,
    InTurn,
    overloaded,
    rate_limited,
    unauthorized,
)
from app.demo.model.replies import Message, Text, Tokens
from app.demo.model.resolver import HonestResolver
from bot.model.runs import RunOutcome
from tests.app.demo.model.claude import Workspace, merge_file
from tests.app.gateway.bench import KEY, bench

MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-sonnet-4-5", "claude-haiku-4-5")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(directory=tmp_path / "run")
    workspace.root.mkdir(parents=True)
    conflicted = merge_file(tmp_path, base=b"a\nb\nc\n", ours=b"a\nB1\nc\n", theirs=b"a\nB2\nc\n")
    workspace.put("a.txt", conflicted)
    workspace.write_context()
    return workspace


async def test_a_conflict_is_resolved_through_the_gateway(workspace: Workspace, tmp_path: Path) -> None:
    async with bench(tmp_path, HonestResolver()) as made:
        outcome = await workspace.run(made.url, ANTHROPIC_API_KEY=made.token)
        rows = await made.rows()
    assert outcome.exit_code == 0, outcome.events[-1:]
    assert workspace.read("a.txt") == b"a\nB1\nB2\nc\n"
    assert [row["status"] for row in rows] == [200] * 4
    assert outcome.result["total_cost_usd"] == pytest.approx(sum(row["cost_usd"] for row in rows))
    assert KEY not in str(outcome)


async def test_a_run_ends_in_the_middle_when_its_money_is_used_up(workspace: Workspace, tmp_path: Path) -> None:
    script = Costly(EndlessTools(), Tokens(input=3000, output=1_000_000, cache_write_1h=500))
    async with bench(tmp_path, script, budget_usd=2) as made:
        outcome = await workspace.run(made.url, ANTHROPIC_API_KEY=made.token)
        rows, spent = await made.rows(), await made.spent()
        run = await made.store.runs.get(made.run.id)
    assert (outcome.exit_code, outcome.result["api_error_status"]) == (1, 402)
    assert len(rows) > 2
    assert 1.8 < spent <= 2
    assert run is not None
    assert run.stop_requested is RunOutcome.BUDGET_EXHAUSTED


async def test_a_run_asked_to_stop_ends_at_once(workspace: Workspace, tmp_path: Path) -> None:
    script = HeldBack(HonestResolver(), events=1)
    async with bench(tmp_path, script) as made:
        await made.store.runs.request_stop(made.run.id, RunOutcome.CANCELLED)
        outcome = await workspace.run(made.url, ANTHROPIC_API_KEY=made.token)
    assert (outcome.exit_code, outcome.result["api_error_status"]) == (1, 403)
    assert made.upstream.calls == []


async def test_claude_code_retries_and_each_try_is_recorded(workspace: Workspace, tmp_path: Path) -> None:
    async with bench(tmp_path, InTurn([overloaded(), rate_limited(1)], then=HonestResolver())) as made:
        outcome = await workspace.run(made.url, ANTHROPIC_API_KEY=made.token)
        rows = await made.rows()
    assert outcome.exit_code == 0
    assert [row["status"] for row in rows] == [529, 429, 200, 200, 200, 200]


async def test_a_wrong_token_ends_claude_code_at_the_first_answer(workspace: Workspace, tmp_path: Path) -> None:
    async with bench(tmp_path, HonestResolver()) as made:
        outcome = await workspace.run(made.url, ANTHROPIC_API_KEY="wrong", CLAUDE_CODE_MAX_RETRIES="3")
        refused = made.registry.get_sample_value("flowforge_model_calls_refused_total", {"reason": "token"})
    assert (outcome.exit_code, outcome.result["api_error_status"]) == (1, 401)
    assert refused == 1


async def test_a_wrong_model_key_ends_claude_code_at_the_first_answer(workspace: Workspace, tmp_path: Path) -> None:
    async with bench(tmp_path, Always(unauthorized())) as made:
        outcome = await workspace.run(made.url, ANTHROPIC_API_KEY=made.token, CLAUDE_CODE_MAX_RETRIES="3")
        rows = await made.rows()
    assert (outcome.exit_code, outcome.result["api_error_status"]) == (1, 401)
    assert [row["status"] for row in rows] == [401]


@pytest.mark.parametrize("model", MODELS)
async def test_the_prices_are_those_that_claude_code_knows(model: str, workspace: Workspace, tmp_path: Path) -> None:
    tokens = Tokens(input=1000, output=2000, cache_write_5m=3000, cache_write_1h=4000, cache_read=5000)
    async with bench(tmp_path, Always(Message(content=(Text(text="x"),), tokens=tokens))) as made:
        await made.new_run(model=model)
        outcome = await workspace.run(made.url, model=model, ANTHROPIC_API_KEY=made.token)
        rows = await made.rows()
    assert outcome.result["total_cost_usd"] == pytest.approx(sum(row["cost_usd"] for row in rows))
    assert sum(row["cost_usd"] for row in rows) > 0
