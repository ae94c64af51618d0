"""Models that refuse, lie, overspend, overreach or are not there: nothing of it lands, and people are told."""

from pathlib import Path

import pytest

from app.demo.model.failures import Always, Costly, overloaded, refusal
from app.demo.model.liars import Besides, ClaimsSuccess, LeavesMarkers, ReportsInstead
from app.demo.model.replies import Call, Script, Tokens
from app.demo.model.resolver import HonestResolver
from bot.model.jobs import JobState
from tests.scenarios.play import ANSWER, Play, playing

HONEST = HonestResolver(answers={"fees.py": ANSWER})


async def assert_unresolved(play: Play, rule: str) -> str:
    await play.until_conclusion("action_required")
    job = await play.job()
    assert (job.state, job.rule) == (JobState.UNRESOLVED, rule)
    assert play.branches() == set()
    assert job.message is not None
    return await play.until_sticky("fees.py")


async def test_a_model_that_refuses(tmp_path: Path) -> None:
    async with playing(tmp_path, Always(refusal())) as play:
        play.say("/flowforge resolve")
        await assert_unresolved(play, "agent_refused")


@pytest.mark.parametrize(
    "script", [ClaimsSuccess(), LeavesMarkers(script=HONEST)], ids=["does nothing", "leaves markers"]
)
async def test_a_model_that_lies_is_tried_once_more_and_then_reported(tmp_path: Path, script: Script) -> None:
    async with playing(tmp_path, script) as play:
        play.say("/flowforge resolve")
        sticky = await assert_unresolved(play, "gate")
        assert "marker" in sticky
        assert play.stage.scripted is not None
        firsts = [one for one in play.stage.scripted.calls if one.body and len(one.body["messages"]) == 1]
        assert len(firsts) == 2


async def test_a_wrong_first_answer_may_be_mended_in_the_second_try(tmp_path: Path) -> None:
    wrong = ANSWER.replace("return amount", "return 7 * amount")
    script = HonestResolver(answers={"fees.py": wrong}, second_answers={"fees.py": ANSWER})
    async with playing(tmp_path, script) as play:
        play.say("/flowforge resolve")
        await play.until_sticky("RATE = 2 + 3")
        assert "7 * amount" not in play.sticky


async def test_edits_outside_the_hunks_are_refused(tmp_path: Path) -> None:
    wrong = ANSWER.replace("return amount", "return 7 * amount")
    async with playing(tmp_path, HonestResolver(answers={"fees.py": wrong})) as play:
        play.say("/flowforge resolve")
        await assert_unresolved(play, "gate")


async def test_edits_of_other_files_are_refused(tmp_path: Path) -> None:
    call = Call(
        id="toolu_besides_2",
        name="Edit",
        input={"file_path": "README.md", "old_string": "# fees", "new_string": "# free"},
    )
    read = Call(id="toolu_besides_1", name="Read", input={"file_path": "README.md"})
    async with playing(tmp_path, Besides(calls=(read, call), script=HONEST)) as play:
        play.say("/flowforge resolve")
        sticky = await assert_unresolved(play, "gate")
        assert "README.md" in sticky


async def test_no_report_means_nothing_is_taken(tmp_path: Path) -> None:
    async with playing(tmp_path, ReportsInstead(report=None, script=HONEST)) as play:
        play.say("/flowforge resolve")
        await assert_unresolved(play, "no_report")


async def test_a_run_stops_at_its_budget(tmp_path: Path) -> None:
    script = Costly(script=HONEST, tokens=Tokens(input=200_000, output=20_000))
    async with playing(tmp_path, script) as play:
        play.say("/flowforge resolve --budget 0.5")
        await assert_unresolved(play, "budget_exhausted")
        job = await play.job()
        usage = await play.stage.instance.store.runs.usage(job.id)
        assert usage.model_calls >= 1


async def test_a_model_that_is_overloaded_for_ever(tmp_path: Path) -> None:
    async with playing(tmp_path, Always(overloaded())) as play:
        play.say("/flowforge resolve")
        sticky = await assert_unresolved(play, "model_overloaded")
        assert "overloaded" in sticky
