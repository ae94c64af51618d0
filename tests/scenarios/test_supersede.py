"""A push while an agent is at work: its process goes at once, and the work begins afresh for what is there now."""

import asyncio
import time
from pathlib import Path

import pytest

from app.demo.model.resolver import HonestResolver
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from bot.model.runs import RunOutcome
from tests.scenarios.play import ANSWER, WAIT, Gated, claude_processes, playing


async def until_gone(since: float) -> float:
    """How many seconds after ``since`` the last process of the sandbox was gone."""
    async with asyncio.timeout(WAIT):
        while claude_processes():  # noqa: ASYNC110 - nobody tells of the end of somebody else's child
            await asyncio.sleep(0.02)
    return time.monotonic() - since


@pytest.mark.parametrize("branch", ["feature", "main"])
async def test_a_push_during_a_run_ends_the_process_and_begins_afresh(
    tmp_path: Path, forge: ForgeKind, branch: str
) -> None:
    script = Gated(script=HonestResolver(answers={"fees.py": ANSWER}))
    async with playing(tmp_path, script, overrides={"push_debounce_seconds": 1}, forge=forge) as play:
        store = play.stage.instance.store
        play.say("/flowforge resolve keep both rates")
        await play.until_model_called()
        old = await play.job()
        assert claude_processes() != []
        before = play.pull.head_sha

        moved = await play.push({f"{branch}.md": "# more\n"}, branch=branch)
        pushed = time.monotonic()
        took = await until_gone(pushed)
        print(f"sandbox gone {took:.2f} s after the push to {branch}")  # noqa: T201 - 5 s where nobody else computes
        if forge is ForgeKind.GITHUB or branch == "feature":
            neutral = await play.until_conclusion("neutral")
            assert (neutral.head_sha, neutral.actions) == (before, [])
            assert f"to `{moved[:12]}`" in (neutral.summary or "") or not play.side.buttons
        # A commit on GitLab has one status of ours: that of the new job takes the old one's place.

        script.open()
        ready = await play.until_conclusion("action_required")
        new = await play.job()
        assert (ready.head_sha, new.head_sha) == (play.pull.head_sha, play.pull.head_sha)
        assert new.base_sha == play.repository.refs["refs/heads/main"]
        assert (new.request.instructions, new.request.requested_by) == ("keep both rates", old.request.requested_by)
        ended = await store.jobs.get(old.id)
        assert ended is not None
        assert ended.state is JobState.SUPERSEDED
        run = await store.runs.latest(old.id)
        assert run is not None
        assert run.outcome is RunOutcome.SUPERSEDED
        assert len(play.check_runs()) == 2
        assert len(play.branches()) == 1
        assert play.replies() == []
