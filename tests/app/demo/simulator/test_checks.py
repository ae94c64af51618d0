from typing import Any

import pytest

from tests.app.demo.simulator.conftest import REPO, Bot, World

OUTPUT = {"title": "t", "summary": "s"}
BUTTON = {"label": "Approve", "description": "Push the resolution", "identifier": "approve"}
NOTE = {"path": "fee.py", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}


async def _create(world: World, bot: Bot, **fields: Any) -> int:
    made = await bot(
        "POST", f"{REPO}/check-runs", json={"name": "FlowForge", "head_sha": world.pull.head_sha, **fields}
    )
    assert made.status_code == 201, made.text
    return int(made.json()["id"])


async def test_life_of_a_check_run(world: World, bot: Bot) -> None:
    number = await _create(world, bot, external_id="job-1", status="queued")
    path = f"{REPO}/check-runs/{number}"
    running = await bot("PATCH", path, json={"status": "in_progress", "output": OUTPUT | {"text": "50 %"}})
    assert (running.json()["status"], running.json()["conclusion"]) == ("in_progress", None)
    asked = {"status": "completed", "conclusion": "action_required", "actions": [BUTTON], "output": OUTPUT}
    ended = (await bot("PATCH", path, json=asked)).json()
    assert (ended["status"], ended["conclusion"]) == ("completed", "action_required")
    assert (ended["external_id"], ended["app"]["id"]) == ("job-1", world.sim.app.id)
    assert "actions" not in ended
    assert (await bot("GET", path)).json() == ended
    assert [one["number"] for one in ended["pull_requests"]] == [1]
    (check,) = world.sim.check_runs(world.repository, head_sha=world.pull.head_sha, name="FlowForge")
    assert check.actions == [BUTTON]
    actions = [one.action for one in world.sim.webhooks.deliveries if one.event == "check_run"]
    assert actions == ["created", "completed"]
    again = (await bot("PATCH", path, json={"status": "in_progress"})).json()
    assert (again["conclusion"], again["completed_at"]) == (None, None)


async def test_conclusion_completes_and_moments_are_kept(world: World, bot: Bot) -> None:
    number = await _create(
        world,
        bot,
        conclusion="success",
        started_at="2026-11-23T15:00:00+02:00",
        completed_at="2026-11-23T13:30:00Z",
    )
    body = (await bot("GET", f"{REPO}/check-runs/{number}")).json()
    assert (body["status"], body["started_at"], body["completed_at"]) == (
        "completed",
        "2026-11-23T13:00:00Z",
        "2026-11-23T13:30:00Z",
    )


LIMITS: dict[str, dict[str, Any]] = {
    "summary too long": {"output": {"title": "t", "summary": "x" * 65_536}},
    "text too long": {"output": OUTPUT | {"text": "x" * 65_536}},
    "no summary": {"output": {"title": "t"}},
    "no title": {"output": {"summary": "s"}},
    "output no object": {"output": "s"},
    "51 annotations": {"output": OUTPUT | {"annotations": [NOTE] * 51}},
    "annotation level": {"output": OUTPUT | {"annotations": [NOTE | {"annotation_level": "error"}]}},
    "annotation ends first": {"output": OUTPUT | {"annotations": [NOTE | {"start_line": 2}]}},
    "annotation without lines": {"output": OUTPUT | {"annotations": [{"path": "x", "message": "m"}]}},
    "columns on two lines": {"output": OUTPUT | {"annotations": [NOTE | {"end_line": 2, "start_column": 1}]}},
    "annotation title": {"output": OUTPUT | {"annotations": [NOTE | {"title": "x" * 256}]}},
    "four actions": {"actions": [BUTTON] * 4},
    "label too long": {"actions": [BUTTON | {"label": "x" * 21}]},
    "description too long": {"actions": [BUTTON | {"description": "x" * 41}]},
    "identifier too long": {"actions": [BUTTON | {"identifier": "x" * 21}]},
    "action without label": {"actions": [{"description": "d", "identifier": "i"}]},
    "actions no list": {"actions": {}},
    "completed without conclusion": {"status": "completed"},
    "completed_at without conclusion": {"completed_at": "2026-11-23T13:30:00Z"},
    "conclusion passed": {"conclusion": "passed"},
    "conclusion stale": {"conclusion": "stale"},
    "status waiting": {"status": "waiting"},
    "no time": {"started_at": "yesterday"},
    "time without zone": {"started_at": "2026-11-23T13:30:00"},
    "name null": {"name": None},
    "external_id a number": {"external_id": 7},
}


async def test_limits_of_check_runs(world: World, bot: Bot) -> None:
    number = await _create(world, bot)
    statuses = {}
    for name, fields in LIMITS.items():
        start = {"name": "FlowForge", "head_sha": world.pull.head_sha}
        made = await bot("POST", f"{REPO}/check-runs", json=start | fields)
        changed = await bot("PATCH", f"{REPO}/check-runs/{number}", json=fields)
        statuses[name] = (made.status_code, changed.status_code)
    assert statuses == dict.fromkeys(LIMITS, (422, 422))
    (check,) = world.sim.check_runs(world.repository)
    assert (check.status, check.title, check.name) == ("queued", None, "FlowForge")


async def test_the_largest_that_is_allowed(world: World, bot: Bot) -> None:
    output = {"title": "t", "summary": "ä" * 65_535, "text": "x" * 65_535, "annotations": [NOTE] * 50}
    button = {"label": "x" * 20, "description": "x" * 40, "identifier": "x" * 20}
    number = await _create(world, bot, output=output, actions=[button] * 3)
    more = await bot("PATCH", f"{REPO}/check-runs/{number}", json={"output": OUTPUT | {"annotations": [NOTE] * 10}})
    assert more.json()["output"]["annotations_count"] == 60
    listed = await bot("GET", f"{REPO}/check-runs/{number}/annotations?per_page=100")
    assert len(listed.json()) == 60


@pytest.mark.parametrize("missing", ["name", "head_sha"])
async def test_fields_that_must_be_there(world: World, bot: Bot, missing: str) -> None:
    body = {"name": "FlowForge", "head_sha": world.pull.head_sha}
    del body[missing]
    refused = await bot("POST", f"{REPO}/check-runs", json=body)
    assert (refused.status_code, refused.json()["message"]) == (
        422,
        f'Invalid request.\n\n"{missing}" wasn\'t supplied.',
    )


async def test_commit_that_is_not_there(bot: Bot) -> None:
    refused = await bot("POST", f"{REPO}/check-runs", json={"name": "FlowForge", "head_sha": "d" * 40})
    assert (refused.status_code, refused.json()["message"]) == (422, f"No commit found for SHA: {'d' * 40}")
    assert (await bot("GET", f"{REPO}/commits/{'d' * 40}/check-runs")).status_code == 422
    assert (await bot("GET", f"{REPO}/check-runs/1")).status_code == 404
    assert (await bot("PATCH", f"{REPO}/check-runs/1", json={})).status_code == 404


async def test_list_for_a_commit(world: World, bot: Bot) -> None:
    numbers = [await _create(world, bot, external_id=f"job-{number}") for number in range(3)]
    other = await _create(world, bot, name="Lint", conclusion="neutral")
    path = f"{REPO}/commits/{world.pull.head_sha}/check-runs"

    async def listed(query: str) -> list[int]:
        answer = (await bot("GET", f"{path}?{query}")).json()
        return [one["id"] for one in answer["check_runs"]]

    assert await listed("") == [other, numbers[2]]
    assert await listed("filter=all") == [other, *numbers[::-1]]
    assert await listed("check_name=FlowForge&filter=all&per_page=2&page=2") == [numbers[0]]
    assert await listed("status=completed") == [other]
    assert await listed(f"app_id={world.sim.app.id}") == [other, numbers[2]]
    assert await listed("app_id=1") == []
    by_branch = (await bot("GET", f"{REPO}/commits/feature/check-runs?filter=all")).json()
    assert by_branch["total_count"] == 4


async def test_pull_requests_from_forks_are_not_named(world: World, bot: Bot) -> None:
    people = world.sim.people
    fork = await people.fork(world.repository, world.eve)
    await people.commit(fork, "patch", {"x": "y"}, author=world.eve)
    pull = await people.open_pull_request(world.repository, author=world.eve, head="patch", head_repository=fork)
    made = await bot("POST", f"{REPO}/check-runs", json={"name": "FlowForge", "head_sha": pull.head_sha})
    assert (made.status_code, made.json()["pull_requests"]) == (201, [])


async def test_buttons_and_asking_again(world: World, bot: Bot) -> None:
    people = world.sim.people
    number = await _create(world, bot, external_id="job-1", actions=[BUTTON])
    check = world.sim.world.check_runs[number]
    with pytest.raises(ValueError, match="no button"):
        people.click(check, world.ada, "approve")
    await bot("PATCH", f"{REPO}/check-runs/{number}", json={"conclusion": "action_required"})
    with pytest.raises(ValueError, match="no button"):
        people.click(check, world.ada, "reject")
    people.click(check, world.ada, "approve")
    people.rerequest(check, world.eve)
    clicked, again = world.sim.webhooks.deliveries[-2:]
    assert (clicked.action, clicked.payload["requested_action"]) == ("requested_action", {"identifier": "approve"})
    assert clicked.payload["check_run"]["external_id"] == "job-1"  # type: ignore[index]
    assert clicked.payload["sender"]["login"] == "ada"  # type: ignore[index]
    assert (again.action, again.payload["sender"]["login"]) == ("rerequested", "eve")  # type: ignore[index]
