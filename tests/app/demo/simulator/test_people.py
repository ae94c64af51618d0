import asyncio
from pathlib import Path

import httpx
import pytest

from app.demo.simulator.git import File
from app.demo.simulator.record import Exchange
from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Role
from tests.app.demo.simulator.conftest import Bot, World, git


async def _bundle(world: World, tmp_path: Path) -> Path:
    """The repository's history as a bundle with the branches base, ours and theirs."""
    directory = world.repository.directory
    base = await world.sim.git(world.repository, "merge-base", "main", "feature")
    await git(tmp_path, "init", "-q", "--bare", "source.git")
    source = tmp_path / "source.git"
    await git(source, "fetch", "-q", str(directory), f"{base}:refs/heads/base")
    await git(source, "fetch", "-q", str(directory), "feature:refs/heads/ours", "main:refs/heads/theirs")
    await git(source, "bundle", "create", "-q", str(tmp_path / "case.bundle"), "base", "ours", "theirs")
    return tmp_path / "case.bundle"


async def test_repository_from_a_bundle(world: World, tmp_path: Path) -> None:
    people = world.sim.people
    bundle = await _bundle(world, tmp_path)
    branches = {"main": "refs/heads/theirs", "feature": "refs/heads/ours"}
    repository = await people.repository_from("acme/copy", bundle, branches)
    assert repository.branch("main") == world.repository.branch("main")
    pull = await people.open_pull_request(repository, author=world.ada, head="feature")
    assert pull.head_sha == world.pull.head_sha
    assert await world.sim.read_file(repository, "main", "fee.py") == b"rate = 3\n"
    assert await world.sim.read_file(repository, "main", "nothing") is None
    assert await world.sim.read_file(repository, "nowhere", "fee.py") is None
    assert world.sim.repository("acme/copy") is repository


async def test_branch_from_a_repository_on_disk(world: World, tmp_path: Path) -> None:
    bundle = await _bundle(world, tmp_path)
    await world.sim.people.fetch_branch(world.repository, "feature", bundle, "refs/heads/theirs", actor=world.ada)
    assert world.pull.head_sha == world.repository.branch("main")


async def test_commit_with_all_kinds_of_files(world: World) -> None:
    sha = await world.sim.people.commit(
        world.repository,
        "odd",
        {
            "bin": b"\0\xff",
            'a "quoted"\tname\\': "x",
            "run.sh": File(content=b"#!/bin/sh\n", mode="100755"),
            "README.md": None,
        },
        author=world.ada,
        message="Ändern",
        start="feature",
    )
    listed = await world.sim.git(world.repository, "ls-tree", "-rz", sha)
    found = {line.partition("\t")[2]: line[:6] for line in listed.strip("\0").split("\0")}
    assert found == {'a "quoted"\tname\\': "100644", "bin": "100644", "fee.py": "100644", "run.sh": "100755"}
    assert await world.sim.git(world.repository, "log", "-1", "--format=%an %ae %s", sha) == (
        f"ada {world.ada.id}+ada@users.noreply.github.com Ändern"
    )
    assert await world.sim.git(world.repository, "rev-parse", f"{sha}^") == world.pull.head_sha


async def test_waiting_for_a_state(world: World, bot: Bot) -> None:
    waiting = asyncio.create_task(
        world.sim.wait_for(lambda: world.sim.comments(world.pull, world.sim.bot), what="a comment of the bot")
    )
    world.sim.people.comment(world.pull, world.ada, "not the bot's")
    await bot("POST", "/repos/acme/payments/issues/1/comments", json={"body": "here"})
    assert [one.body for one in await waiting] == ["here"]
    with pytest.raises(TimeoutError, match="in vain for the moon"):
        await world.sim.wait_for(lambda: None, timeout=0.01, what="the moon")


async def test_roles_change_at_once(world: World) -> None:
    assert world.repository.role_of(world.ada) is Role.WRITE
    world.sim.people.set_role(world.repository, world.ada, Role.NONE)
    assert world.repository.role_of(world.ada) is Role.NONE
    assert world.repository.role_of(world.repository.owner) is Role.ADMIN


async def test_force_push_moves_the_pull_request(world: World) -> None:
    await world.sim.people.move_branch(world.repository, "feature", "main", actor=world.ada)
    assert world.pull.head_sha == world.repository.branch("main")
    with pytest.raises(ValueError, match="no commit"):
        await world.sim.people.move_branch(world.repository, "feature", "nowhere", actor=world.ada)


async def test_what_cannot_be_is_refused(world: World) -> None:
    people = world.sim.people
    with pytest.raises(ValueError, match="exists"):
        await people.repository("acme/payments")
    with pytest.raises(ValueError, match="no branch"):
        await people.open_pull_request(world.repository, author=world.ada, head="nowhere")
    with pytest.raises(ValueError, match="no branch"):
        await people.retarget(world.pull, world.ada, base="nowhere")
    with pytest.raises(KeyError):
        world.sim.repository("acme/nothing")


async def test_two_simulators_at_once_and_files_stay(tmp_path: Path) -> None:
    async with (
        Simulator.serve(tmp_path / "a", webhook_secret="s") as one,
        Simulator.serve(tmp_path / "b", webhook_secret="s") as two,
    ):
        assert one.base_url != two.base_url
        await one.people.repository("acme/payments", files={"a": "b"})
        with pytest.raises(KeyError):
            two.repository("acme/payments")
    kept = tmp_path / "a" / "repositories" / "acme" / "payments.git"
    assert (await git(kept, "show", "main:a")).out == "b"


async def test_record_tells_its_listeners(world: World, bot: Bot) -> None:
    heard: list[str] = []
    world.sim.record.listeners.append(
        lambda entry: heard.append(entry.path if isinstance(entry, Exchange) else entry.event)
    )
    await bot("GET", "/repos/acme/payments")
    assert heard == ["/repos/acme/payments"]
    last = world.sim.record.requests("GET", "/repos/")[-1]
    assert last.response_json() == (await bot("GET", "/repos/acme/payments")).json()
    assert last.request_json() is None


async def test_end_in_the_middle_of_everything(tmp_path: Path) -> None:
    sim = await Simulator.start(tmp_path, webhook_secret="s", webhook_url="http://127.0.0.1:1/")
    ada = sim.people.user("ada")
    repository = await sim.people.repository("acme/payments", files={"a": "b"}, private=False)
    await sim.people.commit(repository, "feature", {"a": "c"}, author=ada)
    await sim.people.open_pull_request(repository, author=ada, head="feature")
    held = sim.faults.hold("GET", "/repos/acme/payments/pulls/1", after=True)
    async with httpx.AsyncClient(base_url=sim.base_url, trust_env=False) as client:
        asking = asyncio.create_task(client.get("/repos/acme/payments/pulls/1"))
        await asyncio.wait_for(held.arrived.wait(), 60)
        await asyncio.wait_for(sim.close(), 60)
        assert (await asking).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await client.get("/")
