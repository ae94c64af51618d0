"""Who is in a team of the organization that a repository belongs to."""

from typing import Final

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.forges.github import answers
from bot.forges.github.app_auth import Act
from bot.forges.github.client import GitHubClient
from bot.model.forge import Actor, RepositoryRef

_FORBIDDEN: Final = frozenset({403, 422})
"""The App has no right to see members: the request is refused, or already the token for it."""


async def is_member(client: GitHubClient, repository: RepositoryRef, team: str, actor: Actor) -> bool | None:
    """Whether somebody is in the team ``organization/slug``, or in one below it, by the numeric id.

    None where we may not see that: a team of another organization, a secret one, or no permission.
    https://docs.github.com/en/rest/teams/members#list-team-members
    """
    organization, _, slug = team.partition("/")
    if organization.casefold() != repository.owner.casefold() or not slug or "/" in slug:
        return None
    try:
        pages = client.owner_pages(
            repository, Act.MEMBERS, "/teams/{slug}/members{?per_page,page}", list[answers.User], slug=slug
        )
        async for page in pages:
            if any(member.id == actor.id for member in page):
                return True
    except ForgeNotFoundError:
        return None
    except ForgeRefusedError as error:
        if error.status not in _FORBIDDEN:
            raise
        return None
    return False
