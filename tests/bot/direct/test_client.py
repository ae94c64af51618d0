"""Direct calls with the real SDK, through the real gateway, to a scripted model that speaks the Messages API."""

import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.demo.model.direct import OnDirect, answered, resolved, undecided
from app.demo.model.direct_liars import DIRECT_LIES
from app.demo.model.failures import (
    Always,
    HeldBack,
    InTurn,
    out_of_credit,
    overloaded,
    rate_limited,
    refusal,
    server_error,
    unauthorized,
    web_page,
)
from app.demo.model.liars import ClaimsSuccess
from app.demo.model.replies import Failure, Message, Raw, Reply, Script, Text, Tokens, Truncated
from app.demo.model.resolver import HonestResolver
from app.demo.model.server import ScriptedModel
from app.gateway.prices import load_prices
from bot.direct.client import BYTES_PER_TOKEN, AnthropicDirect
from bot.errors import ModelError
from bot.model.direct import DirectQuestion, DirectReply, ModelAccess, NotAsked
from bot.model.runs import RunOutcome
from bot.ports.direct import DirectModel
from tests.app.gateway.bench import Bench, bench
from tests.bot.direct.words import MERGED, MODEL, direct, limits, progress, question

pytestmark = pytest.mark.asyncio(loop_scope="module")

HONEST = HonestResolver(answers={"src/hello.py": MERGED})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with bench(tmp_path_factory.mktemp("direct"), HONEST) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def door(opened: Bench) -> AsyncIterator[Bench]:
    """One gateway for all tests here, with a new run for each."""
    await opened.new_run(model=MODEL)
    opened.forget()
    yield opened
    opened.upstream.script = HONEST
    opened.upstream.counts = True


def play(door: Bench, script: Script) -> None:
    door.upstream.script = script


def always(reply: Reply) -> OnDirect:
    """A script that answers direct questions with one reply."""
    return OnDirect(lambda _: reply, then=HONEST)


def access(door: Bench) -> ModelAccess:
    return ModelAccess(base_url=door.url, api_key=door.token)


async def ask(door: Bench, asked: DirectQuestion | None = None) -> DirectReply | NotAsked:
    return await direct().ask(asked or question(), access(door))


async def reply(door: Bench, asked: DirectQuestion | None = None) -> DirectReply:
    found = await ask(door, asked)
    assert isinstance(found, DirectReply)
    return found


async def failure(door: Bench, asked: DirectQuestion | None = None) -> ModelError:
    with pytest.raises(ModelError) as raised:
        await ask(door, asked)
    assert door.token not in str(raised.value)
    return raised.value


def counted(door: Bench) -> list[int]:
    """The sizes of the bodies whose tokens were counted."""
    return [request.size for request in door.upstream.requests if request.path.endswith("count_tokens")]


async def test_known_answers_come_back_as_whole_lines(door: Bench) -> None:
    found = await reply(door)
    assert [(path, answer.index, answer.content) for path, answer in found.answers] == [
        ("src/hello.py", 0, b'    return f"{GREETING}, {name}".upper()\n'),
        ("src/hello.py", 1, b'LAST = "BYE BYE"\n'),
    ]
    assert found.undecided == ()


async def test_what_went_over_the_wire_is_kept(door: Bench) -> None:
    found = await reply(door)
    (call,) = door.upstream.calls
    assert json.loads(found.prompt) == call.body
    assert found.usage.request_bytes == (call.size,)
    assert json.loads(found.response)["type"] == "message"
    (row, *_) = reversed(await door.rows())
    assert (row["run_id"], row["request_bytes"], row["status"]) == (door.run.id, call.size, 200)
    assert (row["input_tokens"], row["output_tokens"]) == (found.usage.input_tokens, found.usage.output_tokens)


async def test_tokens_are_counted_before_the_call_and_are_not_metered(door: Bench) -> None:
    await reply(door)
    paths = [request.path for request in door.upstream.requests]
    assert paths == ["/v1/messages/count_tokens", "/v1/messages"]
    assert "max_tokens" not in (door.upstream.requests[0].body or {})
    assert (await door.store.runs.model_calls(door.run.id)) == 1


async def test_the_price_counts_every_kind_of_token(door: Bench) -> None:
    tokens = Tokens(input=1_000, output=200, cache_write_5m=30, cache_read=4)
    play(door, always(Message(content=answered([]).content, tokens=tokens)))
    found = await AnthropicDirect(price=load_prices().price_of).ask(question(), access(door))
    assert isinstance(found, DirectReply)
    (row, *_) = reversed(await door.rows())
    assert found.usage.cost_usd == pytest.approx(row["cost_usd"])
    assert (found.usage.model_calls, found.usage.cache_write_tokens, found.usage.cache_read_tokens) == (1, 30, 4)


async def test_a_hunk_without_a_known_answer_is_undecided(door: Bench) -> None:
    found = await reply(door, question(progress("other.py")))
    assert found.answers == ()
    assert [(item.path, item.index) for item in found.undecided] == [("other.py", 0), ("other.py", 1)]


async def test_scripts_for_sandboxes_decide_nothing(door: Bench) -> None:
    play(door, ClaimsSuccess())
    assert {item.index for item in (await reply(door)).undecided} == {0, 1}


async def test_some_may_be_decided_and_others_not(door: Bench) -> None:
    play(door, always(answered([undecided(1, 0, "They exclude each other."), resolved(1, 1, "x\n", reason="Why.")])))
    found = await reply(door)
    assert [answer.index for _, answer in found.answers] == [1]
    assert [item.reason for item in found.undecided] == ["They exclude each other."]


@pytest.mark.parametrize("lie", DIRECT_LIES)
async def test_no_lie_names_what_was_not_asked(lie: str, door: Bench) -> None:
    play(door, OnDirect(DIRECT_LIES[lie], then=HONEST))
    if lie == "writes_prose":
        assert (await failure(door)).outcome == RunOutcome.INVALID_OUTPUT
        return
    found = await reply(door)
    # What is wrong can be told from the answer alone; what is only unwise is the gate's matter.
    for_the_gate = {"drops_a_side", "hides_characters"}
    assert {path for path, _ in found.answers} == ({"src/hello.py"} if lie in for_the_gate else set())
    assert {item.path for item in found.undecided} <= {"src/hello.py"}
    if lie not in {*for_the_gate, "names_others"}:
        assert [item.index for item in found.undecided] == [0, 1]


async def test_where_nobody_counts_tokens_are_guessed_from_the_bytes(door: Bench) -> None:
    door.upstream.counts = False
    assert isinstance(await ask(door), DirectReply)
    (size,) = counted(door)
    needed = size // BYTES_PER_TOKEN
    found = await ask(door, question(limits=limits(max_input_tokens=needed // 4)))
    assert isinstance(found, NotAsked)
    assert len(door.upstream.calls) == 1


async def test_context_is_left_out_before_hunks(door: Bench) -> None:
    full = len((await reply(door)).prompt) // 4
    asked = question(limits=limits(max_input_tokens=full - 20))
    found = await reply(door, asked)
    assert "definition, both" not in found.prompt
    assert "# What people wrote" in found.prompt
    assert [answer.index for _, answer in found.answers] == [0, 1]


async def test_hunks_are_dropped_at_last(door: Bench) -> None:
    files = (progress("a.py"), progress("b.py"))
    sizes = [len((await reply(door, question(*some))).prompt) // 4 for some in (files[:1], files)]
    found = await reply(door, question(*files, limits=limits(max_input_tokens=sizes[0] - 150)))
    assert [(item.path, item.index) for item in found.undecided] == [("a.py", 0), ("a.py", 1)]
    assert "1 of 2" not in found.prompt


async def test_too_large_for_the_limit_on_tokens_is_not_asked(door: Bench) -> None:
    found = await ask(door, question(limits=limits(max_input_tokens=200)))
    assert isinstance(found, NotAsked)
    assert found.estimated_input_tokens is not None
    assert found.estimated_input_tokens > 200
    assert f"about {found.estimated_input_tokens} tokens" in found.reason
    assert door.upstream.calls == []
    assert len(counted(door)) <= 4


async def test_too_dear_for_the_budget_is_not_asked_and_says_the_price(door: Bench) -> None:
    found = await ask(door, question(limits=limits(budget_usd=0.002)))
    assert isinstance(found, NotAsked)
    assert found.estimated_cost_usd is not None
    assert found.estimated_cost_usd > 0.002
    assert f"may cost ${found.estimated_cost_usd:.4f}; the limits are 20000 tokens and $0.0020" in found.reason
    assert door.upstream.calls == []


async def test_too_many_hunks_are_not_even_counted(door: Bench) -> None:
    assert isinstance(await ask(door, question(limits=limits(max_hunks=1))), NotAsked)
    assert door.upstream.requests == []


FAILURES: dict[str, tuple[Reply, RunOutcome]] = {
    "overloaded": (overloaded(), RunOutcome.MODEL_OVERLOADED),
    "unavailable": (Failure(status=503, kind="api_error", message="soon"), RunOutcome.MODEL_OVERLOADED),
    "rate limited": (rate_limited(0), RunOutcome.MODEL_RATE_LIMITED),
    "server error": (server_error(), RunOutcome.MODEL_UNREACHABLE),
    "bad gateway": (Failure(status=502, kind="api_error", message="x"), RunOutcome.MODEL_UNREACHABLE),
    "our key is wrong": (unauthorized(), RunOutcome.MODEL_AUTHENTICATION),
    "forbidden": (Failure(status=403, kind="permission_error", message="no"), RunOutcome.MODEL_AUTHENTICATION),
    "out of credit": (out_of_credit(), RunOutcome.MODEL_BILLING),
    "credit in other words": (
        Failure(status=400, kind="invalid_request_error", message="Your credit balance is too low to access"),
        RunOutcome.MODEL_BILLING,
    ),
    "no such model": (Failure(status=404, kind="not_found_error", message="model: x"), RunOutcome.MODEL_NOT_FOUND),
    "too large": (Failure(status=413, kind="request_too_large", message="x"), RunOutcome.CONTEXT_TOO_LONG),
    "too long": (
        Failure(status=400, kind="invalid_request_error", message="prompt is too long: 250000 tokens > 200000"),
        RunOutcome.CONTEXT_TOO_LONG,
    ),
    "rejected": (
        Failure(status=400, kind="invalid_request_error", message="output_config: not supported"),
        RunOutcome.MODEL_REJECTED_REQUEST,
    ),
    "a web page": (web_page(), RunOutcome.MODEL_UNREACHABLE),
    "nothing": (Raw(status=200, content_type="application/json", body=b""), RunOutcome.MODEL_UNREACHABLE),
    "redirect": (Raw(status=302, content_type="text/html", body=b""), RunOutcome.MODEL_UNREACHABLE),
    "cut off": (Truncated(message=answered([]), events=1), RunOutcome.MODEL_UNREACHABLE),
    "refusal": (refusal(), RunOutcome.AGENT_REFUSED),
    "too many words": (Message(content=(Text(text='{"answers": ['),), stop_reason="max_tokens"), RunOutcome.MAX_OUTPUT),
    "window full": (
        Message(content=(), stop_reason="model_context_window_exceeded"),
        RunOutcome.CONTEXT_TOO_LONG,
    ),
    "prose": (Message(content=(Text(text="Done."),)), RunOutcome.INVALID_OUTPUT),
    "nothing said": (Message(content=()), RunOutcome.INVALID_OUTPUT),
    "five megabytes": (
        Raw(status=200, content_type="application/json", body=b'"' + b"x" * 5_000_000 + b'"'),
        RunOutcome.MAX_OUTPUT,
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_failures_have_the_names_of_outcomes(name: str, door: Bench) -> None:
    what, outcome = FAILURES[name]
    play(door, always(what))
    error = await failure(door)
    assert error.outcome == outcome
    assert "\n" not in str(error)
    assert len(door.upstream.calls) <= 2


async def test_one_failure_is_got_over(door: Bench) -> None:
    turns = InTurn([overloaded()], then=None)
    replies = iter([turns.replies[0], answered([resolved(1, 0, "x\n", reason="Why.")])])
    play(door, OnDirect(lambda _: next(replies), then=HONEST))
    assert len((await reply(door)).answers) == 1
    assert len(door.upstream.calls) == 2


async def test_a_budget_that_is_spent_has_its_own_name(door: Bench) -> None:
    await door.new_run(model=MODEL, budget_usd=0.001)
    assert (await failure(door)).outcome == RunOutcome.BUDGET_EXHAUSTED
    assert door.upstream.calls == []


async def test_a_run_that_was_asked_to_stop_is_cancelled(door: Bench) -> None:
    await door.store.runs.request_stop(door.run.id, RunOutcome.CANCELLED)
    assert (await failure(door)).outcome == RunOutcome.CANCELLED


async def test_an_unknown_token_is_no_access(door: Bench) -> None:
    with pytest.raises(ModelError) as raised:
        await direct().ask(question(), ModelAccess(base_url=door.url, api_key="sk-unknown"))
    assert raised.value.outcome == RunOutcome.MODEL_AUTHENTICATION


async def test_another_model_than_the_run_s_is_refused(door: Bench) -> None:
    await door.new_run(model="claude-opus-5-5")
    assert (await failure(door)).outcome == RunOutcome.MODEL_AUTHENTICATION


async def test_silence_ends_with_the_time_given(door: Bench) -> None:
    held = HeldBack(Always(answered([])), events=1)
    play(door, OnDirect(lambda asked: held.reply(asked.request), then=HONEST))
    assert (await failure(door, question(limits=limits(timeout_seconds=0.5)))).outcome == RunOutcome.TIMED_OUT


async def test_nobody_there_is_unreachable() -> None:
    with contextlib.closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{bound.getsockname()[1]}"
        for url in (closed, "not a url", "ftp://x"):
            with pytest.raises(ModelError) as raised:
                await direct().ask(question(), ModelAccess(base_url=url, api_key="x"))
            assert raised.value.outcome == RunOutcome.MODEL_UNREACHABLE


async def test_the_api_itself_will_do_without_a_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one's own key; what the environment says of keys, addresses and proxies does not matter."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    model: DirectModel = direct()
    async with ScriptedModel.serve(HONEST, api_key="sk-own") as server:
        found = await model.ask(question(), ModelAccess(base_url=server.base_url, api_key="sk-own"))
        (call,) = server.calls
    assert isinstance(found, DirectReply)
    assert found.usage.request_bytes == (call.size,) == (len(found.prompt.encode()),)
    assert len(found.answers) == 2


async def test_an_exact_count_spares_the_budget(tmp_path: Path) -> None:
    """Without the count, the gateway sets a token aside for each byte and would cut the answer short."""
    text = "".join(f"value_{number} = {number}\n" for number in range(200))
    file = progress("big.py", ours=f"a = 1\n{text}", ancestor=f"a = 0\n{text}", theirs=f"a = 2\n{text}")
    prices = load_prices()
    async with bench(tmp_path, HONEST) as door:
        await door.new_run(model=MODEL)
        found = await reply(door, question(file))
        size, tokens = found.usage.request_bytes[0], found.usage.input_tokens
        loose = prices.input_bound(MODEL, size) + 2_000 * prices.output_rate(MODEL, size)
        tight = prices.input_bound(MODEL, tokens + 1_100) + 2_000 * prices.output_rate(MODEL, tokens)
        assert tight < loose
        await door.new_run(model=MODEL, budget_usd=tight)
        await reply(door, question(file))
        assert door.upstream.calls[-1].body is not None
        assert door.upstream.calls[-1].body["max_tokens"] == 2_000
