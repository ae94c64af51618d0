"""A run never costs more than its budget, however its calls come."""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.demo.model.failures import Always, HeldBack
from app.demo.model.messages import ModelRequest
from app.demo.model.replies import Message, Reply, Text, Tokens
from bot.model.runs import RunOutcome
from tests.app.gateway.bench import REQUEST, Bench, bench

ALL_IT_MAY = Message(content=(Text(text="x"),), tokens=Tokens(input=50, output=1_000_000))


@dataclass(slots=True)
class Worst:
    """As expensive as a model can be: a token a byte, all written to the cache for an hour, and all the output."""

    rng: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - repeatable, not secret

    def reply(self, request: ModelRequest) -> Reply:
        tokens = Tokens(input=0, cache_write_1h=request.body_bytes, output=self.rng.choice([1, request.max_tokens]))
        return Message(content=(Text(text="x" * self.rng.randint(0, 50)),), tokens=tokens)


def asking(max_tokens: int, text: str = "hello", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"type": "text", "text": text}]}]
    return REQUEST | {"max_tokens": max_tokens, "messages": messages} | more


async def stop_of(made: Bench) -> RunOutcome | None:
    run = await made.store.runs.get(made.run.id)
    assert run is not None
    return run.stop_requested


async def test_output_is_limited_to_what_the_money_left_buys(tmp_path: Path) -> None:
    async with bench(tmp_path, Always(ALL_IT_MAY), budget_usd=0.5) as made:
        thinking = {"type": "enabled", "budget_tokens": 99_999}
        assert (await made.post(asking(100_000, thinking=thinking))).status_code == 200
        (call,) = made.upstream.calls
        spent = await made.spent()
    assert call.body is not None
    assert 25_000 < call.body["max_tokens"] < 0.5 / 15 * 1_000_000
    assert call.body["thinking"] == {"type": "enabled", "budget_tokens": call.body["max_tokens"] // 2}
    assert 0.4 < spent <= 0.5


async def test_a_call_that_the_money_allows_goes_out_as_it_is(tmp_path: Path) -> None:
    async with bench(tmp_path, Always(ALL_IT_MAY)) as made:
        body = asking(2000, thinking={"type": "enabled", "budget_tokens": 1999})
        assert (await made.post(body)).status_code == 200
        assert made.upstream.calls[0].body == body


async def test_without_money_a_call_is_402_and_the_run_is_asked_to_stop(tmp_path: Path) -> None:
    async with bench(tmp_path, Always(ALL_IT_MAY), budget_usd=0.1) as made:
        assert (await made.post(asking(50_000))).status_code == 200
        assert await stop_of(made) is None
        answer = await made.post(asking(50_000))
        assert await stop_of(made) is RunOutcome.BUDGET_EXHAUSTED
        assert await made.spent() <= 0.1
        assert len(made.upstream.calls) == len(await made.rows()) == 1
    assert (answer.status_code, answer.json()["error"]["type"]) == (402, "billing_error")
    assert answer.headers["x-should-retry"] == "false"


async def test_a_small_wish_is_granted_from_little_money(tmp_path: Path) -> None:
    async with bench(tmp_path, Always(ALL_IT_MAY), budget_usd=0.012) as made:
        assert (await made.post(asking(2000))).status_code == 402
        await made.new_run(budget_usd=0.012)
        assert (await made.post(asking(50))).status_code == 200


async def test_a_second_call_waits_for_the_money_that_the_first_one_holds(tmp_path: Path) -> None:
    script = HeldBack(Always(Message(content=(Text(text="x"),), tokens=Tokens(input=10, output=10))), events=1)
    async with bench(tmp_path, script, budget_usd=0.1) as made:
        first = asyncio.create_task(made.post(asking(50_000)))
        async with asyncio.timeout(60), made.upstream.changed:
            await made.upstream.changed.wait_for(lambda: script.held)
        second = asyncio.create_task(made.post(asking(2000)))
        for _ in range(5):  # the gateway looks at the second call, and does not let it out
            await made.store.ledger.grant("x")
        assert len(made.upstream.calls) == 1
        script.held[0].release.set()
        assert (await first).status_code == 200
        async with asyncio.timeout(60), made.upstream.changed:
            await made.upstream.changed.wait_for(lambda: len(script.held) == 2)
        script.held[1].release.set()
        assert (await second).status_code == 200
        assert await stop_of(made) is None


@pytest.mark.parametrize("seed", [1, 2])
async def test_parallel_calls_never_spend_more_than_the_budget(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    async with bench(tmp_path, Worst(), budget_usd=0.6) as made:
        bodies = [asking(rng.choice([500, 3000, 40_000]), "x" * rng.randint(1, 4000)) for _ in range(40)]
        answers = await asyncio.gather(*(made.post(body) for body in bodies))
        spent = await made.spent()
        assert {answer.status_code for answer in answers} == {200, 402}
        assert 0.4 < spent <= 0.6
        assert sum(answer.status_code == 200 for answer in answers) == len(made.upstream.calls)


async def test_a_growing_conversation_is_not_stopped_by_a_loose_bound(tmp_path: Path) -> None:
    """100 KB of text are 25,000 tokens, $0.075: a token a byte would be $0.66 for every call."""
    usual = Always(Message(content=(Text(text="x"),)))
    async with bench(tmp_path, usual, budget_usd=0.9) as made:
        messages: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": "x" * 100_000}]}]
        for turn in range(6):
            answer = await made.post(REQUEST | {"messages": messages})
            assert answer.status_code == 200, turn
            messages.append({"role": "assistant", "content": [{"type": "text", "text": "x"}]})
            messages.append({"role": "user", "content": [{"type": "text", "text": f"turn {turn}"}]})
        assert 0.4 < await made.spent() < 0.9


async def test_one_run_s_money_is_not_another_s(tmp_path: Path) -> None:
    async with bench(tmp_path, Always(ALL_IT_MAY), budget_usd=0.1) as made:
        await made.post(asking(50_000))
        assert (await made.post(asking(50_000))).status_code == 402
        await made.new_run(budget_usd=0.1)
        assert (await made.post(asking(50_000))).status_code == 200
