"""A job's check run as commit statuses, under GitLab's rules for what may follow what."""

from dataclasses import replace
from typing import Any

import pytest

from bot.errors import ForgeRefusedError, ForgeUnavailableError
from bot.forges.gitlab.forge import GitLabForge
from bot.forges.gitlab.statuses import BUSY_PAUSES
from bot.model.ids import make_external_id, make_watch_id
from bot.model.reports import CheckConclusion, CheckRunContent, CheckStatus
from tests.bot.forges.gitlab import samples
from tests.bot.forges.gitlab.conftest import REPOSITORY, Sleeps
from tests.bot.forges.gitlab.wire import BASE, OWN, Statuses, Wire, reply

SHA, PROJECT = samples.HEAD, samples.PROJECT_ID
JOB, LATER, PROPOSAL = "a" * 32, "b" * 32, "c" * 32
MERGE_REQUEST: dict[str, Any] = {
    "iid": 7,
    "title": "Grip harder",
    "state": "opened",
    "source_branch": "feature/grip",
    "target_branch": "main",
    "source_project_id": PROJECT,
    "target_project_id": PROJECT,
    "sha": SHA,
    "web_url": f"{BASE}/harbour/tools/crane.control/-/merge_requests/7",
    "updated_at": "2026-11-29T08:15:00.000Z",
}
QUEUED = CheckRunContent(
    head_sha=SHA,
    external_id=make_external_id(JOB),
    status=CheckStatus.QUEUED,
    conclusion=None,
    title="Queued",
    summary="Soon.",
    text="",
)
RUNNING = replace(QUEUED, status=CheckStatus.IN_PROGRESS, title="Resolving")


def ended(conclusion: CheckConclusion, title: str = "Ended", external_id: str = "") -> CheckRunContent:
    about = external_id or QUEUED.external_id
    return replace(QUEUED, status=CheckStatus.COMPLETED, conclusion=conclusion, title=title, external_id=about)


TO_APPROVE = ended(CheckConclusion.ACTION_REQUIRED, "To approve", external_id=make_external_id(JOB, PROPOSAL))
DONE = ended(CheckConclusion.SUCCESS, "Pushed", external_id=make_external_id(JOB, PROPOSAL))


@pytest.fixture
def statuses(wire: Wire) -> Statuses:
    """The statuses of the head of merge request 7, which has a pipeline."""
    kept = Statuses(SHA, PROJECT)
    kept.pipelines.append({"id": 31, "sha": SHA, "ref": "refs/merge-requests/7/head", "project_id": PROJECT})
    kept.serve(wire)
    wire.on("GET", f"/projects/{PROJECT}/repository/commits/{SHA}/merge_requests", reply([MERGE_REQUEST]))
    wire.routes["GET", f"/projects/{PROJECT}/merge_requests/7/pipelines"] = lambda _: reply(kept.pipelines)
    return kept


async def test_a_job_from_its_queue_to_its_end(forge: GitLabForge, statuses: Statuses) -> None:
    ids, seen = set(), []
    for content in (QUEUED, RUNNING, TO_APPROVE, DONE):
        ids.add(await forge.create_check_run(REPOSITORY, content))
        row = statuses.visible()
        seen.append((row["status"], row["description"]))
        (shown,) = await forge.shown_check_runs(REPOSITORY, SHA)
        conclusion = None if content.conclusion is None else content.conclusion.value
        assert (shown.id in ids, shown.status, shown.conclusion) == (True, content.status.value, conclusion)
        assert (shown.external_id, shown.summary, shown.replaced) == (content.external_id, None, False)
        assert shown.title in {None, content.title}
    assert seen == [("pending", "Queued"), ("running", "Resolving"), ("pending", "To approve"), ("success", "Pushed")]
    assert len(ids) == 1
    assert {row["pipeline_id"] for row in statuses.rows} == {31}
    assert [row["status"] for row in statuses.rows] == ["canceled", "success"]  # from running there is no way back
    assert statuses.visible()["target_url"] == f"{MERGE_REQUEST['web_url']}#flowforge/{JOB}:{PROPOSAL}/success"


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [
        (CheckConclusion.ACTION_REQUIRED, "pending"),
        (CheckConclusion.SUCCESS, "success"),
        (CheckConclusion.NEUTRAL, "success"),
        (CheckConclusion.CANCELLED, "canceled"),
        (CheckConclusion.FAILURE, "failed"),
    ],
)
async def test_every_end_has_a_state(
    forge: GitLabForge, statuses: Statuses, conclusion: CheckConclusion, state: str
) -> None:
    await forge.create_check_run(REPOSITORY, RUNNING)
    await forge.create_check_run(REPOSITORY, ended(conclusion, "t" * 300))
    assert (statuses.visible()["status"], statuses.visible()["description"]) == (state, "t" * 255)
    (shown,) = await forge.shown_check_runs(REPOSITORY, SHA)
    assert shown.conclusion == conclusion


@pytest.mark.parametrize("content", [QUEUED, RUNNING, TO_APPROVE, DONE])
async def test_writing_twice_is_writing_once(forge: GitLabForge, statuses: Statuses, content: CheckRunContent) -> None:
    first = await forge.create_check_run(REPOSITORY, content)
    before = [dict(row) for row in statuses.rows]
    assert await forge.find_check_run(REPOSITORY, SHA, make_external_id(JOB)) == first
    await forge.update_check_run(REPOSITORY, first, content)
    assert await forge.create_check_run(REPOSITORY, content) == first
    assert statuses.rows == before


async def test_progress_is_no_new_status(forge: GitLabForge, statuses: Statuses) -> None:
    for title in ("Resolving", "Resolving: 1 of 3", "Resolving: 2 of 3"):
        await forge.create_check_run(REPOSITORY, replace(RUNNING, title=title))
    assert len(statuses.rows) == 1


async def test_a_text_that_changes_while_the_state_stays_is_a_new_status(
    forge: GitLabForge, statuses: Statuses
) -> None:
    await forge.create_check_run(REPOSITORY, QUEUED)
    await forge.create_check_run(REPOSITORY, TO_APPROVE)
    await forge.create_check_run(REPOSITORY, replace(TO_APPROVE, title="Tests passed"))
    assert statuses.visible()["description"] == "Tests passed"
    assert [row["status"] for row in statuses.rows] == ["canceled", "canceled", "pending"]


async def test_a_later_job_takes_the_place_and_the_earlier_one_is_silent(
    forge: GitLabForge, statuses: Statuses
) -> None:
    later = replace(QUEUED, external_id=make_external_id(LATER), title="Queued again")
    earlier = await forge.create_check_run(REPOSITORY, RUNNING)
    await forge.create_check_run(REPOSITORY, later)
    await forge.update_check_run(REPOSITORY, earlier, ended(CheckConclusion.NEUTRAL, "Superseded"))
    assert (statuses.visible()["status"], statuses.visible()["description"]) == ("pending", "Queued again")
    shown = {one.external_id: one for one in await forge.shown_check_runs(REPOSITORY, SHA)}
    assert (shown[JOB].replaced, shown[LATER].replaced) == (True, False)


async def test_the_conflict_watch_has_a_status_of_its_own(forge: GitLabForge, statuses: Statuses) -> None:
    await forge.create_check_run(REPOSITORY, DONE)
    watch = ended(CheckConclusion.ACTION_REQUIRED, "Conflict", external_id=make_watch_id(7, SHA))
    await forge.create_check_run(REPOSITORY, watch)
    assert (statuses.visible()["status"], statuses.visible("FlowForge conflicts")["status"]) == ("success", "pending")
    assert len(await forge.shown_check_runs(REPOSITORY, SHA)) == 2


async def test_a_status_moves_along_to_the_pipeline_that_the_merge_request_shows(
    forge: GitLabForge, statuses: Statuses
) -> None:
    await forge.create_check_run(REPOSITORY, RUNNING)
    statuses.pipelines.append({"id": 32, "sha": SHA, "ref": "feature/grip", "project_id": PROJECT})
    statuses.pipelines.append({"id": 33, "sha": samples.BASE, "ref": "feature/grip", "project_id": PROJECT})
    await forge.create_check_run(REPOSITORY, replace(RUNNING, title="Resolving: 1 of 3"))
    assert [(row["pipeline_id"], row["status"]) for row in statuses.rows] == [(31, "canceled"), (32, "running")]


async def test_without_a_pipeline_gitlab_makes_one_for_the_branch_and_it_is_used_again(
    forge: GitLabForge, statuses: Statuses
) -> None:
    statuses.pipelines.clear()
    await forge.create_check_run(REPOSITORY, QUEUED)
    await forge.create_check_run(REPOSITORY, RUNNING)
    assert [one["ref"] for one in statuses.pipelines] == ["feature/grip"]
    assert [row["status"] for row in statuses.rows] == ["running"]


async def test_a_status_that_somebody_else_ended_is_seen_and_set_right(forge: GitLabForge, statuses: Statuses) -> None:
    await forge.create_check_run(REPOSITORY, TO_APPROVE)
    statuses.visible()["status"] = "canceled"  # somebody canceled the pipeline
    (shown,) = await forge.shown_check_runs(REPOSITORY, SHA)
    assert (shown.status, shown.conclusion) == ("canceled", None)
    await forge.update_check_run(REPOSITORY, shown.id, TO_APPROVE)
    assert statuses.visible()["status"] == "pending"


async def test_the_status_of_another_user_is_not_ours(forge: GitLabForge, statuses: Statuses) -> None:
    await forge.create_check_run(REPOSITORY, DONE)
    statuses.rows[0]["author"] = {**OWN, "id": 5}
    assert await forge.find_check_run(REPOSITORY, SHA, make_external_id(JOB)) is None
    assert await forge.shown_check_runs(REPOSITORY, SHA) == []


async def test_while_gitlab_is_busy_with_the_commit_we_wait(
    forge: GitLabForge, statuses: Statuses, sleeps: Sleeps
) -> None:
    busy = reply({"message": "Another update to this commit status is in progress"}, 409)
    statuses.refuse = [busy] * 2
    await forge.create_check_run(REPOSITORY, QUEUED)
    assert sleeps.seconds == list(BUSY_PAUSES[:2])
    statuses.refuse = [busy] * 9
    with pytest.raises(ForgeRefusedError) as raised:
        await forge.create_check_run(REPOSITORY, RUNNING)
    assert raised.value.status == 409


async def test_a_race_is_run_again_later(forge: GitLabForge, statuses: Statuses) -> None:
    statuses.refuse = [reply({"message": "Cannot transition status via :run from :running (Reason(s): no)"}, 400)]
    with pytest.raises(ForgeUnavailableError):
        await forge.create_check_run(REPOSITORY, RUNNING)


async def test_a_commit_of_a_fork_gets_its_status_where_we_may_write(
    forge: GitLabForge, statuses: Statuses, wire: Wire
) -> None:
    fork = {**MERGE_REQUEST, "source_project_id": 8}
    wire.on("GET", f"/projects/{PROJECT}/repository/commits/{SHA}/merge_requests", reply([fork]))
    wire.on("GET", f"/projects/8/repository/commits/{SHA}/statuses", reply({"message": "404 Project Not Found"}, 404))
    wire.on("POST", f"/projects/8/statuses/{SHA}", reply({"message": "404 Project Not Found"}, 404))
    statuses.pipelines.append({"id": 40, "sha": SHA, "ref": "grip", "project_id": 8})
    await forge.create_check_run(REPOSITORY, QUEUED)
    assert statuses.visible()["pipeline_id"] == 31
    del statuses.pipelines[0]
    await forge.create_check_run(REPOSITORY, RUNNING)
    posted = wire.asked[-1]
    assert (posted.path, posted.body["ref"]) == (f"/projects/{PROJECT}/statuses/{SHA}", "refs/merge-requests/7/head")


async def test_the_status_of_a_fork_stays_where_it_was_taken(
    forge: GitLabForge, statuses: Statuses, wire: Wire
) -> None:
    denied = reply({"message": "404 Project Not Found"}, 404)
    fork = {**MERGE_REQUEST, "source_project_id": 8}
    statuses.pipelines.clear()
    wire.on("GET", f"/projects/{PROJECT}/repository/commits/{SHA}/merge_requests", reply([fork]))
    wire.on("GET", f"/projects/8/repository/commits/{SHA}/statuses", denied)
    wire.on("POST", f"/projects/8/statuses/{SHA}", denied)
    wire.on("GET", f"/projects/{PROJECT}/merge_requests/7/pipelines", reply([]))
    for title in ("Resolving", "Resolving: 1 of 3", "Resolving: 2 of 3"):
        await forge.create_check_run(REPOSITORY, replace(RUNNING, title=title))
    await forge.create_check_run(REPOSITORY, ended(CheckConclusion.SUCCESS))
    assert [row["status"] for row in statuses.rows] == ["success"]


async def test_a_link_that_is_too_long_names_the_project_by_its_id(forge: GitLabForge, statuses: Statuses) -> None:
    deep = replace(REPOSITORY, owner="/".join(["harbour" * 8] * 3))
    await forge.create_check_run(deep, DONE)
    assert statuses.visible()["target_url"] == f"{BASE}/projects/{PROJECT}#flowforge/{JOB}:{PROPOSAL}/success"
    assert await forge.find_check_run(deep, SHA, make_external_id(JOB)) is not None
