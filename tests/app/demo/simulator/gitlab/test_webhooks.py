from datetime import timedelta

import gitlab
import pytest

from app.demo.simulator.gitlab.state import Hook
from bot.forges.gitlab.deliveries import SignatureVerifier
from tests.app.demo.simulator.conftest import Receiver
from tests.app.demo.simulator.gitlab.conftest import PATH, SECRET, SIGNING, Lab


def _hook(lab: Lab) -> Hook:
    (hook,) = (one for one in lab.sim.world.hooks.values() if one.repository is lab.project)
    return hook


async def test_every_act_is_told_and_signed(lab: Lab, receiver: Receiver) -> None:
    people = lab.sim.people
    lab.sim.webhooks.url = receiver.url
    comment = people.comment(lab.pull, lab.ada, "/flowforge resolve")
    people.edit_comment(comment, lab.ada, "never mind")
    reaction = people.award(comment, lab.eve, "thumbsup")
    people.take_back(comment, reaction)
    issue = people.open_issue(lab.project, author=lab.eve, title="Too expensive")
    people.label(issue, lab.ada, "flowforge")
    people.assign(lab.pull, lab.ada, lab.sim.bot)
    people.comment(issue, lab.eve, "for the issue")
    people.edit_pull_request(lab.pull, lab.ada, title="Another rate")
    await people.commit(lab.project, "feature", {"other": "x"}, author=lab.ada)
    people.run_pipeline(lab.pull, {"test": "failed"})
    people.delete_comment(comment, lab.ada)
    await lab.sim.webhooks.settled()
    told = [(one.event, one.action) for one in lab.sim.record.webhooks]
    assert told == [
        ("Note Hook", "create"),
        ("Note Hook", "update"),
        ("Emoji Hook", "award"),
        ("Emoji Hook", "revoke"),
        ("Issue Hook", "open"),
        ("Issue Hook", "update"),
        ("Merge Request Hook", "update"),
        ("Note Hook", "create"),
        ("Merge Request Hook", "update"),
        ("Push Hook", None),
        ("Merge Request Hook", "update"),
        ("Pipeline Hook", None),
        ("Pipeline Hook", None),
    ]
    signed = SignatureVerifier((SIGNING.encode(),), clock=lab.clock)
    by_token = SignatureVerifier((SECRET.encode(),), clock=lab.clock)
    for one in receiver.received:
        assert signed.verify(one.headers, one.body)
        assert not signed.verify(one.headers, one.body + b" ")
        unsigned = {name: value for name, value in one.headers.items() if not name.startswith("webhook-")}
        assert by_token.verify(unsigned, one.body)
    keys = {one.headers["idempotency-key"] for one in receiver.received}
    assert len(keys) == len(receiver.received)
    pushed = lab.sim.record.webhooks[10].payload["object_attributes"]
    assert isinstance(pushed, dict)
    assert (pushed["last_commit"]["id"], "oldrev" in pushed) == (lab.pull.head_sha, True)


async def test_hooks_through_python_gitlab(lab: Lab) -> None:
    def play(client: gitlab.Gitlab) -> None:
        hooks = client.projects.get(lab.project.id, lazy=True).hooks
        made = hooks.create({"url": "https://bot.example/webhooks/gitlab", "token": "t" * 20, "note_events": True})
        assert (made.push_events, made.note_events, made.emoji_events) == (True, True, False)
        assert "token" not in made.attributes
        made.emoji_events = True
        made.url = "https://other.example/hook"
        made.save()
        found = hooks.get(made.id)
        assert (found.url, found.emoji_events) == ("https://other.example/hook", True)
        with pytest.raises(gitlab.GitlabCreateError):
            hooks.create({"url": "ftp://bot.example"})
        found.delete()
        assert len(hooks.list()) == 1

    await lab.ask(play)


async def test_a_hook_that_keeps_failing_is_turned_off_and_a_test_turns_it_on(lab: Lab, receiver: Receiver) -> None:
    people, hook = lab.sim.people, _hook(lab)
    lab.sim.webhooks.url, receiver.status = receiver.url, 500
    path = f"/projects/{PATH}/hooks/{hook.id}"
    for number in range(6):
        people.comment(lab.pull, lab.ada, f"note {number}")
        await lab.sim.webhooks.settled()
    assert len(receiver.received) == 4
    told = (await lab("GET", path)).json()
    assert told["alert_status"] == "temporarily_disabled"
    assert told["disabled_until"] == (lab.clock.now() + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    lab.clock.pass_by(minutes=1, seconds=1)
    people.comment(lab.pull, lab.ada, "once more")
    await lab.sim.webhooks.settled()
    assert (await lab("GET", path)).json()["disabled_until"] == (lab.clock.now() + timedelta(minutes=2)).strftime(
        "%Y-%m-%dT%H:%M:%S.000Z"
    )
    assert (await lab("POST", f"{path}/test/note_events")).status_code == 422
    receiver.status = 202
    assert (await lab("POST", f"{path}/test/push_events")).json() == {"message": "201 Created"}
    assert (await lab("GET", path)).json()["alert_status"] == "executable"
    assert (await lab("POST", f"{path}/test/nonsense")).status_code == 400


async def test_what_failed_is_listed_and_sent_again_under_its_key(lab: Lab, receiver: Receiver) -> None:
    hook = _hook(lab)
    lab.sim.webhooks.url = receiver.url
    lab.sim.webhooks.drop("Note Hook")
    lab.sim.people.comment(lab.pull, lab.ada, "lost")
    lab.sim.people.comment(lab.pull, lab.ada, "found")
    await lab.sim.webhooks.settled()
    path = f"/projects/{PATH}/hooks/{hook.id}/events"
    (failed,) = (await lab("GET", f"{path}?status=server_failure")).json()
    assert failed["response_status"] == "internal error"
    assert failed["request_headers"]["X-Gitlab-Token"] == "[REDACTED]"
    assert (await lab("POST", f"{path}/{failed['id']}/resend")).json() == {"response_status": 202}
    lost = lab.sim.webhooks.deliveries[-2]
    assert receiver.received[-1].headers["idempotency-key"] == lost.guid
    assert receiver.received[-1].body == lost.body
    assert (await lab("POST", f"{path}/1/resend")).status_code == 404


async def test_a_group_hook_is_told_of_all_projects_below_it(lab: Lab) -> None:
    people = lab.sim.people
    root = people.token(lab.project.owner)
    people.group_hook(lab.project.owner, "http://127.0.0.1:9/hook")
    before = len(lab.sim.webhooks.deliveries)
    people.comment(lab.pull, lab.ada, "to both hooks")
    assert [one.event for one in lab.sim.webhooks.deliveries[before:]] == ["Note Hook", "Note Hook"]
    listed = await lab("GET", f"/groups/{lab.project.owner.id}/hooks", token=root)
    assert [one["url"] for one in listed.json()] == ["http://127.0.0.1:9/hook"]
    assert (await lab("GET", f"/groups/{lab.project.owner.id}/hooks")).status_code == 403
