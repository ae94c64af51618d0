"""``GitHubForge`` against a stateful GitHub: pull requests that the bot opens itself."""

import pytest

from bot.errors import ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from tests.contracts.github_stage import Stage

BRANCH = "flowforge/1-abc"


async def begin(stage: Stage) -> None:
    await stage.sim.people.commit(stage.repository, BRANCH, {"new.py": "x = 1\n"}, author=stage.ada)


async def create(stage: Stage, *, title: str = "Merged", base: str = "main", draft: bool = True) -> int:
    return await stage.forge.create_pull_request(
        stage.ref, head_ref=BRANCH, base_ref=base, title=title, body="Why", draft=draft
    )


async def test_a_lost_answer_is_not_asked_again_but_looked_for(stage: Stage) -> None:
    await begin(stage)
    stage.sim.faults.lose_answer("POST", ".*/pulls")
    with pytest.raises(ForgeUnavailableError):
        await create(stage)
    assert len(stage.sim.record.requests("POST", "/pulls")) == 1
    number = await stage.forge.find_pull_request(stage.ref, BRANCH)
    assert number is not None
    with pytest.raises(ForgeRefusedError):
        await create(stage)


async def test_a_forks_branch_of_the_same_name_is_another(stage: Stage) -> None:
    fork = await stage.sim.people.fork(stage.repository, stage.eve)
    await stage.sim.people.commit(fork, BRANCH, {"new.py": "x = 2\n"}, author=stage.eve)
    await stage.sim.people.open_pull_request(stage.repository, author=stage.eve, head=BRANCH, head_repository=fork)
    assert await stage.forge.find_pull_request(stage.ref, BRANCH) is None


async def test_where_there_are_no_drafts_it_is_an_ordinary_one(stage: Stage) -> None:
    await begin(stage)
    refusal = "Draft pull requests are not supported in this repository."
    stage.sim.faults.fail("POST", ".*/pulls", status=422, message=refusal)
    assert not (await stage.forge.pull_request(stage.ref, await create(stage))).draft


async def test_another_refusal_stands_and_nothing_is_asked_twice(stage: Stage) -> None:
    await begin(stage)
    with pytest.raises(ForgeRefusedError):
        await create(stage, base="no-such-branch")
    assert len(stage.sim.record.requests("POST", "/pulls")) == 1


async def test_a_title_is_cut_to_what_github_takes(stage: Stage) -> None:
    await begin(stage)
    pull = await stage.forge.pull_request(stage.ref, await create(stage, title="ä" * 300))
    assert pull.title == "ä" * 256


async def test_an_issue_is_not_closed_as_a_pull_request(stage: Stage) -> None:
    issue = stage.sim.people.open_issue(stage.repository, author=stage.ada, title="A question")
    with pytest.raises(ForgeNotFoundError):
        await stage.forge.close_pull_request(stage.ref, issue.number)
