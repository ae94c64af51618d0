"""Count the approvals of a proposal, and see which need no person."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from bot.config_keys import RepositoryConfig
from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.handlers.configuration import job_config
from bot.handlers.pausing import live_config
from bot.model.forge import Actor, PermissionLevel, kind_of
from bot.model.jobs import Job
from bot.model.proposals import Approval, ApprovalVia, Proposal, Tally
from bot.policy.approvals import Ownership, counted, goes_by_itself
from bot.policy.codeowners import LOCATIONS, CodeOwners, Owner, OwnerKind, all_demands
from bot.policy.pausing import hold_of_files
from bot.policy.quiet import quiet_until
from bot.ports.forge import Forge
from bot.ports.git import ChangedPaths
from bot.ports.store import Store
from bot.ports.system import Clock
from bot.report import endings

_ROLES: Final = {
    "developer": PermissionLevel.WRITE,
    "developers": PermissionLevel.WRITE,
    "maintainer": PermissionLevel.MAINTAIN,
    "maintainers": PermissionLevel.MAINTAIN,
    "owner": PermissionLevel.ADMIN,
    "owners": PermissionLevel.ADMIN,
}
"""Whoever has more is not meant: https://docs.gitlab.com/user/project/codeowners/reference/#role-eligibility ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountApprovals:
    """How far the approval of a job's proposal has come."""

    store: Store
    forge: Forge
    paths: ChangedPaths

    async def __call__(
        self, job: Job, proposal: Proposal, *, also: Approval | None = None, live: RepositoryConfig | None = None
    ) -> Tally:
        """Count what stands, and ``also`` one that is about to be kept.

        The configuration of the job counts, and ``live`` where the one that holds now is known: the stricter of both.
        """
        configs = [await job_config(job, registry=self.store.registry), *([] if live is None else [live])]
        standing = [*await self.store.proposals.approvals(proposal.id), *([] if also is None else [also])]
        paths = await self._paths(job, proposal)
        ownership = Ownership()
        if any(config.approvals.codeowners for config in configs):
            ownership = await self._ownership(job, paths, [each.actor for each in standing])
        return counted(
            standing,
            proposal,
            paths=paths,
            requesters=job.request.requesters,
            configs=configs,
            ownership=ownership,
        )

    async def _paths(self, job: Job, proposal: Proposal) -> list[str]:
        """The paths that somebody decided about: what was in conflict, or of other kinds all that changes."""
        if proposal.files:
            return [file.path for file in proposal.files]
        return await self.paths.changed_paths(job.request.repository, proposal.head_sha, proposal.commit)

    async def _ownership(self, job: Job, paths: Sequence[str], people: Sequence[Actor]) -> Ownership:
        repository = job.request.repository
        kind = kind_of(repository.forge)
        for location in LOCATIONS[kind]:
            data = await self.forge.read_file(repository, location, ref=job.request.base_ref)
            if data is not None:
                break
        else:
            return Ownership()
        demands = all_demands(CodeOwners(data.decode("utf-8", "replace"), kind=kind), paths)
        stands_for: dict[Owner, frozenset[int]] = {}
        unknown: dict[Owner, str] = {}
        for owner in dict.fromkeys(owner for demand in demands for owner in demand.owners):
            found = await self._who(job, owner, people)
            if isinstance(found, str):
                unknown[owner] = found
            else:
                stands_for[owner] = found
        return Ownership(demands=tuple(demands), stands_for=stands_for, unknown=unknown)

    async def _who(self, job: Job, owner: Owner, people: Sequence[Actor]) -> frozenset[int] | str:
        """Which of the people an owner stands for, or why nobody can say."""
        match owner.kind:
            case OwnerKind.USER:
                return _called(owner.name, people)
            case OwnerKind.NAME:
                # No user and no group share a name: https://docs.gitlab.com/user/namespace/
                members = _called(owner.name, people) or await self._members(job, owner.name, people)
                return endings.GROUP_UNSEEN if members == endings.TEAM_UNKNOWN else members
            case OwnerKind.TEAM:
                return await self._members(job, owner.name, people)
            case OwnerKind.ROLE if owner.name in _ROLES:
                repository = job.request.repository
                levels = {each.id: await self.forge.permission(repository, each) for each in people}
                return frozenset(person for person, level in levels.items() if level is _ROLES[owner.name])
            case OwnerKind.EMAIL:
                return endings.OWNER_BY_ADDRESS
            case OwnerKind.ROLE | OwnerKind.OTHER:
                return endings.OWNER_UNCLEAR
            case _:
                assert_never(owner.kind)

    async def _members(self, job: Job, team: str, people: Sequence[Actor]) -> frozenset[int] | str:
        members = set()
        for person in people:
            try:
                known = await self.forge.is_member(job.request.repository, team, person)
            except (ForgeRefusedError, ForgeNotFoundError):
                known = None
            if known is None:
                return endings.TEAM_UNKNOWN
            if known:
                members.add(person.id)
        return frozenset(members)


def _called(login: str, people: Sequence[Actor]) -> frozenset[int]:
    """Who of them is called so. That the login is still theirs was asked of the forge, with their permission."""
    return frozenset(each.id for each in people if each.login.casefold() == login.casefold())


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveUnasked:
    """The approval that the configuration gives by itself to what it has the tier ``auto`` for."""

    store: Store
    forge: Forge
    clock: Clock

    async def __call__(self, job: Job, proposal: Proposal) -> Approval | None:
        """The approval of a proposal that no person has to look at, None where one has to.

        The configuration that the job was accepted under has to say so, and the one that holds now as well. What we
        cannot push ourselves is for people in any case, and so is all that is ready in quiet hours or in a pause.
        """
        loaded = await live_config(job, store=self.store, forge=self.forge)
        repository = job.request.repository
        paused = await self.store.pauses.of(repository) is not None
        if paused or loaded.config is None or hold_of_files(loaded.effective, loaded.error) is not None:
            return None
        conflicts = await self.store.proposals.conflicts(job.id)
        tests = await self.store.proposals.tests(job.id, proposal.tree)
        for config in (await job_config(job, registry=self.store.registry), loaded.config):
            if not goes_by_itself(proposal, conflicts, tests, config) or quiet_until(config, self.clock.now()):
                return None
        pull_request = await self.forge.pull_request(repository, job.request.number)
        if pull_request.from_fork:
            return None  # where it goes is for a person to see first
        return Approval(
            proposal_id=proposal.id,
            actor=await self.forge.bot_user(repository.forge),
            via=ApprovalVia.CONFIGURATION,
            permission="",
            commit=proposal.commit,
            diff_sha256=proposal.diff_sha256,
        )
