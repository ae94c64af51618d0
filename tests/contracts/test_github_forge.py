"""``GitHubForge`` against a stateful GitHub: people, pull requests, files and git."""

import asyncio
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.demo.simulator.state import Role
from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.model.forge import Actor, ActorKind, ForgeKind, PermissionLevel, RepositoryRef
from bot.ports.forge import Forge
from tests.contracts.github_stage import CONFIG, Stage, actor


def test_it_is_a_forge(stage: Stage) -> None:
    forge: Forge = stage.forge
    assert forge.names == {ForgeKind.GITHUB}


# --- people ---------------------------------------------------------------------------------------


async def test_the_bots_user_is_looked_up_once_and_without_a_credential(stage: Stage) -> None:
    users = await asyncio.gather(*(stage.forge.bot_user(ForgeKind.GITHUB) for _ in range(5)))
    assert {(user.id, user.login, user.kind) for user in users} == {
        (stage.sim.world.bot.id, f"{stage.sim.app.slug}[bot]", ActorKind.BOT)
    }
    assert [exchange.who for exchange in stage.sim.record.requests("GET", "/users/")] == ["nobody"]


async def test_a_persons_role_is_read_live(stage: Stage) -> None:
    for role in Role:
        stage.sim.people.set_role(stage.repository, stage.eve, role)
        assert await stage.forge.permission(stage.ref, actor(stage.eve)) is PermissionLevel[role.name]


async def test_a_stranger_has_no_permission(stage: Stage) -> None:
    assert await stage.forge.permission(stage.ref, Actor(id=1, login="nobody-there")) is PermissionLevel.NONE


async def test_a_login_that_passed_to_somebody_else_gives_its_old_owner_nothing(stage: Stage) -> None:
    before = actor(stage.ada)
    stage.sim.people.rename_account(stage.ada, "ada-lovelace")
    newcomer = stage.sim.people.user("ada")
    stage.sim.people.set_role(stage.repository, newcomer, Role.ADMIN)
    assert await stage.forge.permission(stage.ref, before) is PermissionLevel.NONE
    assert await stage.forge.permission(stage.ref, actor(newcomer)) is PermissionLevel.ADMIN


# --- what is there --------------------------------------------------------------------------------


async def test_a_pull_request_is_read_as_it_is_now(stage: Stage) -> None:
    pull = await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert (pull.title, pull.body, pull.open, pull.merged, pull.draft) == ("Raise", "Why", True, False, False)
    assert pull.author == actor(stage.ada)
    assert (pull.head_ref, pull.head_sha) == ("feature", stage.repository.branch("feature"))
    assert (pull.base_ref, pull.base_sha) == ("main", stage.repository.branch("main"))
    assert pull.repository == stage.ref
    assert not pull.from_fork
    stage.sim.people.close(stage.pull, stage.ada)
    moved = await stage.sim.people.commit(stage.repository, "feature", {"fee.py": "rate = 4\n"}, author=stage.ada)
    again = await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert not again.open
    assert again.head_sha in {moved, pull.head_sha}


async def test_the_file_of_the_organisation_is_read_with_a_token_for_its_repository_alone(stage: Stage) -> None:
    assert await stage.forge.shared_config(stage.ref) == ()
    owner = stage.repository.owner.login
    await stage.sim.people.repository(f"{owner}/.flowforge", files={"flowforge.yml": "version: 1\n"})
    assert await stage.forge.shared_config(stage.ref) == (), "an absence is remembered for a minute"
    stage.clock.time += timedelta(seconds=61)
    (file,) = await stage.forge.shared_config(stage.ref)
    assert (file.path, file.data) == (f"{owner}/.flowforge/flowforge.yml", b"version: 1\n")
    asked = stage.sim.record.requests("GET", "/.flowforge/contents")
    ours = f"repositories={stage.repository.id} "
    assert asked
    assert not any(ours in f"{exchange.who} " for exchange in asked)
    assert len(stage.sim.record.requests("POST", "access_tokens")) == 2


async def test_open_pull_requests_are_listed_a_hundred_at_a_time(stage: Stage) -> None:
    people, repository = stage.sim.people, stage.repository
    more = [await people.open_pull_request(repository, author=stage.ada, head="feature") for _ in range(130)]
    for closed in more[:25]:
        people.close(closed, stage.ada)
    listed = await stage.forge.open_pull_requests(stage.ref)
    assert [one.number for one in listed] == [stage.pull.number, *(one.number for one in more[25:])]
    first = listed[0]
    assert (first.open, first.base_ref, first.base_sha) == (True, "main", stage.pull.base_sha)
    assert (first.head_sha, first.updated_at) == (stage.pull.head_sha, stage.pull.updated_at.replace(microsecond=0))
    assert len(stage.sim.record.requests("GET", "/pulls")) == 2


async def test_a_pull_request_from_a_fork_names_the_fork_until_it_is_gone(stage: Stage) -> None:
    fork = await stage.sim.people.fork(stage.repository, stage.eve)
    await stage.sim.people.commit(fork, "mine", {"fee.py": "rate = 9\n"}, author=stage.eve)
    opened = await stage.sim.people.open_pull_request(
        stage.repository, author=stage.eve, head="mine", head_repository=fork
    )
    pull = await stage.forge.pull_request(stage.ref, opened.number)
    assert (pull.from_fork, pull.head_repository_id, pull.head_full_name) == (True, fork.id, fork.full_name)
    assert pull.maintainer_can_modify
    await stage.sim.people.delete_repository(fork)
    pull = await stage.forge.pull_request(stage.ref, opened.number)
    assert (pull.from_fork, pull.head_repository_id, pull.head_full_name) == (True, None, None)


async def test_an_issue_is_no_pull_request(stage: Stage) -> None:
    issue = stage.sim.people.open_issue(stage.repository, author=stage.ada, title="A question")
    with pytest.raises(ForgeNotFoundError):
        await stage.forge.pull_request(stage.ref, issue.number)


async def test_a_repository_is_not_followed_to_its_new_name(stage: Stage) -> None:
    # Redirects may lead anywhere. The next delivery brings the new name.
    stage.sim.people.rename_repository(stage.repository, "billing")
    with pytest.raises(ForgeRefusedError) as raised:
        await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert raised.value.status == 301
    renamed = replace(stage.ref, name="billing")
    assert (await stage.forge.pull_request(renamed, stage.pull.number)).number == stage.pull.number


async def test_a_file_is_read_at_a_branch_or_commit(stage: Stage) -> None:
    first = stage.repository.branch("main")
    assert first is not None
    await stage.sim.people.commit(stage.repository, "main", {".flowforge.yml": "new: true\n"}, author=stage.ada)
    assert await stage.forge.read_file(stage.ref, ".flowforge.yml", ref="main") == b"new: true\n"
    assert await stage.forge.read_file(stage.ref, ".flowforge.yml", ref=first) == CONFIG.encode()
    assert await stage.forge.read_file(stage.ref, "docs/with space/é?#.md", ref="main") == b"odd\n"


NO_FILES = ["absent", "docs", "link.yml", "dangling", "", "/", "../x", "docs/../fee.py", "./fee.py"]


async def test_what_is_no_regular_file_is_not_read(stage: Stage) -> None:
    for path in NO_FILES:
        assert await stage.forge.read_file(stage.ref, path, ref="main") is None, path


async def test_a_branch_that_is_not_there_has_no_files(stage: Stage) -> None:
    assert await stage.forge.read_file(stage.ref, "fee.py", ref="no/such&branch") is None


async def test_bytes_come_as_they_are_and_up_to_one_megabyte(stage: Stage) -> None:
    content = bytes(range(256)) * 4096
    files = {"full.bin": content, "over.bin": content + b"x", "empty": b""}
    await stage.sim.people.commit(stage.repository, "main", files, author=stage.ada)
    assert await stage.forge.read_file(stage.ref, "full.bin", ref="main") == content
    assert await stage.forge.read_file(stage.ref, "empty", ref="main") == b""
    with pytest.raises(ForgeRefusedError) as raised:
        await stage.forge.read_file(stage.ref, "over.bin", ref="main")
    assert raised.value.status == 413


# --- git ------------------------------------------------------------------------------------------


async def git(directory: Path, authorization: str, *arguments: str) -> tuple[int, str]:
    """Run git with a credential in its environment; its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {authorization}",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_git_fetches_with_a_reading_and_pushes_with_a_writing_credential(stage: Stage, tmp_path: Path) -> None:
    read = await stage.forge.git_access(stage.ref, write=False)
    write = await stage.forge.git_access(stage.ref, write=True)
    clone = tmp_path / "clone"
    assert "@" not in read.url
    status, said = await git(tmp_path, read.authorization, "clone", "--quiet", read.url, str(clone))
    assert status == 0, said
    push = ("push", "--quiet", write.url, "HEAD:refs/heads/flowforge/1-abc")
    status, said = await git(clone, read.authorization, *push)
    assert status != 0
    status, said = await git(clone, write.authorization, *push)
    assert status == 0, said
    assert stage.repository.branch("flowforge/1-abc") == stage.repository.branch("main")


async def test_no_credential_reaches_another_repository(stage: Stage, tmp_path: Path) -> None:
    other = await stage.sim.people.repository("acme/secret", files={"a": "b\n"})
    access = await stage.forge.git_access(stage.ref, write=True)
    status, _ = await git(tmp_path, access.authorization, "ls-remote", stage.sim.clone_url(other))
    assert status != 0
    stray = RepositoryRef(
        forge=stage.ref.forge,
        id=stage.ref.id,
        owner="acme",
        name="secret",
        installation_id=stage.ref.installation_id,
    )
    with pytest.raises(ForgeNotFoundError):
        await stage.forge.pull_request(stray, 1)
