"""People, merge requests, files and comments, in GitLab's words."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.forges.gitlab.forge import GitLabForge
from bot.forges.gitlab.quick import as_written, without_quick_actions
from bot.model.forge import Actor, ActorKind, ConfigFile, PermissionLevel, Thread, ThreadKind
from bot.model.reports import CommentContent
from bot.model.watch import SeenPull
from bot.model.work import LineComments
from bot.ports.forge import Forge
from tests.bot.forges.gitlab import samples
from tests.bot.forges.gitlab.conftest import REPOSITORY, WEBHOOK
from tests.bot.forges.gitlab.test_statuses import MERGE_REQUEST
from tests.bot.forges.gitlab.wire import BASE, OWN, TOKEN, Wire, reply

PROJECT = f"/projects/{samples.PROJECT_ID}"
MIRA = Actor(id=311, login="mwinter")
MEMBER: dict[str, Any] = {"id": 311, "username": "mwinter", "state": "active", "access_level": 30, "expires_at": None}
GONE = reply({"message": "404 Not Found"}, 404)
PULL = Thread(number=7)
ISSUE = Thread(kind=ThreadKind.ISSUE, number=7)


async def test_it_is_a_forge_and_knows_itself(forge: GitLabForge, wire: Wire) -> None:
    port: Forge = forge
    assert port.names == {"gitlab"}
    ours = Actor(id=99, login="project_4217_bot_1f", kind=ActorKind.BOT)
    assert [await forge.bot_user("gitlab") for _ in range(3)] == [ours] * 3
    assert await forge.mention("gitlab") == ours.login
    assert wire.count("GET", "/user") == 1
    assert forge.commit_email("gitlab", ours) == "99-project_4217_bot_1f@users.noreply.gitlab.test"
    assert forge.pull_ref(REPOSITORY, 7) == "refs/merge-requests/7/head"
    assert await forge.sent_deliveries("gitlab", None) is None


# --- people ---------------------------------------------------------------------------------------


async def test_who_is_in_a_group_is_asked_by_id_where_the_group_can_be_seen(forge: GitLabForge, wire: Wire) -> None:
    wire.on("GET", "/groups/ops%2Fteam", reply({"id": 9}))
    wire.on("GET", "/groups/ops%2Fteam/members/311", reply(MEMBER), reply({**MEMBER, "access_level": 20}))
    wire.on("GET", "/groups/ops%2Fteam/members/312", GONE)
    wire.on("GET", "/groups/secret", GONE)
    assert [await forge.is_member(REPOSITORY, "ops/team", MIRA) for _ in range(2)] == [True, False]
    assert await forge.is_member(REPOSITORY, "ops/team", Actor(id=312, login="other")) is False
    assert await forge.is_member(REPOSITORY, "secret", MIRA) is None


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (0, PermissionLevel.NONE),
        (5, PermissionLevel.NONE),
        (10, PermissionLevel.READ),
        (15, PermissionLevel.READ),
        (20, PermissionLevel.TRIAGE),
        (25, PermissionLevel.TRIAGE),
        (30, PermissionLevel.WRITE),
        (40, PermissionLevel.MAINTAIN),
        (50, PermissionLevel.ADMIN),
    ],
)
async def test_a_members_level_is_read_live(
    forge: GitLabForge, wire: Wire, level: int, expected: PermissionLevel
) -> None:
    wire.on("GET", f"{PROJECT}/members/all/311", reply({**MEMBER, "access_level": level}))
    assert await forge.permission(REPOSITORY, MIRA) is expected


@pytest.mark.parametrize(
    "change",
    [
        {"state": "blocked"},
        {"state": "awaiting"},
        {"username": "somebody"},
        {"id": 312},
        {"expires_at": "2026-11-29"},
        {"expires_at": "2020-01-01"},
    ],
)
async def test_whoever_is_blocked_over_or_called_otherwise_may_nothing(
    forge: GitLabForge, wire: Wire, change: dict[str, Any]
) -> None:
    wire.on("GET", f"{PROJECT}/members/all/311", reply({**MEMBER, "access_level": 50, **change}))
    assert await forge.permission(REPOSITORY, MIRA) is PermissionLevel.NONE


@pytest.mark.parametrize(
    ("visibility", "user", "expected"),
    [
        ("public", MEMBER, PermissionLevel.READ),
        ("public", {**MEMBER, "state": "banned"}, PermissionLevel.NONE),
        ("public", {**MEMBER, "username": "other"}, PermissionLevel.NONE),
        ("internal", MEMBER, PermissionLevel.NONE),
        ("private", MEMBER, PermissionLevel.NONE),
    ],
)
async def test_a_stranger_reads_what_is_public(
    forge: GitLabForge, wire: Wire, visibility: str, user: Any, expected: PermissionLevel
) -> None:
    project = {"id": samples.PROJECT_ID, "path_with_namespace": samples.FULL_PATH, "visibility": visibility}
    wire.on("GET", f"{PROJECT}/members/all/311", GONE)
    wire.on("GET", PROJECT, reply(project))
    wire.on("GET", "/users/311", reply(user))
    assert await forge.permission(REPOSITORY, MIRA) is expected


async def test_nobody_has_the_id_of_nobody(forge: GitLabForge, wire: Wire) -> None:
    wire.on("GET", f"{PROJECT}/members/all/0", GONE)
    wire.on("GET", PROJECT, GONE)
    assert await forge.permission(REPOSITORY, Actor(id=0, login="ghost")) is PermissionLevel.NONE


# --- merge requests -------------------------------------------------------------------------------

WHOLE = {
    **MERGE_REQUEST,
    "author": {"id": 5, "username": "project_9_bot_ab", "state": "active"},
    "description": None,
    "draft": True,
    "diff_refs": {"base_sha": "d" * 40, "head_sha": samples.HEAD, "start_sha": samples.BASE},
    "detailed_merge_status": "conflict",
    "squash": True,
    "allow_collaboration": True,
}


async def test_a_merge_request_is_read_as_it_is_now(forge: GitLabForge, wire: Wire) -> None:
    wire.on("GET", f"{PROJECT}/merge_requests/7", reply(WHOLE))
    pull = await forge.pull_request(REPOSITORY, 7)
    assert (pull.number, pull.title, pull.body, pull.open, pull.merged, pull.draft) == (
        7, "Grip harder", "", True, False, True,
    )  # fmt: skip
    assert pull.author == Actor(id=5, login="project_9_bot_ab", kind=ActorKind.BOT)
    assert (pull.head_ref, pull.head_sha, pull.base_ref) == ("feature/grip", samples.HEAD, "main")
    assert pull.base_sha == samples.BASE  # where the target branch was, not the merge base
    assert (pull.head_full_name, pull.from_fork, pull.maintainer_can_modify) == (samples.FULL_PATH, False, True)
    assert pull.html_url == MERGE_REQUEST["web_url"]


@pytest.mark.parametrize(
    ("state", "is_open", "merged"),
    [("opened", True, False), ("locked", True, False), ("closed", False, False), ("merged", False, True)],
)
async def test_a_merge_request_that_is_being_merged_is_open_still(
    forge: GitLabForge, wire: Wire, state: str, is_open: bool, merged: bool
) -> None:
    wire.on("GET", f"{PROJECT}/merge_requests/7", reply({**WHOLE, "state": state}))
    pull = await forge.pull_request(REPOSITORY, 7)
    assert (pull.open, pull.merged) == (is_open, merged)


async def test_a_new_merge_request_has_no_versions_yet(forge: GitLabForge, wire: Wire) -> None:
    wire.on("GET", f"{PROJECT}/merge_requests/7", reply({**WHOLE, "diff_refs": None, "target_branch": "a/b"}))
    wire.on("GET", f"{PROJECT}/repository/branches/a%2Fb", reply({"name": "a/b", "commit": {"id": samples.BASE}}))
    assert (await forge.pull_request(REPOSITORY, 7)).base_sha == samples.BASE
    wire.on("GET", f"{PROJECT}/merge_requests/7", reply({**WHOLE, "diff_refs": None, "sha": None}))
    with pytest.raises(ForgeNotFoundError):
        await forge.pull_request(REPOSITORY, 7)


async def test_a_merge_request_names_its_fork_as_long_as_that_can_be_seen(forge: GitLabForge, wire: Wire) -> None:
    wire.on("GET", f"{PROJECT}/merge_requests/7", reply({**WHOLE, "source_project_id": 8}))
    wire.on("GET", "/projects/8", reply({"id": 8, "path_with_namespace": "eve/crane"}), GONE)
    for name in ("eve/crane", None):
        pull = await forge.pull_request(REPOSITORY, 7)
        assert (pull.from_fork, pull.head_repository_id, pull.head_full_name) == (True, 8, name)
    wire.on("GET", f"{PROJECT}/merge_requests/7", reply({**WHOLE, "source_project_id": None}))
    pull = await forge.pull_request(REPOSITORY, 7)
    assert (pull.from_fork, pull.head_repository_id, pull.head_full_name) == (True, None, None)


async def test_open_merge_requests_are_listed_and_each_base_is_asked_for_once(forge: GitLabForge, wire: Wire) -> None:
    gone = {**MERGE_REQUEST, "iid": 8, "target_branch": "gone"}
    empty = {**MERGE_REQUEST, "iid": 9, "sha": None}
    pages = [reply([MERGE_REQUEST, gone], x_next_page="2"), reply([MERGE_REQUEST, empty], x_next_page="")]
    wire.on("GET", f"{PROJECT}/merge_requests", *pages)
    wire.on("GET", f"{PROJECT}/repository/branches/main", reply({"commit": {"id": samples.BASE}}))
    wire.on("GET", f"{PROJECT}/repository/branches/gone", GONE)
    seen = SeenPull(
        number=7,
        open=True,
        base_ref="main",
        base_sha=samples.BASE,
        head_sha=samples.HEAD,
        updated_at=datetime(2026, 11, 29, 8, 15, tzinfo=UTC),
    )
    found = await forge.open_pull_requests(REPOSITORY)
    assert found[0] == seen
    assert [one.number for one in found] == [7, 8]
    assert wire.count("GET", f"{PROJECT}/repository/branches/main") == 1


async def test_a_merge_request_of_our_own(forge: GitLabForge, wire: Wire) -> None:
    wire.on("POST", f"{PROJECT}/merge_requests", reply({"iid": 12}, 201))
    title, body = "t" * 300, "Closes #3\n/merge\n"
    made = await forge.create_pull_request(
        REPOSITORY, head_ref="flowforge/x", base_ref="main", title=title, body=body, draft=True
    )
    asked = wire.asked[-1].body
    assert made == 12
    assert asked["title"] == f"Draft: {'t' * 248}"
    assert asked["description"] == "Closes #3\n\\/merge\n"
    other = {**MERGE_REQUEST, "iid": 13, "source_project_id": 8, "source_branch": "flowforge/x"}
    ours = {**other, "iid": 12, "source_project_id": samples.PROJECT_ID}
    wire.on("GET", f"{PROJECT}/merge_requests", reply([other, ours]))
    assert await forge.find_pull_request(REPOSITORY, "flowforge/x") == 12
    assert await forge.find_pull_request(REPOSITORY, "flowforge/y") is None


async def test_closing_what_is_closed_or_merged_changes_nothing(forge: GitLabForge, wire: Wire) -> None:
    wire.on("PUT", f"{PROJECT}/merge_requests/7", reply(MERGE_REQUEST), reply({"message": "405 Not allowed"}, 405))
    wire.on("GET", f"{PROJECT}/merge_requests/7", reply({**MERGE_REQUEST, "state": "merged"}), reply(MERGE_REQUEST))
    await forge.close_pull_request(REPOSITORY, 7)
    await forge.close_pull_request(REPOSITORY, 7)
    with pytest.raises(ForgeRefusedError):
        await forge.close_pull_request(REPOSITORY, 7)


# --- files and git --------------------------------------------------------------------------------


def serve_file(wire: Wire, path: str, content: bytes, *, mode: str = "100644", type_: str = "blob") -> None:
    url = f"{PROJECT}/repository/files/{path.replace('/', '%2F')}"
    found = {"size": len(content), "encoding": "base64", "content": base64.b64encode(content).decode()}
    wire.on("HEAD", url, reply(x_gitlab_size=str(len(content))))
    wire.on("GET", url, reply(found))
    wire.on("GET", f"{PROJECT}/repository/tree", reply([{"path": path, "type": type_, "mode": mode}]))


async def test_a_regular_file_is_read_and_nothing_else(forge: GitLabForge, wire: Wire) -> None:
    serve_file(wire, "docs/a.yml", b"\x00\xff\n")
    assert await forge.read_file(REPOSITORY, "docs/a.yml", ref="main") == b"\x00\xff\n"
    assert wire.asked[-1].query == {"ref": "main"}
    serve_file(wire, "docs/a.yml", b"../secret", mode="120000")
    assert await forge.read_file(REPOSITORY, "docs/a.yml", ref="main") is None
    serve_file(wire, "docs/a.yml", b"", mode="160000", type_="commit")
    assert await forge.read_file(REPOSITORY, "docs/a.yml", ref="main") is None
    wire.on("HEAD", f"{PROJECT}/repository/files/absent", reply(status=404))
    assert await forge.read_file(REPOSITORY, "absent", ref="main") is None
    before = len(wire.asked)
    for path in ("", "/", "../x", "a/../b", "./a", "a/."):
        assert await forge.read_file(REPOSITORY, path, ref="main") is None
    assert len(wire.asked) == before


async def test_a_file_that_is_too_large_is_not_fetched(forge: GitLabForge, wire: Wire) -> None:
    serve_file(wire, "big", b"x" * (1024 * 1024 + 1))
    with pytest.raises(ForgeRefusedError) as raised:
        await forge.read_file(REPOSITORY, "big", ref="main")
    assert raised.value.status == 413
    assert wire.count("GET", f"{PROJECT}/repository/files/big") == 0


async def test_git_gets_the_token_in_a_header_and_never_in_the_address(forge: GitLabForge) -> None:
    access = await forge.git_access(REPOSITORY, write=True)
    assert access.url == f"{BASE}/harbour/tools/crane.control.git"
    assert base64.b64decode(access.authorization.removeprefix("Basic ")).decode() == f"oauth2:{TOKEN}"
    assert TOKEN not in repr(access)


# --- comments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("thread", "where"), [(PULL, "merge_requests/7"), (ISSUE, "issues/7")])
async def test_a_comment_is_written_changed_and_read_where_it_hangs(
    forge: GitLabForge, wire: Wire, thread: Thread, where: str
) -> None:
    body = "<!-- m -->\n/merge\n`/flowforge approve abc`\n/flowforge help\n  /close\n/etc/passwd\n\\/label x"
    sent = "<!-- m -->\n\\/merge\n`/flowforge approve abc`\n/flowforge help\n  \\/close\n/etc/passwd\n\\\\/label x"
    wire.on("POST", f"{PROJECT}/{where}/notes", reply({"id": 1241}, 201))
    wire.on("PUT", f"{PROJECT}/{where}/notes/1241", reply({"id": 1241}))
    wire.on("GET", f"{PROJECT}/{where}/notes/1241", reply({"id": 1241, "body": sent}), GONE)
    content = CommentContent(marker="<!-- m -->", body=body)
    assert await forge.create_comment(REPOSITORY, thread, content) == 1241
    await forge.update_comment(REPOSITORY, thread, 1241, content)
    assert [one.body["body"] for one in wire.asked] == [sent, sent]
    assert await forge.shown_comment(REPOSITORY, thread, 1241) == body
    assert await forge.shown_comment(REPOSITORY, thread, 1241) is None


async def test_our_own_comment_is_found_by_its_marker_and_nobody_elses(forge: GitLabForge, wire: Wire) -> None:
    marked = "<!-- m -->\nText"
    pages = [
        reply([{"id": 1, "body": marked, "author": {"id": 311, "username": "mwinter"}}], x_next_page="2"),
        reply(
            [
                {"id": 2, "body": f"quoting {marked}", "author": OWN},
                {"id": 3, "body": marked, "author": OWN, "system": True},
                {"id": 4, "body": marked, "author": OWN},
            ],
            x_next_page="",
        ),
    ]
    wire.on("GET", f"{PROJECT}/merge_requests/7/notes", *pages)
    assert await forge.find_comment(REPOSITORY, PULL, "<!-- m -->") == 4


@pytest.mark.parametrize(("reaction", "name"), [("eyes", "eyes"), ("confused", "confused"), ("+1", "thumbsup")])
async def test_an_emoji_is_put_under_a_comment_once(forge: GitLabForge, wire: Wire, reaction: str, name: str) -> None:
    path = f"{PROJECT}/merge_requests/7/notes/1241/award_emoji"
    taken = reply({"message": "404 Award Emoji Name has already been taken Not Found"}, 404)
    wire.on("POST", path, reply({"id": 1}, 201), taken, GONE)
    await forge.react(REPOSITORY, PULL, 1241, reaction)
    await forge.react(REPOSITORY, PULL, 1241, reaction)
    assert wire.asked[0].body == {"name": name}
    with pytest.raises(ForgeNotFoundError):
        await forge.react(REPOSITORY, PULL, 1241, reaction)


WORDS = st.sampled_from(
    ["/merge", "/flowforge", "/a_b", "/x/y", "/", "\\", " ", "\t", "\n", "\r\n", "\r", "`", "é", "x"]
)


@given(text=st.lists(WORDS).map("".join) | st.text())
def test_no_line_of_ours_is_a_quick_action_and_every_text_comes_back(text: str) -> None:
    sent = without_quick_actions(text)
    for line in sent.split("\n"):
        word = line.strip().split()[:1]
        assert word in ([], ["/flowforge"]) or not (
            word[0][:1] == "/" and word[0][1:].isascii() and word[0][1:].isalpha()
        )
    assert as_written(sent) == text.replace("\r\n", "\n").replace("\r", "\n")


# --- hooks and groups -----------------------------------------------------------------------------


async def test_our_hooks_that_gitlab_turned_off_are_tried_again(forge: GitLabForge, wire: Wire) -> None:
    hooks = [
        {"id": 1, "url": WEBHOOK, "alert_status": "executable"},
        {"id": 2, "url": WEBHOOK, "alert_status": "temporarily_disabled"},
        {"id": 3, "url": "https://others.example.com", "alert_status": "disabled"},
        {"id": 4, "url": WEBHOOK, "alert_status": "disabled"},
    ]
    wire.on("GET", f"{PROJECT}/hooks", reply(hooks))
    for hook in (2, 4):
        wire.on("POST", f"{PROJECT}/hooks/{hook}/test/push_events", reply({"message": "201 Created"}, 201))
    # The group is not ours to see, and the one around it has a hook for all of its projects.
    wire.on("GET", "/groups/harbour%2Ftools/hooks", reply({"message": "403 Forbidden"}, 403))
    wire.on("GET", "/groups/harbour/hooks", reply([{"id": 5, "url": WEBHOOK, "alert_status": "disabled"}]))
    wire.on("POST", "/groups/harbour/hooks/5/test/push_events", reply({"message": "201 Created"}, 201))
    assert await forge.revive_hooks(REPOSITORY) == 3
    wire.on("GET", f"{PROJECT}/hooks", reply({"message": "403 Forbidden"}, 403))
    wire.on("GET", "/groups/harbour/hooks", reply({"message": "404 Not found"}, 404))
    assert await forge.revive_hooks(REPOSITORY) == 0


async def test_the_groups_around_a_project_say_what_holds_the_outermost_first(forge: GitLabForge, wire: Wire) -> None:
    for group, status in (("harbour", 200), ("harbour%2Ftools", 404)):
        at = f"/projects/{group}%2Fflowforge/repository"
        wire.on("HEAD", f"{at}/files/flowforge.yml", reply(status=status, x_gitlab_size="2"))
        wire.on("GET", f"{at}/files/flowforge.yml", reply({"size": 2, "encoding": "base64", "content": "YQo="}))
        wire.on("GET", f"{at}/tree", reply([{"path": "flowforge.yml", "type": "blob", "mode": "100644"}]))
    assert await forge.shared_config(REPOSITORY) == (ConfigFile(path="harbour/flowforge/flowforge.yml", data=b"a\n"),)
    assert wire.count("HEAD", "/projects/harbour%2Ftools%2Fflowforge/repository/files/flowforge.yml") == 1


# --- issues ---------------------------------------------------------------------------------------


def note(id_: int, **more: Any) -> dict[str, Any]:
    time = "2026-11-29T08:15:00Z"
    return {"id": id_, "body": f"no. {id_}", "created_at": time, "updated_at": time, "author": OWN, **more}


async def test_a_thread_is_read_from_its_newest_note_and_no_further_than_needed(forge: GitLabForge, wire: Wire) -> None:
    hidden = [note(9, internal=True), note(8, confidential=True), note(7, system=True)]
    url = f"{PROJECT}/issues/7/notes"
    wire.on("GET", url, reply([*hidden, note(6)], x_next_page="2"), reply([note(5), note(4)], x_next_page="3"))
    assert [one.id for one in await forge.comments(REPOSITORY, ISSUE, limit=2)] == [5, 6]
    assert wire.count("GET", url) == 2
    asked = [one.query for one in wire.asked if one.path == url]
    # A page with notes of a million characters each has to fit into memory.
    assert [(query["sort"], query["order_by"], query["per_page"]) for query in asked] == [
        ("desc", "created_at", "20")
    ] * 2


async def test_a_confidential_issue_is_not_there_for_work_that_everybody_sees(forge: GitLabForge, wire: Wire) -> None:
    found = {"iid": 7, "title": "It leaks", "state": "opened", "updated_at": "2026-11-29T08:15:00Z", "author": OWN}
    wire.on("GET", PROJECT, reply({"default_branch": "main"}))
    wire.on("GET", f"{PROJECT}/issues/7", reply(found), reply(found | {"confidential": True}))
    assert (await forge.issue(REPOSITORY, 7)).default_branch == "main"
    with pytest.raises(ForgeNotFoundError, match="issue 7 is confidential") as raised:
        await forge.issue(REPOSITORY, 7)
    assert "leaks" not in str(raised.value)


async def test_notes_on_lines_are_read_until_somebody_resolves_them(forge: GitLabForge, wire: Wire) -> None:
    on_line = {"type": "DiffNote", "resolvable": True}
    notes = [note(6, resolved=True, **on_line), note(5, resolved=False, **on_line), note(4)]
    wire.on("GET", f"{PROJECT}/merge_requests/7/notes", reply(notes))
    assert [one.id for one in await forge.comments(REPOSITORY, PULL, limit=9)] == [4, 5]
    assert await forge.line_comments(REPOSITORY, 7, limit=9) == LineComments()
