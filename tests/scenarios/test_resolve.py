"""The main job from the comment to the rollback, and the other ends it can come to by a person's will."""

import json
import subprocess
from pathlib import Path

import pytest

from app.demo.model.resolver import HonestResolver
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from tests.scenarios.play import ANSWER, OURS, Gated, Play, claude_processes, playing

HONEST = HonestResolver(answers={"fees.py": ANSWER})


def git(play: Play, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 - the git on the PATH
        cwd=play.repository.directory,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


async def test_resolve_approve_rollback(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        before, base = play.pull.head_sha, play.repository.refs["refs/heads/main"]
        asked = play.say("Please.\n\n/flowforge resolve")
        check = await play.until_conclusion("action_required")
        assert play.reactions(asked) == {"eyes"}
        buttons = [action["label"] for action in check.actions]
        assert buttons == (["Approve & push", "Retry", "Discard"] if play.side.buttons else [])
        (branch,) = play.branches()
        commit = play.repository.refs[branch]
        assert git(play, "show", f"{commit}:fees.py") == ANSWER
        assert git(play, "log", "-1", "--format=%P", commit).split() == [before, base]
        assert "Co-authored-by: Claude <noreply@anthropic.com>" in git(play, "log", "-1", "--format=%B", commit)
        assert f"{play.maintainer.login}@users.noreply.127.0.0.1" in git(play, "log", "-1", "--format=%B", commit)
        sticky = await play.until_sticky(commit[:12])
        assert "fees.py" in sticky
        assert "RATE = 2 + 3" in sticky
        assert play.pull.head_sha == before

        play.click("approve")
        await play.until_head(commit)
        await play.until_conclusion("success")
        await play.until_branches(0)

        play.say("/flowforge rollback")
        await play.until_head(before)
        await play.until_sticky("back where it was")
        assert len([one for one in play.ours() if "flowforge:sticky" in one.body]) == 1


async def test_reject_deletes_the_branch(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        before = play.pull.head_sha
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        play.say("/flowforge reject")
        await play.until_conclusion("neutral")
        await play.until_branches(0)
        assert play.pull.head_sha == before
        assert (await play.job()).state is JobState.REJECTED


async def test_cancel_during_a_run_ends_the_process(tmp_path: Path, forge: ForgeKind) -> None:
    script = Gated(script=HONEST)
    async with playing(tmp_path, script, forge=forge) as play:
        play.say("/flowforge resolve")
        await play.until_model_called()
        assert claude_processes() != []
        play.say("/flowforge cancel")
        await play.until_conclusion("cancelled")
        assert claude_processes() == []
        assert (await play.job()).state is JobState.CANCELLED
        assert play.branches() == set()


async def test_retry_after_a_rejection_starts_afresh(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        play.say("/flowforge reject")
        await play.until_conclusion("neutral")
        play.say("/flowforge retry")
        await play.until_conclusion("action_required")
        assert len(play.branches()) == 1


async def test_a_head_that_moved_makes_the_proposal_stale(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        shown = play.check_run()
        moved = await play.push({"README.md": "# fees, better\n"}, branch="feature")
        play.side.press_late(shown, play.pull, play.maintainer, "approve")
        await play.until_sticky(f"to `{moved[:12]}`")
        assert play.pull.head_sha == moved
        assert (await play.job()).state is JobState.SUPERSEDED
        await play.until_branches(0)


async def test_a_base_that_moved_makes_the_approval_stale(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        before = play.pull.head_sha
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        moved = await play.push({"README.md": "# fees on main\n"}, branch="main")
        sticky = await play.until_sticky("`main` moved from")
        assert f"to `{moved[:12]}`" in sticky
        play.say("/flowforge approve")
        reply = await play.until_reply("Rule: `proposal`")
        assert "out of date" in reply
        assert play.pull.head_sha == before
        await play.until_branches(0)


async def test_something_on_top_turns_the_rollback_into_a_proposed_revert(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        play.say("/flowforge approve")
        await play.until_conclusion("success")
        on_top = await play.push({"README.md": "# fees, documented\n"}, branch="feature")
        play.say("/flowforge rollback")
        await play.until_conclusion("action_required")
        (branch,) = play.branches()
        commit = play.repository.refs[branch]
        assert git(play, "show", f"{commit}:fees.py") == OURS["fees.py"]
        assert git(play, "show", f"{commit}:README.md") == "# fees, documented\n"
        assert git(play, "log", "-1", "--format=%P", commit).split() == [on_top]
        play.say("/flowforge approve")
        await play.until_head(commit)


async def test_dry_run_shows_the_conflicts_and_calls_no_model(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        play.say("/flowforge resolve --dry-run")
        await play.until_sticky("dry run")
        assert "fees.py" in play.sticky
        assert play.stage.scripted is not None
        assert play.stage.scripted.calls == []


async def test_two_commands_at_once_join_or_take_over_and_say_so(tmp_path: Path, forge: ForgeKind) -> None:
    script = Gated(script=HONEST)
    async with playing(tmp_path, script, forge=forge) as play:
        play.say("/flowforge resolve")
        await play.until_model_called()
        first = await play.job()
        play.say("/flowforge resolve")
        await play.until_reply("already working on exactly this")
        assert (await play.job()).id == first.id
        play.say("/flowforge resolve keep both rates")
        await play.until_reply("takes its place")
        await play.until_model_called(2)
        script.open()
        await play.until_conclusion("action_required")
        second = await play.job()
        ended = await play.stage.instance.store.jobs.get(first.id)
        assert ended is not None
        assert ended.state is JobState.SUPERSEDED
        assert second.id != first.id
        assert second.request.instructions == "keep both rates"


@pytest.mark.parametrize("command", ["/flowforge help", "@flowforge help"])
async def test_help_comes_from_the_table(tmp_path: Path, forge: ForgeKind, command: str) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        play.say(command)
        reply = await play.until_reply("/flowforge rollback")
        assert "/flowforge approve" in reply


async def test_the_instructions_reach_the_agent_as_data_only(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        play.say("/flowforge resolve $(touch /tmp/owned) `id` @/etc/passwd")
        await play.until_conclusion("action_required")
        assert play.stage.scripted is not None
        prompts = json.dumps([call.body for call in play.stage.scripted.calls[:1]])
        assert "touch /tmp/owned" not in prompts
        assert "root:x:0:0" not in json.dumps([call.body for call in play.stage.scripted.calls])
