"""From a verified body to an event, or a PayloadError: nothing else ever (ADV-062)."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import PayloadError
from bot.forges.github.deliveries import DECODED_EVENTS, DeliveryDecoder
from bot.model.deliveries import Delivery
from bot.model.events import (
    Assigned,
    BranchPushed,
    CheckActionRequested,
    CheckFailed,
    CheckRerequested,
    CommentEdited,
    CommentPosted,
    Event,
    InstallationAction,
    InstallationChanged,
    LabelAdded,
    Pinged,
    PullRequestAction,
    PullRequestChanged,
    Unused,
)
from bot.model.forge import Actor, ActorKind, ForgeKind, RepositoryRef
from bot.model.work import SeenText
from tests.bot.forges.github import samples
from tests.bot.forges.odd import changed, spots, values

ID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
REPOSITORY = RepositoryRef(forge=ForgeKind.GITHUB, id=1296269, owner="octo-org", name="hello.world", installation_id=99)
OCTOCAT = Actor(id=583231, login="octocat")


def decode(event: str, payload: Any) -> Event:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return DeliveryDecoder(app_id=samples.APP_ID).decode(
        Delivery(
            forge=ForgeKind.GITHUB,
            delivery_id=ID,
            event=event,
            headers={},
            body=body,
            received_at=datetime(2026, 11, 23, tzinfo=UTC),
        ),
    )


SEEN = SeenText(title="A change", body="", at=datetime(2026, 11, 23, 14, tzinfo=UTC))


def test_a_new_comment() -> None:
    assert decode("issue_comment", samples.issue_comment(body="/flowforge resolve\r\nplease")) == CommentPosted(
        delivery_id=ID,
        repository=REPOSITORY,
        number=7,
        on_pull_request=True,
        comment_id=42,
        body="/flowforge resolve\r\nplease",
        actor=OCTOCAT,
        seen=SEEN,
    )


def test_a_comment_under_an_issue_that_is_no_pull_request() -> None:
    event = decode("issue_comment", samples.issue_comment(on_pull_request=False))
    assert isinstance(event, CommentPosted)
    assert event.on_pull_request is False


def test_an_edited_comment_carries_both_texts_and_who_edited() -> None:
    editor = samples.user("hubot", 2)
    payload = samples.issue_comment("edited", body="new", before="old", sender=editor)
    assert decode("issue_comment", payload) == CommentEdited(
        delivery_id=ID,
        repository=REPOSITORY,
        number=7,
        on_pull_request=True,
        comment_id=42,
        body="new",
        body_before="old",
        actor=Actor(id=2, login="hubot"),
        seen=SEEN,
    )


def test_an_edit_that_left_the_text_alone_is_not_used() -> None:
    assert isinstance(decode("issue_comment", samples.issue_comment("edited")), Unused)


def test_a_deleted_comment_is_not_used() -> None:
    assert isinstance(decode("issue_comment", samples.issue_comment("deleted")), Unused)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("Bot", ActorKind.BOT), ("User", ActorKind.USER), ("Organization", ActorKind.USER)],
)
def test_programs_are_told_from_people(kind: str, expected: ActorKind) -> None:
    event = decode("issue_comment", samples.issue_comment(sender=samples.user("renovate[bot]", 3, kind)))
    assert isinstance(event, CommentPosted)
    assert event.actor == Actor(id=3, login="renovate[bot]", kind=expected)


BOT = Actor(id=77, login="flowforge[bot]", kind=ActorKind.BOT)


def test_a_label_on_a_pull_request_or_an_issue() -> None:
    seen = LabelAdded(
        delivery_id=ID,
        repository=REPOSITORY,
        number=7,
        on_pull_request=True,
        label="bug",
        title="A change",
        body="",
        base_ref="main",
        actor=OCTOCAT,
    )
    assert decode("pull_request", samples.pull_request("labeled")) == seen
    assert decode("issues", samples.issues()) == replace(seen, on_pull_request=False)


def test_an_assignment_names_who_is_to_see_to_it() -> None:
    seen = Assigned(
        delivery_id=ID,
        repository=REPOSITORY,
        number=7,
        on_pull_request=True,
        assignee=BOT,
        title="A change",
        body="",
        base_ref="main",
        actor=OCTOCAT,
    )
    assert decode("pull_request", samples.pull_request("assigned")) == seen
    assert decode("issues", samples.issues("assigned")) == replace(seen, on_pull_request=False)


@pytest.mark.parametrize("action", ["opened", "edited", "unlabeled", "unassigned", "milestoned", "pinned"])
def test_what_else_happens_to_an_issue_is_not_used(action: str) -> None:
    assert isinstance(decode("issues", samples.issues(action)), Unused)


def test_a_mark_without_what_it_marks_is_not_used() -> None:
    payload = samples.issues("assigned")
    del payload["assignee"]
    assert isinstance(decode("issues", payload), Unused)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("opened", PullRequestAction.OPENED),
        ("reopened", PullRequestAction.REOPENED),
        ("closed", PullRequestAction.CLOSED),
        ("synchronize", PullRequestAction.HEAD_MOVED),
        ("edited", PullRequestAction.EDITED),
        ("unlabeled", PullRequestAction.OTHER),
    ],
)
def test_a_pull_request_changed(action: str, expected: PullRequestAction) -> None:
    assert decode("pull_request", samples.pull_request(action)) == PullRequestChanged(
        delivery_id=ID,
        repository=REPOSITORY,
        number=7,
        action=expected,
        head_sha=samples.HEAD,
        base_ref="main",
        actor=OCTOCAT,
        open=action != "closed",
        base_sha=samples.BASE,
        updated_at=datetime.fromisoformat(samples.TIME),
    )


def test_a_button_was_clicked() -> None:
    assert decode("check_run", samples.check_run(identifier="approve")) == CheckActionRequested(
        delivery_id=ID,
        repository=REPOSITORY,
        check_run_id=4,
        external_id="job-1",
        head_sha=samples.HEAD,
        action="approve",
        actor=OCTOCAT,
    )


def test_a_check_run_is_asked_for_again() -> None:
    assert decode("check_run", samples.check_run("rerequested")) == CheckRerequested(
        delivery_id=ID,
        repository=REPOSITORY,
        check_run_id=4,
        external_id="job-1",
        head_sha=samples.HEAD,
        actor=OCTOCAT,
    )


@pytest.mark.parametrize("action", ["requested_action", "rerequested"])
def test_another_apps_check_run_is_not_ours(action: str) -> None:
    event = decode("check_run", samples.check_run(action, app_id=samples.OTHER_APP_ID))
    assert event == Unused(delivery_id=ID, reason="the check run belongs to another App")


def test_a_check_run_of_no_app_is_not_ours() -> None:
    payload = samples.check_run()
    payload["check_run"]["app"] = None
    assert isinstance(decode("check_run", payload), Unused)


@pytest.mark.parametrize("action", ["created", "completed"])
@pytest.mark.parametrize("conclusion", ["action_required", "failure"])
def test_our_own_changes_of_check_runs_are_not_used(action: str, conclusion: str) -> None:
    assert isinstance(decode("check_run", samples.check_run(action, conclusion=conclusion)), Unused)


@pytest.mark.parametrize("conclusion", ["failure", "timed_out", "startup_failure"])
def test_a_check_of_others_failed_on_heads_of_this_repository(conclusion: str) -> None:
    pulls = [samples.checked_pull(), samples.checked_pull(9, ref="next"), samples.checked_pull(1, base_id=5)]
    payload = samples.check_run("completed", app_id=samples.OTHER_APP_ID, conclusion=conclusion, pulls=pulls)
    payload["check_run"]["name"] = "/flowforge approve `$(id)`\0"
    expected = CheckFailed(
        delivery_id=ID, repository=REPOSITORY, head_sha=samples.HEAD, pulls=((7, "main"), (9, "next"))
    )
    assert decode("check_run", payload) == expected
    payload["check_run"]["app"] = None
    assert decode("check_run", payload) == expected


@pytest.mark.parametrize(
    ("action", "conclusion"),
    [("created", "failure"), *(("completed", one) for one in ("success", "neutral", "cancelled", "skipped", "stale"))],
)
def test_a_check_of_others_that_did_not_fail_is_not_used(action: str, conclusion: str) -> None:
    payload = samples.check_run(action, app_id=samples.OTHER_APP_ID, conclusion=conclusion)
    assert isinstance(decode("check_run", payload), Unused)


def test_a_branch_was_pushed() -> None:
    assert decode("push", samples.push("refs/heads/feature/é")) == BranchPushed(
        delivery_id=ID,
        repository=REPOSITORY,
        branch="feature/é",
        before=samples.BASE,
        after=samples.HEAD,
        actor=OCTOCAT,
    )


def test_a_deleted_branch_has_zeros_behind_it() -> None:
    event = decode("push", samples.push(after="0" * 40))
    assert isinstance(event, BranchPushed)
    assert event.after == "0" * 40


def test_a_push_without_a_sender_has_an_actor_who_is_nobody() -> None:
    payload = samples.push()
    del payload["sender"]
    event = decode("push", payload)
    assert isinstance(event, BranchPushed)
    assert event.actor == Actor(id=0, login="octocat")


@pytest.mark.parametrize("ref", ["refs/tags/v1", "refs/heads/", "refs/notes/commits"])
def test_a_push_to_what_is_no_branch_is_not_used(ref: str) -> None:
    assert isinstance(decode("push", samples.push(ref)), Unused)


def test_a_ping() -> None:
    assert decode("ping", samples.ping()) == Pinged(delivery_id=ID)


@pytest.mark.parametrize("action", sorted(set(InstallationAction) - {"repositories"}))
def test_an_installation_changed(action: str) -> None:
    assert decode("installation", samples.installation(action)) == InstallationChanged(
        delivery_id=ID,
        forge=ForgeKind.GITHUB,
        installation_id=99,
        account="octo-org",
        action=InstallationAction(action),
    )


@pytest.mark.parametrize("action", ["added", "removed"])
def test_an_installation_got_other_repositories(action: str) -> None:
    event = decode("installation_repositories", samples.installation_repositories(action))
    assert isinstance(event, InstallationChanged)
    assert event.action is InstallationAction.REPOSITORIES_CHANGED


@pytest.mark.parametrize("account", [{"slug": "octo-corp"}, None])
def test_an_installation_need_not_belong_to_somebody_with_a_login(account: dict[str, str] | None) -> None:
    payload = samples.installation()
    payload["installation"]["account"] = account
    event = decode("installation", payload)
    assert isinstance(event, InstallationChanged)
    assert event.account == ("octo-corp" if account else "")


def test_an_unknown_change_of_an_installation_is_not_used() -> None:
    assert isinstance(decode("installation", samples.installation("repositories")), Unused)


@pytest.mark.parametrize("event", ["installation", "installation_repositories"])
def test_the_installation_of_another_app_is_not_ours(event: str) -> None:
    payload = getattr(samples, event)(app_id=samples.OTHER_APP_ID)
    assert decode(event, payload) == Unused(delivery_id=ID, reason="the installation is of another App")


@pytest.mark.parametrize("event", ["issue_dependencies", "workflow_run", "", "Issue_Comment"])
def test_other_events_are_not_used_and_not_read(event: str) -> None:
    assert isinstance(decode(event, b"[" * 100_000), Unused)


COMMENT = samples.issue_comment()

BROKEN: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"payload=%7B%7D",
    "no UTF-8": b'{"action": "\xff"}',
    "UTF-16": json.dumps(COMMENT).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(COMMENT).encode(),
    "no object": [COMMENT],
    "null": None,
    "100,000 arrays": b'{"action":"created","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 objects": b'{"x":' * 100_000,
    "a key twice": json.dumps(COMMENT).replace('"id": 42', '"id": 42, "id": 43').encode(),
    "a key twice where nobody looks": json.dumps(COMMENT)[:-1].encode() + b', "x": {"y": 1, "y": 1}}',
    "NaN": json.dumps(changed(COMMENT, "comment.id", float("nan"))).encode(),
    "NaN where nobody looks": json.dumps(changed(COMMENT, "x", float("nan"))).encode(),
    "Infinity": json.dumps(changed(COMMENT, "x", float("inf"))).encode(),
    "a number of 5,000 digits": json.dumps(COMMENT)[:-1].encode() + b', "x": ' + b"9" * 5_000 + b"}",
    "an id of 65 bits": changed(COMMENT, "comment.id", 2**64),
    "a negative id": changed(COMMENT, "sender.id", -1),
    "an id of zero": changed(COMMENT, "repository.id", 0),
    "an id that is a text": changed(COMMENT, "sender.id", "583231"),
    "an id that is true": changed(COMMENT, "sender.id", True),
    "an id with a fraction": changed(COMMENT, "sender.id", 1.5),
    "a body that is no text": changed(COMMENT, "comment.body", None),
    "a body with NUL": changed(COMMENT, "comment.body", "/flowforge\0resolve"),
    "half a surrogate pair": changed(COMMENT, "comment.body", "\ud800"),
    "half a pair in a login": changed(COMMENT, "sender.login", "octo\udc00cat"),
    "an empty login": changed(COMMENT, "sender.login", ""),
    "a name that climbs": changed(COMMENT, "repository.full_name", "../.."),
    "a name that climbs at its end": changed(COMMENT, "repository.full_name", "octo-org/.."),
    "a name with three parts": changed(COMMENT, "repository.full_name", "a/b/c"),
    "a name with a query": changed(COMMENT, "repository.full_name", "octo-org/hello?x=1"),
    "a name that is a host": changed(COMMENT, "repository.full_name", "//169.254.169.254/x"),
    "a name with a line feed": changed(COMMENT, "repository.full_name", "octo-org/hello\n"),
    "no installation": {key: value for key, value in COMMENT.items() if key != "installation"},
    "an installation without an id": changed(COMMENT, "installation", {}),
    "no sender": {key: value for key, value in COMMENT.items() if key != "sender"},
    "no action": {key: value for key, value in COMMENT.items() if key != "action"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_github_does_not_send_is_a_payload_error(name: str) -> None:
    with pytest.raises(PayloadError) as raised:
        decode("issue_comment", BROKEN[name])
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("sha", ["", "main", samples.HEAD.upper(), samples.HEAD[:-1], samples.HEAD + "\n"])
def test_what_is_no_object_id_is_a_payload_error(sha: str) -> None:
    with pytest.raises(PayloadError):
        decode("push", samples.push(after=sha))
    with pytest.raises(PayloadError):
        decode("pull_request", changed(samples.pull_request(), "pull_request.head.sha", sha))


def test_a_sha256_repository_has_longer_object_ids() -> None:
    event = decode("push", samples.push(after="ab" * 32))
    assert isinstance(event, BranchPushed)
    assert event.after == "ab" * 32


def test_a_button_without_an_identifier_is_a_payload_error() -> None:
    with pytest.raises(PayloadError):
        decode("check_run", changed(samples.check_run(), "requested_action", None))


WHOLE = {
    "issue_comment": samples.issue_comment("edited", before="old"),
    "pull_request": samples.pull_request(),
    "check_run": samples.check_run(),
    "issues": samples.issues(),
    "push": samples.push(),
    "ping": samples.ping(),
    "installation": samples.installation(),
    "installation_repositories": samples.installation_repositories(),
}


def test_every_decoded_event_has_a_sample() -> None:
    assert set(WHOLE) == DECODED_EVENTS
    assert not any(isinstance(decode(event, payload), Unused) for event, payload in WHOLE.items())


JSON = values(["created", "edited"], ["id", "from", "body"])

# What the decoder reads, so that mutations hit something: the whole payloads have a thousand fields.
READ = {
    "action", "after", "app", "app_id", "account", "base", "before", "body", "changes", "check_run", "comment",
    "external_id", "from", "full_name", "head", "head_sha", "id", "identifier", "installation", "issue", "login",
    "number", "pull_request", "pusher", "ref", "repository", "requested_action", "sender", "sha", "type",
}  # fmt: skip
SPOTS = [(event, path) for event, payload in WHOLE.items() for path in spots(payload) if set(path) <= READ]

ENDED = samples.check_run(
    "completed", app_id=samples.OTHER_APP_ID, conclusion="failure", pulls=[samples.checked_pull()]
)


@given(field=st.sampled_from(["head_sha", "conclusion", "pull_requests", "app"]), value=JSON)
def test_an_odd_end_of_a_check_gives_an_event_or_a_payload_error(field: str, value: Any) -> None:
    try:
        decode("check_run", changed(ENDED, f"check_run.{field}", value))
    except PayloadError:
        return


@given(spot=st.sampled_from(SPOTS), value=JSON)
@settings(max_examples=300)
def test_one_odd_value_gives_an_event_or_a_payload_error(spot: tuple[str, tuple[str, ...]], value: Any) -> None:
    event, path = spot
    body = json.dumps(changed(WHOLE[event], ".".join(path), value)).encode()
    try:
        decoded = decode(event, body)
    except PayloadError:
        return
    # What comes through can be stored and sent on.
    assert "\0" not in repr(decoded)
    repr(decoded).encode("utf-8")


@given(
    event=st.sampled_from(sorted(DECODED_EVENTS)), body=st.binary() | JSON.map(lambda value: json.dumps(value).encode())
)
def test_any_body_gives_an_event_or_a_payload_error(event: str, body: bytes) -> None:
    try:
        decode(event, body)
    except PayloadError:
        return


@given(event=st.sampled_from(sorted(DECODED_EVENTS)), cut=st.integers(min_value=0, max_value=20_000), noise=st.binary())
def test_a_torn_body_gives_an_event_or_a_payload_error(event: str, cut: int, noise: bytes) -> None:
    body = json.dumps(WHOLE[event]).encode()
    try:
        decode(event, body[:cut] + noise + body[cut + 1 :])
    except PayloadError:
        return
