import hashlib
import hmac
import json
from typing import Any

import pytest

from app.demo.simulator.git import GitFailedError
from app.demo.simulator.server import Simulator
from app.demo.simulator.settings import AppSpec
from tests.app.demo.simulator.conftest import REPO, SECRET, Bot, Receiver, World


def _events(receiver: Receiver) -> list[str]:
    return [f"{one.headers['x-github-event']} {json.loads(one.body).get('action', '-')}" for one in receiver.received]


async def test_delivery_is_signed_and_says_what_it_is(world: World, receiver: Receiver) -> None:
    world.sim.webhooks.url = receiver.url
    comment = world.sim.people.comment(world.pull, world.ada, "/flowforge resolve - bitte, ♥")
    await world.sim.webhooks.settled()
    (one,) = receiver.received
    expected = hmac.new(SECRET.encode(), one.body, hashlib.sha256).hexdigest()
    assert one.headers["x-hub-signature-256"] == f"sha256={expected}"
    assert "x-hub-signature" not in one.headers
    assert (one.headers["x-github-event"], one.headers["content-type"]) == ("issue_comment", "application/json")
    assert one.headers["x-github-hook-installation-target-id"] == str(world.sim.app.id)
    body = json.loads(one.body)
    assert (body["comment"]["id"], body["comment"]["body"]) == (comment.id, "/flowforge resolve - bitte, ♥")
    assert (body["issue"]["number"], body["sender"]["id"]) == (1, world.ada.id)
    assert body["issue"]["pull_request"]["url"].endswith("/pulls/1")
    assert body["installation"]["id"] in world.sim.world.installations
    assert body["repository"]["id"] == world.repository.id
    (sent,) = world.sim.record.webhooks
    assert (sent.status, sent.delivery_id) == (202, one.headers["x-github-delivery"])


async def test_every_act_of_people_sends_what_github_would(world: World, receiver: Receiver) -> None:
    sim, people, ada, acme = world.sim, world.sim.people, world.ada, world.repository.owner
    await people.commit(world.repository, "feature", {"fee.py": "rate = 3\n", "new.py": "x"}, author=ada)
    sim.webhooks.url = receiver.url
    comment = people.comment(world.pull, ada, "one")
    people.edit_comment(comment, world.eve, "two")
    people.edit_comment(comment, world.eve, "two")
    people.delete_comment(comment, ada)
    people.edit_pull_request(world.pull, ada, title="Another title", body="text")
    await people.commit(world.repository, "release", {"x": "y"}, author=ada)
    await people.retarget(world.pull, ada, base="release")
    people.label(world.pull, ada, "ready: soon")
    people.label(world.pull, ada, "ready: soon")
    people.assign(world.pull, ada, world.eve)
    people.close(world.pull, ada)
    await people.reopen(world.pull, ada)
    people.unlabel(world.pull, ada, "ready: soon")
    issue = people.open_issue(world.repository, author=ada, title="Slow")
    people.label(issue, ada, "bug")
    people.comment(issue, ada, "Still slow")
    people.assign(issue, ada, ada)
    people.unlabel(issue, ada, "bug")
    await people.merge(world.pull, ada)
    await people.move_branch(world.repository, "feature", None, actor=ada)
    people.ping()
    people.select_repositories(acme, ())
    people.select_repositories(acme, (world.repository,))
    people.suspend(acme)
    people.suspend(acme, suspended=False)
    people.accept_permissions(acme, {"contents": "read"})
    people.uninstall(acme)
    people.install(acme)
    people.install(people.user("bob"), repositories=())
    await sim.webhooks.settled()
    assert _events(receiver) == [
        "issue_comment created",
        "issue_comment edited",
        "issue_comment deleted",
        "pull_request edited",
        "push -",
        "pull_request edited",
        "pull_request labeled",
        "pull_request assigned",
        "pull_request closed",
        "pull_request reopened",
        "pull_request unlabeled",
        "issues opened",
        "issues labeled",
        "issue_comment created",
        "issues assigned",
        "issues unlabeled",
        "push -",
        "pull_request closed",
        "push -",
        "ping -",
        "installation_repositories removed",
        "installation_repositories added",
        "installation suspend",
        "installation unsuspend",
        "installation new_permissions_accepted",
        "installation deleted",
        "installation created",
        "installation created",
    ]
    edited = json.loads(receiver.received[1].body)
    assert (edited["changes"], edited["sender"]["login"]) == ({"body": {"from": "one"}}, "eve")
    assert json.loads(receiver.received[3].body)["changes"]["title"] == {"from": "Raise the rate"}


async def test_only_events_the_app_subscribes_to_are_sent(receiver: Receiver, tmp_path: Any) -> None:
    app = AppSpec(events=("issue_comment",))
    async with Simulator.serve(tmp_path / "two", webhook_secret=SECRET, webhook_url=receiver.url, app=app) as sim:
        ada = sim.people.user("ada")
        repository = await sim.people.repository("acme/payments", files={"a": "b"})
        await sim.people.commit(repository, "feature", {"a": "c"}, author=ada)
        pull = await sim.people.open_pull_request(repository, author=ada, head="feature")
        sim.people.comment(pull, ada, "x")
        await sim.webhooks.settled()
    assert _events(receiver) == ["issue_comment created"]


async def test_repository_without_the_app_is_silent(world: World) -> None:
    other = await world.sim.people.repository("umbrella/x", files={"a": "b"}, installed=False)
    before = len(world.sim.webhooks.deliveries)
    await world.sim.people.commit(other, "main", {"a": "c"}, author=world.ada)
    assert len(world.sim.webhooks.deliveries) == before


async def test_hold_and_release_in_another_order(world: World, receiver: Receiver) -> None:
    hooks = world.sim.webhooks
    hooks.url = receiver.url
    hooks.hold()
    for number in range(3):
        world.sim.people.comment(world.pull, world.ada, str(number))
    await hooks.settled()
    assert receiver.received == []
    hooks.release([2, 0, 1])
    await hooks.settled()
    assert [json.loads(one.body)["comment"]["body"] for one in receiver.received] == ["2", "0", "1"]
    world.sim.people.comment(world.pull, world.ada, "3")
    await hooks.settled()
    assert len(receiver.received) == 4


async def test_duplicate_has_the_same_guid_and_the_same_bytes(world: World, receiver: Receiver) -> None:
    hooks = world.sim.webhooks
    hooks.url = receiver.url
    hooks.duplicate("issue_comment")
    world.sim.people.comment(world.pull, world.ada, "once")
    world.sim.people.comment(world.pull, world.ada, "only")
    await hooks.settled()
    first, second, third = receiver.received
    assert first == second
    assert third.headers["x-github-delivery"] != first.headers["x-github-delivery"]


async def test_lost_delivery_is_listed_as_failed_and_can_be_sent_again(
    world: World, bot: Bot, receiver: Receiver
) -> None:
    hooks = world.sim.webhooks
    hooks.url = receiver.url
    hooks.drop()
    world.sim.people.comment(world.pull, world.ada, "lost")
    await hooks.settled()
    assert receiver.received == []
    (failed,) = (await bot.as_app("GET", "/app/hook/deliveries")).json()
    assert (failed["status"], failed["status_code"], failed["redelivery"]) == ("failed to connect to host", 0, False)
    assert (failed["event"], failed["action"]) == ("issue_comment", "created")
    assert (await bot.as_app("POST", f"/app/hook/deliveries/{failed['id']}/attempts")).status_code == 202
    await hooks.settled()
    (one,) = receiver.received
    assert one.headers["x-github-delivery"] == failed["guid"]
    again, _ = (await bot.as_app("GET", "/app/hook/deliveries")).json()
    assert (again["status"], again["redelivery"], again["guid"]) == ("OK", True, failed["guid"])
    assert (await bot.as_app("POST", "/app/hook/deliveries/1/attempts")).status_code == 404


async def test_deliveries_are_listed_by_a_cursor(world: World, bot: Bot, receiver: Receiver) -> None:
    world.sim.webhooks.url = receiver.url
    for number in range(5):
        receiver.status = 500 if number == 2 else 202
        world.sim.people.comment(world.pull, world.ada, str(number))
        await world.sim.webhooks.settled()
    seen: list[dict[str, Any]] = []
    url: str | None = "/app/hook/deliveries?per_page=2"
    while url is not None:
        answer = await bot.as_app("GET", url)
        seen += answer.json()
        url = answer.links.get("next", {}).get("url")
    assert [one["status_code"] for one in seen] == [202, 202, 500, 202, 202]
    assert [one["id"] for one in seen] == sorted((one["id"] for one in seen), reverse=True)
    failures = (await bot.as_app("GET", "/app/hook/deliveries?status=failure")).json()
    assert [one["status"] for one in failures] == ["Invalid HTTP Response: 500"]
    assert (await bot.as_app("GET", "/app/hook/deliveries?cursor=x")).status_code == 422


async def test_nobody_listens(world: World, receiver: Receiver) -> None:
    hooks = world.sim.webhooks
    for url in ("http://127.0.0.1:1/", "http://127.0.0.1:99999/"):
        hooks.url = url
        world.sim.people.comment(world.pull, world.ada, url)
        await hooks.settled()
        assert hooks.deliveries[-1].attempts[-1].status == "failed to connect to host"
    hooks.url = receiver.url
    world.sim.people.comment(world.pull, world.ada, "and now")
    await hooks.settled()
    assert len(receiver.received) == 1


async def test_events_of_the_apps_own_acts_come_too(world: World, bot: Bot, receiver: Receiver) -> None:
    world.sim.webhooks.url = receiver.url
    await bot("POST", f"{REPO}/issues/1/comments", json={"body": "hello"})
    await bot("POST", f"{REPO}/check-runs", json={"name": "FlowForge", "head_sha": world.pull.head_sha})
    await world.sim.webhooks.settled()
    assert _events(receiver) == ["issue_comment created", "check_run created"]
    senders = [json.loads(one.body)["sender"] for one in receiver.received]
    assert [(one["login"], one["type"]) for one in senders] == [("flowforge[bot]", "Bot")] * 2


async def test_merge_in_conflict_is_refused(world: World) -> None:
    with pytest.raises(GitFailedError):
        await world.sim.people.merge(world.pull, world.ada)
    assert world.pull.open
