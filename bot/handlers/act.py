"""Act on one intent, once: facts first, then policy, then the deed or a refusal people can read."""

from dataclasses import dataclass
from typing import assert_never

from bot.errors import StoreError
from bot.handlers.configuration import LoadedConfig
from bot.handlers.deeds import Deeds
from bot.handlers.replies import Replies
from bot.handlers.weigh import WeighIntent
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
from bot.policy.facts import Facts
from bot.ports.store import Store
from bot.report import pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class ActOnIntent:
    """Decide about an intent with live facts, do it or refuse it, and record which."""

    store: Store
    weigh: WeighIntent
    deeds: Deeds
    replies: Replies

    async def __call__(self, intent: Intent) -> None:
        """Act on an intent whose key was not acted on before."""
        located = await self.weigh.locate(intent)
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
                pull = facts.pull_request
                await self.replies.status(intent.origin, facts.latest, pull.merging if pull and pull.open else None)
            case ShowConfig() if loaded is not None and loaded.effective is not None:
                required = facts.limits.shared_config_required
                await self.replies.config(intent.origin, loaded.effective, bound=facts.bound, required=required)
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

    async def _pause(self, intent: PauseHere) -> None:
        origin = intent.origin
        await self.store.pauses.begin(origin.repository, by=origin.actor, reason=intent.reason)
        await self.replies.say(origin, pauses.BEGUN, reaction="eyes")

    async def _resume(self, origin: Origin) -> None:
        ended = await self.store.pauses.end(origin.repository, by=origin.actor)
        await self.replies.say(origin, pauses.ENDED if ended else pauses.NONE, reaction="eyes")
