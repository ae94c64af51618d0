"""The ladder for forks through the whole service: into the fork, beside it, or into people's hands; and back."""

import asyncio
import re
import subprocess
from pathlib import Path

from app.demo.model.direct import OnDirect, nothing_decided
from app.demo.model.resolver import HonestResolver
from app.demo.simulator.state import Account, PullRequest, Repository
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from tests.scenarios.play import WAIT, Play, playing
from tests.scenarios.test_chain import calls, git

BASE, OURS, THEIRS = ({"setup.cfg": f"[metadata]\nversion = {version}\n"} for version in ("1.0.0", "1.1.0", "1.2.0"))
RESOLVED = THEIRS["setup.cfg"].strip()
OPEN = {ForgeKind.GITHUB: ".*/pulls$", ForgeKind.GITLAB: ".*/merge_requests$"}
MARK = {ForgeKind.GITHUB: "#", ForgeKind.GITLAB: "!"}


async def from_fork(play: Play, fork: Repository, author: Account, branch: str, *, editable: bool) -> PullRequest:
    """A pull request in conflict, from a branch of the fork; the play is about it from now on."""
    people = play.forge.people
    await people.commit(fork, branch, {f"{branch}.md": "x\n"}, author=author, start="feature")
    play.pull = await people.open_pull_request(
        play.repository,
        author=author,
        head=branch,
        head_repository=fork,
        title=branch,
        maintainer_can_modify=editable,
    )
    return play.pull


async def approved(play: Play) -> str:
    """Have somebody answer for the head, and approve what comes of it; the commit that was proposed."""
    ours = play.branches()
    play.say("/flowforge resolve")
    asked = f"/flowforge ok {play.pull.head_sha}"
    await play.until_reply(asked)
    assert play.branches() == ours
    play.say(f"{asked}\n/flowforge resolve")
    await play.until_sticky("waits for approval")
    (branch,) = play.branches() - ours
    commit = play.repository.refs[branch]
    play.say("/flowforge approve")
    return commit


def beside(play: Play) -> list[PullRequest]:
    return [one for one in play.repository.pull_requests() if one.author is play.forge.bot]


async def test_a_merge_goes_as_far_up_the_ladder_as_the_fork_allows_and_back(tmp_path: Path, forge: ForgeKind) -> None:
    script = OnDirect(nothing_decided, HonestResolver())
    async with playing(tmp_path, script, base=BASE, ours=OURS, theirs=THEIRS, forge=forge) as play:
        outsider = play.forge.people.user("outsider")
        fork = await play.forge.people.fork(play.repository, outsider)
        # https://docs.gitlab.com/user/project/merge_requests/allow_collaboration/ is for what is not private.
        play.repository.private = fork.private = False

        pull = await from_fork(play, fork, outsider, "open", editable=True)
        before = pull.head_sha
        commit = await approved(play)
        await play.until_head(commit)
        assert fork.branch("open") == commit
        assert await play.forge.git(fork, "show", f"{commit}:setup.cfg") == RESOLVED
        await play.until_sticky("was pushed to `outsider/fees:open`")
        play.say("/flowforge rollback")
        await play.until_head(before)
        assert beside(play) == []

        pull = await from_fork(play, fork, outsider, "shut", editable=False)
        before = pull.head_sha
        commit = await approved(play)
        said = await play.until_sticky("it is a draft until you look at it")
        assert "does not let maintainers change `outsider/fees`" in said
        (draft,) = beside(play)
        assert (draft.draft, draft.head_sha, pull.head_sha, fork.branch("shut")) == (True, commit, before, before)
        assert git(play, "rev-parse", f"{commit}^1").strip() == before
        assert f"`{MARK[forge]}{draft.number}`" in play.sticky
        assert f"This is {MARK[forge]}{pull.number} by" in draft.body
        assert "does not let maintainers change" in draft.body
        play.say("/flowforge rollback")
        await play.forge.wait_for(lambda: not draft.open, timeout=WAIT, what="the draft to be closed")
        said = await play.until_sticky("is closed, and its branch is deleted")
        assert f"{MARK[forge]}{draft.number}" in said

        pull = await from_fork(play, fork, outsider, "hands", editable=False)
        play.forge.faults.fail("POST", OPEN[forge], status=403, times=9, message="Forbidden")
        commit = await approved(play)
        sticky = await play.until_sticky("So it is for you")
        play.forge.faults.clear()
        assert (await play.job()).state is JobState.REFUSED
        assert beside(play) == [draft]
        await asyncio.to_thread(do_as_told, play, fork, sticky, tmp_path / "clone")
        assert await play.forge.git(fork, "rev-parse", "refs/heads/hands") == commit
        assert calls(play) == 0


def do_as_told(play: Play, fork: Repository, sticky: str, clone: Path) -> None:
    """Be the person who copies the commands into a clone of the fork with the pull request's branch checked out."""
    block = re.search(r"```sh\n(git fetch .*?)```", sticky, re.DOTALL)
    assert block is not None, sticky
    subprocess.run(["git", "clone", "-q", "-b", "hands", str(fork.directory), str(clone)], check=True)  # noqa: S607
    # Its credentials are a matter of the person's machine: addresses lead to the repositories themselves.
    for there in (play.repository, fork):
        setting = f"url.{there.directory}.insteadOf"
        address = f"{play.forge.base_url}/{there.full_name}.git"
        subprocess.run(["git", "-C", str(clone), "config", setting, address], check=True)  # noqa: S607
    subprocess.run(["sh", "-ec", block[1]], cwd=clone, check=True)  # noqa: S607
