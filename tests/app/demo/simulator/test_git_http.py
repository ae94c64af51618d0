from pathlib import Path

from tests.app.demo.simulator.conftest import Bot, World, git


async def _clone(world: World, token: str, tmp_path: Path) -> Path:
    answer = await git(tmp_path, "clone", "-q", world.sim.clone_url(world.repository), "work", token=token)
    assert answer.status == 0, answer.err
    return tmp_path / "work"


async def test_clone_push_and_what_follows_a_push(world: World, bot: Bot, tmp_path: Path) -> None:
    work = await _clone(world, bot.token, tmp_path)
    await git(work, "checkout", "-q", "feature")
    (work / "fee.py").write_text("rate = 4\n")
    await git(work, "commit", "-qam", "Settle")
    old = world.pull.head_sha
    answer = await git(work, "push", "-q", "origin", "feature", token=bot.token)
    assert answer.status == 0, answer.err
    new = (await git(work, "rev-parse", "HEAD")).out.strip()
    assert world.repository.branch("feature") == new
    assert world.pull.head_sha == new
    remote = await git(work, "ls-remote", "origin", f"refs/pull/{world.pull.number}/head", token=bot.token)
    assert remote.out.split()[0] == new
    push, synchronize = world.sim.webhooks.deliveries[-2:]
    assert (push.event, push.payload["before"], push.payload["after"]) == ("push", old, new)
    assert push.payload["sender"]["login"] == "flowforge[bot]"  # type: ignore[index]
    assert (synchronize.action, synchronize.payload["before"], synchronize.payload["after"]) == (
        "synchronize",
        old,
        new,
    )
