"""``GitHubForge`` against a stateful GitHub: people, pull requests, files and git."""

import asyncio
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.model.forge import ActorKind, ForgeKind, RepositoryRef
from bot.ports.forge import Forge
from tests.contracts.github_stage import Stage, actor


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


async def test_who_is_in_a_team_is_asked_where_the_app_may(stage: Stage) -> None:
    organization = stage.repository.owner
    stage.sim.people.team(f"{organization.login}/core", stage.ada)
    ada, eve, core = actor(stage.ada), actor(stage.eve), f"{organization.login.upper()}/core"
    assert await stage.forge.is_member(stage.ref, core, ada) is None, "members: read was not given"
    stage.sim.people.accept_permissions(organization, {**stage.sim.app.permissions, "members": "read"})
    stage.clock.time += timedelta(seconds=61)
    assert await stage.forge.is_member(stage.ref, core, ada) is True
    assert await stage.forge.is_member(stage.ref, core, eve) is False
    assert await stage.forge.is_member(stage.ref, core, replace(ada, id=1)) is False, "the id decides"
    for unseen in (f"{organization.login}/gone", "other/core", "core", f"{organization.login}/a/b"):
        assert await stage.forge.is_member(stage.ref, unseen, ada) is None


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


async def test_a_repository_is_not_followed_to_its_new_name(stage: Stage) -> None:
    # Redirects may lead anywhere. The next delivery brings the new name.
    stage.sim.people.rename_repository(stage.repository, "billing")
    with pytest.raises(ForgeRefusedError) as raised:
        await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert raised.value.status == 301
    renamed = replace(stage.ref, name="billing")
    assert (await stage.forge.pull_request(renamed, stage.pull.number)).number == stage.pull.number


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
