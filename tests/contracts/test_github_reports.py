"""``GitHubForge`` against a stateful GitHub: check runs, comments and reactions, written once whatever gets lost."""

import pytest

from bot.errors import ForgeRefusedError, ForgeUnavailableError
from bot.model.reports import CheckConclusion, CheckRunContent, CheckStatus
from tests.contracts.github_stage import Stage, proposed, queued

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
