"""Whether somebody who may write in a repository answers for the head of a pull request from a fork."""

from dataclasses import dataclass

from bot.commands import CommandName
from bot.config import level
from bot.config_keys import RepositoryConfig
from bot.model.forge import PermissionLevel, PullRequest
from bot.ports.forge import Forge
from bot.ports.forks import Forks


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHead:
    """Asked when a job is asked for, and again about the commit that was fetched for it."""

    forks: Forks
    forge: Forge

    async def __call__(self, pull_request: PullRequest, head_sha: str, config: RepositoryConfig) -> bool:
        """Whether jobs may run on that commit as the head of that pull request.

        An ``ok`` stands for as long as whoever gave it may give one.
        An author who may write here could as well push to a branch of the repository; that holds for a fork of their
        own alone, since nobody knows who may push to others'.
        """
        if not pull_request.from_fork or config.fork_pull_requests == "allow":
            return True
        if config.fork_pull_requests == "off":
            return False
        repository = pull_request.repository
        giver = await self.forks.ok_by(repository, pull_request.number, head_sha)
        if giver is not None and await self.forge.permission(repository, giver) >= level(config, CommandName.OK):
            return True
        owner = (pull_request.head_full_name or "").rpartition("/")[0]
        if owner.casefold() != pull_request.author.login.casefold():
            return False
        return await self.forge.permission(repository, pull_request.author) >= PermissionLevel.WRITE
