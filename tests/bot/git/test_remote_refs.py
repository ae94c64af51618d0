"""What refs a forge has, asked in one request and without fetching anything."""

import pytest

from bot.errors import GitError
from bot.git.adapter import GitMirrors
from tests.bot.git.lab import REPOSITORY, Remote

OWN = "refs/heads/flowforge/"


async def test_refs_below_a_prefix_are_those_and_no_others(git: GitMirrors, remote: Remote) -> None:
    first = remote.commit({"a": "1"}, ref=f"{OWN}1-0123abcd")
    second = remote.commit({"a": "2"}, first, ref=f"{OWN}deeper/2")
    for other in ("refs/heads/flowforgery", "refs/heads/main", f"refs/heads/x/{OWN}3", f"refs/tags/{OWN}4"):
        remote.set(other, first)
    found = await git.remote_refs_below(REPOSITORY, remote.access, OWN)
    assert found == {f"{OWN}1-0123abcd": first, f"{OWN}deeper/2": second}


async def test_where_there_are_none_there_are_none(git: GitMirrors, remote: Remote) -> None:
    remote.commit({"a": "1"}, ref="refs/heads/main")
    assert await git.remote_refs_below(REPOSITORY, remote.access, OWN) == {}


async def test_several_refs_are_asked_for_at_once_and_missing_ones_left_out(git: GitMirrors, remote: Remote) -> None:
    main = remote.commit({"a": "1"}, ref="refs/heads/main")
    pull = remote.commit({"a": "2"}, main, ref="refs/pull/7/head")
    names = ["refs/heads/main", "refs/pull/7/head", "refs/heads/gone"]
    assert await git.remote_refs(REPOSITORY, remote.access, names) == {names[0]: main, names[1]: pull}
    assert await git.remote_refs(REPOSITORY, remote.access, []) == {}


@pytest.mark.parametrize("prefix", ["--upload-pack=touch /tmp/x", "refs/heads/*", "heads/"])
async def test_what_is_no_name_of_refs_is_refused(git: GitMirrors, remote: Remote, prefix: str) -> None:
    with pytest.raises(GitError):
        await git.remote_refs_below(REPOSITORY, remote.access, prefix)
