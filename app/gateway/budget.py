"""A run's money: what a call may cost at most is set aside before it goes out.

Two calls of one run cannot both spend the rest, since what is set aside counts as spent until the call is recorded.
Accounts live in this process: a run's calls must all come to the same gateway.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.gateway.bodies import CallBody
from app.gateway.bounds import CountedPrompt, Prompt, prompt_of
from app.gateway.policy import unknown_token
from app.gateway.prices import PriceTable
from app.gateway.refusals import CallRefusedError, forbidden
from app.gateway.usage import TokenUsage
from app.patience import patiently
from bot.errors import StoreError
from bot.model.runs import ModelCall, ModelGrant, RunOutcome
from bot.ports.runs import ModelLedger, Runs

_MOST_ACCOUNTS: Final = 1024

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Account:
    """What this process knows of a run.

    ``out`` counts the calls that money is set ``aside`` for; ``users`` also those that wait to be let out. ``counts``
    is how often tokens were counted for it.
    """

    settled: asyncio.Condition = field(default_factory=asyncio.Condition)
    aside: float = 0.0
    unrecorded: float = 0.0
    out: int = 0
    users: int = 0
    counts: int = 0
    counted: CountedPrompt = field(default_factory=CountedPrompt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A call that may go out: with how many tokens of output at most, and how much is set aside for it (US dollars)."""

    grant: ModelGrant
    token_sha256: str
    max_tokens: int
    aside: float
    prompt: Prompt


class Budget:
    """Lets calls out while their run's money lasts."""

    def __init__(
        self,
        *,
        ledger: ModelLedger,
        runs: Runs,
        prices: PriceTable,
        min_output_tokens: int,
        max_counts: int,
        patience_seconds: float = 0.0,
    ) -> None:
        self._ledger = ledger
        self._runs = runs
        self._prices = prices
        self._min_output_tokens = min_output_tokens
        self._max_counts = max_counts
        self._patience_seconds = patience_seconds
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    async def admit(self, token_sha256: str, body: CallBody) -> Admission:
        """Set the most that the call can cost aside; fewer tokens of output are asked for if the money needs it.

        While other calls of the run hold the money that would do, this waits for their end.

        Raises:
            CallRefusedError: no such run (401), another model (403), the run was asked to stop (403), no money (402).
            StoreError: the database did not answer.
        """
        account = self._open(token_sha256)
        try:
            async with account.settled:
                while True:
                    grant = await self.grant(token_sha256)
                    check_model(grant, body.model)
                    admission = self._set_aside(account, grant, token_sha256, body)
                    if admission is not None:
                        account.users += 1
                        return admission
                    if account.out == 0:
                        await self._runs.request_stop(grant.run_id, RunOutcome.BUDGET_EXHAUSTED)
                        raise out_of_money()
                    await account.settled.wait()
        finally:
            account.users -= 1

    async def grant(self, token_sha256: str) -> ModelGrant:
        """What the token is worth now; a database that is away is waited for.

        Raises:
            CallRefusedError: nothing any more.
            StoreError: the database did not answer.
        """
        grant = await patiently(lambda: self._ledger.grant(token_sha256), seconds=self._patience_seconds)
        if grant is None:
            raise unknown_token()
        if grant.stop_requested is RunOutcome.BUDGET_EXHAUSTED:
            raise out_of_money()
        if grant.stop_requested is not None:
            raise forbidden("this run was asked to stop", reason="stopped")
        return grant

    async def admit_count(self, token_sha256: str, body: CallBody) -> ModelGrant:
        """Let tokens be counted: it costs nothing, so no money is set aside.

        Raises:
            CallRefusedError: no such run (401), another model, the run was asked to stop, or counted too often (403).
            StoreError: the database did not answer.
        """
        grant = await self.grant(token_sha256)
        check_model(grant, body.model)
        account = self._open(token_sha256)
        account.users -= 1
        if account.counts >= self._max_counts:
            raise forbidden("this run had tokens counted too often", reason="counts")
        account.counts += 1
        return grant

    def counted(self, token_sha256: str, body: CallBody, tokens: int) -> None:
        """The API has counted ``tokens`` for a prompt: less money needs to be set aside for a call that begins so."""
        account = self._accounts.get(token_sha256)
        if account is not None:
            account.counted.remember(prompt_of(body), tokens)

    async def settle(self, admission: Admission, call: ModelCall, usage: TokenUsage | None) -> None:
        """Record what the call cost and free what was set aside for it.

        A cost that cannot be recorded still counts here, so that the budget holds while the database is away.
        """
        account = self._accounts[admission.token_sha256]
        async with account.settled:
            try:
                await self._ledger.record(call)
            except StoreError as error:
                account.unrecorded += call.cost_usd
                log.exception("model call not recorded", run_id=call.run_id, cost_usd=call.cost_usd, error=str(error))
            finally:
                account.users -= 1
                account.out -= 1
                # Sums of floats do not come back to nothing by themselves.
                account.aside = account.aside - admission.aside if account.out else 0.0
                if usage is not None:
                    account.counted.remember(admission.prompt, usage.prompt)
                account.settled.notify_all()

    def _open(self, token_sha256: str) -> _Account:
        account = self._accounts.setdefault(token_sha256, _Account())
        self._accounts.move_to_end(token_sha256)
        account.users += 1
        idle = (key for key, other in self._accounts.items() if other.users == 0 and other.unrecorded == 0)
        if len(self._accounts) > _MOST_ACCOUNTS and (oldest := next(idle, None)) is not None:
            del self._accounts[oldest]
        return account

    def _set_aside(self, account: _Account, grant: ModelGrant, token_sha256: str, body: CallBody) -> Admission | None:
        """Set the call's worst case aside if there is money for it."""
        model, prompt = body.model, prompt_of(body)
        tokens = account.counted.bound(prompt, context_window=self._prices.find(model).context_window)
        input_cost = self._prices.input_bound(model, tokens)
        rate = self._prices.output_rate(model, tokens)
        left = grant.budget_usd - grant.spent_usd - account.unrecorded - account.aside - input_cost
        affordable = int(left / rate)
        if affordable < min(body.max_tokens, self._min_output_tokens):
            return None
        max_tokens = min(body.max_tokens, affordable)
        aside = input_cost + max_tokens * rate
        account.aside += aside
        account.out += 1
        return Admission(grant=grant, token_sha256=token_sha256, max_tokens=max_tokens, aside=aside, prompt=prompt)


def out_of_money() -> CallRefusedError:
    """402: Claude Code does not ask again."""
    return CallRefusedError(402, "billing_error", "this run's budget is used up", reason="budget")


def check_model(grant: ModelGrant, model: str) -> None:
    """A run may ask its own model only, by its name or by the alias that stands in the grant.

    Raises:
        CallRefusedError: it asks for another.
    """
    if model != MODEL_ALIASES.get(grant.model, grant.model):
        raise forbidden("this run may not use this model", reason="model")


MODEL_ALIASES: Final = {
    "opus": "claude-opus-5-5",
    "sonnet": "claude-sonnet-5-5",
    "haiku": "claude-haiku-5-5",
}
"""What Claude Code 2.1.330 asks for when it is started with an alias (measured)."""
