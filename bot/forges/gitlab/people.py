"""Who people are in a project now."""

from dataclasses import replace
from typing import Final

from bot.errors import ForgeNotFoundError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient, encoded
from bot.forges.gitlab.deliveries import actor_kind
from bot.model.forge import Actor, ActorKind, PermissionLevel, RepositoryRef
from bot.ports.system import Clock

_LEVELS: Final = (
    (50, PermissionLevel.ADMIN),
    (40, PermissionLevel.MAINTAIN),
    (30, PermissionLevel.WRITE),
    (20, PermissionLevel.TRIAGE),
    (10, PermissionLevel.READ),
)
"""Owner, maintainer, developer, reporter, guest. A level between two of them, such as a planner's 15, is the lower one.

https://docs.gitlab.com/api/access_requests/#valid-access-levels
"""

_DEVELOPER: Final = 30

_ACTIVE: Final = "active"

GHOST: Final = Actor(id=0, login="ghost")
"""For an author who is gone; nobody has the id 0, so nobody gets a permission by it."""


def actor_of(user: answers.User) -> Actor:
    """Whoever an account belongs to."""
    return Actor(id=user.id, login=user.username, kind=actor_kind(user.username))


async def permission(client: GitLabClient, repository: RepositoryRef, actor: Actor, *, clock: Clock) -> PermissionLevel:
    """What somebody may do in the project: as a member, also of its groups, else as anybody in a public project.

    Whoever is blocked, whose membership has ended, or who is called otherwise by now, may do nothing.
    https://docs.gitlab.com/api/project_members/#retrieve-a-direct-or-inherited-project-member
    """
    try:
        member = await client.get(f"/projects/{repository.id}/members/all/{actor.id}", answers.Member)
    except ForgeNotFoundError:
        return await _as_a_stranger(client, repository, actor)
    if not _is_valid(member, actor, clock=clock):
        return PermissionLevel.NONE
    return next((level for least, level in _LEVELS if member.access_level >= least), PermissionLevel.NONE)


async def told_apart(client: GitLabClient, actor: Actor) -> Actor:
    """The actor as a program, where GitLab says so: service accounts may be called like people.

    So is whom nobody can be asked about. https://docs.gitlab.com/api/users/#retrieve-a-user
    """
    if actor.kind is ActorKind.BOT:
        return actor
    try:
        bot = (await client.get(f"/users/{actor.id}", answers.User)).bot
    except ForgeNotFoundError:
        bot = True
    return replace(actor, kind=ActorKind.BOT) if bot else actor


async def is_member(client: GitLabClient, group: str, actor: Actor, *, clock: Clock) -> bool | None:
    """Whether somebody approves as a group; None for a group that we may not see.

    That takes direct membership, as a developer or more: who is in a group around it only does not count.
    https://docs.gitlab.com/user/project/codeowners/reference/#group-eligibility
    https://docs.gitlab.com/api/group_members/#retrieve-a-group-member
    """
    try:
        await client.get(f"/groups/{encoded(group)}", object, with_projects=False)
    except ForgeNotFoundError:
        return None
    try:
        member = await client.get(f"/groups/{encoded(group)}/members/{actor.id}", answers.Member)
    except ForgeNotFoundError:
        return False
    return member.access_level >= _DEVELOPER and _is_valid(member, actor, clock=clock)


async def _as_a_stranger(client: GitLabClient, repository: RepositoryRef, actor: Actor) -> PermissionLevel:
    try:
        project = await client.get(f"/projects/{repository.id}", answers.Project)
        if project.visibility != "public":
            return PermissionLevel.NONE
        user = await client.get(f"/users/{actor.id}", answers.User)
    except ForgeNotFoundError:
        return PermissionLevel.NONE
    return PermissionLevel.READ if _is(user, actor) else PermissionLevel.NONE


def _is_valid(member: answers.Member, actor: Actor, *, clock: Clock) -> bool:
    """Whether the membership is of who acted, and is not over."""
    over = member.expires_at is not None and member.expires_at <= clock.now().date()
    return not over and _is(answers.User(id=member.id, username=member.username, state=member.state), actor)


def _is(user: answers.User, actor: Actor) -> bool:
    """Whether the user is who acted, under the name that was seen, and may act at all. Names know no case."""
    return user.id == actor.id and user.state == _ACTIVE and user.username.casefold() == actor.login.casefold()
