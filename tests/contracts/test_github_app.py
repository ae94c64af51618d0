"""``GitHubForge`` against a stateful GitHub: credentials, limits and deliveries."""

import base64
from datetime import timedelta

import pytest

from app.demo.simulator.webhooks import Delivery as SentDelivery
from bot.errors import ForgeRefusedError, ForgeUnavailableError
from bot.forges.github.deliveries import SignatureVerifier
from bot.model.deliveries import Delivery
from bot.model.events import (
    BranchPushed,
    CheckActionRequested,
    CheckRerequested,
    CommentEdited,
    CommentPosted,
    Event,
    InstallationChanged,
    Pinged,
    PullRequestChanged,
    Unused,
)
from bot.model.forge import ForgeKind
from tests.contracts.github_stage import SECRET, Stage, actor, proposed, queued, sticky

# --- credentials and limits -----------------------------------------------------------------------


async def test_every_request_carries_the_permissions_of_its_act_only(stage: Stage) -> None:
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    await stage.forge.create_comment(stage.ref, stage.thread, sticky("one"))
    scope = f"installation {stage.ref.installation_id} repositories={stage.ref.id} permissions="
    assert [exchange.who for exchange in stage.sim.record.exchanges] == [
        "app",
        scope + "contents:read,metadata:read,pull_requests:read",
        "app",
        scope + "checks:write,issues:write,metadata:read,pull_requests:write",
    ]


async def test_a_token_that_ran_out_is_replaced(stage: Stage) -> None:
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    stage.clock.time += timedelta(hours=2)
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert len(stage.sim.record.requests("POST", "/access_tokens")) == 2


async def test_a_token_that_github_forgot_is_replaced(stage: Stage) -> None:
    first = await stage.forge.git_access(stage.ref, write=True)
    token = base64.b64decode(first.authorization.removeprefix("Basic ")).decode().partition(":")[2]
    assert token.startswith(f"ghs_{stage.sim.app.id}_")
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    stage.sim.faults.fail("GET", ".*/pulls/", status=401, message="Bad credentials")
    assert (await stage.forge.pull_request(stage.ref, stage.pull.number)).number == stage.pull.number
    assert len(stage.sim.record.requests("POST", "/access_tokens")) == 3


async def test_an_app_that_was_removed_is_refused(stage: Stage) -> None:
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    stage.sim.people.uninstall(stage.repository.owner)
    with pytest.raises(ForgeRefusedError):
        await stage.forge.permission(stage.ref, actor(stage.ada))


async def test_a_suspended_app_is_refused(stage: Stage) -> None:
    stage.sim.people.suspend(stage.repository.owner)
    with pytest.raises(ForgeRefusedError) as raised:
        await stage.forge.read_file(stage.ref, "fee.py", ref="main")
    assert raised.value.status == 403


async def test_a_secondary_limit_says_how_long_to_wait(stage: Stage) -> None:
    stage.sim.faults.secondary_limit("GET", ".*/pulls/", retry_after=77)
    with pytest.raises(ForgeUnavailableError) as raised:
        await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert raised.value.retry_after == 77
    stage.clock.time += timedelta(seconds=77)
    assert (await stage.forge.pull_request(stage.ref, stage.pull.number)).number == stage.pull.number


async def test_a_used_up_hour_is_waited_for(stage: Stage) -> None:
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    stage.sim.limits.limit = 1
    with pytest.raises(ForgeUnavailableError) as raised:
        await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert 3000 < raised.value.retry_after <= 3600


# --- deliveries -----------------------------------------------------------------------------------


def decode(stage: Stage, sent: SentDelivery) -> Event:
    """What the bot reads in a delivery of the simulator, after looking at its signature."""
    assert SignatureVerifier([SECRET.encode()]).verify(
        {"x-hub-signature-256": stage.sim.webhooks.sign(sent.body)}, sent.body
    )
    delivery = Delivery(
        forge=ForgeKind.GITHUB,
        delivery_id=sent.guid,
        event=sent.event,
        headers={},
        body=sent.body,
        received_at=stage.clock.now(),
    )
    return stage.forge.decode(delivery)


async def test_every_delivery_of_a_pull_requests_life_is_read(stage: Stage) -> None:
    people = stage.sim.people
    stage.sim.webhooks.deliveries.clear()
    comment = people.comment(stage.pull, stage.ada, "/flowforge resolve")
    people.edit_comment(comment, stage.eve, "/flowforge status")
    people.delete_comment(comment, stage.ada)
    await people.commit(stage.repository, "feature", {"fee.py": "rate = 5\n"}, author=stage.ada)
    number = await stage.forge.create_check_run(stage.ref, queued(stage))
    await stage.forge.update_check_run(stage.ref, number, proposed(stage))
    [check] = stage.sim.check_runs(stage.repository)
    people.click(check, stage.ada, "approve")
    people.rerequest(check, stage.eve)
    people.ping()
    people.suspend(stage.repository.owner)
    people.uninstall(stage.repository.owner)
    events = [decode(stage, sent) for sent in stage.sim.webhooks.deliveries]
    kinds = [type(event) for event in events]
    assert kinds[:3] == [CommentPosted, CommentEdited, Unused]
    assert {PullRequestChanged, BranchPushed} <= set(kinds)
    assert kinds[-7:] == [Unused, Unused, CheckActionRequested, CheckRerequested, Pinged, *[InstallationChanged] * 2]

    posted, edited = events[0], events[1]
    assert isinstance(posted, CommentPosted)
    assert (posted.repository, posted.number, posted.actor) == (stage.ref, stage.pull.number, actor(stage.ada))
    assert isinstance(edited, CommentEdited)
    assert (edited.body_before, edited.actor) == ("/flowforge resolve", actor(stage.eve))
    clicked = events[-5]
    assert isinstance(clicked, CheckActionRequested)
    assert (clicked.check_run_id, clicked.external_id, clicked.action) == (number, "job-1", "approve")
