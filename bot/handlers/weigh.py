"""Decide about an intent with live facts, and do nothing."""

from dataclasses import dataclass, replace

from bot.config_keys import DEFAULT_CONFIG
from bot.errors import ForgeNotFoundError
from bot.handlers.configuration import LoadedConfig, load_config
from bot.handlers.forks import CheckHead
from bot.handlers.notice import OWN_BRANCH
from bot.handlers.pausing import push_begun
from bot.model.forge import PermissionLevel, PullRequest, ThreadKind
from bot.model.intents import Approve, Cancel, Decision, Fix, Intent, Ok, Origin, Reject, Resolve, Retry, TakeSide
from bot.model.jobs import Job, JobState
from bot.model.proposals import Proposal, ProposalState, SuiteEvidence
from bot.model.reports import ConflictRecord
from bot.model.work import Issue
from bot.policy.configured import about_heads, begins_on_failure
from bot.policy.facts import Facts
from bot.policy.limits import ServerLimits
from bot.policy.rules import decide
from bot.ports.forge import Forge
from bot.ports.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighIntent:
    """Gather the facts as they are now, and let policy decide by them."""

    store: Store
    forge: Forge
    check_head: CheckHead
    server: ServerLimits

    async def __call__(
        self, intent: Intent, *, pull_request: PullRequest | None = None
    ) -> tuple[Decision, Facts, LoadedConfig | None]:
        """Decide about an intent with live facts, and do nothing: the decision, what it was taken by, and under what.

        ``pull_request`` is what the forge just said of it, where that is known. The configuration is None where there
        is no pull request to look for one.
        """
        loaded, facts = await self._facts(intent, pull_request)
        return decide(intent, facts), facts, loaded

    async def locate(self, intent: Intent) -> Intent | None:
        """The intent with its pull request: clicks name a job, not a number. Found in the same repository only.

        Of what only people's word counts for, with what the forge says of whose it is. None where there is no such job.
        """
        located = await self._located(intent)
        if not isinstance(located, Approve | Ok):
            return located
        origin = located.origin
        actor = await self.forge.told_apart(origin.repository, origin.actor)
        return replace(located, origin=replace(origin, actor=actor))

    async def _located(self, intent: Intent) -> Intent | None:
        origin = intent.origin
        if origin.job_id is None:
            return intent
        job = await self.store.jobs.get(origin.job_id)
        there = None if job is None else job.request.repository
        if job is None or there is None or (there.forge, there.id) != (origin.repository.forge, origin.repository.id):
            return None
        thread = job.request.thread
        return replace(intent, origin=replace(origin, number=thread.number, thread=thread.kind))

    async def _facts(self, intent: Intent, known: PullRequest | None) -> tuple[LoadedConfig | None, Facts]:
        origin = intent.origin
        repository, number = origin.repository, origin.subject
        store = self.store
        # By the id alone: a token of GitLab may be that of a user who looks like a person.
        actor_is_self = not origin.configured and origin.actor.id == (await self.forge.bot_user(repository.forge)).id
        installed = await store.registry.installation_active(repository.forge, repository.installation_id)
        reachable = installed and not actor_is_self
        pull_request = known or (await self._pull_request(origin) if reachable else None)
        issue = await self._issue(origin) if reachable else None
        loaded = None
        permission = PermissionLevel.NONE
        base_ref = _base_of(pull_request, issue)
        if base_ref is not None:
            loaded = await load_config(
                repository,
                base_ref=base_ref,
                forge=self.forge,
                registry=store.registry,
            )
        if installed and not actor_is_self and not origin.configured:
            permission = await self.forge.permission(repository, origin.actor)
        latest = await store.jobs.latest(repository, number)
        proposal = None if latest is None else _as_it_stands(latest, await store.proposals.of_job(latest.id))
        active = await store.jobs.active(repository, number)
        facts = Facts(
            permission=permission,
            actor_is_self=actor_is_self,
            config=None if loaded is None else loaded.config,
            config_error=None if loaded is None else loaded.error,
            pull_request=pull_request,
            active=active,
            latest=latest,
            proposal=proposal,
            published=await store.jobs.last_published(repository, number),
            limits=self.server,
            installation_active=installed,
            conflicts=await self._conflicts(intent, latest),
            tests=await self._tests(intent, proposal),
            sources={} if loaded is None or loaded.effective is None else loaded.effective.sources,
            offered_before=await self._offered_before(intent, proposal),
            head_may_run=pull_request is None or await self._head_may_run(intent, pull_request, loaded),
            pushed_by_us=pull_request is not None and await self._pushed_by_us(intent, pull_request),
            issue=issue,
            pause=await store.pauses.of(repository),
            bound=loaded is None or loaded.shared,
            push_begun=await self._push_begun(intent, active),
        )
        return loaded, facts

    async def _head_may_run(self, intent: Intent, pull_request: PullRequest, loaded: LoadedConfig | None) -> bool:
        if not isinstance(intent, Resolve | Retry | TakeSide | Fix):
            return True
        config = about_heads(intent, (None if loaded is None else loaded.config) or DEFAULT_CONFIG)
        return await self.check_head(pull_request, pull_request.head_sha, config)

    async def _pushed_by_us(self, intent: Intent, pull_request: PullRequest) -> bool:
        """What was proposed for the pull request itself, or for what its branch says that we opened it for."""
        if not begins_on_failure(intent):
            return False
        number, named = pull_request.number, OWN_BRANCH.fullmatch(pull_request.head_ref)
        about = number if named is None else int(named[1])
        return await self.store.proposals.made(pull_request.repository, {number, about, -about}, pull_request.head_sha)

    async def _push_begun(self, intent: Intent, active: Job | None) -> bool:
        if active is None or not isinstance(intent, Cancel | Reject):
            return False
        return await push_begun(active, store=self.store)

    async def _conflicts(self, intent: Intent, latest: Job | None) -> tuple[ConflictRecord, ...]:
        """The newest job's conflicts; there may be thousands of them, with texts."""
        if latest is None or not isinstance(intent, Approve | TakeSide):
            return ()
        return await self.store.proposals.conflicts(latest.id)

    async def _tests(self, intent: Intent, proposal: Proposal | None) -> SuiteEvidence | None:
        if proposal is None or not isinstance(intent, Approve):
            return None
        return await self.store.proposals.tests(proposal.job_id, proposal.tree)

    async def _offered_before(self, intent: Intent, proposal: Proposal | None) -> bool:
        """Whether the comment under which an emoji approves may have shown another proposal before."""
        if not isinstance(intent, Approve) or intent.shown_for is None or proposal is None:
            return False
        origin = intent.origin
        return await self.store.proposals.offered_before(origin.repository, origin.number, proposal.id)

    async def _pull_request(self, origin: Origin) -> PullRequest | None:
        if origin.thread is ThreadKind.ISSUE:
            return None
        try:
            return await self.forge.pull_request(origin.repository, origin.number)
        except ForgeNotFoundError:
            return None

    async def _issue(self, origin: Origin) -> Issue | None:
        if origin.thread is not ThreadKind.ISSUE:
            return None
        try:
            return await self.forge.issue(origin.repository, origin.number)
        except ForgeNotFoundError:
            return None


def _base_of(pull_request: PullRequest | None, issue: Issue | None) -> str | None:
    """The branch whose configuration counts: what a pull request goes into, or what its repository works on."""
    if pull_request is not None:
        return pull_request.base_ref
    return None if issue is None else issue.default_branch


def _as_it_stands(job: Job, proposal: Proposal | None) -> Proposal | None:
    """The job's state is the truth: a decision that a dead worker began and did not carry out was not taken."""
    if proposal is not None and job.state is JobState.AWAITING_APPROVAL:
        return replace(proposal, state=ProposalState.OPEN)
    return proposal
