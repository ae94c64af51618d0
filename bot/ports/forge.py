"""The port to a forge."""

from typing import Protocol

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


class Forge(Protocol):
    """The configured forges: one, seen through one App or token, or several behind one door.

    Whatever is asked about a repository goes to the forge that the repository names; the rest names it.

    Every method may raise ``ForgeUnavailableError``, ``ForgeRefusedError`` or ``ForgeNotFoundError``. What is asked
    inside of ``bot.ports.background.background()`` is no person's wish: it raises ``ForgeLimitedError`` (an unavailable
    forge, until ``retry_after``) where only what is kept for people is left of the API's budget.
    """

    @property
    def names(self) -> frozenset[ForgeName]:
        """The forges that can be asked; about any other, each method raises ``ForgeNotFoundError``."""
        ...

    def decode(self, delivery: Delivery) -> Event:
        """Decode a verified delivery without I/O. Raises ``PayloadError`` for a body that is not as documented."""
        ...

    async def bot_user(self, forge: ForgeName) -> Actor:
        """The user that our own comments and commits appear under."""
        ...

    async def mention(self, forge: ForgeName) -> str:
        """What people write behind an ``@`` to address us."""
        ...

    def commit_email(self, forge: ForgeName, actor: Actor) -> str:
        """The address by which the forge knows a commit of ``actor``, and which tells nobody a real one."""
        ...

    def pull_ref(self, repository: RepositoryRef, number: int) -> str:
        """The git ref that the forge keeps at the head of a pull request, wherever its branch is."""
        ...

    async def permission(self, repository: RepositoryRef, actor: Actor) -> PermissionLevel:
        """What ``actor`` may do in ``repository`` now; NONE when the login no longer belongs to the actor's id."""
        ...

    async def told_apart(self, repository: RepositoryRef, actor: Actor) -> Actor:
        """The same actor, as the person or the program that the forge knows it for: an event may not tell."""
        ...

    async def is_member(self, repository: RepositoryRef, team: str, actor: Actor) -> bool | None:
        """Whether ``actor`` is in a team or group, named as in ``CODEOWNERS``; None where we may not know."""
        ...

    async def pull_request(self, repository: RepositoryRef, number: int) -> PullRequest:
        """The pull request as it is now. Raises ``ForgeNotFoundError`` for an issue that is none."""
        ...

    async def open_pull_requests(self, repository: RepositoryRef) -> list[SeenPull]:
        """All open pull requests of a repository, in as few requests as the forge allows."""
        ...

    async def create_pull_request(
        self, repository: RepositoryRef, *, head_ref: str, base_ref: str, title: str, body: str, draft: bool
    ) -> int:
        """Ask that a branch of the repository is merged into another one of it; the new pull request's number.

        Never repeated by itself: look with ``find_pull_request`` before, and after a lost answer. An ordinary pull
        request comes of it where the forge has no drafts for this repository. Titles longer than forges take are cut.
        """
        ...

    async def find_pull_request(self, repository: RepositoryRef, head_ref: str) -> int | None:
        """The newest pull request, open or not, from that branch of the repository itself; branches of forks differ."""
        ...

    async def close_pull_request(self, repository: RepositoryRef, number: int) -> None:
        """Close a pull request without merging it; closing what is closed changes nothing."""
        ...

    async def issue(self, repository: RepositoryRef, number: int) -> Issue:
        """The issue as it is now. Raises ``ForgeNotFoundError`` for a pull request."""
        ...

    async def comments(self, repository: RepositoryRef, thread: Thread, *, limit: int) -> list[ThreadComment]:
        """The newest comments of an issue or a pull request, at most so many, the oldest of them first."""
        ...

    async def line_comments(self, repository: RepositoryRef, number: int, *, limit: int) -> LineComments:
        """The newest comments on lines of a pull request, each beginning with its place, the oldest of them first.

        Without those about lines that are gone and, as far as the forge tells, those that are resolved. None on a forge
        where ``comments`` has them.
        """
        ...

    async def failing_checks(self, repository: RepositoryRef, head_sha: str) -> list[FailingCheck]:
        """The checks of others that failed on a commit, as far as we may see them; some, where there are very many."""
        ...

    async def read_file(self, repository: RepositoryRef, path: str, *, ref: str) -> bytes | None:
        """The content of a small file (1 MB at most) at a branch or commit, None where there is none."""
        ...

    async def shared_config(self, repository: RepositoryRef) -> tuple[ConfigFile, ...]:
        """What the organisation or the groups around a repository say for it, the outermost first.

        The file ``SHARED_PATH`` on the default branch of their repository ``SHARED_REPOSITORY`` (``bot.config_keys``),
        where there is one that we may read; each is named by the path that people know it by.
        """
        ...

    async def pipeline_file(self, repository: RepositoryRef) -> str | None:
        """The file of the repository that says what the forge's CI runs, and may name other files that say more.

        None where all such files stand in places of their own (GitHub), or in another repository.
        """
        ...

    async def git_access(self, repository: RepositoryRef, *, write: bool) -> GitAccess:
        """A credential for git on this one repository, with the least permissions for the act."""
        ...

    async def create_check_run(self, repository: RepositoryRef, content: CheckRunContent) -> int:
        """Create a check run and return its id."""
        ...

    async def update_check_run(self, repository: RepositoryRef, remote_id: int, content: CheckRunContent) -> None:
        """Make an existing check run look like ``content``."""
        ...

    async def find_check_run(self, repository: RepositoryRef, head_sha: str, external_id: str) -> int | None:
        """The id of our check run for the job of that ``external_id`` on that commit, if there is one."""
        ...

    async def create_comment(self, repository: RepositoryRef, thread: Thread, content: CommentContent) -> int:
        """Post a comment and return its id."""
        ...

    async def update_comment(
        self, repository: RepositoryRef, thread: Thread, remote_id: int, content: CommentContent
    ) -> None:
        """Replace the body of one of our comments."""
        ...

    async def find_comment(self, repository: RepositoryRef, thread: Thread, marker: str) -> int | None:
        """The id of our own comment that holds ``marker``, if there is one; comments of others never match."""
        ...

    async def react(self, repository: RepositoryRef, thread: Thread, comment_id: int, reaction: str) -> None:
        """Put an emoji under a comment; doing it twice is doing it once."""
        ...

    async def sent_deliveries(self, forge: ForgeName, cursor: str | None) -> SentPage | None:
        """A page of the attempts to deliver events of the kinds we use, newest first; None begins with the newest.

        The answer is None where a forge keeps no such list for us.
        """
        ...

    async def send_again(self, forge: ForgeName, attempt_id: int) -> None:
        """Have the delivery of an attempt sent again, under the id that it had."""
        ...

    async def revive_hooks(self, repository: RepositoryRef) -> int:
        """Have events of a repository sent again where the forge had stopped after failures; how many hooks there were.

        0 where all is well, and on a forge that never stops.
        """
        ...

    async def shown_check_runs(self, repository: RepositoryRef, head_sha: str) -> list[ShownCheckRun]:
        """All check runs of ours on a commit, as people see them."""
        ...

    async def shown_comment(self, repository: RepositoryRef, thread: Thread, remote_id: int) -> str | None:
        """The text of a comment as people see it; None when it is gone."""
        ...
