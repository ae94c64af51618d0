"""What GitLab does not let us push: protected branches and push rules. It is said why, and what people can do."""

import re

import pytest

from app.demo.simulator.state import Role
from bot.model.jobs import JobState
from tests.bot.handlers.bench import GitLabBench


async def test_a_service_account_that_is_called_like_a_person_approves_nothing(gitlab: GitLabBench) -> None:
    await gitlab.until_proposed()
    before, said = gitlab.head, len(gitlab.comments)
    account = gitlab.sim.people.bot("deploy")
    gitlab.repository.roles[account.id] = Role.MAINTAIN
    gitlab.say("/flowforge approve", who=account)
    await gitlab.work()
    assert (gitlab.head, (await gitlab.job()).state) == (before, JobState.AWAITING_APPROVAL)
    assert len(gitlab.comments) == said, "bots that `bots` does not list are not even answered"


async def test_a_protected_source_branch_leaves_the_commands_that_apply_the_resolution(gitlab: GitLabBench) -> None:
    await gitlab.until_proposed()
    before = gitlab.head
    gitlab.sim.people.protect(gitlab.repository, "feature")
    gitlab.say("/flowforge approve")
    await gitlab.work()
    job = await gitlab.job()
    assert (job.state, job.rule, gitlab.head) == (JobState.REFUSED, "push_refused", before)
    [sticky] = gitlab.stickies
    assert "You are not allowed to push code to protected branches on this project" in sticky
    [branch] = gitlab.branches
    assert f"git fetch {gitlab.sim.clone_url(gitlab.repository)} {branch}" in sticky
    [commit] = gitlab.branches.values()
    assert f"git push {gitlab.sim.clone_url(gitlab.repository)} {commit}:refs/heads/feature" in sticky
    # Whoever may, lets us, and asks again.
    gitlab.repository.protected.clear()
    await gitlab.until_proposed()
    gitlab.say("/flowforge approve")
    await gitlab.work()
    assert (await gitlab.job()).state is JobState.PUBLISHED


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"branches": "^(feature|main)$"}, r"Branch name .* does not follow the pattern"),
        ({"messages": "^JIRA-[0-9]+"}, "Commit message does not follow the pattern"),
    ],
    ids=["names of branches", "messages of commits"],
)
async def test_a_push_rule_against_our_branch_ends_the_job_with_its_words(
    gitlab: GitLabBench, rule: dict[str, str], words: str
) -> None:
    await gitlab.until_running()
    gitlab.sim.people.push_rule(gitlab.repository, **rule)
    await gitlab.finish()
    await gitlab.work()
    job = await gitlab.job()
    assert (job.state, job.rule, job.attempt) == (JobState.REFUSED, "push_refused", 1)
    [sticky] = gitlab.stickies
    assert re.search(words, sticky)
    assert "Let FlowForge's user push branches" in sticky
    assert "git fetch" not in sticky, "there is nothing to fetch"
    assert gitlab.branches == {}
    gitlab.sim.people.push_rule(gitlab.repository)
    await gitlab.until_proposed()
    assert gitlab.errors == []
