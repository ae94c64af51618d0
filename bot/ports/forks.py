"""The port to what people said about forks."""

from typing import Protocol

from bot.model.forge import Actor, RepositoryRef
from bot.model.forks import ForkOk


class Forks(Protocol):
    """Who answered for which head of a pull request from a fork."""

    async def ok(self, ok: ForkOk) -> None:
        """Keep an ``ok``, with an audit event, in the place of another person's for that head. Once, if told twice."""
        ...

    async def ok_by(self, repository: RepositoryRef, number: int, head_sha: str) -> Actor | None:
        """Who gave the last one for exactly this commit as the head of this pull request."""
        ...
