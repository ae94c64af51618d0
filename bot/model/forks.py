"""Pull requests from forks: who said that which head may be worked on."""

from dataclasses import dataclass

from bot.model.forge import Actor, RepositoryRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkOk:
    """Somebody with write permission looked at one head of a fork's pull request; never changed afterwards.

    ``key`` is the intent's. It counts for ``head_sha`` alone: a later push needs another one.
    """

    key: str
    repository: RepositoryRef
    number: int
    head_sha: str
    actor: Actor
    permission: str
