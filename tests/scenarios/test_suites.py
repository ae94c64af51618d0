"""The repository's own tests on what is proposed, with real sandboxes: they pass, fail, hang, and meddle."""

import contextlib
import re
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from app.demo.model.resolver import HonestResolver
from bot.model.jobs import JobState
from bot.model.proposals import SuiteEvidence, SuiteOutcome
from tests.conftest import Golden
from tests.scenarios.play import Play, playing
from tests.scenarios.test_chain import calls, git
from tests.scenarios.test_regenerate import resolved, stable

VERSIONS = {"base": "1.0.0", "ours": "1.1.0", "theirs": "1.2.0"}
CHECK = """import pathlib
import unittest


class Versions(unittest.TestCase):
    def test_the_version(self):
        print("reading setup.cfg")
        self.assertIn("version = {wanted}\\n", pathlib.Path("setup.cfg").read_text())
"""
PASSING, FAILING = CHECK.format(wanted="1.2.0"), CHECK.format(wanted="1.1.0")


def config(more: str = "", command: str = f"{sys.executable} -m unittest") -> str:
    return f"version: 1\ntest_command: '{command}'\n{more}"


@contextlib.asynccontextmanager
async def suite(
    directory: Path, checks: str, configuration: str | None = None, more: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Play]:
    """A pull request whose conflict a rule settles, in a repository with tests."""
    trees = {side: {"setup.cfg": f"[metadata]\nversion = {version}\n"} for side, version in VERSIONS.items()}
    trees["base"] |= {"test_versions.py": checks, ".flowforge.yml": configuration or config(), **more}
    script = HonestResolver()
    async with playing(directory, script, base=trees["base"], ours=trees["ours"], theirs=trees["theirs"]) as play:
        yield play


async def evidence(play: Play) -> SuiteEvidence:
    proposals = play.stage.instance.store.proposals
    proposal = await proposals.of_job((await play.job()).id)
    assert proposal is not None
    found = await proposals.tests(proposal.job_id, proposal.tree)
    assert found is not None
    commit = play.repository.refs[f"refs/heads/{proposal.branch}"]
    assert git(play, "rev-parse", f"{commit}^{{tree}}").strip() == found.tree, "bound to what would be pushed"
    return found


def same_each_time(report: str) -> str:
    """A report without what takes its time, and without the order in which two streams came."""
    report = stable(report).replace("within a second", "after N s")
    log = "<summary>The end of what the tests printed</summary>"
    assert log in report
    return re.sub(rf"({log}\n\n```\n).*?(\n```)", r"\1…\2", report, flags=re.DOTALL)


async def test_tests_that_pass_are_evidence_and_the_proposal_is_pushed(tmp_path: Path, golden: Golden) -> None:
    async with suite(tmp_path, PASSING, config("tests_must_pass: true\n")) as play:
        sticky = await resolved(play)
        found = await evidence(play)
        assert (found.outcome, found.exit_status) == (SuiteOutcome.PASSED, 0)
        assert "Ran 1 test" in found.log_tail
        assert "reading setup.cfg" in found.log_tail
        assert calls(play) == 0
        golden.check("suites/passed.md", same_each_time(sticky))
        (commit,) = (play.repository.refs[branch] for branch in play.branches())
        play.say("/flowforge approve")
        await play.until_head(commit)


async def test_tests_that_fail_are_said_and_stop_nobody(tmp_path: Path) -> None:
    async with suite(tmp_path, FAILING) as play:
        sticky = await resolved(play)
        found = await evidence(play)
        assert (found.outcome, found.exit_status) == (SuiteOutcome.FAILED, 1)
        assert "**Tests failed.**" in sticky
        assert "AssertionError" in sticky
        (commit,) = (play.repository.refs[branch] for branch in play.branches())
        play.say("/flowforge approve")
        await play.until_head(commit)
        await play.until_conclusion("success")


async def test_where_tests_have_to_pass_an_approval_is_refused_until_they_do(tmp_path: Path) -> None:
    async with suite(tmp_path, FAILING, config("tests_must_pass: true\n")) as play:
        sticky = await resolved(play)
        assert "Nothing is approved here before its tests pass" in sticky
        head = play.pull.head_sha
        play.say("/flowforge approve")
        await play.until_reply("Rule: `tests`")
        assert play.pull.head_sha == head
        assert (await play.job()).state is JobState.AWAITING_APPROVAL

        people, author = play.stage.forge.people, play.author
        await people.commit(play.repository, "feature", {"test_versions.py": PASSING}, author=author)
        await play.until_conclusion("neutral")  # the old proposal is void
        await resolved(play)
        assert (await evidence(play)).outcome is SuiteOutcome.PASSED
        await play.until_branches(1)
        (commit,) = (play.repository.refs[branch] for branch in play.branches())
        play.say("/flowforge approve")
        await play.until_head(commit)


async def test_what_tests_change_is_thrown_away(tmp_path: Path) -> None:
    meddle = (
        "import os, pathlib\n"
        "pathlib.Path('setup.cfg').write_text('[metadata]\\nversion = 6.6.6\\n')\n"
        "pathlib.Path('big').write_bytes(b'x' * 3_000_000)\n"
        "os.symlink('/etc/passwd', 'link')\n"
        "print('FLOWFORGE' in str(os.environ))\n"
    )
    command = config(command=f"{sys.executable} meddle.py")
    async with suite(tmp_path, PASSING, command, {"meddle.py": meddle}) as play:
        await resolved(play)
        found = await evidence(play)
        assert (found.outcome, found.log_tail) == (SuiteOutcome.PASSED, "False\n")
        (commit,) = (play.repository.refs[branch] for branch in play.branches())
        assert git(play, "show", f"{commit}:setup.cfg") == "[metadata]\nversion = 1.2.0\n"
        assert "big" not in git(play, "ls-tree", "--name-only", commit)


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("/no/such/program", 127, "cannot be started"),
        (f"{sys.executable} -c 'import nothing_like_it'", 1, "nothing_like"),
    ],
    ids=["no program", "no module"],
)
async def test_a_command_that_does_not_work_failed(tmp_path: Path, command: str, status: int, words: str) -> None:
    async with suite(tmp_path, PASSING, f'version: 1\ntest_command: "{command}"\n') as play:
        sticky = await resolved(play)
        assert (await evidence(play)).exit_status == status
        assert words in sticky


async def test_tests_can_be_cancelled(tmp_path: Path) -> None:
    hang = PASSING + "        import time; time.sleep(600)\n"
    async with suite(tmp_path, hang) as play:
        play.say("/flowforge resolve")
        await play.until_branches(1)
        play.say("/flowforge cancel")
        await play.until_conclusion("cancelled")
        await play.until_branches(0)
        assert (await play.job()).state is JobState.CANCELLED
