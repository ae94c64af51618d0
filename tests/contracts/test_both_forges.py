"""What every adapter does alike, held against a stateful forge of either kind: the same tests for both."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Role
from bot.errors import ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.model.forge import Actor, ActorKind, ForgeKind, MergeBlock, Merging, PermissionLevel, Thread, ThreadKind
from bot.model.ids import make_external_id, make_watch_id
from bot.model.reports import CheckConclusion, CheckStatus, CommentContent
from tests.contracts.both import MARKER, STAGES, BothStage, actor, on_gitlab, sticky
from tests.contracts.github_stage import CONFIG

BRANCH = "flowforge/1-abc"
JOB, PROPOSAL, LATER = "a" * 32, "b" * 32, "c" * 32


@pytest.fixture(params=list(ForgeKind), ids=lambda kind: kind.value)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BothStage]:
    async with STAGES[request.param](tmp_path / "sim") as opened:
        yield opened


# --- people ---------------------------------------------------------------------------------------


async def test_the_bot_knows_itself_and_asks_once(stage: BothStage) -> None:
    users = await asyncio.gather(*(stage.forge.bot_user(stage.kind) for _ in range(5)))
    assert {(user.id, user.kind) for user in users} == {(stage.sim.world.bot.id, ActorKind.BOT)}
    assert len(stage.sim.record.requests("GET", "/user")) == 1


async def test_a_persons_role_is_read_live(stage: BothStage) -> None:
    for role in Role:
        stage.sim.people.set_role(stage.repository, stage.eve, role)
        assert await stage.forge.permission(stage.ref, actor(stage.eve)) is PermissionLevel[role.name]


async def test_a_stranger_has_no_permission(stage: BothStage) -> None:
    assert await stage.forge.permission(stage.ref, Actor(id=1, login="nobody-there")) is PermissionLevel.NONE


async def test_a_login_that_passed_to_somebody_else_gives_its_old_owner_nothing(stage: BothStage) -> None:
    before = actor(stage.ada)
    stage.sim.people.rename_account(stage.ada, "ada-lovelace")
    newcomer = stage.sim.people.user("ada")
    stage.sim.people.set_role(stage.repository, newcomer, Role.ADMIN)
    assert await stage.forge.permission(stage.ref, before) is PermissionLevel.NONE
    assert await stage.forge.permission(stage.ref, actor(newcomer)) is PermissionLevel.ADMIN


# --- what is there --------------------------------------------------------------------------------


async def test_a_pull_request_is_read_as_it_is_now(stage: BothStage) -> None:
    pull = await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert (pull.title, pull.body, pull.open, pull.merged, pull.draft) == ("Raise", "Why", True, False, False)
    assert pull.author == actor(stage.ada)
    assert (pull.head_ref, pull.head_sha) == ("feature", stage.repository.branch("feature"))
    assert (pull.base_ref, pull.base_sha) == ("main", stage.repository.branch("main"))
    assert pull.head_full_name == stage.ref.full_name
    assert not pull.from_fork
    stage.sim.people.close(stage.pull, stage.ada)
    assert not (await stage.forge.pull_request(stage.ref, stage.pull.number)).open


WAITS = {
    ForgeKind.GITHUB: [("approvals", MergeBlock.RULES)],
    ForgeKind.GITLAB: [
        ("not_approved", MergeBlock.APPROVALS),
        ("discussions_not_resolved", MergeBlock.DISCUSSIONS),
        ("ci_must_pass", MergeBlock.CHECKS),
        ("need_rebase", MergeBlock.BEHIND),
    ],
}


async def test_what_a_pull_request_waits_for_is_told_once_the_forge_knows(stage: BothStage) -> None:
    assert (await stage.forge.pull_request(stage.ref, stage.pull.number)).merging == Merging()
    await stage.sim.wait_for(lambda: stage.pull.mergeable)
    assert (await stage.forge.pull_request(stage.ref, stage.pull.number)).merging == Merging()
    for word, block in WAITS[stage.kind]:
        stage.pull.waits_for = word
        assert (await stage.forge.pull_request(stage.ref, stage.pull.number)).merging.blocked is block
    stage.pull.draft = True
    assert (await stage.forge.pull_request(stage.ref, stage.pull.number)).merging.blocked is MergeBlock.DRAFT
    stage.pull.mergeable = False
    assert (await stage.forge.pull_request(stage.ref, stage.pull.number)).merging.blocked is MergeBlock.CONFLICT


async def test_the_only_way_of_merging_is_told(stage: BothStage) -> None:
    for way, squashes, linear in (("merge", False, False), ("squash", True, False), ("rebase", False, True)):
        stage.sim.people.merge_only_by(stage.repository, way)
        stage.clock.time += timedelta(minutes=11)
        merging = (await stage.forge.pull_request(stage.ref, stage.pull.number)).merging
        assert (merging.squashes, merging.linear) == (squashes, linear), way


async def test_open_pull_requests_are_listed_a_hundred_at_a_time(stage: BothStage) -> None:
    people, repository = stage.sim.people, stage.repository
    more = [await people.open_pull_request(repository, author=stage.ada, head="feature") for _ in range(110)]
    for closed in more[:5]:
        people.close(closed, stage.ada)
    listed = await stage.forge.open_pull_requests(stage.ref)
    assert [one.number for one in listed] == [stage.pull.number, *(one.number for one in more[5:])]
    first = listed[0]
    assert (first.open, first.base_ref, first.base_sha) == (True, "main", stage.pull.base_sha)
    assert first.head_sha == stage.pull.head_sha


async def test_a_pull_request_from_a_fork_names_the_fork_until_it_is_gone(stage: BothStage) -> None:
    fork = await stage.sim.people.fork(stage.repository, stage.eve)
    await stage.sim.people.commit(fork, "mine", {"fee.py": "rate = 9\n"}, author=stage.eve)
    opened = await stage.sim.people.open_pull_request(
        stage.repository, author=stage.eve, head="mine", head_repository=fork
    )
    pull = await stage.forge.pull_request(stage.ref, opened.number)
    assert (pull.from_fork, pull.head_repository_id) == (True, fork.id)
    # GitLab lets nobody write to the branch of a private project from outside.
    assert pull.maintainer_can_modify is (stage.kind is ForgeKind.GITHUB)
    await stage.sim.people.delete_repository(fork)
    pull = await stage.forge.pull_request(stage.ref, opened.number)
    assert (pull.from_fork, pull.head_repository_id, pull.head_full_name) == (True, None, None)


async def test_an_issue_is_no_pull_request(stage: BothStage) -> None:
    issue = stage.sim.people.open_issue(stage.repository, author=stage.ada, title="A question")
    number = issue.number if stage.kind is ForgeKind.GITHUB else issue.number + 100
    with pytest.raises(ForgeNotFoundError):
        await stage.forge.pull_request(stage.ref, number)


async def test_a_file_is_read_at_a_branch_or_commit(stage: BothStage) -> None:
    first = stage.repository.branch("main")
    assert first is not None
    await stage.sim.people.commit(stage.repository, "main", {".flowforge.yml": "new: true\n"}, author=stage.ada)
    assert await stage.forge.read_file(stage.ref, ".flowforge.yml", ref="main") == b"new: true\n"
    assert await stage.forge.read_file(stage.ref, ".flowforge.yml", ref=first) == CONFIG.encode()
    assert await stage.forge.read_file(stage.ref, "docs/with space/é?#.md", ref="main") == b"odd\n"
    assert await stage.forge.read_file(stage.ref, "fee.py", ref="no/such&branch") is None


async def test_what_is_no_regular_file_is_not_read(stage: BothStage) -> None:
    for path in ["absent", "docs", "link.yml", "dangling", "", "/", "../x", "docs/../fee.py", "./fee.py"]:
        assert await stage.forge.read_file(stage.ref, path, ref="main") is None, path


async def test_bytes_come_as_they_are_and_up_to_one_megabyte(stage: BothStage) -> None:
    content = bytes(range(256)) * 4096
    files = {"full.bin": content, "over.bin": content + b"x", "empty": b""}
    await stage.sim.people.commit(stage.repository, "main", files, author=stage.ada)
    assert await stage.forge.read_file(stage.ref, "full.bin", ref="main") == content
    assert await stage.forge.read_file(stage.ref, "empty", ref="main") == b""
    with pytest.raises(ForgeRefusedError) as raised:
        await stage.forge.read_file(stage.ref, "over.bin", ref="main")
    assert raised.value.status == 413


async def git(directory: Path, authorization: str, *arguments: str) -> tuple[int, str]:
    """Run git with a credential in its environment; its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {authorization}",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_git_fetches_and_pushes_with_its_credential_and_not_without(stage: BothStage, tmp_path: Path) -> None:
    write = await stage.forge.git_access(stage.ref, write=True)
    clone = tmp_path / "clone"
    assert "@" not in write.url
    status, _ = await git(tmp_path, "Basic eDp5", "ls-remote", write.url)
    assert status != 0
    status, said = await git(tmp_path, write.authorization, "clone", "--quiet", write.url, str(clone))
    assert status == 0, said
    pull_ref = stage.forge.pull_ref(stage.ref, stage.pull.number)
    status, said = await git(clone, write.authorization, "ls-remote", write.url, pull_ref)
    assert (status, said.split()) == (0, [stage.pull.head_sha, pull_ref])
    status, said = await git(clone, write.authorization, "push", "--quiet", write.url, f"HEAD:refs/heads/{BRANCH}")
    assert status == 0, said
    assert stage.repository.branch(BRANCH) == stage.repository.branch("main")


# --- pull requests of our own ---------------------------------------------------------------------


async def create(stage: BothStage) -> int:
    return await stage.forge.create_pull_request(
        stage.ref, head_ref=BRANCH, base_ref="main", title="Merged", body="Why", draft=True
    )


async def test_a_pull_request_is_opened_found_and_closed(stage: BothStage) -> None:
    await stage.sim.people.commit(stage.repository, BRANCH, {"new.py": "x = 1\n"}, author=stage.ada)
    assert await stage.forge.find_pull_request(stage.ref, BRANCH) is None
    number = await create(stage)
    pull = await stage.forge.pull_request(stage.ref, number)
    assert (pull.title.removeprefix("Draft: "), pull.body, pull.open, pull.draft) == ("Merged", "Why", True, True)
    assert (pull.head_ref, pull.base_ref, pull.from_fork) == (BRANCH, "main", False)
    assert pull.author.id == (await stage.forge.bot_user(stage.kind)).id
    with pytest.raises(ForgeRefusedError):
        await create(stage)
    assert await stage.forge.find_pull_request(stage.ref, BRANCH) == number
    await stage.forge.close_pull_request(stage.ref, number)
    await stage.forge.close_pull_request(stage.ref, number)
    assert not (await stage.forge.pull_request(stage.ref, number)).open
    assert await stage.forge.find_pull_request(stage.ref, BRANCH) == number


# --- check runs -----------------------------------------------------------------------------------


async def test_a_check_run_goes_from_queued_to_its_end_and_is_one(stage: BothStage) -> None:
    contents = [
        stage.check(JOB),
        stage.check(JOB, CheckStatus.IN_PROGRESS, "Resolving"),
        *(
            replace(
                stage.check(make_external_id(JOB, PROPOSAL), CheckStatus.COMPLETED, conclusion.value),
                conclusion=conclusion,
            )
            for conclusion in CheckConclusion
        ),
    ]
    number = await stage.forge.create_check_run(stage.ref, contents[0])
    for content in contents:
        for _ in range(2):
            await stage.forge.update_check_run(stage.ref, number, content)
        [shown] = await stage.forge.shown_check_runs(stage.ref, stage.pull.head_sha)
        conclusion = None if content.conclusion is None else content.conclusion.value
        assert (shown.id, shown.external_id) == (number, content.external_id)
        assert (shown.status, shown.conclusion, shown.replaced) == (content.status.value, conclusion, False)
        assert shown.title in {None, content.title}
    assert await stage.forge.find_check_run(stage.ref, stage.pull.head_sha, JOB) == number


async def test_a_check_run_whose_answer_was_lost_is_found_again(stage: BothStage) -> None:
    stage.sim.faults.lose_answer("POST", ".*/(check-runs|statuses/.*)")
    with pytest.raises(ForgeUnavailableError):
        await stage.forge.create_check_run(stage.ref, stage.check(JOB))
    found = await stage.forge.find_check_run(stage.ref, stage.pull.head_sha, JOB)
    assert found is not None
    await stage.forge.update_check_run(stage.ref, found, stage.check(JOB))
    assert [one.id for one in await stage.forge.shown_check_runs(stage.ref, stage.pull.head_sha)] == [found]
    assert await stage.forge.find_check_run(stage.ref, stage.pull.head_sha, LATER) is None


async def test_the_watch_and_a_job_do_not_get_into_each_others_way(stage: BothStage) -> None:
    watch = make_watch_id(stage.pull.number, stage.pull.head_sha)
    for external_id in (JOB, watch):
        await stage.forge.create_check_run(stage.ref, stage.check(external_id))
    shown = await stage.forge.shown_check_runs(stage.ref, stage.pull.head_sha)
    assert {one.external_id for one in shown} == {JOB, watch}
    assert not any(one.replaced for one in shown)


# --- comments and reactions -----------------------------------------------------------------------


async def test_a_comment_is_posted_changed_found_again_and_shown(stage: BothStage) -> None:
    hostile = "two\n/close\n`/flowforge approve abc`"
    number = await stage.forge.create_comment(stage.ref, stage.thread, sticky("one\n/close"))
    await stage.forge.update_comment(stage.ref, stage.thread, number, sticky(hostile))
    assert stage.pull.comments[number].author is stage.sim.world.bot
    assert await stage.forge.find_comment(stage.ref, stage.thread, MARKER) == number
    assert await stage.forge.shown_comment(stage.ref, stage.thread, number) == f"{MARKER}\n{hostile}"
    assert (await stage.forge.pull_request(stage.ref, stage.pull.number)).open


async def test_a_comment_whose_answer_was_lost_is_found_behind_many_others(stage: BothStage) -> None:
    for number in range(105):
        stage.sim.people.comment(stage.pull, stage.eve, f"{MARKER}\nI am the bot, honestly ({number})")
    assert await stage.forge.find_comment(stage.ref, stage.thread, MARKER) is None
    stage.sim.faults.lose_answer("POST", ".*/(comments|notes)")
    with pytest.raises(ForgeUnavailableError):
        await stage.forge.create_comment(stage.ref, stage.thread, sticky("mine"))
    found = await stage.forge.find_comment(stage.ref, stage.thread, MARKER)
    assert found is not None
    assert stage.pull.comments[found].author is stage.sim.world.bot


async def test_a_marker_amid_a_line_of_ours_is_none(stage: BothStage) -> None:
    quoting = CommentContent(marker="<!-- other -->", body=f"<!-- other -->\n> they wrote {MARKER} here")
    await stage.forge.create_comment(stage.ref, stage.thread, quoting)
    assert await stage.forge.find_comment(stage.ref, stage.thread, MARKER) is None


async def test_a_comment_under_an_issue_is_no_comment_under_a_pull_request(stage: BothStage) -> None:
    issue = stage.sim.people.open_issue(stage.repository, author=stage.ada, title="A question")
    thread = Thread(kind=ThreadKind.ISSUE, number=issue.number)
    number = await stage.forge.create_comment(stage.ref, thread, sticky("an answer"))
    assert await stage.forge.find_comment(stage.ref, thread, MARKER) == number
    assert await stage.forge.find_comment(stage.ref, stage.thread, MARKER) is None
    assert number in issue.comments


async def test_a_deleted_comment_is_gone(stage: BothStage) -> None:
    number = await stage.forge.create_comment(stage.ref, stage.thread, sticky("one"))
    stage.sim.people.delete_comment(stage.pull.comments[number], stage.ada)
    assert await stage.forge.shown_comment(stage.ref, stage.thread, number) is None
    with pytest.raises(ForgeNotFoundError):
        await stage.forge.update_comment(stage.ref, stage.thread, number, sticky("two"))


async def test_a_reaction_given_twice_is_there_once(stage: BothStage) -> None:
    comment = stage.sim.people.comment(stage.pull, stage.ada, "/flowforge resolve")
    await stage.forge.react(stage.ref, stage.thread, comment.id, "eyes")
    stage.sim.faults.lose_answer("POST", ".*/(reactions|award_emoji)")
    await stage.forge.react(stage.ref, stage.thread, comment.id, "eyes")
    await stage.forge.react(stage.ref, stage.thread, comment.id, "rocket")
    assert [reaction.content for reaction in comment.reactions] == ["eyes", "rocket"]


# --- what others found out ------------------------------------------------------------------------


async def test_checks_of_others_that_failed_are_told_with_what_they_say(stage: BothStage) -> None:
    sim, pull = stage.sim, stage.pull
    await stage.forge.create_check_run(
        stage.ref, replace(stage.check(JOB), status=CheckStatus.COMPLETED, conclusion=CheckConclusion.FAILURE)
    )
    assert await stage.forge.failing_checks(stage.ref, pull.head_sha) == []
    log = "\x1b[31mE\x1b[0m fee.py:1 rate is 2\n"
    if isinstance(sim, Simulator):
        sim.people.run_check(pull, "lint", "success")
        sim.people.run_check(pull, "tests", "success")
        sim.people.run_check(pull, "tests", "failure", summary="1 failed", remarks={"fee.py": "rate is 2"})
        assert [one.name for one in await stage.forge.failing_checks(stage.ref, pull.head_sha)] == ["tests"]
        sim.people.accept_permissions(stage.repository.owner, {**sim.app.permissions, "statuses": "read"})
        sim.people.set_status(pull, "ci/old", "success", "")
        sim.people.set_status(pull, "ci/old", "error", "no machine")
        sim.people.set_status(pull, "ci/new", "failure", "")
        sim.people.set_status(pull, "ci/new", "success", "")
        tests, outside = await stage.forge.failing_checks(stage.ref, pull.head_sha)
        assert (tests.name, tests.conclusion) == ("tests", "failure")
        assert tests.text == "tests\n1 failed\nfee.py:1: failure rate is 2"
        assert (outside.name, outside.conclusion, outside.text) == ("ci/old", "error", "no machine")
    else:
        assert isinstance(sim, GitLabSimulator)
        sim.people.run_pipeline(pull, {"tests": "failed", "lint": "success"}, trace="x" * 70_000 + log)
        [tests] = await stage.forge.failing_checks(stage.ref, pull.head_sha)
        assert (tests.name, tests.conclusion) == ("tests", "failed")
        assert tests.text.endswith("xE fee.py:1 rate is 2")
        assert len(tests.text) < 5_000


async def test_jobs_that_failed_in_a_fork_are_told_as_far_as_the_fork_may_be_seen(tmp_path: Path) -> None:
    async with on_gitlab(tmp_path) as stage:
        sim = stage.sim
        assert isinstance(sim, GitLabSimulator)
        fork = await sim.people.fork(stage.repository, stage.eve)
        await sim.people.commit(fork, "patch", {"fee.py": "rate = 5\n"}, author=stage.eve)
        pull = await sim.people.open_pull_request(
            stage.repository, author=stage.eve, head="patch", head_repository=fork
        )
        sim.people.run_pipeline(pull, {"tests": "failed", "lint": "success"}, trace="1 failed", source="push")
        assert await stage.forge.failing_checks(stage.ref, pull.head_sha) == [], "the fork is private"
        fork.private = False
        [tests] = await stage.forge.failing_checks(stage.ref, pull.head_sha)
        assert (tests.name, tests.conclusion, tests.text) == ("tests", "failed", "1 failed")
        await sim.people.delete_repository(fork)
        assert await stage.forge.failing_checks(stage.ref, pull.head_sha) == []


async def test_comments_on_lines_count_until_somebody_resolves_them(stage: BothStage) -> None:
    sim, pull = stage.sim, stage.pull
    if isinstance(sim, Simulator):
        open_one = sim.people.remark(pull, stage.ada, "fee.py", 1, "Why two?")
        done = sim.people.remark(pull, stage.ada, "fee.py", 1, "A space is missing.")
        sim.people.remark(pull, stage.eve, "fee.py", 1, "There?", answers=done)
        sim.people.remark(pull, stage.eve, "fee.py", None, "A line that is gone.")
        sim.people.remark(pull, stage.eve, "fee.py", 1, "Tell us.", answers=open_one)
        sim.people.resolve(done)
        expected = ["fee.py:1\nWhy two?", "fee.py:1\nTell us."]
    else:
        assert isinstance(sim, GitLabSimulator)
        sim.people.remark(pull, stage.ada, "Why two?")
        sim.people.resolve(sim.people.remark(pull, stage.ada, "A space is missing."))
        expected = ["Why two?"]
    found = await stage.forge.line_comments(stage.ref, pull.number, limit=9)
    said = [one.body for one in (*await stage.forge.comments(stage.ref, stage.thread, limit=9), *found.comments)]
    assert said == expected
    assert found.all_told
