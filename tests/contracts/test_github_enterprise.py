"""``GitHubForge`` against an Enterprise Server in private mode: another root, no limits told, nothing for nobody."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import ForgeRefusedError
from bot.model.forge import ForgeKind, PermissionLevel
from bot.model.work import LineComments
from tests.contracts.conftest import open_stage
from tests.contracts.github_stage import CONFIG, MARKER, Stage, actor, proposed, queued, sticky
from tests.contracts.test_github_forge import git

GITHUB = ForgeKind.GITHUB


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path, enterprise=True) as stage:
        stage.sim.world.private = True
        yield stage


async def test_the_bots_user_is_found_where_nobody_is_told_anything(stage: Stage) -> None:
    bot = await stage.forge.bot_user(GITHUB)
    assert (bot.id, bot.login) == (stage.sim.world.bot.id, stage.sim.world.bot.login)
    *_, asked = stage.sim.record.requests("GET", "/users/")
    assert "permissions=metadata:read" in asked.who  # and nothing more
    before = len(stage.sim.record.exchanges)
    assert await stage.forge.bot_user(GITHUB) == bot
    assert len(stage.sim.record.exchanges) == before


async def test_an_app_that_is_installed_nowhere_says_so(stage: Stage) -> None:
    stage.sim.world.installations.clear()
    with pytest.raises(ForgeRefusedError, match="installed nowhere"):
        await stage.forge.bot_user(GITHUB)


async def test_a_suspended_installation_is_passed_over(stage: Stage) -> None:
    await stage.sim.people.repository("umbrella/other", files={"a": "b\n"})
    first, *_ = stage.sim.world.installations.values()
    first.suspended_at = stage.clock.now()
    assert (await stage.forge.bot_user(GITHUB)).id == stage.sim.world.bot.id


async def test_the_way_of_a_job_is_the_same_as_on_github_com(stage: Stage) -> None:
    forge, ref, number = stage.forge, stage.ref, stage.pull.number
    pull = await forge.pull_request(ref, number)
    assert (pull.head_sha, pull.from_fork) == (stage.pull.head_sha, False)
    assert pull.html_url.startswith(stage.sim.base_url)
    assert [one.number for one in await forge.open_pull_requests(ref)] == [number]
    assert await forge.permission(ref, actor(stage.ada)) is PermissionLevel.WRITE
    assert await forge.read_file(ref, ".flowforge.yml", ref="main") == CONFIG.encode()

    comment = await forge.create_comment(ref, stage.thread, sticky("at work"))
    assert await forge.find_comment(ref, stage.thread, MARKER) == comment
    await forge.update_comment(ref, stage.thread, comment, sticky("done"))
    await forge.react(ref, stage.thread, comment, "eyes")
    check = await forge.create_check_run(ref, queued(stage))
    await forge.update_check_run(ref, check, proposed(stage))
    assert await forge.find_check_run(ref, stage.pull.head_sha, "job-1") == check
    assert {exchange.response_headers["x-github-api-version-selected"] for exchange in stage.sim.record.exchanges} == {
        "2022-11-28"  # the one version that every supported server knows
    }


async def test_lists_go_on_by_number_and_deliveries_by_cursor(stage: Stage) -> None:
    for number in range(102):
        stage.sim.people.comment(stage.pull, stage.ada, f"no. {number}")
    comment = await stage.forge.create_comment(stage.ref, stage.thread, sticky("on the second page"))
    assert await stage.forge.find_comment(stage.ref, stage.thread, MARKER) == comment
    stage.sim.webhooks.url = "http://127.0.0.1:9/nobody"
    stage.sim.people.comment(stage.pull, stage.ada, "lost")
    await stage.sim.webhooks.settled()
    page = await stage.forge.sent_deliveries(GITHUB, None)
    assert page is not None
    await stage.forge.send_again(GITHUB, page.attempts[0].attempt_id)


async def test_graphql_is_beside_the_api_of_a_server(stage: Stage) -> None:
    stage.sim.people.resolve(stage.sim.people.remark(stage.pull, stage.ada, "fee.py", 1, "A space is missing."))
    assert await stage.forge.line_comments(stage.ref, stage.pull.number, limit=9) == LineComments()
    [asked] = stage.sim.record.requests("POST", "/graphql")
    assert asked.raw_path == "/api/graphql"


async def test_without_told_limits_nothing_runs_out(stage: Stage) -> None:
    for _ in range(30):
        await stage.forge.read_file(stage.ref, "fee.py", ref="main")
    assert not any(
        name.startswith("x-ratelimit") for exchange in stage.sim.record.exchanges for name in exchange.response_headers
    )
    stage.clock.time += timedelta(hours=2)  # tokens end, and new ones come
    assert await stage.forge.read_file(stage.ref, "fee.py", ref="main") == b"rate = 1\n"


async def test_git_is_not_below_the_apis_root_and_commits_bear_the_servers_host(stage: Stage, tmp_path: Path) -> None:
    access = await stage.forge.git_access(stage.ref, write=False)
    assert access.url == stage.sim.clone_url(stage.repository)
    status, said = await git(tmp_path, access.authorization, "ls-remote", access.url)
    assert (status, "refs/heads/feature" in said) == (0, True)
    bot = await stage.forge.bot_user(GITHUB)
    assert stage.forge.commit_email(GITHUB, bot) == f"{bot.id}+{bot.login}@users.noreply.127.0.0.1"
