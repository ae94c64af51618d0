"""GitHub behind the ``Forge`` port."""

import asyncio
import base64
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urlsplit

from bot.config_keys import SHARED_PATH, SHARED_REPOSITORY
from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.forges.github import answers, checks, files, issues, pulls, redelivery, reviews, shown
from bot.forges.github.accounts import actor_of
from bot.forges.github.app_auth import UNKNOWN_ID, Act
from bot.forges.github.client import GitHubClient
from bot.forges.github.deliveries import DeliveryDecoder
from bot.forges.github.merging import merging_of
from bot.forges.github.teams import is_member
from bot.forges.github.transport import check_base_url
from bot.model.deliveries import Delivery
from bot.model.events import Event
from bot.model.forge import (
    Actor,
    ActorKind,
    ConfigFile,
    ForgeKind,
    ForgeName,
    GitAccess,
    PermissionLevel,
    PullRequest,
    RepositoryRef,
    Thread,
)
from bot.model.reports import Annotation, CheckRunContent, CheckStatus, CommentContent
from bot.model.shown import SentPage, ShownCheckRun
from bot.model.watch import SeenPull
from bot.model.work import FailingCheck, Issue, LineComments, ThreadComment

CHECK_RUN_NAME: Final = "FlowForge"

# The level of each built-in role, and the old "permission" that GitHub reports along with it.
_ROLES: Final = {
    "admin": (PermissionLevel.ADMIN, "admin"),
    "maintain": (PermissionLevel.MAINTAIN, "write"),
    "write": (PermissionLevel.WRITE, "write"),
    "triage": (PermissionLevel.TRIAGE, "read"),
    "read": (PermissionLevel.READ, "read"),
}


class GitHubForge:
    """GitHub, seen through one App. Implements ``bot.ports.forge.Forge``."""

    def __init__(
        self,
        client: GitHubClient,
        *,
        app_id: int,
        app_slug: str,
        git_base_url: str,
        name: ForgeName = ForgeKind.GITHUB,
        bot_user_id: int | None = None,
    ) -> None:
        """Speak for the App ``app_slug``.

        Args:
            client: the way to the API.
            app_id: the App's numeric id.
            app_slug: its name in URLs; its user is ``<slug>[bot]``.
            git_base_url: what ``/owner/name.git`` is appended to.
            name: the configured forge that this is.
            bot_user_id: the id of that user where it is known.

        Raises:
            SettingsError: the git base URL will not do.
        """
        self._client = client
        self._name = name
        self._decoder = DeliveryDecoder(app_id=app_id, name=name)
        self._app_id = app_id
        self._app_slug = app_slug
        self._git_base_url = check_base_url(git_base_url)
        self._host = urlsplit(self._git_base_url).hostname or "github.com"
        self._bot_user_id = bot_user_id
        self._bot_lookup = asyncio.Lock()

    @property
    def names(self) -> frozenset[ForgeName]:
        """The one forge that this is."""
        return frozenset({self._name})

    def decode(self, delivery: Delivery) -> Event:
        """See ``bot.forges.github.deliveries``."""
        return self._decoder.decode(delivery)

    async def bot_user(self, forge: ForgeName) -> Actor:
        """``<slug>[bot]``; its id is asked for once, and without a credential where that will do: it is public.

        https://docs.github.com/en/rest/users/users#get-a-user
        """
        del forge
        login = f"{self._app_slug}[bot]"
        async with self._bot_lookup:
            if self._bot_user_id is None:
                self._bot_user_id = (await self._user(login)).id
            return Actor(id=self._bot_user_id, login=login, kind=ActorKind.BOT)

    async def _user(self, login: str) -> answers.User:
        url = "/users/{login}"
        try:
            return await self._client.public(url, answers.User, login=login)
        except ForgeRefusedError:  # an Enterprise Server in private mode
            return await self._client.shown_to_any(url, answers.User, login=login)

    async def mention(self, forge: ForgeName) -> str:
        """The App's slug: people may leave out ``[bot]``."""
        del forge
        return self._app_slug

    def commit_email(self, forge: ForgeName, actor: Actor) -> str:
        """https://docs.github.com/en/account-and-profile/reference/email-addresses-reference .

        An Enterprise Server has its own host in the address.
        """
        del forge
        return f"{actor.id}+{actor.login}@users.noreply.{self._host}"

    def pull_ref(self, repository: RepositoryRef, number: int) -> str:
        """https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/reviewing-changes-in-pull-requests/checking-out-pull-requests-locally#modifying-an-inactive-pull-request-locally ."""  # noqa: E501 - an address
        del repository
        return f"refs/pull/{number}/head"

    async def told_apart(self, repository: RepositoryRef, actor: Actor) -> Actor:  # noqa: ARG002 - the port's
        """Each event says of its sender what it is: https://docs.github.com/en/rest/users/users#get-a-user ."""
        return actor

    async def permission(self, repository: RepositoryRef, actor: Actor) -> PermissionLevel:
        """The live role of a person; custom roles count as the built-in one they extend.

        https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user
        """
        url = "/collaborators/{login}/permission"
        try:
            answer = await self._client.get(repository, Act.READ, url, answers.Permission, login=actor.login)
        except ForgeNotFoundError:
            return PermissionLevel.NONE
        # Logins change hands: only the id says that this is who acted.
        if answer.user is None or answer.user.id != actor.id:
            return PermissionLevel.NONE
        # A custom role may have any name. One named like a built-in role counts as that only where the old permission
        # agrees; else the old permission alone decides.
        for name in (answer.role_name, answer.permission):
            level, reported_as = _ROLES.get(name, (PermissionLevel.NONE, None))
            if reported_as == answer.permission:
                return level
        return PermissionLevel.NONE

    async def is_member(self, repository: RepositoryRef, team: str, actor: Actor) -> bool | None:
        """See ``bot.forges.github.teams``."""
        return await is_member(self._client, repository, team, actor)

    async def pull_request(self, repository: RepositoryRef, number: int) -> PullRequest:
        """https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request ."""
        answer = await self._client.get(repository, Act.READ, "/pulls/{number}", answers.PullRequest, number=number)
        if answer.base.repo.id != repository.id:
            raise ForgeNotFoundError(f"{repository.full_name} is another repository now")
        return _pull_request(repository, answer)

    async def open_pull_requests(self, repository: RepositoryRef) -> list[SeenPull]:
        """https://docs.github.com/en/rest/pulls/pulls#list-pull-requests , a hundred at a time.

        A pull request that closes meanwhile moves the rest a place up, so the oldest come first, which stay longest.
        """
        url = "/pulls?state=open&sort=created&direction=asc{&per_page,page}"
        found: dict[int, SeenPull] = {}
        async for page in self._client.pages(repository, Act.READ, url, list[answers.ListedPull]):
            found |= {one.number: _seen(one) for one in page}
        return list(found.values())

    async def create_pull_request(
        self, repository: RepositoryRef, *, head_ref: str, base_ref: str, title: str, body: str, draft: bool
    ) -> int:
        """See ``bot.forges.github.pulls``."""
        return await pulls.create(
            self._client, repository, head_ref=head_ref, base_ref=base_ref, title=title, body=body, draft=draft
        )

    async def find_pull_request(self, repository: RepositoryRef, head_ref: str) -> int | None:
        """See ``bot.forges.github.pulls``."""
        return await pulls.find(self._client, repository, head_ref)

    async def close_pull_request(self, repository: RepositoryRef, number: int) -> None:
        """See ``bot.forges.github.pulls``."""
        await pulls.close(self._client, repository, number)

    async def issue(self, repository: RepositoryRef, number: int) -> Issue:
        """See ``bot.forges.github.issues``."""
        return await issues.issue(self._client, repository, number)

    async def line_comments(self, repository: RepositoryRef, number: int, *, limit: int) -> LineComments:
        """See ``bot.forges.github.reviews``."""
        return await reviews.line_comments(self._client, repository, number, limit=limit)

    async def failing_checks(self, repository: RepositoryRef, head_sha: str) -> list[FailingCheck]:
        """See ``bot.forges.github.checks``."""
        return await checks.failing(self._client, repository, head_sha, app_id=self._app_id)

    async def comments(self, repository: RepositoryRef, thread: Thread, *, limit: int) -> list[ThreadComment]:
        """See ``bot.forges.github.issues``."""
        return await issues.comments(self._client, repository, thread.number, limit=limit)

    async def read_file(self, repository: RepositoryRef, path: str, *, ref: str) -> bytes | None:
        """See ``bot.forges.github.files``."""
        return await files.read(self._client, repository, path, ref=ref)

    async def shared_config(self, repository: RepositoryRef) -> tuple[ConfigFile, ...]:
        """The file of the account that the repository belongs to, with a token for that account's own repository.

        The installation has to include it. A public one that it does not include is not read either: what holds must
        not depend on who may see it.
        """
        shared = replace(repository, id=UNKNOWN_ID, name=SHARED_REPOSITORY)
        data = await self.read_file(shared, SHARED_PATH, ref="HEAD")
        return () if data is None else (ConfigFile(path=f"{shared.full_name}/{SHARED_PATH}", data=data),)

    async def pipeline_file(self, repository: RepositoryRef) -> str | None:
        """None: workflows are where ``.github/workflows`` is, and so is what they reuse of the repository.

        https://docs.github.com/en/actions/how-tos/reuse-automations/reuse-workflows#calling-a-reusable-workflow
        """
        del repository
        return None

    async def git_access(self, repository: RepositoryRef, *, write: bool) -> GitAccess:
        """A token for fetching or for pushing, as git's HTTP transport takes it.

        https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app-installation#about-authentication-as-a-github-app-installation
        """
        token = await self._client.token(repository, Act.PUSH if write else Act.FETCH)
        credential = base64.b64encode(f"x-access-token:{token}".encode()).decode("ascii")
        owner, name = quote(repository.owner, safe=""), quote(repository.name, safe="")
        return GitAccess(url=f"{self._git_base_url}/{owner}/{name}.git", authorization=f"Basic {credential}")

    async def create_check_run(self, repository: RepositoryRef, content: CheckRunContent) -> int:
        """https://docs.github.com/en/rest/checks/runs#create-a-check-run .

        Never repeated by itself: look with ``find_check_run`` after a lost answer.
        """
        body = {
            "name": CHECK_RUN_NAME,
            "head_sha": content.head_sha,
            "external_id": content.external_id,
            **_check_run_state(content, with_annotations=True),
        }
        created = await self._client.send(
            repository, Act.REPORT, "POST", "/check-runs", answers.Created, data=body, idempotent=False
        )
        return created.id

    async def update_check_run(self, repository: RepositoryRef, remote_id: int, content: CheckRunContent) -> None:
        """https://docs.github.com/en/rest/checks/runs#update-a-check-run .

        GitHub appends the annotations of an update to those it has. So they go out with the completed state only, and
        only if the check run has none yet; such an update is not repeated by itself.
        """
        annotate = bool(content.annotations) and content.status is CheckStatus.COMPLETED
        if annotate:
            url = "/check-runs/{check_run_id}"
            there = await self._client.get(repository, Act.REPORT, url, answers.CheckRun, check_run_id=remote_id)
            annotate = there.output.annotations_count == 0
        await self._client.send(
            repository,
            Act.REPORT,
            "PATCH",
            "/check-runs/{check_run_id}",
            answers.Ignored,
            data={"external_id": content.external_id, **_check_run_state(content, with_annotations=annotate)},
            idempotent=not annotate,
            check_run_id=remote_id,
        )

    async def find_check_run(self, repository: RepositoryRef, head_sha: str, external_id: str) -> int | None:
        """https://docs.github.com/en/rest/checks/runs#list-check-runs-for-a-git-reference .

        What stands before the colon of an ``external_id`` (the job) decides: the rest grows while the job goes on.
        """
        job = external_id.partition(":")[0]
        pages = self._client.pages(
            repository,
            Act.REPORT,
            "/commits/{ref}/check-runs?filter=all{&app_id,per_page,page}",
            answers.CheckRuns,
            ref=head_sha,
            app_id=self._app_id,
        )
        async for page in pages:
            for run in page.check_runs:
                same = (run.external_id or "").partition(":")[0] == job
                if same and run.app is not None and run.app.id == self._app_id:
                    return run.id
        return None

    async def create_comment(self, repository: RepositoryRef, thread: Thread, content: CommentContent) -> int:
        """https://docs.github.com/en/rest/issues/comments#create-an-issue-comment .

        Never repeated by itself: look with ``find_comment`` after a lost answer.
        """
        created = await self._client.send(
            repository,
            Act.REPORT,
            "POST",
            "/issues/{number}/comments",
            answers.Created,
            data={"body": content.body},
            idempotent=False,
            number=thread.number,
        )
        return created.id

    async def update_comment(
        self, repository: RepositoryRef, thread: Thread, remote_id: int, content: CommentContent
    ) -> None:
        """https://docs.github.com/en/rest/issues/comments#update-an-issue-comment ."""
        del thread  # the ids of comments are unique in a repository
        await self._client.send(
            repository,
            Act.REPORT,
            "PATCH",
            "/issues/comments/{comment_id}",
            answers.Ignored,
            data={"body": content.body},
            idempotent=True,
            comment_id=remote_id,
        )

    async def find_comment(self, repository: RepositoryRef, thread: Thread, marker: str) -> int | None:
        """The oldest comment of our own that has ``marker`` as a line of its own.

        Our own is what our bot user wrote; a comment that says it was written through another App is not. Whoever
        copies the marker into a comment gains nothing.

        https://docs.github.com/en/rest/issues/comments#list-issue-comments
        """
        bot = (await self.bot_user(repository.forge)).id
        url = "/issues/{number}/comments{?per_page,page}"
        pages = self._client.pages(repository, Act.REPORT, url, list[answers.Comment], number=thread.number)
        async for page in pages:
            for comment in page:
                app = comment.performed_via_github_app
                ours = comment.user is not None and comment.user.id == bot and (app is None or app.id == self._app_id)
                if ours and marker in (comment.body or "").splitlines():
                    return comment.id
        return None

    async def react(self, repository: RepositoryRef, thread: Thread, comment_id: int, reaction: str) -> None:
        """https://docs.github.com/en/rest/reactions/reactions#create-reaction-for-an-issue-comment .

        GitHub answers 200 in place of 201 when the reaction is there already.
        """
        del thread
        await self._client.send(
            repository,
            Act.REPORT,
            "POST",
            "/issues/comments/{comment_id}/reactions",
            answers.Ignored,
            data={"content": reaction},
            idempotent=True,
            comment_id=comment_id,
        )

    async def sent_deliveries(self, forge: ForgeName, cursor: str | None) -> SentPage:
        """See ``bot.forges.github.redelivery``."""
        del forge
        return await redelivery.page(self._client, cursor)

    async def send_again(self, forge: ForgeName, attempt_id: int) -> None:
        """See ``bot.forges.github.redelivery``."""
        del forge
        await redelivery.send_again(self._client, attempt_id)

    async def revive_hooks(self, repository: RepositoryRef) -> int:
        """None: GitHub goes on sending, whatever is answered.

        https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
        """
        del repository
        return 0

    async def shown_check_runs(self, repository: RepositoryRef, head_sha: str) -> list[ShownCheckRun]:
        """See ``bot.forges.github.shown``."""
        return await shown.check_runs(self._client, repository, head_sha, app_id=self._app_id)

    async def shown_comment(self, repository: RepositoryRef, thread: Thread, remote_id: int) -> str | None:
        """See ``bot.forges.github.shown``."""
        del thread
        return await shown.comment(self._client, repository, remote_id)


def _pull_request(repository: RepositoryRef, answer: answers.PullRequest) -> PullRequest:
    head_repository = answer.head.repo
    return PullRequest(
        repository=repository,
        number=answer.number,
        title=answer.title,
        body=answer.body or "",
        open=answer.state == "open",
        merged=answer.merged,
        draft=answer.draft,
        author=actor_of(answer.user),
        head_ref=answer.head.ref,
        head_sha=answer.head.sha,
        head_repository_id=None if head_repository is None else head_repository.id,
        head_full_name=None if head_repository is None else head_repository.full_name,
        base_ref=answer.base.ref,
        base_sha=answer.base.sha,
        maintainer_can_modify=answer.maintainer_can_modify,
        html_url=answer.html_url,
        merging=merging_of(answer),
    )


def _seen(answer: answers.ListedPull) -> SeenPull:
    return SeenPull(
        number=answer.number,
        open=answer.state == "open",
        base_ref=answer.base.ref,
        base_sha=answer.base.sha,
        head_sha=answer.head.sha,
        updated_at=answer.updated_at,
    )


def _check_run_state(content: CheckRunContent, *, with_annotations: bool) -> dict[str, Any]:
    """What may be sent both when creating and when updating; all of it, so that nothing of an older state stays."""
    output: dict[str, Any] = {"title": content.title, "summary": content.summary, "text": content.text}
    if with_annotations and content.annotations and content.status is CheckStatus.COMPLETED:
        output["annotations"] = [_annotation(annotation) for annotation in content.annotations]
    state: dict[str, Any] = {
        "status": content.status.value,
        "output": output,
        "actions": [
            {"label": action.label, "description": action.description, "identifier": action.identifier.value}
            for action in content.actions
        ],
    }
    if content.details_url:
        state["details_url"] = content.details_url
    if content.conclusion is not None:
        state["conclusion"] = content.conclusion.value
    return state


def _annotation(annotation: Annotation) -> dict[str, Any]:
    return {
        "path": annotation.path,
        "start_line": annotation.start_line,
        "end_line": annotation.end_line,
        "annotation_level": annotation.level,
        "message": annotation.message,
        "title": annotation.title,
    }
