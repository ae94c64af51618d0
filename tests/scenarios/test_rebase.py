"""A rebase keeps authors and messages, and replaces the head only by an approval that names it."""

from pathlib import Path

from app.demo.model.direct import OnDirect, nothing_decided
from app.demo.model.resolver import HonestResolver
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from tests.scenarios.play import playing
from tests.scenarios.test_chain import calls, git

BASE, OURS, THEIRS = (
    {"setup.cfg": f"[metadata]\nversion = {version}\n", "notes.md": "# Notes\n"}
    for version in ("1.0.0", "1.1.0", "1.2.0")
)
SCRIPT = OnDirect(nothing_decided, HonestResolver())
OURS["extra.md"] = "Extra\n"


async def test_a_rebase_keeps_authors_and_is_approved_with_the_old_head(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, SCRIPT, base=BASE, ours=OURS, theirs=THEIRS, forge=forge) as play:
        old = await play.push({"notes.md": "# Notes\n\nMore.\n"}, branch="feature")
        base = play.repository.refs["refs/heads/main"]
        before = git(play, "log", "--format=%an %ae %ad %B", "--reverse", f"{old}", "-2")
        play.say("/flowforge resolve --strategy rebase")
        check = await play.until_conclusion("action_required")
        assert (await play.job()).state is JobState.AWAITING_APPROVAL, (await play.job()).message
        assert "approve" not in {action["identifier"] for action in check.actions}
        (branch,) = play.branches()
        tip = play.repository.refs[branch]
        assert git(play, "log", "--format=%an %ae %ad %B", "--reverse", f"{base}..{tip}") == before
        assert git(play, "rev-list", "--count", f"{base}..{tip}").strip() == "2"
        assert git(play, "show", f"{tip}:setup.cfg").endswith("version = 1.2.0\n")
        assert git(play, "show", f"{tip}:notes.md").endswith("More.\n")

        play.say(f"/flowforge approve {tip[:12]}")
        await play.until_reply("Rule: `old-head`")
        assert play.pull.head_sha == old
        command = f"/flowforge approve --old-head {old[:12]} {tip[:12]}"
        await play.until_sticky(command)
        play.say(command)
        await play.until_head(tip)
        await play.until_conclusion("success")
        assert calls(play) == 0

        play.say("/flowforge rollback")
        await play.until_head(old)


async def test_a_commit_that_only_an_agent_could_settle_stops_the_rebase(tmp_path: Path, forge: ForgeKind) -> None:
    sides = [{"fees.py": f"RATE = {rate}\n"} for rate in (1, "'ours'", "'theirs'")]
    async with playing(tmp_path, SCRIPT, base=sides[0], ours=sides[1], theirs=sides[2], forge=forge) as play:
        before = play.pull.head_sha
        play.say("/flowforge resolve --strategy rebase")
        await play.until_conclusion("action_required")
        job = await play.job()
        assert (job.state, job.rule) == (JobState.UNRESOLVED, "rebase")
        await play.until_sticky("`/flowforge resolve` merges instead")
        assert play.branches() == set()
        assert play.pull.head_sha == before


async def test_a_commit_that_conflicts_in_too_many_files_stops_the_rebase(tmp_path: Path, forge: ForgeKind) -> None:
    base = {**BASE, "lib.cfg": BASE["setup.cfg"], ".flowforge.yml": "version: 1\nmax_conflicted_files: 1\n"}
    sides = [{"setup.cfg": side["setup.cfg"], "lib.cfg": side["setup.cfg"]} for side in (OURS, THEIRS)]
    async with playing(tmp_path, SCRIPT, base=base, ours=sides[0], theirs=sides[1], forge=forge) as play:
        play.say("/flowforge resolve --strategy rebase")
        await play.until_conclusion("action_required")
        job = await play.job()
        assert (job.state, job.rule) == (JobState.UNRESOLVED, "rebase")
        await play.until_sticky("2 files conflict; this repository leaves merges with more than 1")
        await play.until_sticky("git rebase")
        assert play.branches() == set()


async def test_a_series_with_a_merge_in_it_is_refused(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HonestResolver(), base=BASE, ours=OURS, theirs=THEIRS, forge=forge) as play:
        head, base = play.pull.head_sha, play.repository.refs["refs/heads/main"]
        tree = git(play, "rev-parse", f"{head}^{{tree}}").strip()
        who = ["-c", "user.name=Robin", "-c", "user.email=robin@example.org"]
        merge = git(play, *who, "commit-tree", tree, "-p", head, "-p", f"{base}~1", "-m", "A merge").strip()
        await play.forge.people.move_branch(play.repository, "feature", merge, actor=play.author)
        play.say("/flowforge resolve --strategy rebase")
        await play.until_sticky("The pull request holds a merge")
        assert play.pull.head_sha == merge
