"""Each conflict goes to the cheapest resolver that can settle it, and what is settled is not asked again."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.demo.model import direct_liars
from app.demo.model.direct import OnDirect, SeenQuestion, nothing_decided
from app.demo.model.direct_answers import answer_from
from app.demo.model.replies import Reply
from app.demo.model.resolver import HonestResolver
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from bot.model.reports import ResolutionStatus
from bot.model.resolutions import Tier
from tests.scenarios.play import ANSWER, BASE, OURS, THEIRS, Play, playing

DIRECT: dict[str, object] = {"direct_calls": True}
HONEST = HonestResolver(answers={"fees.py": ANSWER})
LOGOS = {side: {f"{name}.bin": f"\0{name} {side}" for name in ("icon", "logo")} for side in ("base", "ours", "theirs")}


def git(play: Play, *arguments: str, said: str = "") -> str:
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 - the git on the PATH
        cwd=play.repository.directory,
        check=True,
        capture_output=True,
        text=True,
        input=said,
    )
    return done.stdout


def calls(play: Play) -> int:
    assert play.stage.scripted is not None
    return len(play.stage.scripted.calls)


async def test_what_rules_settle_costs_no_model_call(tmp_path: Path) -> None:
    base, ours, theirs = (
        {"setup.cfg": f"[metadata]\nversion = {version}\n"} for version in ("1.0.0", "1.1.0", "1.2.0")
    )
    async with playing(tmp_path, HONEST, base=base, ours=ours, theirs=theirs) as play:
        parents = [play.pull.head_sha, play.repository.refs["refs/heads/main"]]
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        (branch,) = play.branches()
        commit = play.repository.refs[branch]
        assert git(play, "log", "-1", "--format=%P", commit).split() == parents
        assert git(play, "show", f"{commit}:setup.cfg").endswith("version = 1.2.0\n")
        assert "Claude" not in git(play, "log", "-1", "--format=%B", commit)
        sticky = await play.until_sticky(commit[:12])
        assert "no model call" in sticky
        play.say("/flowforge approve")
        await play.until_head(commit)
        assert calls(play) == 0


async def test_what_is_for_people_does_not_stop_the_rest_and_takes_finish_it(tmp_path: Path, forge: ForgeKind) -> None:
    sides = [{**texts, **LOGOS[side]} for texts, side in ((BASE, "base"), (OURS, "ours"), (THEIRS, "theirs"))]
    async with playing(tmp_path, HONEST, base=sides[0], ours=sides[1], theirs=sides[2], forge=forge) as play:
        before, base = play.pull.head_sha, play.repository.refs["refs/heads/main"]
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        job = await play.job()
        assert (job.state, job.rule) == (JobState.UNRESOLVED, "needs_person")
        (branch,) = play.branches()
        part = play.repository.refs[branch]
        assert git(play, "log", "-1", "--format=%P", part).split() == [before]
        assert git(play, "log", "-1", "--format=%s", part).startswith("Unfinished")
        assert git(play, "diff", "--name-only", before, part).split() == ["fees.py"]
        assert git(play, "show", f"{part}:fees.py") == ANSWER
        sticky = await play.until_sticky("/flowforge take")
        assert "git merge --no-commit" in sticky
        assert "approve" not in {action["identifier"] for action in play.check_run().actions}
        spent = calls(play)

        play.say("/flowforge approve")
        await play.until_reply("Rule: ")
        play.say("/flowforge take theirs logo.bin")
        await play.until_conclusion("action_required", count=2)
        await play.until_branches(1)
        assert play.branches() != {branch}
        if play.side.buttons:
            assert {action["label"] for action in play.check_run().actions} >= {"Take ours", "Take theirs"}
            play.click("take_ours")
        else:
            play.say("/flowforge take ours icon.bin")
        await play.until_conclusion("action_required", count=3)
        job = await play.job()
        assert job.state is JobState.AWAITING_APPROVAL
        await play.until_branches(1)
        (whole,) = (play.repository.refs[name] for name in play.branches())
        assert git(play, "log", "-1", "--format=%P", whole).split() == [before, base]
        assert git(play, "show", f"{whole}:logo.bin") == "\0logo theirs"
        assert git(play, "show", f"{whole}:icon.bin") == "\0icon ours"
        assert git(play, "show", f"{whole}:fees.py") == ANSWER
        play.say("/flowforge approve")
        await play.until_head(whole)
        assert calls(play) == spent


async def test_an_unfinished_branch_goes_when_the_pull_request_closes(tmp_path: Path, forge: ForgeKind) -> None:
    sides = [{**texts, **LOGOS[side]} for texts, side in ((BASE, "base"), (OURS, "ours"), (THEIRS, "theirs"))]
    async with playing(tmp_path, HONEST, base=sides[0], ours=sides[1], theirs=sides[2], forge=forge) as play:
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        await play.until_branches(1)
        play.forge.people.close(play.pull, play.maintainer)
        await play.until_branches(0)


async def test_an_approved_resolution_settles_the_same_conflict_until_it_is_taken_back(
    tmp_path: Path, forge: ForgeKind
) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        before = play.pull.head_sha
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        play.say("/flowforge approve")
        await play.until_conclusion("success")
        spent = calls(play)
        assert spent

        await play.forge.people.move_branch(play.repository, "feature", before, actor=play.author)
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        (record,) = await play.stage.instance.store.proposals.conflicts((await play.job()).id)
        assert (record.status, record.resolver) == (ResolutionStatus.RESOLVED, "recorded")
        await play.until_sticky("approved by")
        play.say("/flowforge approve")
        await play.until_conclusion("success", count=2)
        assert calls(play) == spent

        play.say("/flowforge rollback")
        await play.until_head(before)
        await play.until_sticky("back where it was")
        assert await play.stage.instance.store.recorded.export(play.ref) == []


def conversations(play: Play) -> int:
    """How often an agent began to work: every run of one begins with a message of its own."""
    assert play.stage.scripted is not None
    bodies = [one.body for one in play.stage.scripted.calls if one.body]
    return len([body for body in bodies if body.get("tools") and len(body["messages"]) == 1])


async def tiers(play: Play) -> dict[str, list[Tier]]:
    records = await play.stage.instance.store.proposals.conflicts((await play.job()).id)
    return {record.path: [answer.tier for answer in record.answers] for record in records}


async def test_a_small_conflict_takes_one_direct_call_and_no_sandbox(tmp_path: Path) -> None:
    async with playing(tmp_path, HONEST, overrides=DIRECT) as play:
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        assert (await play.job()).state is JobState.AWAITING_APPROVAL
        assert await tiers(play) == {"fees.py": [Tier.DIRECT]}
        assert await play.stage.instance.store.runs.latest((await play.job()).id) is None
        usage = await play.stage.instance.store.runs.usage((await play.job()).id)
        assert usage.model_calls == 1
        sticky = await play.until_sticky("one call of the model")
        assert "1 model call" in sticky


async def test_rules_the_direct_call_and_the_agent_share_a_merge(tmp_path: Path) -> None:
    """Versions are for a rule, the rates for the direct call, and what that leaves for the agent."""

    def text(rate: int, version: str) -> str:
        between = "".join(f"LINE_{number} = {number}\n" for number in range(8))
        return f"RATE = {rate}\n{between}VERSION = '{version}'\n"

    base = {"a.py": "VERSION = '1.0.0'\n", "b.py": text(1, "1.0.0"), "c.py": "FEE = 0\n"}
    ours = {"a.py": "VERSION = '1.1.0'\n", "b.py": text(2, "1.1.0"), "c.py": "FEE = 'ours'\n"}
    theirs = {"a.py": "VERSION = '1.2.0'\n", "b.py": text(3, "1.2.0"), "c.py": "FEE = 'theirs'\n"}
    answers = {"b.py": text(23, "1.2.0"), "c.py": "FEE = 'both'\n"}
    knows = {"b.py": answers["b.py"]}
    script = OnDirect(lambda question: answer_from(question, knows), HonestResolver(answers=answers))
    async with playing(tmp_path, script, base=base, ours=ours, theirs=theirs, overrides=DIRECT) as play:
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        assert await tiers(play) == {"a.py": [Tier.A], "b.py": [Tier.DIRECT, Tier.A], "c.py": [Tier.AGENT]}
        (branch,) = play.branches()
        commit = play.repository.refs[branch]
        assert git(play, "show", f"{commit}:b.py") == answers["b.py"]
        assert git(play, "show", f"{commit}:c.py") == answers["c.py"]
        sticky = await play.until_sticky(commit[:12])
        assert "4 conflicts: 2 by rules, 1 by one call of the model, 1 by Claude Code." in sticky


@pytest.mark.parametrize("answer", [nothing_decided, direct_liars.leaves_markers, direct_liars.writes_prose])
async def test_what_the_direct_call_does_not_settle_goes_to_the_agent(
    tmp_path: Path, answer: Callable[[SeenQuestion], Reply]
) -> None:
    async with playing(tmp_path, OnDirect(answer, HONEST), overrides=DIRECT) as play:
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        assert (await play.job()).state is JobState.AWAITING_APPROVAL
        assert await tiers(play) == {"fees.py": [Tier.AGENT]}
        assert conversations(play) == 1


async def test_a_direct_answer_that_the_gate_turns_down_is_made_anew_by_the_agent(tmp_path: Path) -> None:
    """ADV-041: a hidden character is the model's fault, and another try may be without it."""
    async with playing(tmp_path, OnDirect(direct_liars.hides_characters, HONEST), overrides=DIRECT) as play:
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        job = await play.job()
        sticky = await play.until_sticky("fees.py")
        assert "\u202e" not in sticky
        assert job.state is JobState.AWAITING_APPROVAL
        assert await tiers(play) == {"fees.py": [Tier.AGENT]}


async def test_the_repository_decides_who_may_resolve(tmp_path: Path, forge: ForgeKind) -> None:
    """What nobody may work on is a person's; the rest is prepared."""
    version = {"base": "1.0.0", "ours": "1.1.0", "theirs": "1.2.0"}
    base, ours, theirs = (
        {**texts, "setup.cfg": f"[metadata]\nversion = {version[side]}\n"}
        for texts, side in ((BASE, "base"), (OURS, "ours"), (THEIRS, "theirs"))
    )
    base[".flowforge.yml"] = "version: 1\nresolvers: {agent: false}\n"
    async with playing(tmp_path, HONEST, base=base, ours=ours, theirs=theirs, forge=forge) as play:
        before = play.pull.head_sha
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        job = await play.job()
        assert (job.state, job.rule) == (JobState.UNRESOLVED, "needs_person")
        sticky = await play.until_sticky("/flowforge take")
        assert "1 open" in sticky
        (branch,) = play.branches()
        assert git(play, "diff", "--name-only", before, play.repository.refs[branch]).split() == ["setup.cfg"]
        assert calls(play) == 0


async def test_an_agent_is_shown_what_rules_propose_and_why(tmp_path: Path) -> None:
    base, ours, theirs = (
        {"CHANGES.md": f"# Changes\n\n{line}- First version.\n"} for line in ("", "- Faster.\n", "- Smaller.\n")
    )
    async with playing(tmp_path, HonestResolver(), base=base, ours=ours, theirs=theirs) as play:
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        assert play.stage.scripted is not None
        told = json.dumps([call.body for call in play.stage.scripted.calls])
        assert "both are kept, ours first. Right in 3 of 10 such hunks." in told
