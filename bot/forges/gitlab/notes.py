"""Comments: GitLab calls them notes. And the emoji under them."""

from types import MappingProxyType
from typing import Final, assert_never

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.quick import as_written, without_quick_actions
from bot.model.forge import RepositoryRef, Thread, ThreadKind

EMOJI: Final = MappingProxyType(
    {"+1": "thumbsup", "-1": "thumbsdown", "laugh": "laughing", "hooray": "tada", "heart": "heart"}
)
"""GitLab's names of the reactions that it calls otherwise; ``eyes``, ``rocket`` and ``confused`` are the same.

https://docs.github.com/en/rest/reactions/reactions#about-reactions
"""

NOTES_PAGE: Final = 20
"""Notes to a page: a stranger may write many, each of a million characters, and a page is held in memory.

https://docs.gitlab.com/administration/instance_limits/#size-of-comments-and-descriptions-of-issues-merge-requests-and-epics
"""

_TAKEN: Final = "already been taken"


async def create(client: GitLabClient, repository: RepositoryRef, thread: Thread, body: str) -> int:
    """https://docs.gitlab.com/api/notes/#create-a-merge-request-note .

    Never repeated by itself: look with ``find`` after a lost answer.
    """
    data = {"body": without_quick_actions(body)}
    return (await client.send("post", notes_of(repository, thread), answers.Created, data=data, idempotent=False)).id


async def update(client: GitLabClient, repository: RepositoryRef, thread: Thread, note_id: int, body: str) -> None:
    """https://docs.gitlab.com/api/notes/#update-a-merge-request-note ."""
    data = {"body": without_quick_actions(body)}
    await client.send("put", _note(repository, thread, note_id), answers.Ignored, data=data, idempotent=True)


async def find(
    client: GitLabClient, repository: RepositoryRef, thread: Thread, marker: str, *, own_id: int
) -> int | None:
    """The oldest note of our own user that has ``marker`` as a line of its own.

    Whoever copies the marker into a comment gains nothing. https://docs.gitlab.com/api/notes/
    """
    url = notes_of(repository, thread)
    order: dict[str, str | int] = {"sort": "asc", "order_by": "created_at", "activity_filter": "only_comments"}
    pages = client.pages(url, list[answers.Note], **order, per_page=NOTES_PAGE)
    async for page in pages:
        for note in page:
            ours = not note.system and note.author is not None and note.author.id == own_id
            if ours and marker in note.body.splitlines():
                return note.id
    return None


async def shown(client: GitLabClient, repository: RepositoryRef, thread: Thread, note_id: int) -> str | None:
    """The text of a note as we wrote it; None when it is gone."""
    try:
        note = await client.get(_note(repository, thread, note_id), answers.Note)
    except ForgeNotFoundError:
        return None
    return as_written(note.body)


async def react(client: GitLabClient, repository: RepositoryRef, thread: Thread, note_id: int, reaction: str) -> None:
    """https://docs.gitlab.com/api/emoji_reactions/ .

    Who has awarded the emoji already is told so by a refusal, with one status or another.
    """
    url = f"{_note(repository, thread, note_id)}/award_emoji"
    data = {"name": EMOJI.get(reaction, reaction)}
    try:
        await client.send("post", url, answers.Ignored, data=data, idempotent=True)
    except (ForgeNotFoundError, ForgeRefusedError) as error:
        if _TAKEN not in str(error):
            raise


def notes_of(repository: RepositoryRef, thread: Thread) -> str:
    """Where the comments of a thread are."""
    match thread.kind:
        case ThreadKind.PULL:
            where = "merge_requests"
        case ThreadKind.ISSUE:
            where = "issues"
        case _:
            assert_never(thread.kind)
    return f"/projects/{repository.id}/{where}/{thread.number}/notes"


def _note(repository: RepositoryRef, thread: Thread, note_id: int) -> str:
    return f"{notes_of(repository, thread)}/{note_id}"
