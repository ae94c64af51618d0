"""The port to what people said about forks."""

from typing import Protocol

from bot.model.forge import RepositoryRef
from bot.model.forks import ForkOk


class Forks(Protocol):
    """Who answered for which head of a pull request from a fork."""

    async def ok(self, ok: ForkOk) -> None:
        """Keep an ``ok``, append-only, with an audit event. Once, if told twice."""
        ...

    async def has_ok(self, repository: RepositoryRef, number: int, head_sha: str) -> bool:
        """Whether somebody gave one for exactly this commit as the head of this pull request."""
        ...
