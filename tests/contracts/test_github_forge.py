"""``GitHubForge`` against a stateful GitHub: every method of the port, and every word of it as GitHub describes it."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.demo.simulator.git import File
from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Account, PullRequest, Repository, Role
from app.demo.simulator.webhooks import Delivery as SentDelivery
from bot.errors import ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.forges.github.client import GitHubClient
from bot.forges.github.deliveries import SignatureVerifier
from bot.forges.github.forge import GitHubForge
from bot.forges.github.transport import open_http
from bot.model.deliveries import Delivery
from bot.model.events import (
    BranchPushed,
    CheckActionRequested,
    CheckRerequested,
    CommentEdited,
    CommentPosted,
    Event,
    InstallationChanged,
    Pinged,
    PullRequestChanged,
    Unused,
)
from bot.model.forge import Actor, ForgeKind, PermissionLevel, RepositoryRef
from bot.model.reports import (
    Annotation,
    CheckAction,
    CheckActionName,
    CheckConclusion,
    CheckRunContent,
    CheckStatus,
    CommentContent,
)
from bot.ports.forge import Forge
from tests.contracts.simulator import checked_simulator

SECRET = "the secret of these contract tests"
MARKER = "<!-- flowforge:sticky -->"
CONFIG = "policy:\n  resolve: write\n"


@dataclass
class HandSetClock:
    """A clock that stands still until it is moved; the simulator and the bot read the same one."""

    time: datetime = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A repository with a pull request in conflict, the bot, and the people around it."""

    sim: Simulator
    clock: HandSetClock
    forge: GitHubForge
    repository: Repository
    ref: RepositoryRef
    pull: PullRequest
    ada: Account
    eve: Account


async def no_sleep(_seconds: float) -> None:
    """Try again at once."""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = HandSetClock()
    async with (
        checked_simulator(tmp_path / "sim", webhook_secret=SECRET, clock=clock) as sim,
        open_http(sim.base_url) as http,
    ):
        ada, eve = sim.people.user("ada"), sim.people.user("eve")
        repository = await sim.people.repository(
            "acme/pay.ments",
            files={
                "fee.py": "rate = 1\n",
                ".flowforge.yml": CONFIG,
                "docs/with space/é?#.md": "odd\n",
                "link.yml": File(content=b".flowforge.yml", mode="120000"),
                "dangling": File(content=b"nowhere", mode="120000"),
            },
            roles={ada: Role.WRITE, eve: Role.READ},
        )
        await sim.people.commit(repository, "feature", {"fee.py": "rate = 2\n"}, author=ada)
        pull = await sim.people.open_pull_request(repository, author=ada, head="feature", title="Raise", body="Why")
        installation = sim.world.installation_for(repository)
        assert installation is not None
        ref = RepositoryRef(
            forge=ForgeKind.GITHUB,
            id=repository.id,
            owner="acme",
            name="pay.ments",
            installation_id=installation.id,
        )
        client = GitHubClient(
            http,
            base_url=sim.base_url,
            app_id=sim.app.id,
            private_key_pem=sim.app.private_key_pem,
            clock=clock,
            sleep=no_sleep,
        )
        forge = GitHubForge(client, app_id=sim.app.id, app_slug=sim.app.slug, git_base_url=sim.base_url)
        yield Stage(sim=sim, clock=clock, forge=forge, repository=repository, ref=ref, pull=pull, ada=ada, eve=eve)


def actor(account: Account) -> Actor:
    return Actor(id=account.id, login=account.login)


def queued(stage: Stage, external_id: str = "job-1") -> CheckRunContent:
    return CheckRunContent(
        head_sha=stage.pull.head_sha,
        external_id=external_id,
        status=CheckStatus.QUEUED,
        conclusion=None,
        title="Waiting",
        summary="A worker will begin soon.",
        text="",
    )


def proposed(stage: Stage, external_id: str = "job-1") -> CheckRunContent:
    return CheckRunContent(
        head_sha=stage.pull.head_sha,
        external_id=external_id,
        status=CheckStatus.COMPLETED,
        conclusion=CheckConclusion.ACTION_REQUIRED,
        title="A proposal waits for you",
        summary="One conflict, resolved.",
        text="The diff",
        actions=(
            CheckAction(label="Approve", description="Push the proposal", identifier=CheckActionName.APPROVE),
            CheckAction(label="Discard", description="Throw it away", identifier=CheckActionName.DISCARD),
        ),
        annotations=(
            Annotation(path="fee.py", start_line=1, end_line=1, level="warning", message="look", title="Lost line"),
        ),
    )


def test_it_is_a_forge(stage: Stage) -> None:
    forge: Forge = stage.forge
    assert forge.kind is ForgeKind.GITHUB


# --- people ---------------------------------------------------------------------------------------


async def test_the_bots_user_is_looked_up_once_and_without_a_credential(stage: Stage) -> None:
    ids = await asyncio.gather(*(stage.forge.bot_user_id() for _ in range(5)))
    assert set(ids) == {stage.sim.world.bot.id}
    assert [exchange.who for exchange in stage.sim.record.requests("GET", "/users/")] == ["nobody"]


async def test_a_persons_role_is_read_live(stage: Stage) -> None:
    for role in Role:
        stage.sim.people.set_role(stage.repository, stage.eve, role)
        assert await stage.forge.permission(stage.ref, actor(stage.eve)) is PermissionLevel[role.name]


async def test_a_stranger_has_no_permission(stage: Stage) -> None:
    assert await stage.forge.permission(stage.ref, Actor(id=1, login="nobody-there")) is PermissionLevel.NONE


async def test_a_login_that_passed_to_somebody_else_gives_its_old_owner_nothing(stage: Stage) -> None:
    before = actor(stage.ada)
    stage.sim.people.rename_account(stage.ada, "ada-lovelace")
    newcomer = stage.sim.people.user("ada")
    stage.sim.people.set_role(stage.repository, newcomer, Role.ADMIN)
    assert await stage.forge.permission(stage.ref, before) is PermissionLevel.NONE
    assert await stage.forge.permission(stage.ref, actor(newcomer)) is PermissionLevel.ADMIN


# --- what is there --------------------------------------------------------------------------------


async def test_a_pull_request_is_read_as_it_is_now(stage: Stage) -> None:
    pull = await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert (pull.title, pull.body, pull.open, pull.merged, pull.draft) == ("Raise", "Why", True, False, False)
    assert pull.author == actor(stage.ada)
    assert (pull.head_ref, pull.head_sha) == ("feature", stage.repository.branch("feature"))
    assert (pull.base_ref, pull.base_sha) == ("main", stage.repository.branch("main"))
    assert pull.repository == stage.ref
    assert not pull.from_fork
    stage.sim.people.close(stage.pull, stage.ada)
    moved = await stage.sim.people.commit(stage.repository, "feature", {"fee.py": "rate = 4\n"}, author=stage.ada)
    again = await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert not again.open
    assert again.head_sha in {moved, pull.head_sha}


async def test_a_pull_request_from_a_fork_names_the_fork_until_it_is_gone(stage: Stage) -> None:
    fork = await stage.sim.people.fork(stage.repository, stage.eve)
    await stage.sim.people.commit(fork, "mine", {"fee.py": "rate = 9\n"}, author=stage.eve)
    opened = await stage.sim.people.open_pull_request(
        stage.repository, author=stage.eve, head="mine", head_repository=fork
    )
    pull = await stage.forge.pull_request(stage.ref, opened.number)
    assert (pull.from_fork, pull.head_repository_id, pull.head_full_name) == (True, fork.id, fork.full_name)
    assert pull.maintainer_can_modify
    await stage.sim.people.delete_repository(fork)
    pull = await stage.forge.pull_request(stage.ref, opened.number)
    assert (pull.from_fork, pull.head_repository_id, pull.head_full_name) == (True, None, None)


async def test_an_issue_is_no_pull_request(stage: Stage) -> None:
    issue = stage.sim.people.open_issue(stage.repository, author=stage.ada, title="A question")
    with pytest.raises(ForgeNotFoundError):
        await stage.forge.pull_request(stage.ref, issue.number)


async def test_a_file_is_read_at_a_branch_or_commit(stage: Stage) -> None:
    first = stage.repository.branch("main")
    assert first is not None
    await stage.sim.people.commit(stage.repository, "main", {".flowforge.yml": "new: true\n"}, author=stage.ada)
    assert await stage.forge.read_file(stage.ref, ".flowforge.yml", ref="main") == b"new: true\n"
    assert await stage.forge.read_file(stage.ref, ".flowforge.yml", ref=first) == CONFIG.encode()
    assert await stage.forge.read_file(stage.ref, "docs/with space/é?#.md", ref="main") == b"odd\n"


NO_FILES = ["absent", "docs", "link.yml", "dangling", "", "/", "../x", "docs/../fee.py", "./fee.py"]


async def test_what_is_no_regular_file_is_not_read(stage: Stage) -> None:
    for path in NO_FILES:
        assert await stage.forge.read_file(stage.ref, path, ref="main") is None, path


async def test_a_branch_that_is_not_there_has_no_files(stage: Stage) -> None:
    assert await stage.forge.read_file(stage.ref, "fee.py", ref="no/such&branch") is None


async def test_bytes_come_as_they_are_and_up_to_one_megabyte(stage: Stage) -> None:
    content = bytes(range(256)) * 4096
    files = {"full.bin": content, "over.bin": content + b"x", "empty": b""}
    await stage.sim.people.commit(stage.repository, "main", files, author=stage.ada)
    assert await stage.forge.read_file(stage.ref, "full.bin", ref="main") == content
    assert await stage.forge.read_file(stage.ref, "empty", ref="main") == b""
    with pytest.raises(ForgeRefusedError) as raised:
        await stage.forge.read_file(stage.ref, "over.bin", ref="main")
    assert raised.value.status == 413


# --- git ------------------------------------------------------------------------------------------


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


async def test_git_fetches_with_a_reading_and_pushes_with_a_writing_credential(stage: Stage, tmp_path: Path) -> None:
    read = await stage.forge.git_access(stage.ref, write=False)
    write = await stage.forge.git_access(stage.ref, write=True)
    clone = tmp_path / "clone"
    assert "@" not in read.url
    status, said = await git(tmp_path, read.authorization, "clone", "--quiet", read.url, str(clone))
    assert status == 0, said
    push = ("push", "--quiet", write.url, "HEAD:refs/heads/flowforge/1-abc")
    status, said = await git(clone, read.authorization, *push)
    assert status != 0
    status, said = await git(clone, write.authorization, *push)
    assert status == 0, said
    assert stage.repository.branch("flowforge/1-abc") == stage.repository.branch("main")


async def test_no_credential_reaches_another_repository(stage: Stage, tmp_path: Path) -> None:
    other = await stage.sim.people.repository("acme/secret", files={"a": "b\n"})
    access = await stage.forge.git_access(stage.ref, write=True)
    status, _ = await git(tmp_path, access.authorization, "ls-remote", stage.sim.clone_url(other))
    assert status != 0
    stray = RepositoryRef(
        forge=stage.ref.forge,
        id=stage.ref.id,
        owner="acme",
        name="secret",
        installation_id=stage.ref.installation_id,
    )
    with pytest.raises(ForgeNotFoundError):
        await stage.forge.pull_request(stray, 1)


# --- check runs -----------------------------------------------------------------------------------


async def test_a_check_run_goes_from_queued_to_a_proposal_to_success(stage: Stage) -> None:
    number = await stage.forge.create_check_run(stage.ref, queued(stage))
    [check] = stage.sim.check_runs(stage.repository)
    assert (check.id, check.name, check.external_id, check.status) == (number, "FlowForge", "job-1", "queued")

    await stage.forge.update_check_run(stage.ref, number, proposed(stage))
    assert (check.status, check.conclusion) == ("completed", "action_required")
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


def sticky(text: str) -> CommentContent:
    return CommentContent(marker=MARKER, body=f"{MARKER}\n{text}")


async def test_a_comment_is_posted_changed_and_found_again(stage: Stage) -> None:
    number = await stage.forge.create_comment(stage.ref, stage.pull.number, sticky("one"))
    await stage.forge.update_comment(stage.ref, number, sticky("two"))
    comment = stage.pull.comments[number]
    assert (comment.body, comment.author) == (f"{MARKER}\ntwo", stage.sim.world.bot)
    assert await stage.forge.find_comment(stage.ref, stage.pull.number, MARKER) == number


async def test_a_comment_whose_answer_was_lost_is_found_behind_many_others(stage: Stage) -> None:
    for number in range(205):
        stage.sim.people.comment(stage.pull, stage.eve, f"{MARKER}\nI am the bot, honestly ({number})")
    assert await stage.forge.find_comment(stage.ref, stage.pull.number, MARKER) is None
    stage.sim.faults.lose_answer("POST", ".*/comments")
    with pytest.raises(ForgeUnavailableError):
        await stage.forge.create_comment(stage.ref, stage.pull.number, sticky("mine"))
    found = await stage.forge.find_comment(stage.ref, stage.pull.number, MARKER)
    assert found is not None
    assert stage.pull.comments[found].author is stage.sim.world.bot
    assert len(stage.pull.comments) == 206


async def test_a_marker_amid_a_line_of_ours_is_none(stage: Stage) -> None:
    quoting = CommentContent(marker="<!-- other -->", body=f"<!-- other -->\n> they wrote {MARKER} here")
    await stage.forge.create_comment(stage.ref, stage.pull.number, quoting)
    assert await stage.forge.find_comment(stage.ref, stage.pull.number, MARKER) is None


async def test_a_comment_under_an_issue_that_is_no_pull_request(stage: Stage) -> None:
    issue = stage.sim.people.open_issue(stage.repository, author=stage.ada, title="A question")
    number = await stage.forge.create_comment(stage.ref, issue.number, sticky("only on pull requests"))
    assert await stage.forge.find_comment(stage.ref, issue.number, MARKER) == number


async def test_a_deleted_comment_is_gone(stage: Stage) -> None:
    number = await stage.forge.create_comment(stage.ref, stage.pull.number, sticky("one"))
    stage.sim.people.delete_comment(stage.pull.comments[number], stage.ada)
    with pytest.raises(ForgeNotFoundError):
        await stage.forge.update_comment(stage.ref, number, sticky("two"))


async def test_a_reaction_given_twice_is_there_once(stage: Stage) -> None:
    comment = stage.sim.people.comment(stage.pull, stage.ada, "/flowforge resolve")
    await stage.forge.react(stage.ref, comment.id, "eyes")
    stage.sim.faults.lose_answer("POST", ".*/reactions")
    await stage.forge.react(stage.ref, comment.id, "eyes")
    await stage.forge.react(stage.ref, comment.id, "rocket")
    assert [reaction.content for reaction in comment.reactions] == ["eyes", "rocket"]


# --- credentials and limits -----------------------------------------------------------------------


async def test_every_request_carries_the_permissions_of_its_act_only(stage: Stage) -> None:
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    await stage.forge.create_comment(stage.ref, stage.pull.number, sticky("one"))
    scope = f"installation {stage.ref.installation_id} repositories={stage.ref.id} permissions="
    assert [exchange.who for exchange in stage.sim.record.exchanges] == [
        "app",
        scope + "contents:read,metadata:read,pull_requests:read",
        "app",
        scope + "checks:write,issues:write,metadata:read,pull_requests:write",
    ]


async def test_a_token_that_ran_out_is_replaced(stage: Stage) -> None:
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    stage.clock.time += timedelta(hours=2)
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert len(stage.sim.record.requests("POST", "/access_tokens")) == 2


async def test_a_token_that_github_forgot_is_replaced(stage: Stage) -> None:
    first = await stage.forge.git_access(stage.ref, write=True)
    token = base64.b64decode(first.authorization.removeprefix("Basic ")).decode().partition(":")[2]
    assert token.startswith(f"ghs_{stage.sim.app.id}_")
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    stage.sim.faults.fail("GET", ".*/pulls/", status=401, message="Bad credentials")
    assert (await stage.forge.pull_request(stage.ref, stage.pull.number)).number == stage.pull.number
    assert len(stage.sim.record.requests("POST", "/access_tokens")) == 3


async def test_an_app_that_was_removed_is_refused(stage: Stage) -> None:
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    stage.sim.people.uninstall(stage.repository.owner)
    with pytest.raises(ForgeRefusedError):
        await stage.forge.permission(stage.ref, actor(stage.ada))


async def test_a_suspended_app_is_refused(stage: Stage) -> None:
    stage.sim.people.suspend(stage.repository.owner)
    with pytest.raises(ForgeRefusedError) as raised:
        await stage.forge.read_file(stage.ref, "fee.py", ref="main")
    assert raised.value.status == 403


async def test_a_secondary_limit_says_how_long_to_wait(stage: Stage) -> None:
    stage.sim.faults.secondary_limit("GET", ".*/pulls/", retry_after=77)
    with pytest.raises(ForgeUnavailableError) as raised:
        await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert raised.value.retry_after == 77
    stage.clock.time += timedelta(seconds=77)
    assert (await stage.forge.pull_request(stage.ref, stage.pull.number)).number == stage.pull.number


async def test_a_used_up_hour_is_waited_for(stage: Stage) -> None:
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    stage.sim.limits.limit = 1
    with pytest.raises(ForgeUnavailableError) as raised:
        await stage.forge.pull_request(stage.ref, stage.pull.number)
    assert 3000 < raised.value.retry_after <= 3600


# --- deliveries -----------------------------------------------------------------------------------


def decode(stage: Stage, sent: SentDelivery) -> Event:
    """What the bot reads in a delivery of the simulator, after looking at its signature."""
    assert SignatureVerifier([SECRET.encode()]).verify(sent.body, stage.sim.webhooks.sign(sent.body))
    delivery = Delivery(
        forge=ForgeKind.GITHUB,
        delivery_id=sent.guid,
        event=sent.event,
        headers={},
        body=sent.body,
        received_at=stage.clock.now(),
    )
    return stage.forge.decode(delivery)


async def test_every_delivery_of_a_pull_requests_life_is_read(stage: Stage) -> None:
    people = stage.sim.people
    stage.sim.webhooks.deliveries.clear()
    comment = people.comment(stage.pull, stage.ada, "/flowforge resolve")
    people.edit_comment(comment, stage.eve, "/flowforge status")
    people.delete_comment(comment, stage.ada)
    await people.commit(stage.repository, "feature", {"fee.py": "rate = 5\n"}, author=stage.ada)
    number = await stage.forge.create_check_run(stage.ref, queued(stage))
    await stage.forge.update_check_run(stage.ref, number, proposed(stage))
    [check] = stage.sim.check_runs(stage.repository)
    people.click(check, stage.ada, "approve")
    people.rerequest(check, stage.eve)
    people.ping()
    people.suspend(stage.repository.owner)
    people.uninstall(stage.repository.owner)
    events = [decode(stage, sent) for sent in stage.sim.webhooks.deliveries]
    kinds = [type(event) for event in events]
    assert kinds[:3] == [CommentPosted, CommentEdited, Unused]
    assert {PullRequestChanged, BranchPushed} <= set(kinds)
    assert kinds[-7:] == [Unused, Unused, CheckActionRequested, CheckRerequested, Pinged, *[InstallationChanged] * 2]

    posted, edited = events[0], events[1]
    assert isinstance(posted, CommentPosted)
    assert (posted.repository, posted.number, posted.actor) == (stage.ref, stage.pull.number, actor(stage.ada))
    assert isinstance(edited, CommentEdited)
    assert (edited.body_before, edited.actor) == ("/flowforge resolve", actor(stage.eve))
    clicked = events[-5]
    assert isinstance(clicked, CheckActionRequested)
    assert (clicked.check_run_id, clicked.external_id, clicked.action) == (number, "job-1", "approve")
