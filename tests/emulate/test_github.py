"""Our GitHub adapter and our intake against an emulator that is not ours, for the endpoints that it has."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.demo.simulator.settings import AppSpec
from app.system import SystemClock
from bot.errors import ForgeNotFoundError, ForgeRefusedError, PayloadError
from bot.forges.github.client import GitHubClient
from bot.forges.github.forge import GitHubForge
from bot.forges.github.transport import open_http
from bot.model.events import CommentPosted, Event, Unused
from bot.model.forge import Actor, ActorKind, ForgeKind, PermissionLevel, RepositoryRef, Thread
from bot.model.reports import (
    Annotation,
    CheckAction,
    CheckActionName,
    CheckConclusion,
    CheckRunContent,
    CheckStatus,
    CommentContent,
)
from tests.app.http.web import NEW, Web, running
from tests.app.store.backends import SqliteBackend
from tests.emulate.emulator import INSTALLATION, Emulator, emulating

APPROVE = CheckAction(label="Approve", description="Push it", identifier=CheckActionName.APPROVE)
LOST = Annotation(path="fee.py", start_line=1, end_line=1, level="warning", message="look", title="Lost line")
MARKER = "<!-- flowforge:sticky -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    emulator: Emulator
    app: AppSpec
    client: GitHubClient
    forge: GitHubForge
    ref: RepositoryRef
    web: Web

    async def events(self, times: int) -> list[Event | PayloadError]:
        """What so many deliveries say, as the worker decodes them."""
        await self.web.rung_times(times)
        events: list[Event | PayloadError] = []
        for _, key in self.web.rung[:times]:
            delivery = await self.web.store.deliveries.get(ForgeKind.GITHUB, key.partition(":")[2])
            assert delivery is not None
            try:
                events.append(self.forge.decode(delivery))
            except PayloadError as error:
                events.append(error)
        return events


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        web = await stack.enter_async_context(
            running(await SqliteBackend(tmp_path).fresh(), max_bytes=25 * 1024 * 1024)
        )
        app = AppSpec()
        emulator = await stack.enter_async_context(
            emulating(tmp_path, app, webhook_url=f"{web.http.base_url}/webhooks/github", secret=NEW.decode())
        )
        http = await stack.enter_async_context(open_http(emulator.url))
        client = GitHubClient(
            http,
            base_url=emulator.url,
            app_id=app.id,
            private_key_pem=app.private_key_pem,
            clock=SystemClock(),
        )
        forge = GitHubForge(client, app_id=app.id, app_slug=app.slug, git_base_url=emulator.url)
        yield Stage(emulator=emulator, app=app, client=client, forge=forge, ref=await emulator.repository(), web=web)


def check_run(head_sha: str, *, done: bool) -> CheckRunContent:
    return CheckRunContent(
        head_sha=head_sha,
        external_id="job-1:p-1" if done else "job-1",
        status=CheckStatus.COMPLETED if done else CheckStatus.QUEUED,
        conclusion=CheckConclusion.ACTION_REQUIRED if done else None,
        title="A proposal waits for you" if done else "Waiting",
        summary="One conflict, resolved.",
        text="",
        actions=(APPROVE,) if done else (),
        annotations=(LOST,) if done else (),
    )


async def test_the_app_reads_reports_and_opens_pull_requests(stage: Stage) -> None:
    emulator, forge, ref = stage.emulator, stage.forge, stage.ref
    head = await emulator.branch("feature", "rate = 2\n")
    number = await emulator.pull_request("feature")
    thread = Thread(number=number)

    # With a token for this repository and this act, for which the App showed its key.
    pull = await forge.pull_request(ref, number)
    assert (pull.head_ref, pull.head_sha, pull.base_ref) == ("feature", head, "main")
    assert (pull.open, pull.from_fork) == (True, False)
    assert [seen.number for seen in await forge.open_pull_requests(ref)] == [number]
    assert await forge.permission(ref, pull.author) is PermissionLevel.ADMIN
    assert await forge.permission(ref, Actor(id=pull.author.id + 1, login="ada")) is PermissionLevel.NONE
    assert await forge.read_file(ref, "README.md", ref="main") == b"# payments\n"
    assert await forge.read_file(ref, "README", ref="main") is None
    with pytest.raises(ForgeNotFoundError):
        await forge.pull_request(ref, 999)

    # The one comment is made, found again and replaced; it is the App's.
    comment = await forge.create_comment(ref, thread, CommentContent(marker=MARKER, body=f"{MARKER}\nat work"))
    await emulator.ada("POST", f"/repos/acme/payments/issues/{number}/comments", {"body": MARKER})
    assert await forge.find_comment(ref, thread, MARKER) == comment
    await forge.update_comment(ref, thread, comment, CommentContent(marker=MARKER, body=f"{MARKER}\ndone"))
    assert await forge.shown_comment(ref, thread, comment) == f"{MARKER}\ndone"
    bot = await forge.bot_user(ForgeKind.GITHUB)
    assert (bot.login, bot.kind) == (f"{stage.app.slug}[bot]", ActorKind.BOT)

    # The check run goes from waiting to a proposal with a button and an annotation.
    check = await forge.create_check_run(ref, check_run(head, done=False))
    await forge.update_check_run(ref, check, check_run(head, done=True))
    shown = await emulator.ada("GET", f"/repos/acme/payments/check-runs/{check}")
    assert (shown["status"], shown["conclusion"]) == ("completed", "action_required")
    assert shown["output"]["annotations_count"] == 1
    # The emulator does not say whose a check run is; then none is ours.
    assert shown["app"] is None
    assert await forge.find_check_run(ref, head, "job-1") is None

    # A pull request of our own.
    await emulator.branch("flowforge/fix", "rate = 3\n")
    assert await forge.find_pull_request(ref, "flowforge/fix") is None
    opened = await forge.create_pull_request(
        ref, head_ref="flowforge/fix", base_ref="main", title="Fix", body="It was wrong.", draft=True
    )
    assert await forge.find_pull_request(ref, "flowforge/fix") == opened
    await forge.close_pull_request(ref, opened)
    assert not (await forge.pull_request(ref, opened)).open


async def test_what_it_delivers_is_authentic_and_decodes(stage: Stage) -> None:
    emulator = stage.emulator
    head = await emulator.branch("feature", "rate = 2\n")
    number = await emulator.pull_request("feature")
    comments = "/repos/acme/payments/issues"
    posted = await emulator.ada("POST", f"{comments}/{number}/comments", {"body": "/flowforge resolve"})
    await emulator.ada("PATCH", f"{comments}/comments/{posted['id']}", {"body": "/flowforge status"})
    await stage.forge.create_check_run(stage.ref, check_run(head, done=False))
    await emulator.ada("PATCH", f"/repos/acme/payments/pulls/{number}", {"state": "closed"})

    events = await stage.events(5)
    assert {type(event) for event in events} == {CommentPosted, Unused, PayloadError}
    for event in events:
        match event:
            case CommentPosted():
                # The emulator does not say that the issue is a pull request.
                assert (event.body, event.actor.login) == ("/flowforge resolve", "ada")
                assert (event.number, event.repository) == (number, stage.ref)
                assert event.repository.installation_id == INSTALLATION
            case PayloadError():
                # The emulator leaves out what GitHub documents and really sends: that is told, and nothing guessed.
                assert "missing required field `number`" in str(event)
            case _:
                # Our own check run; and an edit that does not say what the text was before.
                assert isinstance(event, Unused)


async def test_another_key_is_not_the_apps(stage: Stage) -> None:
    number = await _pull_request(stage)
    async with open_http(stage.emulator.url) as http:
        client = GitHubClient(
            http,
            base_url=stage.emulator.url,
            app_id=stage.app.id + 1,
            private_key_pem=stage.app.private_key_pem,
            clock=SystemClock(),
        )
        forge = GitHubForge(client, app_id=stage.app.id + 1, app_slug="x", git_base_url=stage.emulator.url)
        with pytest.raises(ForgeRefusedError):
            await forge.pull_request(stage.ref, number)


async def _pull_request(stage: Stage) -> int:
    await stage.emulator.branch("feature", "rate = 2\n")
    return await stage.emulator.pull_request("feature")
