"""GitHub's accounts as those who act."""

from typing import Final

from bot.forges.github import answers
from bot.model.forge import Actor, ActorKind

GHOST: Final = Actor(id=10137, login="ghost")
"""GitHub's stand-in for accounts that were deleted: https://github.com/ghost ."""


def actor_of(user: answers.User | None) -> Actor:
    """Whoever an account belongs to; the ghost where the account was deleted."""
    if user is None:
        return GHOST
    return Actor(id=user.id, login=user.login, kind=ActorKind.BOT if user.type == "Bot" else ActorKind.USER)
