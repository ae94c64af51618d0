"""From a verified body to an event, or a PayloadError: nothing else ever (ADV-062)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.errors import PayloadError
from bot.forges.gitlab.deliveries import SYSTEM_HOOK, DeliveryDecoder
from bot.model.deliveries import Delivery
from bot.model.events import (
    Assigned,
    BranchPushed,
    CheckFailed,
    CommentPosted,
    Event,
    LabelAdded,
    PullRequestAction,
    PullRequestChanged,
    Reacted,
    Unused,
)
from bot.model.forge import Actor, ActorKind, ForgeKind, RepositoryRef
from bot.model.work import SeenText
from tests.bot.forges.gitlab import samples
from tests.bot.forges.odd import changed

ID = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"
REPOSITORY = RepositoryRef(
    forge=ForgeKind.GITLAB,
    id=samples.PROJECT_ID,
    owner="harbour/tools",
    name="crane.control",
    installation_id=0,
)
MIRA = Actor(id=311, login="mwinter")
CONFIDENTIAL = "the issue is confidential, and a merge request made of it would be public"


def decode(event: str, payload: Any) -> Event:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return DeliveryDecoder().decode(
        Delivery(
            forge=ForgeKind.GITLAB,
            delivery_id=ID,
            event=event,
            headers={},
            body=body,
            received_at=datetime(2026, 11, 29, tzinfo=UTC),
        ),
    )


def test_a_new_comment_under_a_merge_request() -> None:
    assert decode("note_hook", samples.note("/flowforge resolve\r\nplease")) == CommentPosted(
        delivery_id=ID,
        repository=REPOSITORY,
        number=7,
        on_pull_request=True,
        comment_id=1241,
        body="/flowforge resolve\r\nplease",
        actor=MIRA,
        seen=SeenText(title="Grip harder", body="So that nothing falls.", at=datetime(2026, 11, 29, 8, 15, tzinfo=UTC)),
    )


def test_a_new_comment_under_an_issue() -> None:
    event = decode("note_hook", samples.note(on="Issue"))
    assert isinstance(event, CommentPosted)
    assert (event.number, event.on_pull_request) == (12, False)


def test_a_comment_of_an_older_gitlab_that_names_no_action_is_new_while_it_was_not_changed() -> None:
    assert isinstance(decode("note_hook", samples.note(action=None)), CommentPosted)
    changed = samples.note(action=None, updated_at="2026-11-29 08:15:01 UTC")
    assert isinstance(decode("note_hook", changed), Unused)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (samples.note(action="update"), "only new comments count: what an edit added, GitLab does not say"),
        (samples.note(action="purge"), "only new comments count: what an edit added, GitLab does not say"),
        (samples.note(system=True), "GitLab itself wrote the comment"),
        (samples.note(internal=True), "the comment is internal, and an answer would be public"),
        (samples.note(confidential=True), "the comment is internal, and an answer would be public"),
        (samples.note(on="Issue") | {"issue": samples.issue_state() | {"confidential": True}}, CONFIDENTIAL),
        (samples.note(on="Commit"), "only comments under merge requests and issues count"),
        (samples.note(on="Snippet"), "only comments under merge requests and issues count"),
        (samples.note(on="Issue", noteable_type="MergeRequest"), "only comments under merge requests and issues count"),
    ],
)
def test_a_comment_that_asks_for_nothing(payload: Any, reason: str) -> None:
    assert decode("note_hook", payload) == Unused(delivery_id=ID, reason=reason)


@pytest.mark.parametrize(
    ("username", "expected"),
    [
        ("mwinter", ActorKind.USER),
        ("robot_lover", ActorKind.USER),
        ("project_bot", ActorKind.USER),
        ("project_4217_bot", ActorKind.BOT),
        ("project_4217_bot_4ffca233d8298ea1", ActorKind.BOT),
        ("group_12_bot_aa09", ActorKind.BOT),
        ("service_account_group_12_b0f1", ActorKind.BOT),
    ],
)
def test_programs_are_told_from_people(username: str, expected: ActorKind) -> None:
    event = decode("note_hook", samples.note(sender=samples.user(username, 3)))
    assert isinstance(event, CommentPosted)
    assert event.actor == Actor(id=3, login=username, kind=expected)


@pytest.mark.parametrize(
    ("payload", "expected", "is_open"),
    [
        (samples.merge_request("open"), PullRequestAction.OPENED, True),
        (samples.merge_request("reopen"), PullRequestAction.REOPENED, True),
        (samples.merge_request("close"), PullRequestAction.CLOSED, False),
        (samples.merge_request("merge"), PullRequestAction.CLOSED, False),
        (samples.merge_request("approved"), PullRequestAction.OTHER, True),
        (samples.merge_request("a new action"), PullRequestAction.OTHER, True),
        (samples.merge_request(None), PullRequestAction.OTHER, True),
        (samples.merge_request("update"), PullRequestAction.OTHER, True),
        (samples.merge_request("update", state="locked"), PullRequestAction.OTHER, True),
        (samples.merge_request("update", oldrev=samples.BASE), PullRequestAction.HEAD_MOVED, True),
        (
            samples.merge_request("update", changes={"draft": {"previous": False, "current": True}}),
            PullRequestAction.DRAFTED,
            True,
        ),
        (
            samples.merge_request("update", changes={"draft": {"previous": True, "current": False}}),
            PullRequestAction.READY,
            True,
        ),
        (
            samples.merge_request("update", changes={"target_branch": {"previous": "main", "current": "next"}}),
            PullRequestAction.EDITED,
            True,
        ),
    ],
)
def test_a_merge_request_changed(payload: Any, expected: PullRequestAction, is_open: bool) -> None:
    assert decode("merge_request_hook", payload) == PullRequestChanged(
        delivery_id=ID,
        repository=REPOSITORY,
        number=7,
        action=expected,
        head_sha=samples.HEAD,
        base_ref="main",
        actor=MIRA,
        open=is_open,
        updated_at=datetime(2026, 11, 29, 8, 15, tzinfo=UTC),
    )


@pytest.mark.parametrize("time", ["2026-11-29T08:15:00Z", "2026-11-29T09:15:00.000+01:00", "2026-11-29T08:15:00"])
def test_a_time_of_either_form_is_read(time: str) -> None:
    event = decode("merge_request_hook", samples.merge_request(updated_at=time))
    assert isinstance(event, PullRequestChanged)
    assert event.updated_at == datetime(2026, 11, 29, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize("more", [{"last_commit": None}, {"target_project_id": 9}])
def test_a_merge_request_without_commits_or_of_another_project_is_not_used(more: Any) -> None:
    assert isinstance(decode("merge_request_hook", samples.merge_request(**more)), Unused)


def labels(*titles: str) -> list[dict[str, Any]]:
    return [{"id": at, "title": title, "color": "#112233", "type": "ProjectLabel"} for at, title in enumerate(titles)]


def test_labels_are_put_on_a_merge_request() -> None:
    changes = {"labels": {"previous": labels("bug"), "current": labels("flowforge", "bug", "later")}}
    assert decode("merge_request_hook", samples.merge_request("update", changes=changes)) == LabelAdded(
        delivery_id=ID,
        repository=REPOSITORY,
        number=7,
        on_pull_request=True,
        label="flowforge",
        more=("later",),
        title="Grip harder",
        body="So that nothing falls.",
        base_ref="main",
        actor=MIRA,
    )
    taken_off = {"labels": {"previous": labels("flowforge"), "current": []}}
    event = decode("merge_request_hook", samples.merge_request("update", changes=taken_off))
    assert isinstance(event, PullRequestChanged)


def test_a_merge_request_is_assigned() -> None:
    changes = {"assignees": {"previous": [], "current": [samples.user("flowforge", 99), samples.user()]}}
    event = decode("merge_request_hook", samples.merge_request("update", changes=changes))
    assert isinstance(event, Assigned)
    assert (event.assignee, event.more) == (Actor(id=99, login="flowforge"), (MIRA,))
    assert (event.number, event.on_pull_request, event.base_ref) == (7, True, "main")


def test_commits_that_come_with_a_label_are_commits_and_a_label() -> None:
    changes = {"labels": {"previous": [], "current": labels("flowforge")}}
    event = decode("merge_request_hook", samples.merge_request("update", changes=changes, oldrev=samples.BASE))
    assert isinstance(event, PullRequestChanged)
    assert event.action is PullRequestAction.HEAD_MOVED
    assert isinstance(event.marked, LabelAdded)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ({"labels": labels("bug", "flowforge")}, LabelAdded),
        ({"assignees": [samples.user("flowforge", 99)]}, Assigned),
    ],
)
def test_a_merge_request_that_is_born_with_a_mark_tells_of_both(marks: Any, expected: type[Event]) -> None:
    born = decode("merge_request_hook", {**samples.merge_request("open"), **marks})
    assert isinstance(born, PullRequestChanged)
    assert (born.action, type(born.marked)) == (PullRequestAction.OPENED, expected)
    # What is there already is no news of an update, of commits or of a merge.
    for later in ("update", "reopen", "merge", "approved"):
        event = decode("merge_request_hook", {**samples.merge_request(later), **marks})
        assert isinstance(event, PullRequestChanged)
        assert event.marked is None


def test_another_target_and_a_label_of_one_form_are_both_told() -> None:
    changes = {
        "labels": {"previous": labels("bug"), "current": labels("bug", "flowforge")},
        "target_branch": {"previous": "main", "current": "next"},
    }
    event = decode("merge_request_hook", samples.merge_request("update", changes=changes))
    assert isinstance(event, PullRequestChanged)
    assert event.action is PullRequestAction.EDITED
    assert isinstance(event.marked, LabelAdded)
    assert event.marked.label == "flowforge"


def test_an_issue_gets_a_label_later_or_has_it_from_its_birth() -> None:
    later = samples.issue("update", changes={"labels": {"previous": [], "current": labels("flowforge")}})
    born = samples.issue("open", labels=labels("flowforge"))
    for payload in (later, born):
        assert decode("issue_hook", payload) == LabelAdded(
            delivery_id=ID,
            repository=REPOSITORY,
            number=12,
            on_pull_request=False,
            label="flowforge",
            title="It squeaks",
            body="Loudly.",
            base_ref="main",
            actor=MIRA,
        )


def test_an_issue_is_assigned_later_or_from_its_birth() -> None:
    bot = samples.user("flowforge", 99)
    for payload in (
        samples.issue("update", changes={"assignees": {"previous": [], "current": [bot]}}),
        samples.issue("open", assignees=[bot]),
    ):
        event = decode("issue_hook", payload)
        assert isinstance(event, Assigned)
        assert (event.number, event.on_pull_request, event.assignee.id) == (12, False, 99)


@pytest.mark.parametrize("action", ["open", "update", "close", "reopen", None])
def test_an_issue_that_nobody_gave_to_anybody_is_not_used(action: str | None) -> None:
    assert isinstance(decode("issue_hook", samples.issue(action)), Unused)


def test_an_issue_that_is_born_with_labels_and_an_assignee_tells_of_both() -> None:
    event = decode("issue_hook", samples.issue("open", labels=labels("bug"), assignees=[samples.user("helper", 99)]))
    assert isinstance(event, LabelAdded)
    assert (event.label, event.assignees) == ("bug", (Actor(id=99, login="helper"),))


def test_who_tests_a_hook_says_nothing_of_what_others_said() -> None:
    told = "somebody has GitLab tell again of what another person did"
    assert decode("note_hook", samples.note(author_id=5)) == Unused(delivery_id=ID, reason=told)
    rocket = samples.emoji()
    assert isinstance(decode("emoji_hook", rocket), Reacted)
    assert decode("emoji_hook", changed(rocket, "object_attributes.user_id", 5)) == Unused(delivery_id=ID, reason=told)


@pytest.mark.parametrize("action", ["open", "update"])
def test_what_a_confidential_issue_asks_for_would_be_seen_by_everybody(action: str) -> None:
    added = {"labels": {"previous": [], "current": labels("flowforge")}}
    payload = samples.issue(action, labels=labels("flowforge"), changes=added)
    assert isinstance(decode("issue_hook", payload), LabelAdded)
    told = changed(payload, "object_attributes.confidential", True)
    assert decode("issue_hook", told) == Unused(delivery_id=ID, reason=CONFIDENTIAL)


def test_an_issue_of_a_project_without_a_branch_is_not_used() -> None:
    payload = samples.issue("open", labels=labels("flowforge"))
    assert isinstance(decode("issue_hook", changed(payload, "project.default_branch", None)), Unused)


def test_an_emoji_is_put_under_a_comment() -> None:
    assert decode("emoji_hook", samples.emoji(body="<!-- m -->\n\\/merge")) == Reacted(
        delivery_id=ID,
        repository=REPOSITORY,
        number=7,
        on_pull_request=True,
        comment_id=1241,
        author_id=99,
        body="<!-- m -->\n/merge",
        reaction_id=77,
        reaction="rocket",
        actor=MIRA,
    )


def test_an_emoji_tells_for_how_long_the_comment_had_stood() -> None:
    told = samples.emoji()
    for edited, seconds in (("2026-11-29 08:14:30 UTC", 30), ("2026-11-29T08:15:00Z", 0), ("", 0), ("yesterday", 0)):
        event = decode("emoji_hook", changed(told, "note.updated_at", edited))
        assert isinstance(event, Reacted)
        assert event.body_stood == timedelta(seconds=seconds)


def test_an_emoji_is_taken_back() -> None:
    event = decode("emoji_hook", samples.emoji(action="revoke"))
    assert isinstance(event, Reacted)
    assert (event.taken_back, event.reaction_id) == (True, 77)


@pytest.mark.parametrize(
    "payload",
    [
        samples.emoji(action="seen"),
        samples.emoji(note=None),
        samples.emoji(merge_request=None),
        samples.emoji(note={**samples.emoji()["note"], "noteable_type": "Issue"}),
        samples.emoji(note={**samples.emoji()["note"], "internal": True}),
        samples.emoji(note={**samples.emoji()["note"], "system": True}),
    ],
)
def test_an_emoji_that_asks_for_nothing(payload: Any) -> None:
    assert isinstance(decode("emoji_hook", payload), Unused)


def test_a_branch_was_pushed() -> None:
    assert decode("push_hook", samples.push("refs/heads/feature/é")) == BranchPushed(
        delivery_id=ID,
        repository=REPOSITORY,
        branch="feature/é",
        before=samples.BASE,
        after=samples.HEAD,
        actor=MIRA,
    )


def test_a_push_with_a_deploy_key_has_an_actor_who_is_nobody() -> None:
    event = decode("push_hook", samples.push() | {"user_id": None, "user_username": None})
    assert isinstance(event, BranchPushed)
    assert event.actor == Actor(id=0, login="ghost")


@pytest.mark.parametrize("ref", ["refs/tags/v1", "refs/heads/", "refs/notes/commits"])
def test_a_push_to_what_is_no_branch_is_not_used(ref: str) -> None:
    assert isinstance(decode("push_hook", samples.push(ref)), Unused)


def test_a_whole_instance_tells_of_its_projects_in_the_same_words() -> None:
    assert decode(SYSTEM_HOOK, samples.push()) == decode("push_hook", samples.push())
    assert decode(SYSTEM_HOOK, samples.merge_request()) == decode("merge_request_hook", samples.merge_request())
    for payload in ({"event_name": "project_create"}, {"object_kind": "tag_push"}, samples.note()):
        assert isinstance(decode(SYSTEM_HOOK, payload), Unused)


@pytest.mark.parametrize(
    "event", ["wiki_page_hook", "job_hook", "confidential_note_hook", "deployment_hook", "", "Note Hook"]
)
def test_other_events_are_not_used_and_not_read(event: str) -> None:
    assert isinstance(decode(event, b"[" * 100_000), Unused)


NOTE = samples.note()
DEEP = ("a/" * 22) + "b"

BROKEN: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"payload=%7B%7D",
    "no UTF-8": b'{"object_kind": "\xff"}',
    "UTF-16": json.dumps(NOTE).encode("utf-16"),
    "no object": [NOTE],
    "null": None,
    "100,000 arrays": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a key twice": json.dumps(NOTE).replace('"id": 1241', '"id": 1241, "id": 43').encode(),
    "a key twice where nobody looks": json.dumps(NOTE)[:-1].encode() + b', "x": {"y": 1, "y": 1}}',
    "NaN where nobody looks": json.dumps(changed(NOTE, "x", float("nan"))).encode(),
    "a number of 5,000 digits": json.dumps(NOTE)[:-1].encode() + b', "x": ' + b"9" * 5_000 + b"}",
    "an id of 65 bits": changed(NOTE, "object_attributes.id", 2**64),
    "a negative id": changed(NOTE, "user.id", -1),
    "an id of zero": changed(NOTE, "project.id", 0),
    "an id that is a text": changed(NOTE, "user.id", "311"),
    "an id that is true": changed(NOTE, "user.id", True),
    "a body that is no text": changed(NOTE, "object_attributes.note", None),
    "a body with NUL": changed(NOTE, "object_attributes.note", "/flowforge\0resolve"),
    "half a surrogate pair": changed(NOTE, "object_attributes.note", "\ud800"),
    "half a pair in a login": changed(NOTE, "user.username", "mira\udc00"),
    "an empty login": changed(NOTE, "user.username", ""),
    "no user": {key: value for key, value in NOTE.items() if key != "user"},
    "no project": {key: value for key, value in NOTE.items() if key != "project"},
    "a path that climbs": changed(NOTE, "project.path_with_namespace", "../.."),
    "a path that climbs in the middle": changed(NOTE, "project.path_with_namespace", "harbour/../crane"),
    "a path that climbs at its end": changed(NOTE, "project.path_with_namespace", "harbour/tools/.."),
    "a path of one name": changed(NOTE, "project.path_with_namespace", "crane"),
    "a path with an empty name": changed(NOTE, "project.path_with_namespace", "harbour//crane"),
    "a path too deep": changed(NOTE, "project.path_with_namespace", DEEP),
    "a path that is an option": changed(NOTE, "project.path_with_namespace", "--upload-pack=x/crane"),
    "a name that is an option": changed(NOTE, "project.path_with_namespace", "harbour/-x"),
    "a path with a query": changed(NOTE, "project.path_with_namespace", "harbour/crane?x=1"),
    "a path that is a host": changed(NOTE, "project.path_with_namespace", "//169.254.169.254/x"),
    "a path with a line feed": changed(NOTE, "project.path_with_namespace", "harbour/crane\n"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_gitlab_does_not_send_is_a_payload_error(name: str) -> None:
    with pytest.raises(PayloadError) as raised:
        decode("note_hook", BROKEN[name])
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize("sha", ["", "main", samples.HEAD.upper(), samples.HEAD[:-1], samples.HEAD + "\n"])
def test_what_is_no_object_id_is_a_payload_error(sha: str) -> None:
    with pytest.raises(PayloadError):
        decode("push_hook", samples.push(after=sha))
    with pytest.raises(PayloadError):
        decode("merge_request_hook", samples.merge_request(last_commit={"id": sha}))


@pytest.mark.parametrize("time", ["", "UTC", "yesterday", "2026-13-01 00:00:00 UTC", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_a_payload_error(time: str) -> None:
    with pytest.raises(PayloadError):
        decode("merge_request_hook", samples.merge_request(updated_at=time))


@pytest.mark.parametrize(
    ("target", "pulls"), [(samples.PROJECT_ID, ((7, "main"),)), (samples.PROJECT_ID + 1, ()), (None, ())]
)
def test_a_pipeline_failed_on_a_commit(target: int | None, pulls: tuple[tuple[int, str], ...]) -> None:
    payload = samples.pipeline(target=target)
    payload["builds"][0]["name"] = "/flowforge approve `$(id)`\0"
    expected = CheckFailed(delivery_id=ID, repository=REPOSITORY, head_sha=samples.HEAD, pulls=pulls)
    assert decode("pipeline_hook", payload) == expected


@pytest.mark.parametrize("status", ["created", "pending", "running", "success", "canceled", "skipped", "manual"])
def test_a_pipeline_that_did_not_fail_or_is_of_a_tag_is_not_used(status: str) -> None:
    assert isinstance(decode("pipeline_hook", samples.pipeline(status)), Unused)
    assert isinstance(decode("pipeline_hook", samples.pipeline(tag=True)), Unused)
