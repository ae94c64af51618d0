"""``GitHubForge`` against a stateful GitHub: check runs, comments and reactions, written once whatever gets lost."""

import pytest

from bot.errors import ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.model.forge import Thread, ThreadKind
from bot.model.reports import CheckConclusion, CheckRunContent, CheckStatus, CommentContent
from tests.contracts.github_stage import MARKER, Stage, proposed, queued, sticky

# --- check runs -----------------------------------------------------------------------------------


async def test_a_check_run_goes_from_queued_to_a_proposal_to_success(stage: Stage) -> None:
    number = await stage.forge.create_check_run(stage.ref, queued(stage))
    [check] = stage.sim.check_runs(stage.repository)
    assert (check.id, check.name, check.external_id, check.status) == (number, "FlowForge", "job-1", "queued")

    await stage.forge.update_check_run(stage.ref, number, proposed(stage, "job-1:proposal-1"))
    assert (check.status, check.conclusion) == ("completed", "action_required")
    assert check.external_id == "job-1:proposal-1"
    assert await stage.forge.find_check_run(stage.ref, stage.pull.head_sha, "job-1") == number
    assert (check.title, check.summary, check.text) == (
        "A proposal waits for you",
        "One conflict, resolved.",
        "The diff",
    )
    assert [action["identifier"] for action in check.actions] == ["approve", "discard"]
    assert [annotation["message"] for annotation in check.annotations] == ["look"]

    done = CheckRunContent(
        head_sha=stage.pull.head_sha,
        external_id="job-1",
        status=CheckStatus.COMPLETED,
        conclusion=CheckConclusion.SUCCESS,
        title="Published",
        summary="By ada",
        text="",
        annotations=proposed(stage).annotations,
    )
    await stage.forge.update_check_run(stage.ref, number, done)
    assert (check.conclusion, check.actions, check.text or "") == ("success", [], "")
    assert len(check.annotations) == 1


async def test_an_update_whose_answer_was_lost_does_not_annotate_twice(stage: Stage) -> None:
    number = await stage.forge.create_check_run(stage.ref, queued(stage))
    stage.sim.faults.lose_answer("PATCH", ".*/check-runs/")
    with pytest.raises(ForgeUnavailableError):
        await stage.forge.update_check_run(stage.ref, number, proposed(stage))
    await stage.forge.update_check_run(stage.ref, number, proposed(stage))
    [check] = stage.sim.check_runs(stage.repository)
    assert len(check.annotations) == 1


async def test_progress_sends_no_annotations_and_is_tried_again(stage: Stage) -> None:
    number = await stage.forge.create_check_run(stage.ref, queued(stage))
    running = CheckRunContent(
        head_sha=stage.pull.head_sha,
        external_id="job-1",
        status=CheckStatus.IN_PROGRESS,
        conclusion=None,
        title="Working",
        summary="…",
        text="",
        annotations=proposed(stage).annotations,
    )
    fault = stage.sim.faults.fail("PATCH", ".*/check-runs/", status=502, times=2)
    await stage.forge.update_check_run(stage.ref, number, running)
    [check] = stage.sim.check_runs(stage.repository)
    assert fault.seen == 2
    assert (check.status, check.title, check.annotations) == ("in_progress", "Working", [])


async def test_a_check_run_whose_answer_was_lost_is_found_again(stage: Stage) -> None:
    for number in range(2):
        await stage.forge.create_check_run(stage.ref, queued(stage, f"other-{number}"))
    stage.sim.faults.lose_answer("POST", ".*/check-runs")
    with pytest.raises(ForgeUnavailableError):
        await stage.forge.create_check_run(stage.ref, queued(stage, "lost"))
    made = [check for check in stage.sim.check_runs(stage.repository) if check.external_id == "lost"]
    assert len(made) == 1
    assert await stage.forge.find_check_run(stage.ref, stage.pull.head_sha, "lost") == made[0].id
    oldest = stage.sim.check_runs(stage.repository)[0]
    assert await stage.forge.find_check_run(stage.ref, stage.pull.head_sha, "other-0") == oldest.id
    assert await stage.forge.find_check_run(stage.ref, stage.pull.head_sha, "absent") is None


async def test_a_check_run_that_github_does_not_take_is_refused(stage: Stage) -> None:
    broken = CheckRunContent(
        head_sha=stage.pull.head_sha,
        external_id="job-1",
        status=CheckStatus.QUEUED,
        conclusion=None,
        title="t",
        summary="x" * 65_536,
        text="",
    )
    with pytest.raises(ForgeRefusedError) as raised:
        await stage.forge.create_check_run(stage.ref, broken)
    assert raised.value.status == 422
    # The only request of these tests that GitHub's description forbids.
    stage.sim.record.exchanges[:] = [exchange for exchange in stage.sim.record.exchanges if exchange.status != 422]


# --- comments and reactions -----------------------------------------------------------------------


async def test_a_comment_is_posted_changed_and_found_again(stage: Stage) -> None:
    number = await stage.forge.create_comment(stage.ref, stage.thread, sticky("one"))
    await stage.forge.update_comment(stage.ref, stage.thread, number, sticky("two"))
    comment = stage.pull.comments[number]
    assert (comment.body, comment.author) == (f"{MARKER}\ntwo", stage.sim.world.bot)
    assert await stage.forge.find_comment(stage.ref, stage.thread, MARKER) == number


async def test_a_comment_whose_answer_was_lost_is_found_behind_many_others(stage: Stage) -> None:
    for number in range(205):
        stage.sim.people.comment(stage.pull, stage.eve, f"{MARKER}\nI am the bot, honestly ({number})")
    assert await stage.forge.find_comment(stage.ref, stage.thread, MARKER) is None
    stage.sim.faults.lose_answer("POST", ".*/comments")
    with pytest.raises(ForgeUnavailableError):
        await stage.forge.create_comment(stage.ref, stage.thread, sticky("mine"))
    found = await stage.forge.find_comment(stage.ref, stage.thread, MARKER)
    assert found is not None
    assert stage.pull.comments[found].author is stage.sim.world.bot
    assert len(stage.pull.comments) == 206


async def test_a_marker_amid_a_line_of_ours_is_none(stage: Stage) -> None:
    quoting = CommentContent(marker="<!-- other -->", body=f"<!-- other -->\n> they wrote {MARKER} here")
    await stage.forge.create_comment(stage.ref, stage.thread, quoting)
    assert await stage.forge.find_comment(stage.ref, stage.thread, MARKER) is None


async def test_a_comment_under_an_issue_that_is_no_pull_request(stage: Stage) -> None:
    issue = stage.sim.people.open_issue(stage.repository, author=stage.ada, title="A question")
    thread = Thread(kind=ThreadKind.ISSUE, number=issue.number)
    number = await stage.forge.create_comment(stage.ref, thread, sticky("only on pull requests"))
    assert await stage.forge.find_comment(stage.ref, thread, MARKER) == number


async def test_a_deleted_comment_is_gone(stage: Stage) -> None:
    number = await stage.forge.create_comment(stage.ref, stage.thread, sticky("one"))
    stage.sim.people.delete_comment(stage.pull.comments[number], stage.ada)
    with pytest.raises(ForgeNotFoundError):
        await stage.forge.update_comment(stage.ref, stage.thread, number, sticky("two"))


async def test_a_reaction_given_twice_is_there_once(stage: Stage) -> None:
    comment = stage.sim.people.comment(stage.pull, stage.ada, "/flowforge resolve")
    await stage.forge.react(stage.ref, stage.thread, comment.id, "eyes")
    stage.sim.faults.lose_answer("POST", ".*/reactions")
    await stage.forge.react(stage.ref, stage.thread, comment.id, "eyes")
    await stage.forge.react(stage.ref, stage.thread, comment.id, "rocket")
    assert [reaction.content for reaction in comment.reactions] == ["eyes", "rocket"]
