"""What the sweeps ask of a stateful GitHub: deliveries that did not arrive, and what people see of ours."""

from dataclasses import replace

import pytest

from app.demo.simulator.webhooks import Delivery
from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.model.forge import ForgeKind
from bot.model.shown import SentAttempt, ShownCheckRun
from tests.contracts.github_stage import Stage, proposed, queued, sticky

GITHUB = ForgeKind.GITHUB
NOWHERE = "http://127.0.0.1:9/nobody"


async def sent(stage: Stage, count: int) -> list[Delivery]:
    """Deliveries that did not arrive, oldest first."""
    stage.sim.webhooks.url = NOWHERE
    for _ in range(count):
        stage.sim.people.comment(stage.pull, stage.ada, "hello")
    await stage.sim.webhooks.settled()
    return stage.sim.webhooks.deliveries[-count:]


async def attempts(stage: Stage) -> list[SentAttempt]:
    found, cursor = list[SentAttempt](), None
    while True:
        page = await stage.forge.sent_deliveries(GITHUB, cursor)
        found += page.attempts
        cursor = page.cursor
        if cursor is None:
            return found


async def test_attempts_are_listed_newest_first_page_by_page(stage: Stage) -> None:
    missed = await sent(stage, 230)
    first = await stage.forge.sent_deliveries(GITHUB, None)
    assert (len(first.attempts), first.oldest) == (100, stage.clock.now())
    found = await attempts(stage)
    assert [one.delivery_id for one in found[:230]] == [one.guid for one in reversed(missed)]
    assert {one.arrived for one in found[:230]} == {False}
    assert len({one.attempt_id for one in found}) == len(found)
    assert len(stage.sim.record.requests("GET", "/app/hook/deliveries")) == 1 + 3


async def test_a_delivery_is_sent_again_under_its_own_id(stage: Stage) -> None:
    (missed,) = await sent(stage, 1)
    first = (await attempts(stage))[0]
    await stage.forge.send_again(GITHUB, first.attempt_id)
    await stage.sim.webhooks.settled()
    again = (await attempts(stage))[0]
    assert (again.delivery_id, again.arrived) == (missed.guid, False)
    assert again.attempt_id != first.attempt_id


async def test_events_that_nobody_here_reads_are_not_among_them(stage: Stage) -> None:
    (read,) = await sent(stage, 1)
    stage.sim.world.app = replace(stage.sim.world.app, events=(*stage.sim.world.app.events, "star"))
    stage.sim.webhooks.drop()
    stage.sim.webhooks.emit("star", {"action": "created"}, action="created")
    await stage.sim.webhooks.settled()
    assert stage.sim.webhooks.deliveries[-1].attempts
    found = await attempts(stage)
    assert found[0].delivery_id == read.guid


async def test_what_cannot_be_sent_again_is_refused(stage: Stage) -> None:
    with pytest.raises((ForgeNotFoundError, ForgeRefusedError)):
        await stage.forge.send_again(GITHUB, 1)


async def test_it_is_the_app_itself_that_asks(stage: Stage) -> None:
    await sent(stage, 1)
    await stage.forge.send_again(GITHUB, (await attempts(stage))[0].attempt_id)
    assert {exchange.who for exchange in stage.sim.record.exchanges if "hook" in exchange.path} == {"app"}


# --- what people see


async def test_check_runs_are_told_as_people_see_them(stage: Stage) -> None:
    first = await stage.forge.create_check_run(stage.ref, queued(stage, "job-1"))
    second = await stage.forge.create_check_run(stage.ref, proposed(stage, "job-2"))
    found = await stage.forge.shown_check_runs(stage.ref, stage.pull.head_sha)
    content = proposed(stage, "job-2")
    assert {one.id for one in found} == {first, second}
    assert found[0] == ShownCheckRun(
        id=second,
        external_id="job-2",
        status="completed",
        conclusion="action_required",
        title=content.title,
        summary=content.summary,
    )
    assert (found[1].status, found[1].conclusion) == ("queued", None)


async def test_a_commit_without_check_runs_has_none_and_one_that_is_gone_is_refused(stage: Stage) -> None:
    assert await stage.forge.shown_check_runs(stage.ref, stage.pull.base_sha) == []
    with pytest.raises((ForgeNotFoundError, ForgeRefusedError)):
        await stage.forge.shown_check_runs(stage.ref, "0" * 40)


async def test_a_comment_is_told_as_people_see_it_and_one_that_is_gone_is_nothing(stage: Stage) -> None:
    number = await stage.forge.create_comment(stage.ref, stage.thread, sticky("one"))
    assert await stage.forge.shown_comment(stage.ref, stage.thread, number) == sticky("one").body
    (comment,) = stage.sim.comments(stage.pull, stage.sim.bot)
    stage.sim.people.edit_comment(comment, stage.ada, "another text")
    assert await stage.forge.shown_comment(stage.ref, stage.thread, number) == "another text"
    stage.sim.people.delete_comment(comment, stage.ada)
    assert await stage.forge.shown_comment(stage.ref, stage.thread, number) is None
