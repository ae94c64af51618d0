"""Have at hand what a job's rows speak of: another worker may have fetched it, or this one, whose disk was lost."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.model.forge import RepositoryRef
from bot.ports.forge import Forge
from bot.ports.git import Git


@dataclass(frozen=True, slots=True, kw_only=True)
class BringCommits:
    """Fetch those of some commits that are not here; the mirrors are a cache."""

    forge: Forge
    git: Git

    async def __call__(self, repository: RepositoryRef, commits: Iterable[str | None]) -> None:
        """Return when all of them are here. Without anything to fetch, nobody is asked.

        Raises:
            ForgeError: there is no access.
            GitError: the forge does not have one of them.
        """
        wanted = [commit for commit in dict.fromkeys(commits) if commit]
        missing = await self.git.missing(repository, wanted)
        if missing:
            access = await self.forge.git_access(repository, write=False)
            await self.git.fetch_commits(repository, access, missing)
