"""Which comments on lines are resolved: GitHub tells it in GraphQL only, and not everywhere."""

import pytest

from app.demo.simulator.messages import Response, json_response
from app.demo.simulator.state import Remark
from bot.model.work import LineComments
from tests.contracts.github_stage import Stage


def remarked(stage: Stage, body: str, *, answers: Remark | None = None) -> Remark:
    return stage.sim.people.remark(stage.pull, stage.ada, "fee.py", 1, body, answers=answers)


async def read(stage: Stage, *, limit: int = 9) -> LineComments:
    return await stage.forge.line_comments(stage.ref, stage.pull.number, limit=limit)


async def test_where_nobody_commented_on_a_line_nobody_is_asked_what_is_resolved(stage: Stage) -> None:
    assert await read(stage) == LineComments()
    assert stage.sim.record.requests("POST", "/graphql") == []


async def test_resolved_comments_leave_room_for_older_ones(stage: Stage) -> None:
    first = remarked(stage, "no. 0")
    for number in range(1, 130):
        stage.sim.people.resolve(remarked(stage, f"no. {number}"))
    answer = remarked(stage, "Still so.", answers=first)
    found = await read(stage, limit=2)
    assert [(one.id, one.body) for one in found.comments] == [
        (first.id, "fee.py:1\nno. 0"),
        (answer.id, "fee.py:1\nStill so."),
    ]
    assert found.all_told
    asked = stage.sim.record.requests("POST", "/graphql")
    assert len(asked) == 2  # a hundred threads at a time, the newest first
    assert "pull_requests:read" in asked[0].who
    assert "write" not in asked[0].who


REFUSALS = {
    "absent": json_response({"message": "Not Found", "documentation_url": ""}, status=404),
    "forbidden": json_response({"message": "Not accessible", "documentation_url": ""}, status=403),
    "refused": json_response({"data": None, "errors": [{"type": "NOT_FOUND", "message": "no"}]}),
    "otherwise": json_response({"data": {"repository": None}}),
    "broken": Response(status=502),
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
async def test_where_graphql_does_not_tell_all_count_and_that_is_said(stage: Stage, answer: Response) -> None:
    stage.sim.people.resolve(remarked(stage, "A space is missing."))
    stage.sim.faults.answer("POST", "/graphql", answer, times=9)
    found = await read(stage)
    assert [one.body for one in found.comments] == ["fee.py:1\nA space is missing."]
    assert not found.all_told
    stage.sim.faults.clear()
    assert await read(stage) == LineComments()


async def test_what_lies_behind_the_newest_five_hundred_is_not_told(stage: Stage) -> None:
    first = remarked(stage, "Why two?")
    for number in range(500):
        stage.sim.people.resolve(remarked(stage, f"no. {number}"))
    stage.sim.people.resolve(first)
    remarked(stage, "Still so.", answers=first)
    found = await read(stage)
    assert [one.body for one in found.comments] == ["fee.py:1\nStill so."]
    assert not found.all_told
    assert len(stage.sim.record.requests("POST", "/graphql")) == 5
