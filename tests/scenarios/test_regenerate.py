"""Generated files are made anew by the repository's own command, never merged; without one they are a person's."""

import contextlib
import hashlib
import re
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from app.demo.model.replies import Script
from app.demo.model.resolver import HonestResolver
from bot.model.jobs import JobState
from bot.model.reports import ResolutionStatus
from bot.model.runs import RunKind
from tests.conftest import Golden
from tests.scenarios.play import Play, playing
from tests.scenarios.test_chain import calls, git

Trees = dict[str, dict[str, str]]

LOCK = "tools/lock.py"
WRITE = """
import hashlib, pathlib
lines = pathlib.Path("deps.cfg").read_text().split()
assert not any(line.startswith(("<<<<<<<", ">>>>>>>")) for line in lines), "the manifest is not settled"
assert "<<<<<<<" not in pathlib.Path("deps.lock").read_text(), "the lock is not a valid one"
made = [f"{line} sha256:{hashlib.sha256(line.encode()).hexdigest()}" for line in lines]
pathlib.Path("deps.lock").write_text("# made by tools/lock.py\\n" + "".join(line + "\\n" for line in made))
print("locked", len(made))
"""
MANIFEST = {"base": "alpha==1.0.0\nbeta==1\n", "ours": "alpha==1.1.0\nbeta==1\n", "theirs": "alpha==1.2.0\nbeta==1\n"}


def config(paths: str = "[deps.lock]", more: str = "") -> str:
    return (
        f"version: 1\nresolvers:\n  regenerate:\n    - paths: {paths}\n      command: '{sys.executable} {LOCK}'\n{more}"
    )


def lock_of(manifest: str) -> str:
    made = [f"{line} sha256:{hashlib.sha256(line.encode()).hexdigest()}" for line in manifest.split()]
    return "# made by tools/lock.py\n" + "".join(f"{line}\n" for line in made)


def sides(
    *,
    script: str = WRITE,
    configuration: str | None = None,
    manifest: Mapping[str, str] = MappingProxyType(MANIFEST),
    more: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Trees:
    """The three trees of a pull request whose lock file conflicts, and perhaps its manifest."""
    found: Trees = {}
    for side in ("base", "ours", "theirs"):
        found[side] = {"deps.lock": lock_of(MANIFEST[side]), **more.get(side, {})}
        if manifest:
            found[side]["deps.cfg"] = manifest[side]
    found["base"][LOCK] = script
    if configuration != "":
        found["base"][".flowforge.yml"] = configuration or config()
    return found


@contextlib.asynccontextmanager
async def locking(directory: Path, trees: Trees, script: Script = HonestResolver()) -> AsyncIterator[Play]:  # noqa: B008
    """A pull request with these three trees."""
    async with playing(directory, script, base=trees["base"], ours=trees["ours"], theirs=trees["theirs"]) as play:
        yield play


async def resolved(play: Play, *, conclusion: str = "action_required") -> str:
    """Ask for a resolution; the sticky comment when it ended."""
    play.say("/flowforge resolve")
    await play.until_conclusion(conclusion)
    job = await play.job()
    return await play.until_sticky(f"{job.short_id}")


async def records(play: Play) -> dict[str, tuple[ResolutionStatus, str]]:
    found = await play.stage.instance.store.proposals.conflicts((await play.job()).id)
    return {record.path: (record.status, record.resolver) for record in found}


def stable(report: str) -> str:
    """A report without what differs from run to run."""
    report = re.sub(r"http://127\.0\.0\.1:\d+/", "http://127.0.0.1/", report.replace(sys.executable, "python3"))
    report = re.sub(r"\b[0-9a-f]{8,64}\b", "0" * 8, report)
    return re.sub(r"\b[\d.,]+ (s|seconds?|minutes?)\b", r"N \1", report)


async def test_a_lock_file_is_made_anew_from_the_settled_manifest_and_pushed(tmp_path: Path, golden: Golden) -> None:
    """A rule settles the manifest, the command makes the lock; no model is asked."""
    async with locking(tmp_path, sides()) as play:
        parents = [play.pull.head_sha, play.repository.refs["refs/heads/main"]]
        sticky = await resolved(play)
        job = await play.job()
        assert job.state is JobState.AWAITING_APPROVAL, (job.message, sticky)
        (commit,) = (play.repository.refs[branch] for branch in play.branches())
        assert git(play, "log", "-1", "--format=%P", commit).split() == parents
        assert git(play, "diff", "--name-only", f"{commit}^2", commit).split() == []
        assert git(play, "show", f"{commit}:deps.lock") == lock_of(MANIFEST["theirs"])
        assert await records(play) == {
            "deps.cfg": (ResolutionStatus.RESOLVED, "version"),
            "deps.lock": (ResolutionStatus.RESOLVED, "regenerate"),
        }
        assert "Claude" not in git(play, "log", "-1", "--format=%B", commit)
        golden.check("regenerate/proposed.md", stable(sticky))
        play.say("/flowforge approve")
        await play.until_head(commit)
        await play.until_conclusion("success")
        assert calls(play) == 0
        assert await play.stage.instance.store.recorded.export(play.ref) != []
        assert "deps.lock" not in str(await play.stage.instance.store.recorded.export(play.ref)), "not to be repeated"


async def test_what_the_agent_settled_is_there_when_the_command_runs(tmp_path: Path) -> None:
    manifest = {"base": "alpha==one\n", "ours": "alpha==two\n", "theirs": "alpha==three\n"}
    script = HonestResolver(answers={"deps.cfg": "alpha==both\n"})
    async with locking(tmp_path, sides(manifest=manifest), script) as play:
        await resolved(play)
        assert (await play.job()).state is JobState.AWAITING_APPROVAL
        (commit,) = (play.repository.refs[branch] for branch in play.branches())
        assert git(play, "show", f"{commit}:deps.cfg") == "alpha==both\n"
        assert git(play, "show", f"{commit}:deps.lock") == lock_of("alpha==both")
        assert "deps.lock" not in asked_about(play)
        run = await play.stage.instance.store.runs.latest((await play.job()).id)
        assert run is not None
        assert run.kind is RunKind.REGENERATE
        assert "Claude" in git(play, "log", "-1", "--format=%B", commit)


async def test_its_other_files_come_with_it_and_are_named(tmp_path: Path) -> None:
    script = WRITE + "pathlib.Path('deps.sum').write_text('3 lines\\n')\npathlib.Path('new.sum').write_text('new\\n')\n"
    trees = sides(
        script=script,
        configuration=config("[deps.lock, '*.sum']"),
        more={"base": {"deps.sum": "2 lines\n"}},
    )
    async with locking(tmp_path, trees) as play:
        sticky = await resolved(play)
        assert (await play.job()).state is JobState.AWAITING_APPROVAL, sticky
        (commit,) = (play.repository.refs[branch] for branch in play.branches())
        assert git(play, "show", f"{commit}:deps.sum") == "3 lines\n"
        assert git(play, "show", f"{commit}:new.sum") == "new\n"
        assert {"deps.sum", "new.sum"} <= set(git(play, "diff", "--name-only", f"{commit}^2", commit).split())
        assert "`deps.sum`: Made anew by the repository's own command, not merged." in sticky
        assert "`new.sum`" in sticky


REFUSED = {
    "another file": (WRITE + "pathlib.Path('README.md').write_text('hello')\n", "README.md"),
    "a settled file": (WRITE + "pathlib.Path('deps.cfg').write_text('alpha==9\\n')\n", "deps.cfg"),
    "it is deleted": ("import os; os.unlink('deps.lock')\n", "deps.lock"),
    "a link": (WRITE + "import os; os.unlink('deps.lock'); os.symlink('deps.cfg', 'deps.lock')\n", "deps.lock"),
    "markers": (WRITE + "pathlib.Path('deps.lock').write_text('<<<<<<< a\\n=======\\n>>>>>>> b\\n')\n", "deps.lock"),
    "hidden text": (WRITE + "pathlib.Path('deps.lock').write_text('a \\u202e b\\n')\n", "deps.lock"),
    "a credential": (WRITE + "pathlib.Path('deps.lock').write_text('ghp_' + 'a1B2c3D4e5' * 4 + '\\n')\n", "deps.lock"),
}


@pytest.mark.parametrize(("script", "path"), REFUSED.values(), ids=REFUSED)
async def test_what_a_command_may_not_do_is_refused_and_named(tmp_path: Path, script: str, path: str) -> None:
    async with locking(tmp_path, sides(script=script)) as play:
        before = play.pull.head_sha
        sticky = await resolved(play)
        job = await play.job()
        assert (job.state, job.rule) == (JobState.UNRESOLVED, "gate")
        assert path in sticky
        assert (await records(play))["deps.lock"] == (ResolutionStatus.OPEN, "regenerate")
        (part,) = (play.repository.refs[branch] for branch in play.branches())
        assert git(play, "diff", "--name-only", before, part).split() == ["deps.cfg"], "what is safe is prepared"
        assert git(play, "show", f"{part}:deps.cfg") == MANIFEST["theirs"]


@pytest.mark.parametrize("path", ["more.sum", "gen/more.sum"], ids=["as a link", "below a link"])
async def test_a_command_writes_over_no_link(tmp_path: Path, path: str) -> None:
    """Links are not in the workspace, so a command does not know that one stands in its way."""
    link = path.split("/", maxsplit=1)[0]
    script = f"{WRITE}p = pathlib.Path({path!r}); p.parent.mkdir(exist_ok=True); p.write_text('new')\n"
    async with locking(tmp_path, sides(script=script, configuration=config("[deps.lock, '*.sum']"))) as play:
        main = play.repository.refs["refs/heads/main"]
        blob = git(play, "rev-parse", f"{main}:deps.cfg").strip()
        entries = git(play, "ls-tree", main) + f"120000 blob {blob}\t{link}\n"
        tree = git(play, "mktree", said=entries).strip()
        who = ["-c", "user.name=Robin", "-c", "user.email=robin@example.org"]
        linked = git(play, *who, "commit-tree", tree, "-p", main, "-m", "A link").strip()
        await play.stage.forge.people.move_branch(play.repository, "main", linked, actor=play.author)
        sticky = await resolved(play)
        job = await play.job()
        assert (job.state, job.rule) == (JobState.UNRESOLVED, "gate")
        assert f"`{path}`: This file is not among the conflicted ones, so it may not change." in sticky


async def test_a_command_that_fails_leaves_the_rest_prepared_and_says_what_it_said(
    tmp_path: Path, golden: Golden
) -> None:
    script = (
        "print('looking for alpha', flush=True)\nraise SystemExit('no alpha==1.2.0 | token=ghp_' + 'a1B2c3D4e5' * 4)\n"
    )
    async with locking(tmp_path, sides(script=script)) as play:
        before = play.pull.head_sha
        sticky = await resolved(play)
        job = await play.job()
        assert (job.state, job.rule) == (JobState.UNRESOLVED, "command_failed")
        said = re.search(r"its output ends so: (`+)(.*?)\1", sticky)
        assert said is not None
        assert "looking for alpha" in said[2]
        assert "no alpha==1.2.0" in said[2], "both streams are its output"
        assert "status 1: looking for alpha no `alpha==1.2.0`" in sticky
        assert "a1B2c3D4e5" not in sticky
        (part,) = (play.repository.refs[branch] for branch in play.branches())
        assert git(play, "diff", "--name-only", before, part).split() == ["deps.cfg"]
        golden.check("regenerate/failed.md", stable(sticky.replace(said[2], "…")))


async def test_a_command_that_changes_nothing_leaves_the_base_branchs_version(tmp_path: Path) -> None:
    async with locking(tmp_path, sides(script="print('all is well')\n")) as play:
        await resolved(play)
        assert (await play.job()).state is JobState.AWAITING_APPROVAL
        (commit,) = (play.repository.refs[branch] for branch in play.branches())
        assert git(play, "show", f"{commit}:deps.lock") == lock_of(MANIFEST["theirs"])


async def test_nothing_is_made_while_something_else_is_open(tmp_path: Path) -> None:
    logos = {side: {"logo.bin": f"\0{side}"} for side in ("base", "ours", "theirs")}
    async with locking(tmp_path, sides(more=logos)) as play:
        sticky = await resolved(play)
        job = await play.job()
        assert (job.state, job.rule) == (JobState.UNRESOLVED, "needs_person")
        assert "makes this file anew as soon as every other conflict is settled" in sticky
        assert await play.stage.instance.store.runs.latest(job.id) is None
        play.say("/flowforge take ours logo.bin")
        await play.until_conclusion("action_required", count=2)
        assert (await play.job()).state is JobState.AWAITING_APPROVAL
        await play.until_branches(1)
        (commit,) = (play.repository.refs[branch] for branch in play.branches())
        assert git(play, "show", f"{commit}:deps.lock") == lock_of(MANIFEST["theirs"])
        assert git(play, "show", f"{commit}:logo.bin") == "\0ours"


async def test_a_person_may_take_a_side_instead(tmp_path: Path) -> None:
    async with locking(tmp_path, sides(script="raise SystemExit(1)\n")) as play:
        await resolved(play)
        assert (await play.job()).state is JobState.UNRESOLVED
        play.say("/flowforge take ours deps.lock")
        await play.until_conclusion("action_required", count=2)
        job = await play.job()
        assert job.state is JobState.AWAITING_APPROVAL
        assert await play.stage.instance.store.runs.latest(job.id) is None
        await play.until_branches(1)
        (commit,) = (play.repository.refs[branch] for branch in play.branches())
        assert git(play, "show", f"{commit}:deps.lock") == lock_of(MANIFEST["ours"])


async def test_a_lock_file_without_a_command_is_a_persons(tmp_path: Path) -> None:
    async with locking(tmp_path, sides(configuration="")) as play:
        before = play.pull.head_sha
        sticky = await resolved(play)
        job = await play.job()
        assert (job.state, job.rule) == (JobState.UNRESOLVED, "needs_person")
        assert "a lock file is written by its tool and never merged" in sticky
        assert "regenerate: [{paths: [deps.lock]" in sticky
        assert "/flowforge take theirs deps.lock" in sticky
        (part,) = (play.repository.refs[branch] for branch in play.branches())
        assert git(play, "diff", "--name-only", before, part).split() == ["deps.cfg"]
        assert calls(play) == 0


async def test_the_pull_requests_own_configuration_does_not_count(tmp_path: Path) -> None:
    trees = sides(configuration="")
    trees["ours"][".flowforge.yml"] = config()
    async with locking(tmp_path, trees) as play:
        await resolved(play)
        assert (await play.job()).state is JobState.UNRESOLVED
        assert await play.stage.instance.store.runs.latest((await play.job()).id) is None


async def test_a_dry_run_says_which_command_would_run_and_runs_none(tmp_path: Path) -> None:
    async with locking(tmp_path, sides()) as play:
        play.say("/flowforge resolve --dry-run")
        sticky = await play.until_sticky("This was a dry run")
        assert LOCK in sticky
        assert await play.stage.instance.store.runs.latest((await play.job()).id) is None
        assert (await records(play))["deps.lock"] == (ResolutionStatus.OPEN, "regenerate")


async def test_a_rebase_runs_no_command_and_says_so(tmp_path: Path) -> None:
    async with locking(tmp_path, sides()) as play:
        play.say("/flowforge resolve --strategy rebase")
        await play.until_conclusion("action_required")
        job = await play.job()
        assert (job.state, job.rule) == (JobState.UNRESOLVED, "rebase")
        await play.until_sticky("A rebase runs no command")
        assert await play.stage.instance.store.runs.latest(job.id) is None


async def test_a_command_can_be_cancelled(tmp_path: Path) -> None:
    script = "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n"
    async with locking(tmp_path, sides(script=script)) as play:
        play.say("/flowforge resolve")
        await play.until_sticky("/flowforge cancel")
        play.say("/flowforge cancel")
        await play.until_conclusion("cancelled")
        assert (await play.job()).state is JobState.CANCELLED
        assert play.branches() == set()


def asked_about(play: Play) -> str:
    """What the model was told, without the paths of files that it could look up itself."""
    assert play.stage.scripted is not None
    bodies = [call.body for call in play.stage.scripted.calls if call.body]
    return str([body["messages"][0] for body in bodies])
