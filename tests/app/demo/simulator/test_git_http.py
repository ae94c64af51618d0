import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest

from app.demo.simulator.state import PullRequest, Repository, Role
from tests.app.demo.simulator.conftest import Bot, GitResult, World, git


async def _clone(world: World, token: str, tmp_path: Path, repository: Repository | None = None) -> Path:
    url = world.sim.clone_url(repository or world.repository)
    answer = await git(tmp_path, "clone", "-q", url, "work", token=token)
    assert answer.status == 0, answer.err
    return tmp_path / "work"


async def _change(work: Path, path: str, text: str) -> str:
    file = work / path
    await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(file.write_text, text)
    await git(work, "add", path)
    await git(work, "commit", "-qm", f"Change {path}")
    return (await git(work, "rev-parse", "HEAD")).out.strip()


async def _push(work: Path, token: str, *arguments: str) -> GitResult:
    return await git(work, "push", "-q", "origin", *arguments, token=token)


async def test_clone_push_and_what_follows_a_push(world: World, bot: Bot, tmp_path: Path) -> None:
    work = await _clone(world, bot.token, tmp_path)
    await git(work, "checkout", "-q", "feature")
    old = world.pull.head_sha
    new = await _change(work, "fee.py", "rate = 4\n")
    answer = await _push(work, bot.token, "feature")
    assert answer.status == 0, answer.err
    assert world.repository.branch("feature") == world.pull.head_sha == new
    remote = await git(work, "ls-remote", "origin", f"refs/pull/{world.pull.number}/head", token=bot.token)
    assert remote.out.split()[0] == new
    push, synchronize = world.sim.webhooks.deliveries[-2:]
    assert (push.event, push.payload["before"], push.payload["after"]) == ("push", old, new)
    assert push.payload["sender"]["login"] == "flowforge[bot]"  # type: ignore[index]
    assert push.payload["forced"] is False
    commits: Any = push.payload["commits"]
    (commit,) = commits
    assert (commit["id"], commit["message"], commit["modified"]) == (new, "Change fee.py", ["fee.py"])
    assert (synchronize.action, synchronize.payload["before"], synchronize.payload["after"]) == (
        "synchronize",
        old,
        new,
    )
    assert world.sim.record.requests("POST", "git-receive-pack")[0].status == 200


async def test_what_was_pushed_is_there_when_the_push_is_answered(world: World, bot: Bot, tmp_path: Path) -> None:
    work = await _clone(world, bot.token, tmp_path)
    new = await _change(work, "new.txt", "x\n")
    assert (await _push(work, bot.token, "HEAD:refs/heads/flowforge/1-abc")).status == 0
    shown = await bot("GET", "/repos/acme/payments/git/ref/heads/flowforge/1-abc")
    assert shown.json()["object"]["sha"] == new
    made = world.sim.webhooks.deliveries[-1].payload
    assert (made["created"], made["before"], made["ref"]) == (True, "0" * 40, "refs/heads/flowforge/1-abc")
    assert (await _push(work, bot.token, ":refs/heads/flowforge/1-abc")).status == 0
    gone = world.sim.webhooks.deliveries[-1].payload
    assert (gone["deleted"], gone["after"], gone["head_commit"]) == (True, "0" * 40, None)


async def test_lease_is_gits_matter(world: World, bot: Bot, tmp_path: Path) -> None:
    work = await _clone(world, bot.token, tmp_path)
    old = world.pull.head_sha
    await _change(work, "fee.py", "rate = 5\n")
    moved = await world.sim.people.commit(world.repository, "feature", {"x": "y"}, author=world.ada)
    stale = await _push(work, bot.token, f"--force-with-lease=refs/heads/feature:{old}", "HEAD:feature")
    assert stale.status != 0
    assert "stale info" in stale.err or "fetch first" in stale.err
    assert world.pull.head_sha == moved
    exists = await _push(work, bot.token, "--force-with-lease=refs/heads/feature:", "HEAD:refs/heads/feature")
    assert exists.status != 0
    forced = await _push(work, bot.token, f"--force-with-lease=refs/heads/feature:{moved}", "HEAD:refs/heads/feature")
    assert forced.status == 0, forced.err
    assert [one.payload["forced"] for one in world.sim.webhooks.deliveries if one.event == "push"][-1] is True


async def test_who_may_fetch_and_push(world: World, bot: Bot, tmp_path: Path) -> None:
    people, url = world.sim.people, world.sim.clone_url(world.repository)
    work = await _clone(world, bot.token, tmp_path)
    await _change(work, "fee.py", "rate = 4\n")

    async def both(token: str) -> tuple[str, str]:
        fetch = await git(tmp_path, "ls-remote", url, token=token)
        push = await _push(work, token, "HEAD:refs/heads/try")
        return (fetch.err, push.err)

    for wrong in ("", "ghs_1_made.up.token"):
        assert all("could not read Username" in err for err in await both(wrong))
    await bot.sign_in(world.repository, {"checks": "write"})
    assert all("403" in err for err in await both(bot.token))
    await bot.sign_in(world.repository, {"contents": "read"})
    fetch, push = await both(bot.token)
    assert (fetch, "Write access to repository not granted" in push) == ("", True)
    fetch, push = await both(people.token(world.eve))
    assert (fetch, "Permission to acme/payments.git denied to eve" in push) == ("", True)
    assert all("not found" in err for err in await both(people.token(people.user("mallory"))))
    other = await people.repository("acme/ledger", files={"a": "b"})
    await bot.sign_in(other)
    assert all("not found" in err for err in await both(bot.token))
    assert world.repository.branch("try") is None
    assert await both(people.token(world.ada)) == ("", "")
    assert world.repository.branch("try") is not None


async def test_token_that_expired_no_longer_pushes(world: World, bot: Bot, tmp_path: Path) -> None:
    work = await _clone(world, bot.token, tmp_path)
    await _change(work, "fee.py", "rate = 4\n")
    world.clock.pass_by(hours=1)
    assert "could not read Username" in (await _push(work, bot.token, "HEAD:refs/heads/try")).err


async def test_public_repository_needs_no_credentials_to_fetch(world: World, tmp_path: Path) -> None:
    open_one = await world.sim.people.repository("umbrella/open", files={"a": "b"}, private=False)
    work = await _clone(world, "", tmp_path, open_one)
    assert (work / "a").read_text() == "b"


async def test_protected_branch_and_pull_refs_are_refused(world: World, bot: Bot, tmp_path: Path) -> None:
    work = await _clone(world, bot.token, tmp_path)
    world.sim.people.protect(world.repository, "main")
    before = dict(world.repository.refs)
    await _change(work, "fee.py", "rate = 4\n")
    refused = await _push(work, bot.token, "HEAD:main")
    assert "GH006: Protected branch update failed for refs/heads/main." in refused.err
    assert "[remote rejected]" in refused.err
    hidden = await _push(work, bot.token, "HEAD:refs/pull/1/head")
    assert "deny updating a hidden ref" in hidden.err
    assert world.repository.refs == before
    assert world.sim.webhooks.deliveries[-1].event == "pull_request"
    world.sim.people.set_role(world.repository, world.ada, Role.ADMIN)
    assert (await _push(work, world.sim.people.token(world.ada), "HEAD:main")).status == 0


async def test_workflow_files_need_their_permission(world: World, bot: Bot, tmp_path: Path) -> None:
    work = await _clone(world, bot.token, tmp_path)
    await _change(work, ".github/workflows/ci.yml", "on: push\n")
    await _change(work, "fee.py", "rate = 4\n")
    refused = await _push(work, bot.token, "HEAD:refs/heads/try")
    assert "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml`" in refused.err
    assert world.repository.branch("try") is None
    world.sim.people.accept_permissions(world.repository.owner, {**world.sim.app.permissions, "workflows": "write"})
    await bot.sign_in(world.repository, {"contents": "write", "workflows": "write"})
    assert (await _push(work, bot.token, "HEAD:refs/heads/try")).status == 0


async def test_merge_that_only_brings_in_known_workflow_files_may_be_pushed(
    world: World, bot: Bot, tmp_path: Path
) -> None:
    await world.sim.people.commit(
        world.repository, "main", {".github/workflows/ci.yml": "on: push\n"}, author=world.ada
    )
    work = await _clone(world, bot.token, tmp_path)
    await git(work, "checkout", "-q", "feature")
    await git(work, "merge", "-q", "-X", "ours", "origin/main")
    answer = await _push(work, bot.token, "feature")
    assert answer.status == 0, answer.err


async def test_objects_git_would_not_check_out_are_refused(world: World, bot: Bot, tmp_path: Path) -> None:
    work = await _clone(world, bot.token, tmp_path)
    blob = (await git(work, "hash-object", "-w", "--stdin", stdin=b"x")).out.strip()
    tree = (await git(work, "mktree", stdin=f"100644 blob {blob}\t.git\n".encode())).out.strip()
    commit = (await git(work, "commit-tree", tree, "-m", "x")).out.strip()
    refused = await _push(work, bot.token, f"{commit}:refs/heads/try")
    assert "hasDotgit" in refused.err


async def _fork(world: World, *, may_modify: bool) -> PullRequest:
    people = world.sim.people
    world.repository.private = False
    fork = await people.fork(world.repository, world.eve)
    await people.commit(fork, "patch", {"fee.py": "rate = 7\n"}, author=world.eve)
    return await people.open_pull_request(
        world.repository, author=world.eve, head="patch", head_repository=fork, maintainer_can_modify=may_modify
    )


async def test_pull_request_from_a_fork_is_followed(world: World, bot: Bot, tmp_path: Path) -> None:
    pull = await _fork(world, may_modify=True)
    work = await _clone(world, bot.token, tmp_path)
    assert (await git(work, "fetch", "-q", "origin", f"refs/pull/{pull.number}/head", token=bot.token)).status == 0
    assert (await git(work, "rev-parse", "FETCH_HEAD")).out.strip() == pull.head_sha
    new = await world.sim.people.commit(pull.head_repository, "patch", {"y": "z"}, author=world.eve)
    remote = await git(work, "ls-remote", "origin", f"refs/pull/{pull.number}/head", token=bot.token)
    assert remote.out.split()[0] == new == pull.head_sha
    assert world.sim.webhooks.deliveries[-1].action == "synchronize"


@pytest.mark.parametrize("may_modify", [True, False])
async def test_app_pushes_to_a_fork_only_where_maintainers_may(
    world: World, bot: Bot, tmp_path: Path, may_modify: bool
) -> None:
    pull = await _fork(world, may_modify=may_modify)
    work = await _clone(world, bot.token, tmp_path, pull.head_repository)
    await git(work, "checkout", "-q", "patch")
    new = await _change(work, "fee.py", "rate = 8\n")
    elsewhere = await _push(work, bot.token, "HEAD:refs/heads/elsewhere")
    answer = await _push(work, bot.token, "patch")
    assert elsewhere.status != 0
    assert (answer.status == 0, pull.head_sha == new) == (may_modify, may_modify)
    if not may_modify:
        assert "Permission to eve/payments.git denied to flowforge[bot]." in answer.err


async def test_pull_request_ends_with_its_branch_and_with_its_merge(world: World, bot: Bot, tmp_path: Path) -> None:
    people = world.sim.people
    await people.commit(world.repository, "second", {"x": "y"}, author=world.ada)
    second = await people.open_pull_request(world.repository, author=world.ada, head="second")
    work = await _clone(world, bot.token, tmp_path)
    assert (await _push(work, bot.token, "origin/second:main")).status == 0
    assert (second.open, second.merged_at is not None) == (False, True)
    assert (await _push(work, bot.token, ":feature")).status == 0
    assert (world.pull.open, world.pull.merged_at) == (False, None)
    closed = [one.payload["pull_request"] for one in world.sim.webhooks.deliveries if one.action == "closed"]
    assert [one["merged"] for one in closed] == [True, False]  # type: ignore[index]


async def test_protocol_two_is_spoken(world: World, bot: Bot, tmp_path: Path) -> None:
    await _clone(world, bot.token, tmp_path)
    fetch = world.sim.record.requests("POST", "git-upload-pack")
    assert {one.request_headers["git-protocol"] for one in fetch} == {"version=2"}


async def test_compressed_request_is_understood(world: World, bot: Bot) -> None:
    asked = gzip.compress(b"0014command=ls-refs\n00010009peel\n0000")
    headers = {
        "content-encoding": "gzip",
        "content-type": "application/x-git-upload-pack-request",
        "git-protocol": "version=2",
    }
    answer = await bot.http.post(
        "/acme/payments.git/git-upload-pack", content=asked, headers=headers, auth=("x-access-token", bot.token)
    )
    assert answer.status_code == 200
    assert f"{world.pull.head_sha} refs/pull/1/head" in answer.text
    assert answer.headers["content-type"] == "application/x-git-upload-pack-result"


async def test_large_push_comes_in_chunks(world: World, bot: Bot, tmp_path: Path) -> None:
    work = await _clone(world, bot.token, tmp_path)
    noise = (await git(work, "rev-list", "--all", "--objects")).out * 40_000
    await _change(work, "large.txt", noise[: 8 * 1024 * 1024])
    await git(work, "config", "core.compression", "0")
    answer = await _push(work, bot.token, "HEAD:refs/heads/large")
    assert answer.status == 0, answer.err
    pushed = world.sim.record.requests("POST", "git-receive-pack")[-1]
    assert pushed.request_headers["transfer-encoding"] == "chunked"


async def test_other_paths_and_services_are_not_there(bot: Bot) -> None:
    for path in ("info/refs", "info/refs?service=git-upload-archive", "objects/info/packs", "HEAD", "config"):
        answer = await bot.http.get(f"/acme/payments.git/{path}")
        assert answer.status_code == 404, path


async def test_renamed_repository_is_found_under_its_old_name(world: World, bot: Bot, tmp_path: Path) -> None:
    work = await _clone(world, bot.token, tmp_path)
    world.sim.people.rename_repository(world.repository, "money")
    answer = await git(work, "fetch", "origin", token=bot.token)
    assert answer.status == 0, answer.err
    assert "redirecting to" in answer.err


async def test_client_that_goes_away_in_the_middle_of_a_push_changes_nothing(world: World, bot: Bot) -> None:
    before = dict(world.repository.refs)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.sim.base_url.rpartition(":")[2]))
    basic = (await bot.http.get("/", auth=("x-access-token", bot.token))).request.headers["authorization"]
    head = (
        "POST /acme/payments.git/git-receive-pack HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n"
        f"content-type: application/x-git-receive-pack-request\r\nauthorization: {basic}\r\n\r\n0094"
    )
    writer.write(head.encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    async with world.repository.lock:
        assert world.repository.refs == before
