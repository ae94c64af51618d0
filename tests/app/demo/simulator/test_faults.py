import asyncio
from pathlib import Path

import httpx
import pytest

from tests.app.demo.simulator.conftest import REPO, Bot, World, git

COMMENTS = f"{REPO}/issues/1/comments"


async def test_endpoint_fails_as_often_as_asked_and_does_nothing(world: World, bot: Bot) -> None:
    fault = world.sim.faults.fail("POST", COMMENTS, status=502, times=2)
    answers = [(await bot("POST", COMMENTS, json={"body": "x"})).status_code for _ in range(3)]
    assert (answers, fault.seen) == ([502, 502, 201], 2)
    assert len(world.sim.comments(world.pull, world.sim.bot)) == 1
    assert (await bot("GET", REPO)).status_code == 200


async def test_secondary_rate_limit(world: World, bot: Bot) -> None:
    world.sim.faults.secondary_limit("GET", REPO, retry_after=7)
    answer = await bot("GET", f"{REPO}/pulls/1")
    assert (answer.status_code, answer.headers["retry-after"]) == (403, "7")
    assert "secondary rate limit" in answer.json()["message"]
    assert (await bot("GET", f"{REPO}/pulls/1")).status_code == 200


async def test_lost_answer_leaves_the_work_done(world: World, bot: Bot) -> None:
    world.sim.faults.lose_answer("POST", COMMENTS)
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
        await bot("POST", COMMENTS, json={"body": "done"})
    assert [one.body for one in world.pull.comments.values()] == ["done"]
    assert [one.lost for one in world.sim.record.requests("POST", "/comments")] == [True]


async def test_lost_answer_to_a_push_leaves_it_done(world: World, bot: Bot, tmp_path: Path) -> None:
    await git(tmp_path, "clone", "-q", world.sim.clone_url(world.repository), "work", token=bot.token)
    world.sim.faults.lose_answer("POST", "/acme/payments.git/git-receive-pack")
    answer = await git(tmp_path / "work", "push", "-q", "origin", "HEAD:refs/heads/try", token=bot.token)
    assert answer.status != 0
    assert world.repository.branch("try") == world.repository.branch("main")


async def test_lost_answer_to_a_fetch(world: World, bot: Bot, tmp_path: Path) -> None:
    world.sim.faults.lose_answer("GET", "/acme/payments.git/info/refs")
    answer = await git(tmp_path, "ls-remote", world.sim.clone_url(world.repository), token=bot.token)
    assert answer.status != 0
    answer = await git(tmp_path, "ls-remote", world.sim.clone_url(world.repository), token=bot.token)
    assert answer.status == 0


async def test_git_fails_too(world: World, bot: Bot, tmp_path: Path) -> None:
    world.sim.faults.fail("GET", "/acme/payments.git/info/refs", status=503)
    answer = await git(tmp_path, "ls-remote", world.sim.clone_url(world.repository), token=bot.token)
    assert "503" in answer.err


async def test_request_can_be_held_before_and_after_its_work(world: World, bot: Bot) -> None:
    before = world.sim.faults.hold("POST", COMMENTS)
    asking = asyncio.create_task(bot("POST", COMMENTS, json={"body": "x"}))
    await asyncio.wait_for(before.arrived.wait(), 60)
    assert world.pull.comments == {}
    after = world.sim.faults.hold("POST", COMMENTS, after=True)
    before.release()
    await asyncio.wait_for(after.arrived.wait(), 60)
    assert len(world.pull.comments) == 1
    assert not asking.done()
    world.sim.faults.clear()
    assert (await asking).status_code == 201


async def test_held_push_waits_with_its_refs_moved(world: World, bot: Bot, tmp_path: Path) -> None:
    await git(tmp_path, "clone", "-q", world.sim.clone_url(world.repository), "work", token=bot.token)
    held = world.sim.faults.hold("POST", "/acme/payments.git/git-receive-pack", after=True)
    push = git(tmp_path / "work", "push", "-q", "origin", "HEAD:refs/heads/try", token=bot.token)
    pushing = asyncio.create_task(push)
    await asyncio.wait_for(held.arrived.wait(), 60)
    assert world.repository.branch("try") is not None
    held.release()
    assert (await pushing).status == 0
