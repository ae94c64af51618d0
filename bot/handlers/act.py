"""Act on one intent, once: facts first, then policy, then the deed or a refusal people can read."""

from dataclasses import dataclass, replace
from typing import assert_never

from bot.config_keys import DEFAULT_CONFIG
from bot.errors import ForgeNotFoundError, StoreError
from bot.handlers.configuration import LoadedConfig, load_config
from bot.handlers.deeds import Deeds
from bot.handlers.forks import CheckHead
from bot.handlers.replies import Replies
from bot.model.forge import PermissionLevel, PullRequest, ThreadKind
from bot.model.intents import (
    Allowed,
    Approve,
    Cancel,
    Decision,
    Explain,
    Fix,
    Go,
    Help,
    Ignored,
    Implement,
    Intent,
    Misspelt,
    Ok,
    Origin,
    PauseHere,
    Plan,
    Refused,
    Reject,
    Resolve,
    ResumeHere,
    Retry,
    Rollback,
    ShowConfig,
    Status,
    TakeSide,
)
from bot.model.jobs import Job, JobState
from bot.model.proposals import Proposal, ProposalState, SuiteEvidence
from bot.model.reports import ConflictRecord
from bot.model.work import Issue
from bot.policy.facts import Facts
from bot.policy.limits import ServerLimits
from bot.policy.rules import decide
from bot.ports.forge import Forge
from bot.ports.store import Store
from bot.report import pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class ActOnIntent:
    """Decide about an intent with live facts, do it or refuse it, and record which."""

    store: Store
    forge: Forge
    deeds: Deeds
    replies: Replies
    check_head: CheckHead
    server: ServerLimits

    async def __call__(self, intent: Intent) -> None:
        """Act on an intent whose key was not acted on before."""
        located = await self._locate(intent)
        if located is None:
            return
        origin = located.origin
        name = type(located).__name__.lower()
        known = await self.store.intents.begin(
            origin.key,
            delivery_id=origin.delivery_id,
            name=name,
            actor=origin.actor,
        )
        if not known:
            return
        decision, facts, loaded = await self.weigh(located)
        job_id = await self._carry_out(located, decision, facts, loaded)
        await self.store.intents.finish(
            origin.key,
            decision=type(decision).__name__.lower(),
            rule="" if isinstance(decision, Allowed) else decision.rule,
            message=decision.message if isinstance(decision, Refused) else "",
            job_id=job_id,
        )

    async def weigh(
        self, intent: Intent, *, pull_request: PullRequest | None = None
    ) -> tuple[Decision, Facts, LoadedConfig | None]:
        """Decide about an intent with live facts, and do nothing: the decision, what it was taken by, and under what.

        ``pull_request`` is what the forge just said of it, where that is known. The configuration is None where there
        is no pull request to look for one.
        """
        loaded, facts = await self._facts(intent, pull_request)
        return decide(intent, facts), facts, loaded

    async def _carry_out(
        self,
        intent: Intent,
        decision: Decision,
        facts: Facts,
        loaded: LoadedConfig | None,
    ) -> str | None:
        match decision:
            case Ignored():
                return None
            case Refused():
                if not intent.origin.configured:
                    await self.replies.refuse(intent.origin, decision)
                return None
            case Allowed():
                return await self._do(intent, facts, loaded)
            case _:
                assert_never(decision)

    async def _do(self, intent: Intent, facts: Facts, loaded: LoadedConfig | None) -> str | None:  # noqa: PLR0911, PLR0912, C901 - one branch for every intent
        version = "" if loaded is None else loaded.version
        match intent:
            case Help():
                await self.replies.help(intent.origin, facts.settings)
            case Misspelt():
                await self.replies.say(intent.origin, intent.message, reaction="confused")
            case Status():
                await self.replies.status(intent.origin, facts.latest)
            case ShowConfig() if loaded is not None and loaded.effective is not None:
                await self.replies.config(intent.origin, loaded.effective)
            case ShowConfig():
                raise StoreError("policy allowed to show a configuration that is not there")
            case PauseHere():
                await self._pause(intent)
            case ResumeHere():
                await self._resume(intent.origin)
            case Resolve():
                return await self.deeds.resolve(intent, facts, config_version=version)
            case Approve():
                return await self.deeds.approve(intent, facts)
            case TakeSide():
                return await self.deeds.take(intent, facts, config_version=version)
            case Reject():
                return await self.deeds.reject(intent, facts)
            case Retry():
                return await self.deeds.retry(intent, facts, config_version=version)
            case Cancel():
                return await self.deeds.cancel(intent, facts)
            case Rollback():
                return await self.deeds.rollback(intent, facts)
            case Ok():
                await self.deeds.ok(intent, facts)
            case Implement() | Plan() | Go() | Explain() | Fix():
                return await self.deeds.work(intent, facts, config_version=version)
            case _:
                assert_never(intent)
        return None

    async def _locate(self, intent: Intent) -> Intent | None:
        """Clicks name a job, not a pull request: look the pull request up, in the same repository only."""
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
        facts = Facts(
            permission=permission,
            actor_is_self=actor_is_self,
            config=None if loaded is None else loaded.config,
            config_error=None if loaded is None else loaded.error,
            pull_request=pull_request,
            active=await store.jobs.active(repository, number),
            latest=latest,
            proposal=proposal,
            published=await store.jobs.last_published(repository, number),
            limits=self.server,
            installation_active=installed,
            conflicts=await self._conflicts(intent, latest),
            tests=await self._tests(intent, proposal),
            sources={} if loaded is None or loaded.effective is None else loaded.effective.sources,
            head_may_run=pull_request is None or await self._head_may_run(intent, pull_request, loaded),
            issue=issue,
            pause=await store.pauses.of(repository),
        )
        return loaded, facts

    async def _pause(self, intent: PauseHere) -> None:
        origin = intent.origin
        await self.store.pauses.begin(origin.repository, by=origin.actor, reason=intent.reason)
        await self.replies.say(origin, pauses.BEGUN, reaction="eyes")

    async def _resume(self, origin: Origin) -> None:
        ended = await self.store.pauses.end(origin.repository, by=origin.actor)
        await self.replies.say(origin, pauses.ENDED if ended else pauses.NONE, reaction="eyes")

    async def _head_may_run(self, intent: Intent, pull_request: PullRequest, loaded: LoadedConfig | None) -> bool:
        if not isinstance(intent, Resolve | Retry | TakeSide | Fix):
            return True
        config = None if loaded is None else loaded.config
        return await self.check_head(pull_request, pull_request.head_sha, config or DEFAULT_CONFIG)

    async def _conflicts(self, intent: Intent, latest: Job | None) -> tuple[ConflictRecord, ...]:
        """The newest job's conflicts; there may be thousands of them, with texts."""
        if latest is None or not isinstance(intent, Approve | TakeSide):
            return ()
        return await self.store.proposals.conflicts(latest.id)

    async def _tests(self, intent: Intent, proposal: Proposal | None) -> SuiteEvidence | None:
        if proposal is None or not isinstance(intent, Approve):
            return None
        return await self.store.proposals.tests(proposal.job_id, proposal.tree)

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
