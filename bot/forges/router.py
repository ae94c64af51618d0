"""Several forges behind one door: whatever is asked goes to the forge that it is about."""

from collections.abc import Sequence

from bot.errors import ForgeNotFoundError
from bot.model.deliveries import Delivery
from bot.model.events import Event
from bot.model.forge import (
    Actor,
    ConfigFile,
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
from bot.ports.forge import Forge


class ForgeRouter:
    """Implements ``bot.ports.forge.Forge`` over the forges that are configured.

    A row may outlive the configuration of its forge: whatever is asked about such a one raises
    ``ForgeNotFoundError``, so that a job there ends with a sentence as it does when its repository is gone.
    """

    def __init__(self, forges: Sequence[Forge]) -> None:
        """Stand before ``forges``.

        Raises:
            ValueError: two of them go by the same name.
        """
        self._forges = {name: forge for forge in forges for name in forge.names}
        if len(self._forges) != sum(len(forge.names) for forge in forges):
            raise ValueError("two forges go by the same name")

    def _of(self, name: ForgeName) -> Forge:
        forge = self._forges.get(name)
        if forge is None:
            raise ForgeNotFoundError(
                f"the forge {name!r} is not configured here any more; an operator can add it to the settings again"
            )
        return forge

    @property
    def names(self) -> frozenset[ForgeName]:
        """All that are configured."""
        return frozenset(self._forges)

    def decode(self, delivery: Delivery) -> Event:
        """See the port; so it is with all that follows."""
        return self._of(delivery.forge).decode(delivery)

    async def bot_user(self, forge: ForgeName) -> Actor:
        """Ours on that forge."""
        return await self._of(forge).bot_user(forge)

    async def mention(self, forge: ForgeName) -> str:
        """Ours on that forge."""
        return await self._of(forge).mention(forge)

    def commit_email(self, forge: ForgeName, actor: Actor) -> str:
        """As that forge has it."""
        return self._of(forge).commit_email(forge, actor)

    def pull_ref(self, repository: RepositoryRef, number: int) -> str:
        """As the repository's forge has it."""
        return self._of(repository.forge).pull_ref(repository, number)

    async def permission(self, repository: RepositoryRef, actor: Actor) -> PermissionLevel:
        """Ask the repository's forge."""
        return await self._of(repository.forge).permission(repository, actor)

    async def told_apart(self, repository: RepositoryRef, actor: Actor) -> Actor:
        """Ask the repository's forge."""
        return await self._of(repository.forge).told_apart(repository, actor)

    async def is_member(self, repository: RepositoryRef, team: str, actor: Actor) -> bool | None:
        """Ask the repository's forge."""
        return await self._of(repository.forge).is_member(repository, team, actor)

    async def pull_request(self, repository: RepositoryRef, number: int) -> PullRequest:
        """Ask the repository's forge."""
        return await self._of(repository.forge).pull_request(repository, number)

    async def issue(self, repository: RepositoryRef, number: int) -> Issue:
        """Ask the repository's forge."""
        return await self._of(repository.forge).issue(repository, number)

    async def line_comments(self, repository: RepositoryRef, number: int, *, limit: int) -> LineComments:
        """On the repository's forge."""
        return await self._of(repository.forge).line_comments(repository, number, limit=limit)

    async def failing_checks(self, repository: RepositoryRef, head_sha: str) -> list[FailingCheck]:
        """On the repository's forge."""
        return await self._of(repository.forge).failing_checks(repository, head_sha)

    async def comments(self, repository: RepositoryRef, thread: Thread, *, limit: int) -> list[ThreadComment]:
        """Ask the repository's forge."""
        return await self._of(repository.forge).comments(repository, thread, limit=limit)

    async def open_pull_requests(self, repository: RepositoryRef) -> list[SeenPull]:
        """Ask the repository's forge."""
        return await self._of(repository.forge).open_pull_requests(repository)

    async def create_pull_request(
        self, repository: RepositoryRef, *, head_ref: str, base_ref: str, title: str, body: str, draft: bool
    ) -> int:
        """Have the repository's forge do it."""
        return await self._of(repository.forge).create_pull_request(
            repository, head_ref=head_ref, base_ref=base_ref, title=title, body=body, draft=draft
        )

    async def find_pull_request(self, repository: RepositoryRef, head_ref: str) -> int | None:
        """Ask the repository's forge."""
        return await self._of(repository.forge).find_pull_request(repository, head_ref)

    async def close_pull_request(self, repository: RepositoryRef, number: int) -> None:
        """Have the repository's forge do it."""
        await self._of(repository.forge).close_pull_request(repository, number)

    async def read_file(self, repository: RepositoryRef, path: str, *, ref: str) -> bytes | None:
        """Ask the repository's forge."""
        return await self._of(repository.forge).read_file(repository, path, ref=ref)

    async def shared_config(self, repository: RepositoryRef) -> tuple[ConfigFile, ...]:
        """Ask the repository's forge."""
        return await self._of(repository.forge).shared_config(repository)

    async def pipeline_file(self, repository: RepositoryRef) -> str | None:
        """Ask the repository's forge."""
        return await self._of(repository.forge).pipeline_file(repository)

    async def git_access(self, repository: RepositoryRef, *, write: bool) -> GitAccess:
        """Ask the repository's forge."""
        return await self._of(repository.forge).git_access(repository, write=write)

    async def create_check_run(self, repository: RepositoryRef, content: CheckRunContent) -> int:
        """Have the repository's forge do it."""
        return await self._of(repository.forge).create_check_run(repository, content)

    async def update_check_run(self, repository: RepositoryRef, remote_id: int, content: CheckRunContent) -> None:
        """Have the repository's forge do it."""
        await self._of(repository.forge).update_check_run(repository, remote_id, content)

    async def find_check_run(self, repository: RepositoryRef, head_sha: str, external_id: str) -> int | None:
        """Ask the repository's forge."""
        return await self._of(repository.forge).find_check_run(repository, head_sha, external_id)

    async def create_comment(self, repository: RepositoryRef, thread: Thread, content: CommentContent) -> int:
        """Have the repository's forge do it."""
        return await self._of(repository.forge).create_comment(repository, thread, content)

    async def update_comment(
        self, repository: RepositoryRef, thread: Thread, remote_id: int, content: CommentContent
    ) -> None:
        """Have the repository's forge do it."""
        await self._of(repository.forge).update_comment(repository, thread, remote_id, content)

    async def find_comment(self, repository: RepositoryRef, thread: Thread, marker: str) -> int | None:
        """Ask the repository's forge."""
        return await self._of(repository.forge).find_comment(repository, thread, marker)

    async def react(self, repository: RepositoryRef, thread: Thread, comment_id: int, reaction: str) -> None:
        """Have the repository's forge do it."""
        await self._of(repository.forge).react(repository, thread, comment_id, reaction)

    async def sent_deliveries(self, forge: ForgeName, cursor: str | None) -> SentPage | None:
        """Ask that forge."""
        return await self._of(forge).sent_deliveries(forge, cursor)

    async def send_again(self, forge: ForgeName, attempt_id: int) -> None:
        """Have that forge do it."""
        await self._of(forge).send_again(forge, attempt_id)

    async def revive_hooks(self, repository: RepositoryRef) -> int:
        """Have the repository's forge do it."""
        return await self._of(repository.forge).revive_hooks(repository)

    async def shown_check_runs(self, repository: RepositoryRef, head_sha: str) -> list[ShownCheckRun]:
        """Ask the repository's forge."""
        return await self._of(repository.forge).shown_check_runs(repository, head_sha)

    async def shown_comment(self, repository: RepositoryRef, thread: Thread, remote_id: int) -> str | None:
        """Ask the repository's forge."""
        return await self._of(repository.forge).shown_comment(repository, thread, remote_id)
