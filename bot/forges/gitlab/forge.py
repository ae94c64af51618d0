"""GitLab behind the ``Forge`` port."""

import asyncio
import base64
from typing import Final
from urllib.parse import quote, urlsplit

from bot.errors import ForgeRefusedError
from bot.forges.gitlab import answers, checks, files, hooks, issues, notes, people, pulls
from bot.forges.gitlab.client import GitLabClient, Sleep
from bot.forges.gitlab.deliveries import DeliveryDecoder
from bot.forges.gitlab.merging import MergeMethods
from bot.forges.gitlab.statuses import Statuses
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
from bot.model.reports import CheckRunContent, CommentContent
from bot.model.shown import SentPage, ShownCheckRun
from bot.model.watch import SeenPull
from bot.model.work import FailingCheck, Issue, LineComments, ThreadComment
from bot.ports.system import Clock

_NOT_IMPLEMENTED: Final = 501


class GitLabForge:
    """GitLab, seen through one token. Implements ``bot.ports.forge.Forge``.

    Merge requests are its pull requests, commit statuses its check runs, notes its comments.
    """

    def __init__(
        self,
        client: GitLabClient,
        *,
        clock: Clock,
        name: ForgeName = ForgeKind.GITLAB,
        webhook_url: str | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Speak for the user of the client's token.

        Args:
            client: the way to the API.
            clock: the time of day, for memberships that end.
            name: the configured forge that this is.
            webhook_url: where our hooks send their events; without it, no hook is known to be ours.
            sleep: how to wait.
        """
        self._client = client
        self._clock = clock
        self._name = name
        self._webhook_url = webhook_url
        self._host = urlsplit(client.base_url).hostname or "gitlab.com"
        self._decoder = DeliveryDecoder()
        self._methods = MergeMethods(client, clock=clock)
        self._statuses = Statuses(client, sleep=sleep)
        self._own: Actor | None = None
        self._own_lookup = asyncio.Lock()

    @property
    def names(self) -> frozenset[ForgeName]:
        """The one forge that this is."""
        return frozenset({self._name})

    def decode(self, delivery: Delivery) -> Event:
        """See ``bot.forges.gitlab.deliveries``."""
        return self._decoder.decode(delivery)

    async def bot_user(self, forge: ForgeName) -> Actor:
        """The token's user, asked for once: https://docs.gitlab.com/api/users/#retrieve-the-current-user .

        It is a program, also where the token is that of a user who looks like a person.
        """
        del forge
        async with self._own_lookup:
            if self._own is None:
                user = await self._client.get("/user", answers.User)
                self._own = Actor(id=user.id, login=user.username, kind=ActorKind.BOT)
            return self._own

    async def mention(self, forge: ForgeName) -> str:
        """The name of the token's user."""
        return (await self.bot_user(forge)).login

    def commit_email(self, forge: ForgeName, actor: Actor) -> str:
        """https://docs.gitlab.com/user/profile/#use-an-automatically-generated-private-commit-email .

        An instance may be set to another host than ``users.noreply.`` and its own; then the commits name nobody there.
        """
        del forge
        return f"{actor.id}-{actor.login}@users.noreply.{self._host}"

    def pull_ref(self, repository: RepositoryRef, number: int) -> str:
        """https://docs.gitlab.com/user/project/merge_requests/merge_request_troubleshooting/#check-out-merge-requests-locally-through-the-head-ref ."""  # noqa: E501 - an address
        del repository
        return f"refs/merge-requests/{number}/head"

    async def permission(self, repository: RepositoryRef, actor: Actor) -> PermissionLevel:
        """See ``bot.forges.gitlab.people``."""
        return await people.permission(self._client, repository, actor, clock=self._clock)

    async def told_apart(self, repository: RepositoryRef, actor: Actor) -> Actor:  # noqa: ARG002 - users are the instance's
        """See ``bot.forges.gitlab.people``."""
        return await people.told_apart(self._client, actor)

    async def is_member(self, repository: RepositoryRef, team: str, actor: Actor) -> bool | None:  # noqa: ARG002 - groups stand for themselves
        """See ``bot.forges.gitlab.people``."""
        return await people.is_member(self._client, team, actor, clock=self._clock)

    async def pull_request(self, repository: RepositoryRef, number: int) -> PullRequest:
        """See ``bot.forges.gitlab.pulls``."""
        return await pulls.read(self._client, self._methods, repository, number)

    async def issue(self, repository: RepositoryRef, number: int) -> Issue:
        """See ``bot.forges.gitlab.issues``."""
        return await issues.issue(self._client, repository, number)

    async def comments(self, repository: RepositoryRef, thread: Thread, *, limit: int) -> list[ThreadComment]:
        """See ``bot.forges.gitlab.issues``."""
        return await issues.comments(self._client, repository, thread, limit=limit)

    async def line_comments(self, repository: RepositoryRef, number: int, *, limit: int) -> LineComments:
        """None: they are notes of the merge request like any other."""
        del repository, number, limit
        return LineComments()

    async def failing_checks(self, repository: RepositoryRef, head_sha: str) -> list[FailingCheck]:
        """See ``bot.forges.gitlab.checks``."""
        return await checks.failing(self._client, repository, head_sha, own_id=await self._own_id(repository))

    async def open_pull_requests(self, repository: RepositoryRef) -> list[SeenPull]:
        """See ``bot.forges.gitlab.pulls``."""
        return await pulls.open_ones(self._client, repository)

    async def create_pull_request(
        self, repository: RepositoryRef, *, head_ref: str, base_ref: str, title: str, body: str, draft: bool
    ) -> int:
        """See ``bot.forges.gitlab.pulls``."""
        return await pulls.create(
            self._client, repository, head_ref=head_ref, base_ref=base_ref, title=title, body=body, draft=draft
        )

    async def find_pull_request(self, repository: RepositoryRef, head_ref: str) -> int | None:
        """See ``bot.forges.gitlab.pulls``."""
        return await pulls.find(self._client, repository, head_ref)

    async def close_pull_request(self, repository: RepositoryRef, number: int) -> None:
        """See ``bot.forges.gitlab.pulls``."""
        await pulls.close(self._client, repository, number)

    async def read_file(self, repository: RepositoryRef, path: str, *, ref: str) -> bytes | None:
        """See ``bot.forges.gitlab.files``."""
        return await files.read(self._client, repository, path, ref=ref)

    async def git_access(self, repository: RepositoryRef, *, write: bool) -> GitAccess:  # noqa: ARG002 - the port's word
        """The token, as git's HTTP transport takes it. GitLab has no smaller ones to give for reading alone.

        https://docs.gitlab.com/user/project/settings/project_access_tokens/
        """
        token = await self._client.token()
        credential = base64.b64encode(f"oauth2:{token}".encode()).decode("ascii")
        url = f"{self._client.base_url}/{quote(repository.full_name, safe='/')}.git"
        return GitAccess(url=url, authorization=f"Basic {credential}")

    async def create_check_run(self, repository: RepositoryRef, content: CheckRunContent) -> int:
        """See ``bot.forges.gitlab.statuses``."""
        return await self._statuses.put(repository, content, own_id=await self._own_id(repository))

    async def update_check_run(
        self,
        repository: RepositoryRef,
        remote_id: int,  # noqa: ARG002 - a status is found by its commit and its job, which are in the content
        content: CheckRunContent,
    ) -> None:
        """See ``bot.forges.gitlab.statuses``."""
        await self._statuses.put(repository, content, own_id=await self._own_id(repository))

    async def find_check_run(self, repository: RepositoryRef, head_sha: str, external_id: str) -> int | None:
        """See ``bot.forges.gitlab.statuses``."""
        return await self._statuses.find(repository, head_sha, external_id, own_id=await self._own_id(repository))

    async def create_comment(self, repository: RepositoryRef, thread: Thread, content: CommentContent) -> int:
        """See ``bot.forges.gitlab.notes``."""
        return await notes.create(self._client, repository, thread, content.body)

    async def update_comment(
        self, repository: RepositoryRef, thread: Thread, remote_id: int, content: CommentContent
    ) -> None:
        """See ``bot.forges.gitlab.notes``."""
        await notes.update(self._client, repository, thread, remote_id, content.body)

    async def find_comment(self, repository: RepositoryRef, thread: Thread, marker: str) -> int | None:
        """See ``bot.forges.gitlab.notes``."""
        return await notes.find(self._client, repository, thread, marker, own_id=await self._own_id(repository))

    async def react(self, repository: RepositoryRef, thread: Thread, comment_id: int, reaction: str) -> None:
        """See ``bot.forges.gitlab.notes``."""
        await notes.react(self._client, repository, thread, comment_id, reaction)

    async def sent_deliveries(self, forge: ForgeName, cursor: str | None) -> SentPage | None:
        """None: GitLab tells of attempts by hook, and each project has its own. What got lost, the reconcile finds."""
        del forge, cursor
        return None

    async def send_again(self, forge: ForgeName, attempt_id: int) -> None:
        """Never asked for, as no attempt is told of."""
        del forge
        raise ForgeRefusedError(f"GitLab knows no attempt {attempt_id}", status=_NOT_IMPLEMENTED)

    async def revive_hooks(self, repository: RepositoryRef) -> int:
        """See ``bot.forges.gitlab.hooks``."""
        return await hooks.revive(self._client, repository, address=self._webhook_url)

    async def pipeline_file(self, repository: RepositoryRef) -> str | None:
        """See ``bot.forges.gitlab.files``."""
        return await files.pipeline_file(self._client, repository)

    async def shared_config(self, repository: RepositoryRef) -> tuple[ConfigFile, ...]:
        """See ``bot.forges.gitlab.files``."""
        return await files.group_config(self._client, repository.owner)

    async def shown_check_runs(self, repository: RepositoryRef, head_sha: str) -> list[ShownCheckRun]:
        """See ``bot.forges.gitlab.statuses``."""
        return await self._statuses.shown(repository, head_sha, own_id=await self._own_id(repository))

    async def shown_comment(self, repository: RepositoryRef, thread: Thread, remote_id: int) -> str | None:
        """See ``bot.forges.gitlab.notes``."""
        return await notes.shown(self._client, repository, thread, remote_id)

    async def _own_id(self, repository: RepositoryRef) -> int:
        return (await self.bot_user(repository.forge)).id
