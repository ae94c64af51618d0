"""The ports of the conflict watch: git in batches, and the rows about open pull requests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.model.forge import RepositoryRef
from bot.model.reports import CheckRunContent
from bot.model.watch import BaseCommit, Footprint, Pair, Push, SeenPull, WatchedPull, WatchVerdict


class WatchGit(Protocol):
    """Questions about many pull requests at once, put to the mirror of a repository. Methods may raise ``GitError``."""

    async def version(self) -> str:
        """The version of git, as verdicts are kept under it."""
        ...

    async def footprints(
        self, repository: RepositoryRef, *, base: str, heads: Sequence[str]
    ) -> Mapping[str, Footprint]:
        """By head, what it changes; left out are heads whose verdict no push leaves alone for certain."""
        ...

    async def push_between(self, repository: RepositoryRef, *, old: str, new: str) -> Push | None:
        """What was pushed; None when ``new`` does not follow from ``old``, or it is too much to look at."""
        ...

    async def judge(self, repository: RepositoryRef, pairs: Sequence[Pair], *, seconds: float) -> list[WatchVerdict]:
        """Git's verdicts, in order, on as many pairs as the time allows, and on one at least."""
        ...

    async def first_parents(
        self, repository: RepositoryRef, *, old: str, new: str, limit: int
    ) -> tuple[BaseCommit, ...]:
        """The first-parent history after ``old`` up to ``new``, oldest first; empty where it is longer than ``limit``.

        Empty also when ``old`` is not in it.
        """
        ...


class WatchRows(Protocol):
    """The rows about open pull requests, verdicts and footprints. Every method is one transaction."""

    async def seen(self, repository: RepositoryRef, pull: SeenPull) -> None:
        """Keep what an event told, unless something newer is known.

        What contradicts another thing told of the same moment makes the list of open pull requests unknown.
        """
        ...

    async def noticed(self, repository: RepositoryRef) -> None:
        """Look after this repository from now on."""
        ...

    async def listed(self, repository: RepositoryRef, pulls: Sequence[SeenPull]) -> None:
        """Keep a full list of the open pull requests as it is now; all others are closed."""
        ...

    async def forget_list(self, repository: RepositoryRef) -> None:
        """Say that which pull requests are open is not known for certain."""
        ...

    async def listed_at(self, repository: RepositoryRef) -> datetime | None:
        """When the open pull requests were listed last; None when they have to be listed now."""
        ...

    async def take_unlisted(self, before: datetime, *, limit: int) -> list[RepositoryRef]:
        """Repositories that are looked after and were neither listed nor taken since ``before``, some of them."""
        ...

    async def bases(self, repository: RepositoryRef) -> list[str]:
        """The base branches of the open pull requests."""
        ...

    async def open_pulls(self, repository: RepositoryRef, base_ref: str) -> list[WatchedPull]:
        """The open pull requests of a base branch, by number."""
        ...

    async def at_head(self, repository: RepositoryRef, head_sha: str) -> Mapping[int, str]:
        """The open pull requests whose head that was when git was asked last, with their base branches."""
        ...

    async def troubled(self, repository: RepositoryRef, base_ref: str) -> list[WatchedPull]:
        """Those of them that have an alarm, or that people were told of."""
        ...

    async def carry(
        self, repository: RepositoryRef, base_ref: str, push: Push, *, heads: Mapping[int, str]
    ) -> frozenset[int]:
        """Let the verdicts for ``push.old`` count for ``push.new`` where the push cannot have changed them.

        Only for pull requests whose rows are about these heads. Returns their numbers.
        """
        ...

    async def judged(
        self, repository: RepositoryRef, pulls: Sequence[WatchedPull], footprints: Sequence[Footprint] = ()
    ) -> None:
        """Keep what is known about pull requests now, and footprints."""
        ...

    async def tell(self, repository: RepositoryRef, pull: WatchedPull, *, owner: str, content: CheckRunContent) -> str:
        """Wish for a check run and keep the pull request as it is then, at once; the report's id."""
        ...

    async def verdicts(
        self, repository: RepositoryRef, pairs: Sequence[Pair], *, git_version: str
    ) -> Mapping[Pair, WatchVerdict]:
        """The verdicts that are kept."""
        ...

    async def keep(self, repository: RepositoryRef, verdicts: Sequence[WatchVerdict]) -> None:
        """Keep lasting verdicts; what is kept for a pair stays."""
        ...
