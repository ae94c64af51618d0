"""What ``GitHubForge`` makes of odd answers. The ordinary ones come from the simulator, see tests/contracts."""

import base64
import json
from typing import Any

import httpx
import pytest
import respx

from bot.errors import ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError, SettingsError
from bot.forges.github.accounts import GHOST
from bot.forges.github.client import GitHubClient
from bot.forges.github.forge import GitHubForge
from bot.model.forge import Actor, ActorKind, ForgeKind, PermissionLevel, Thread
from bot.model.reports import Annotation, CheckConclusion, CheckRunContent, CheckStatus
from tests.bot.forges.github import samples
from tests.bot.forges.github.conftest import REPOSITORY, TOKEN

REPO = "/repos/octo-org/hello.world"
BOT_ID = 777
MARKER = "<!-- flowforge:sticky -->"
OCTOCAT = Actor(id=583231, login="octocat")


@pytest.fixture
def forge(client: GitHubClient) -> GitHubForge:
    return GitHubForge(
        client,
        app_id=samples.APP_ID,
        app_slug="flowforge",
        git_base_url="https://github.test/",
        bot_user_id=BOT_ID,
    )


# --- permissions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role_name", "permission", "expected"),
    [
        ("maintain", "write", PermissionLevel.MAINTAIN),
        ("triage", "read", PermissionLevel.TRIAGE),
        ("security-reviewer", "write", PermissionLevel.WRITE),
        ("security-reviewer", "read", PermissionLevel.READ),
        ("security-reviewer", "none", PermissionLevel.NONE),
        ("", "admin", PermissionLevel.ADMIN),
        # A custom role with a built-in role's name counts as what it really allows.
        ("admin", "read", PermissionLevel.READ),
        ("write", "none", PermissionLevel.NONE),
        ("maintain", "read", PermissionLevel.READ),
        ("read", "superuser", PermissionLevel.NONE),
    ],
)
async def test_a_role_counts_as_far_as_the_old_permission_bears_it_out(
    forge: GitHubForge, github: respx.MockRouter, role_name: str, permission: str, expected: PermissionLevel
) -> None:
    answer = {"permission": permission, "role_name": role_name, "user": samples.user()}
    github.get(f"{REPO}/collaborators/octocat/permission").respond(json=answer)
    assert await forge.permission(REPOSITORY, OCTOCAT) is expected


@pytest.mark.parametrize("user", [None, samples.user(id_=1)])
async def test_a_permission_of_nobody_or_somebody_else_is_none(
    forge: GitHubForge, github: respx.MockRouter, user: dict[str, Any] | None
) -> None:
    answer = {"permission": "admin", "role_name": "admin", "user": user}
    github.get(f"{REPO}/collaborators/octocat/permission").respond(json=answer)
    assert await forge.permission(REPOSITORY, OCTOCAT) is PermissionLevel.NONE


@pytest.mark.parametrize("status", [403, 500])
async def test_when_github_does_not_say_nobody_guesses(
    forge: GitHubForge, github: respx.MockRouter, status: int
) -> None:
    github.get(f"{REPO}/collaborators/octocat/permission").respond(status, json={"message": "no"})
    with pytest.raises((ForgeRefusedError, ForgeUnavailableError)):
        await forge.permission(REPOSITORY, OCTOCAT)


async def test_a_bots_login_is_a_part_of_the_path_like_any_other(forge: GitHubForge, github: respx.MockRouter) -> None:
    route = github.get(url__regex=".*/collaborators/.*").respond(404, json={"message": "Not Found"})
    bot = Actor(id=5, login="renovate[bot]", kind=ActorKind.BOT)
    assert await forge.permission(REPOSITORY, bot) is PermissionLevel.NONE
    assert route.calls.last.request.url.raw_path.endswith(b"/collaborators/renovate%5Bbot%5D/permission")


# --- pull requests and files ---------------------------------------------------------------------------------------


async def test_a_pull_request_by_a_deleted_account_belongs_to_the_ghost(
    forge: GitHubForge, github: respx.MockRouter
) -> None:
    pull = samples.pull_request()["pull_request"] | {"user": None, "body": None}
    github.get(f"{REPO}/pulls/7").respond(json=pull)
    got = await forge.pull_request(REPOSITORY, 7)
    assert (got.author, got.body) == (GHOST, "")


async def test_another_repository_under_our_name_is_not_ours(forge: GitHubForge, github: respx.MockRouter) -> None:
    pull = samples.pull_request()["pull_request"]
    pull["base"]["repo"]["id"] = 666
    github.get(f"{REPO}/pulls/7").respond(json=pull)
    with pytest.raises(ForgeNotFoundError):
        await forge.pull_request(REPOSITORY, 7)


def file_answer(**changes: Any) -> dict[str, Any]:
    content = base64.encodebytes(b"a: 1\n" * 30).decode()
    return {"type": "file", "path": "a.yml", "size": 150, "encoding": "base64", "content": content} | changes


def listing(kind: str) -> list[dict[str, Any]]:
    return [{"type": "dir", "path": "b"}, {"type": kind, "path": "a.yml"}]


async def read(forge: GitHubForge, github: respx.MockRouter, answer: object, entries: object) -> bytes | None:
    github.get(f"{REPO}/contents/a.yml", params={"ref": "main"}).respond(json=answer)
    github.get(f"{REPO}/contents", params={"ref": "main"}).respond(json=entries)
    return await forge.read_file(REPOSITORY, "a.yml", ref="main")


async def test_a_file_comes_in_lines_of_base64(forge: GitHubForge, github: respx.MockRouter) -> None:
    assert await read(forge, github, file_answer(), listing("file")) == b"a: 1\n" * 30


async def test_a_link_that_github_answers_with_its_target_is_no_file(
    forge: GitHubForge, github: respx.MockRouter
) -> None:
    assert await read(forge, github, file_answer(), listing("symlink")) is None


@pytest.mark.parametrize("kind", ["submodule", "symlink"])
async def test_what_github_itself_calls_no_file_is_none(
    forge: GitHubForge, github: respx.MockRouter, kind: str
) -> None:
    answer = {
        "type": kind,
        "path": "a.yml",
        "size": 0,
        "submodule_git_url": "https://github.com/a/b.git",
        "target": "x",
    }
    assert await read(forge, github, answer, listing(kind)) is None


async def test_a_file_that_is_gone_before_the_directory_is_asked_is_no_file(
    forge: GitHubForge, github: respx.MockRouter
) -> None:
    assert await read(forge, github, file_answer(), listing("file")[:1]) is None


async def test_a_directory_too_long_to_list_leaves_the_doubt_to_the_file(
    forge: GitHubForge, github: respx.MockRouter
) -> None:
    entries = [{"type": "file", "path": f"b{number}"} for number in range(1000)]
    assert await read(forge, github, file_answer(), entries) == b"a: 1\n" * 30


@pytest.mark.parametrize(
    "answer",
    [
        file_answer(size=151),
        file_answer(content="no base64!"),
        file_answer(content="", encoding="none"),
        file_answer(content="YQ", size=1),
        {"path": "a.yml"},
        "a text",
    ],
)
async def test_an_answer_that_is_no_whole_file_is_an_outage(
    forge: GitHubForge, github: respx.MockRouter, answer: object
) -> None:
    with pytest.raises(ForgeUnavailableError):
        await read(forge, github, answer, listing("file"))


async def test_a_large_file_is_refused_before_its_content_matters(forge: GitHubForge, github: respx.MockRouter) -> None:
    answer = file_answer(size=2 * 1024 * 1024, content="", encoding="none")
    with pytest.raises(ForgeRefusedError):
        await read(forge, github, answer, listing("file"))


# --- git -------------------------------------------------------------------------------------------------------------


async def test_the_credential_for_git_stands_in_the_header_only(forge: GitHubForge, github: respx.MockRouter) -> None:
    access = await forge.git_access(REPOSITORY, write=False)
    assert access.url == "https://github.test/octo-org/hello.world.git"
    assert base64.b64decode(access.authorization.removeprefix("Basic ")).decode() == f"x-access-token:{TOKEN}1"
    assert TOKEN not in repr(access)
    assert json.loads(github["mint"].calls.last.request.content)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("url", ["http://github.test", "https://me:pw@github.test", "github.test"])
async def test_a_base_url_for_git_that_would_leak_credentials_stops_the_start(client: GitHubClient, url: str) -> None:
    with pytest.raises(SettingsError):
        GitHubForge(client, app_id=1, app_slug="x", git_base_url=url)


# --- reports ---------------------------------------------------------------------------------------------------------


def completed(*, annotated: bool) -> CheckRunContent:
    annotation = Annotation(path="a", start_line=1, end_line=2, level="notice", message="m", title="t")
    return CheckRunContent(
        head_sha=samples.HEAD,
        external_id="job-1",
        status=CheckStatus.COMPLETED,
        conclusion=CheckConclusion.NEUTRAL,
        title="t",
        summary="s",
        text="",
        annotations=(annotation,) if annotated else (),
    )


async def test_a_completed_check_run_is_created_whole(forge: GitHubForge, github: respx.MockRouter) -> None:
    create = github.post(f"{REPO}/check-runs").respond(201, json={"id": 4})
    assert await forge.create_check_run(REPOSITORY, completed(annotated=True)) == 4
    assert json.loads(create.calls.last.request.content) == {
        "name": "FlowForge",
        "head_sha": samples.HEAD,
        "external_id": "job-1",
        "status": "completed",
        "conclusion": "neutral",
        "output": {
            "title": "t",
            "summary": "s",
            "text": "",
            "annotations": [
                {
                    "path": "a",
                    "start_line": 1,
                    "end_line": 2,
                    "annotation_level": "notice",
                    "message": "m",
                    "title": "t",
                }
            ],
        },
        "actions": [],
    }


@pytest.mark.parametrize(("there", "sent"), [(0, True), (1, False)])
async def test_annotations_are_sent_if_there_are_none_yet(
    forge: GitHubForge, github: respx.MockRouter, *, there: int, sent: bool
) -> None:
    github.get(f"{REPO}/check-runs/4").respond(json={"id": 4, "output": {"annotations_count": there}})
    update = github.patch(f"{REPO}/check-runs/4").respond(json={"id": 4})
    await forge.update_check_run(REPOSITORY, 4, completed(annotated=True))
    body = json.loads(update.calls.last.request.content)
    assert ("annotations" in body["output"]) is sent
    assert not {"head_sha", "name"} & set(body)
    assert body["external_id"] == "job-1"


async def test_an_update_without_annotations_asks_for_nothing_first(
    forge: GitHubForge, github: respx.MockRouter
) -> None:
    look = github.get(f"{REPO}/check-runs/4").respond(json={"id": 4})
    update = github.patch(f"{REPO}/check-runs/4").mock(
        side_effect=[httpx.Response(502), httpx.Response(200, json={"id": 4})]
    )
    await forge.update_check_run(REPOSITORY, 4, completed(annotated=False))
    assert not look.called
    assert update.call_count == 2


def comment(id_: int, user_id: int | None, app_id: int | None, body: str | None = f"{MARKER}\r\nx") -> dict[str, Any]:
    return {
        "id": id_,
        "body": body,
        "user": None if user_id is None else samples.user("somebody", user_id),
        "performed_via_github_app": None if app_id is None else samples.app(app_id),
    }


async def test_only_our_own_comment_is_found(forge: GitHubForge, github: respx.MockRouter) -> None:
    others = [
        comment(1, 583231, samples.APP_ID),  # a person through our App
        comment(2, BOT_ID, samples.OTHER_APP_ID),  # our user through another App
        comment(3, None, samples.APP_ID),  # an account that is gone
        comment(4, BOT_ID, samples.APP_ID, body=None),
        comment(5, BOT_ID, samples.APP_ID, body=f"see {MARKER} there"),
        comment(6, BOT_ID, samples.APP_ID, body=MARKER + MARKER),
    ]
    route = github.get(f"{REPO}/issues/7/comments").respond(json=others)
    assert await forge.find_comment(REPOSITORY, Thread(number=7), MARKER) is None
    route.respond(json=[*others, comment(8, BOT_ID, samples.APP_ID), comment(9, BOT_ID, None)])
    assert await forge.find_comment(REPOSITORY, Thread(number=7), MARKER) == 8
    route.respond(json=[*others, comment(9, BOT_ID, None)])
    assert await forge.find_comment(REPOSITORY, Thread(number=7), MARKER) == 9


async def test_only_our_own_check_run_of_that_job_is_found(forge: GitHubForge, github: respx.MockRouter) -> None:
    others = [
        {"id": 1, "external_id": "job-1", "app": samples.app(samples.OTHER_APP_ID)},
        {"id": 2, "external_id": "job-1:p", "app": None},
        {"id": 3, "external_id": None, "app": samples.app()},
        {"id": 4, "external_id": "", "app": samples.app()},
        {"id": 5, "external_id": "job-10", "app": samples.app()},
        {"id": 6, "external_id": "p:job-1", "app": samples.app()},
    ]
    route = github.get(f"{REPO}/commits/{samples.HEAD}/check-runs")
    for mine in ("job-1", "job-1:proposal"):
        route.respond(json={"total_count": 6, "check_runs": others})
        assert await forge.find_check_run(REPOSITORY, samples.HEAD, mine) is None
        for id_, then in ((7, "job-1"), (8, "job-1:proposal")):
            ours = {"id": id_, "external_id": then, "app": samples.app()}
            route.respond(json={"total_count": 7, "check_runs": [*others, ours]})
            assert await forge.find_check_run(REPOSITORY, samples.HEAD, mine) == id_
    asked = dict(route.calls.last.request.url.params)
    assert asked == {"filter": "all", "app_id": str(samples.APP_ID), "per_page": "100", "page": "1"}


# --- ourselves --------------------------------------------------------------------------------------------------------


async def test_the_bots_user_is_not_asked_for_when_it_is_known(forge: GitHubForge, github: respx.MockRouter) -> None:
    assert (await forge.bot_user(ForgeKind.GITHUB)).id == BOT_ID
    assert not github.calls


async def test_a_failed_look_up_of_the_bots_user_is_not_remembered(
    client: GitHubClient, github: respx.MockRouter
) -> None:
    forge = GitHubForge(client, app_id=1, app_slug="flow-forge", git_base_url="https://github.test")
    route = github.get(url__regex=".*/users/.*").mock(
        side_effect=[httpx.Response(404), httpx.Response(200, json=samples.user("flow-forge[bot]", 99, "Bot"))]
    )
    with pytest.raises(ForgeNotFoundError):
        await forge.bot_user(ForgeKind.GITHUB)
    assert [(await forge.bot_user(ForgeKind.GITHUB)).id for _ in range(2)] == [99, 99]
    assert route.call_count == 2
    assert route.calls.last.request.url.raw_path == b"/api/v3/users/flow-forge%5Bbot%5D"
    assert "authorization" not in route.calls.last.request.headers
