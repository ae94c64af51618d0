"""What people should see is written once, sooner or later, whatever the forge and the workers do."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app.demo.simulator.record import Exchange
from app.telemetry import REGISTRY
from app.wiring import open_flowforge
from bot.model.reports import CheckConclusion, CheckRunContent, CheckStatus, CommentContent, Surface
from tests.bot.handlers.bench import WAIT, Bench
from tests.bot.handlers.puppet import PuppetRunner

COMMENTS = r"/repos/acme/fees/issues/1/comments$"
CHECKS = r"/repos/acme/fees/check-runs$"
CHECK = r"/repos/acme/fees/check-runs/\d+$"


CHECK_RUN = CheckRunContent(
    head_sha="",
    external_id="job-1",
    status=CheckStatus.QUEUED,
    conclusion=None,
    title="Waiting",
    summary="A worker will begin soon.",
    text="",
)


def given_up(surface: str) -> float:
    return REGISTRY.get_sample_value("flowforge_reports_given_up_total", {"surface": surface}) or 0.0


def of_tokens(bench: Bench) -> list[Exchange]:
    """What was asked with an installation's token, and answered by the API."""
    return [one for one in bench.asked() if one.who.startswith("installation") and one.path.startswith("/repos/")]


async def route(bench: Bench, body: str) -> None:
    """Say something, and act on it, without writing what comes of it."""
    bench.say(body)
    await bench.arrived()
    for kind, key in await bench.due():
        if kind == "delivery":
            await bench.tick(kind, key)


async def reports(bench: Bench) -> list[str]:
    return [key for kind, key in await bench.due() if kind == "report"]


# --- once


async def test_comments_and_check_runs_whose_creation_got_no_answer_are_found_again(bench: Bench) -> None:
    bench.sim.faults.lose_answer("POST", COMMENTS)
    bench.sim.faults.lose_answer("POST", CHECKS)
    await bench.until_running()
    assert (len(bench.stickies), len(bench.check_runs)) == (1, 1)
    for _ in range(3):
        bench.clock.advance(61)
        await bench.work()
    assert (len(bench.stickies), len(bench.check_runs)) == (1, 1)
    assert bench.check_runs[0].status == "in_progress"


async def test_a_reply_whose_creation_got_no_answer_is_not_repeated(bench: Bench) -> None:
    bench.sim.faults.lose_answer("POST", COMMENTS)
    bench.say("/flowforge help")
    await bench.work()
    bench.clock.advance(61)
    await bench.work()
    assert len(bench.comments) == 1
    assert await bench.due() == []


async def test_two_workers_never_write_the_same_report_at_the_same_time(bench: Bench) -> None:
    await route(bench, "/flowforge help")
    hold = bench.sim.faults.hold("POST", COMMENTS)
    keys = await reports(bench)
    async with open_flowforge(bench.settings, worker="another", clock=bench.clock, runner=PuppetRunner()) as another:
        first = [asyncio.create_task(bench.tick("report", key)) for key in keys]
        await asyncio.wait_for(hold.arrived.wait(), WAIT)
        await asyncio.gather(*(another.ticks.on["report"](key) for key in keys))
        hold.release()
        await asyncio.gather(*first)
    assert len(bench.comments) == 1
    assert len(bench.asked("POST", "/issues/1/comments")) == 1


async def test_a_report_whose_worker_died_over_it_is_finished_by_the_next(bench: Bench) -> None:
    await route(bench, "/flowforge help")
    hold = bench.sim.faults.hold("POST", COMMENTS, after=True)
    dying = [asyncio.create_task(bench.tick("report", key)) for key in await reports(bench)]
    await asyncio.wait_for(hold.arrived.wait(), WAIT)
    for task in dying:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert await reports(bench) == [], "for all the others know somebody is at it"
    hold.release()
    bench.clock.advance(181)
    await bench.work()
    assert len(bench.comments) == 1
    assert await bench.due() == []


async def test_what_is_wished_while_a_report_is_written_is_written_next(bench: Bench) -> None:
    await bench.until_running()
    hold = bench.sim.faults.hold("PATCH", CHECK)
    await bench.store.jobs.progress((await bench.job()).id, "editing fees.py")
    bench.clock.advance(16)
    await bench.instance.ticks.on["job"]((await bench.job()).id)
    (key,) = await reports(bench)
    writing = asyncio.create_task(bench.tick("report", key))
    await asyncio.wait_for(hold.arrived.wait(), WAIT)
    bench.say("/flowforge cancel")
    await bench.arrived()
    for kind, other in await bench.due():
        if kind == "delivery":
            await bench.tick(kind, other)
    bench.clock.advance(1)
    await bench.ended()
    await bench.tick("job", (await bench.job()).id)
    hold.release()
    await writing
    assert bench.check_runs[-1].conclusion == "cancelled", "by the one that was at it, without another ring"


async def test_a_comment_of_ours_that_somebody_deleted_comes_back(bench: Bench) -> None:
    await bench.until_running()
    (comment,) = [one for one in bench.pull.comments.values() if one.author is bench.sim.bot]
    bench.sim.people.delete_comment(comment, bench.maintainer)
    await bench.finish()
    await bench.work()
    assert len(bench.stickies) == 1
    assert "RATE = 2 + 3" in bench.stickies[0]


async def test_a_comment_that_comes_back_comes_back_once_though_its_creation_got_no_answer(bench: Bench) -> None:
    await bench.until_running()
    (comment,) = [one for one in bench.pull.comments.values() if one.author is bench.sim.bot]
    bench.sim.people.delete_comment(comment, bench.maintainer)
    fault = bench.sim.faults.lose_answer("POST", COMMENTS)
    await bench.finish()
    await bench.work()
    assert fault.seen == 1
    bench.clock.advance(61)
    await bench.work()
    assert len(bench.stickies) == 1
    assert "RATE = 2 + 3" in bench.stickies[0]
    assert await bench.due() == []


async def test_a_check_run_that_is_gone_comes_back_once_though_its_creation_got_no_answer(bench: Bench) -> None:
    await bench.until_running()
    (gone,) = bench.check_runs
    del bench.sim.world.check_runs[gone.id]
    fault = bench.sim.faults.lose_answer("POST", CHECKS)
    await bench.finish()
    await bench.work()
    assert fault.seen == 1
    bench.clock.advance(61)
    await bench.work()
    (check,) = bench.check_runs
    assert (check.status, check.conclusion) == ("completed", "action_required")


async def test_updates_whose_answers_are_lost_are_made_once(bench: Bench) -> None:
    await bench.until_running()
    faults = [bench.sim.faults.lose_answer("PATCH", path) for path in (CHECK, r"/repos/acme/fees/issues/comments/\d+$")]
    await bench.finish()
    await bench.work()
    bench.clock.advance(61)
    await bench.work()
    assert [fault.seen for fault in faults] == [1, 1]
    assert (len(bench.stickies), len(bench.check_runs)) == (1, 1)
    assert bench.check_runs[0].conclusion == "action_required"
    assert await bench.due() == []


async def test_a_reaction_whose_answer_is_lost_is_given_once(bench: Bench) -> None:
    fault = bench.sim.faults.lose_answer("POST", r".*/reactions$", times=9)
    comment = bench.say("/flowforge help")
    await bench.work()
    fault.times = 0
    bench.clock.advance(61)
    await bench.work()
    assert fault.seen == 4
    assert [reaction.content for reaction in comment.reactions] == ["eyes"]
    assert await bench.due() == []


async def test_a_marker_in_somebody_elses_comment_is_not_taken_for_ours(bench: Bench) -> None:
    await bench.until_running()
    ours = next(one for one in bench.pull.comments.values() if one.author is bench.sim.bot)
    bench.sim.people.delete_comment(ours, bench.maintainer)
    theirs = bench.say(ours.body, who=bench.stranger)
    await bench.finish()
    await bench.work()
    assert theirs.body == ours.body
    assert len(bench.stickies) == 1


# --- sooner or later


REFUSALS = [
    (403, "Repository was archived so is read-only."),
    (403, "Unable to create comment because issue is locked."),
    (403, "Resource not accessible by integration"),
    (404, "Not Found"),
    (410, "Issues are disabled for this repo"),
    (422, "Validation Failed"),
    (422, "This SHA and context has reached the maximum number of statuses."),
]


@pytest.mark.parametrize(("status", "message"), REFUSALS)
async def test_a_refusal_is_final_until_there_is_something_else_to_say(bench: Bench, status: int, message: str) -> None:
    before = given_up("reply")
    bench.sim.faults.fail("POST", COMMENTS, status=status, message=message)
    bench.say("/flowforge help")
    with capture_logs() as logs:
        await bench.work()
    (line,) = [line for line in logs if line["event"] == "report given up"]
    assert message in line["error"]
    assert given_up("reply") == before + 1
    for _ in range(4):
        bench.clock.advance(3600)
        await bench.work()
    assert len(bench.asked("POST", "/issues/1/comments")) == 1
    assert bench.comments == []
    bench.say("/flowforge help")
    await bench.work()
    assert len(bench.comments) == 1


async def test_a_check_run_on_a_commit_that_vanished_is_given_up(bench: Bench) -> None:
    content = replace(CHECK_RUN, head_sha="0" * 40)
    target = await bench.store.reports.want(bench.ref, 1, "job-1", Surface.CHECK_RUN, content)
    before = given_up("check_run")
    await bench.tick("report", target)
    assert given_up("check_run") == before + 1
    bench.clock.advance(86_400)
    assert await reports(bench) == []
    await bench.store.reports.want(bench.ref, 1, "job-1", Surface.CHECK_RUN, replace(CHECK_RUN, head_sha=bench.head))
    await bench.work()
    assert [check.title for check in bench.check_runs] == ["Waiting"]


@pytest.mark.parametrize("status", [301, 401])
async def test_a_refusal_that_is_not_about_the_report_is_tried_again(bench: Bench, status: int) -> None:
    await bench.until_running()
    bench.sim.faults.fail("PATCH", CHECK, status=status, times=6)
    await bench.finish()
    for _ in range(12):
        await bench.work()
        bench.clock.advance(1801)
    assert bench.check_runs[0].conclusion == "action_required"


async def test_what_is_wanted_while_something_else_is_refused_is_not_given_up_with_it(bench: Bench) -> None:
    target = await bench.store.reports.want(
        bench.ref, 1, "job-1", Surface.CHECK_RUN, replace(CHECK_RUN, head_sha="0" * 40)
    )
    hold = bench.sim.faults.hold("GET", r".*/check-runs$")
    writing = asyncio.create_task(bench.tick("report", target))
    await asyncio.wait_for(hold.arrived.wait(), WAIT)
    await bench.store.reports.want(bench.ref, 1, "job-1", Surface.CHECK_RUN, replace(CHECK_RUN, head_sha=bench.head))
    hold.release()
    await writing
    assert [check.title for check in bench.check_runs] == ["Waiting"], "by the one that was at it"


async def test_an_outage_is_waited_for_longer_and_longer(bench: Bench) -> None:
    fault = bench.sim.faults.fail("POST", COMMENTS, status=500, times=7)
    bench.say("/flowforge help")
    await bench.work()
    waits = []
    while not bench.comments:
        waited = 0
        while not await bench.due():
            bench.clock.advance(15)
            waited += 15
        waits.append(waited)
        await bench.work()
    assert fault.seen == 7
    assert waits == [30, 30, 60, 120, 240, 480, 960], "half an hour of an outage, and the answer still comes"


async def test_a_limit_is_kept_to_the_second(bench: Bench) -> None:
    bench.sim.faults.fail("POST", COMMENTS, status=429, headers={"retry-after": "77"})
    bench.say("/flowforge help")
    await bench.work()
    bench.clock.advance(76)
    assert await bench.due() == []
    bench.clock.advance(1)
    await bench.work()
    assert len(bench.comments) == 1


async def test_limits_are_no_failures_however_many_there_are(bench: Bench) -> None:
    limit = bench.sim.faults.secondary_limit("POST", COMMENTS, retry_after=61, times=30)
    outage = bench.sim.faults.fail("POST", COMMENTS, status=500)
    bench.say("/flowforge help")
    while not outage.seen:
        await bench.work()
        bench.clock.advance(61)
    await bench.work()
    assert limit.seen == 30
    assert len(bench.comments) == 1, "the first failure is waited for as a first one is"
    assert len(bench.asked("POST", "/issues/1/comments")) == 32, "one request for each time that GitHub said"


async def test_how_a_job_ended_is_told_though_the_forge_was_away_for_days(bench: Bench) -> None:
    sticky = CommentContent(marker="<!-- flowforge:sticky -->", body="<!-- flowforge:sticky -->\nIt ended.")
    check = replace(CHECK_RUN, head_sha=bench.head, status=CheckStatus.COMPLETED, conclusion=CheckConclusion.FAILURE)
    targets = [
        await bench.store.reports.want(bench.ref, 1, "job-1", Surface.CHECK_RUN, check),
        await bench.store.reports.want(bench.ref, 1, "1#1", Surface.STICKY_COMMENT, sticky),
    ]
    away = [bench.sim.faults.fail("POST", path, status=500, times=1000) for path in (CHECKS, COMMENTS)]
    for _ in range(36):
        for target in targets:
            await bench.tick("report", target)
            await bench.tick("report", target)
        bench.clock.advance(7200)
    assert [fault.seen for fault in away] == [36, 36], "no more than once in half an hour"
    assert (bench.check_runs, bench.comments) == ([], [])
    bench.sim.faults.clear()
    await bench.work()
    assert [one.conclusion for one in bench.check_runs] == ["failure"]
    assert bench.stickies == [sticky.body]


async def test_what_nobody_asked_for_waits_where_the_budget_is_low_and_answers_go_out(bench: Bench) -> None:
    await bench.until_running()
    used = bench.sim.limits.limit - min(int(one.response_headers["x-ratelimit-remaining"]) for one in of_tokens(bench))
    bench.sim.limits.limit = used + 100
    bench.say("/flowforge help")
    await bench.work()
    bench.sim.limits.limit = (used + 100) * 5
    content = replace(CHECK_RUN, head_sha=bench.head)
    for number in range(40):
        owner = f"watch:{bench.repository.id}#{number}:{bench.head}"
        await bench.store.reports.want(
            bench.ref, number, owner, Surface.CHECK_RUN, replace(content, external_id=f"watch-{number}")
        )
    bench.sim.limits.limit = used + 60
    bench.say("/flowforge help")
    await bench.work()
    assert len([one for one in bench.comments if "sticky" not in one]) == 2
    asked = len(bench.asked())
    assert await bench.due() == []
    left = min(int(one.response_headers["x-ratelimit-remaining"]) for one in of_tokens(bench))
    assert left >= (used + 60) * 0.2 - 5
    assert 1 < len(bench.check_runs) < 41
    bench.clock.advance(3601)
    await bench.work()
    assert len(bench.asked()) > asked
    assert len(bench.check_runs) == 41


async def test_a_forge_that_never_comes_back_is_given_up_in_the_end(bench: Bench) -> None:
    bench.sim.faults.fail("POST", COMMENTS, status=500, times=99)
    bench.say("/flowforge help")
    for _ in range(40):
        await bench.work()
        bench.clock.advance(1801)
    assert len(bench.asked("POST", "/issues/1/comments")) == 25
    assert await bench.due() == []


async def test_progress_is_shown_at_most_every_fifteen_seconds(bench: Bench) -> None:
    job = await bench.until_running()
    before = len(bench.asked("PATCH", "/check-runs/"))
    refresh = bench.instance.ticks.on["job"]
    for second in range(10):
        await bench.store.jobs.progress(job.id, f"line {second}")
        bench.clock.advance(1)
        await bench.work()
    assert len(bench.asked("PATCH", "/check-runs/")) == before
    bench.clock.advance(16)
    await refresh(job.id)
    await bench.work()
    assert len(bench.asked("PATCH", "/check-runs/")) == before + 1
