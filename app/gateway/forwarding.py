"""One call's way: admitted, sent, passed back chunk by chunk, recorded."""

import time
from dataclasses import dataclass, field
from datetime import datetime

import httpx
import structlog

from app.gateway.answers import Answer
from app.gateway.bodies import CallBody
from app.gateway.budget import Admission, Budget
from app.gateway.metrics import GatewayMetrics
from app.gateway.policy import Endpoint, Headers
from app.gateway.prices import PriceTable
from app.gateway.refusals import CallRefusedError
from app.gateway.upstream import ModelApi, headers_down
from app.gateway.usage import Meter, TokenUsage, meter_for
from bot.model.runs import ModelCall
from bot.ports.system import Clock

_OK = 200
_REDIRECTS = range(300, 400)
# The model API does not take our key: no try of the sandbox's can change that.
_OUR_KEY = frozenset({401, 403})

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Call:
    """A call under way, and what became of it so far.

    ``status`` is the model API's, 0 while it has not answered. ``over`` says that the exchange has ended and only its
    record is missing: from then on it must not be cancelled.
    """

    token_sha256: str
    body: CallBody
    headers: Headers
    endpoint: Endpoint
    arrived: float = field(default_factory=time.monotonic)
    status: int = 0
    meter: Meter | None = None
    over: bool = False


class Forwarder:
    """Forwards calls and meters them."""

    def __init__(
        self, *, budget: Budget, api: ModelApi, prices: PriceTable, metrics: GatewayMetrics, clock: Clock
    ) -> None:
        self._budget = budget
        self._api = api
        self._prices = prices
        self._metrics = metrics
        self._clock = clock

    async def forward(self, call: Call, answer: Answer) -> None:
        """Make the call; whatever ends it, also cancellation, what it used is recorded.

        Raises:
            CallRefusedError: it was not let out, or the model API was not reached or broke off.
            StoreError: the database did not answer; the call was not made.
        """
        admission = await self._budget.admit(call.token_sha256, call.body)
        content = call.body.encoded(max_tokens=admission.max_tokens)
        started_at, started = self._clock.now(), time.monotonic()
        try:
            await self._exchange(call, content, answer)
        except httpx.HTTPError as error:
            log.warning("model API failed", run_id=admission.grant.run_id, error=type(error).__name__)
            raise CallRefusedError(502, "api_error", "the model API did not answer", reason="upstream") from None
        finally:
            call.over = True
            await self._record(call, admission, len(content), started_at, time.monotonic() - started)
        await answer.end()

    async def _exchange(self, call: Call, content: bytes, answer: Answer) -> None:
        response = await self._api.call(content, call.headers, call.endpoint)
        try:
            call.status = response.status_code
            self._metrics.answered(call.body.model, time.monotonic() - call.arrived)
            if response.status_code != _OK:
                await pass_error(self._api, response, answer)
                return
            headers = headers_down(response)
            call.meter = meter_for(headers.get("content-type", ""))
            await answer.begin(_OK, headers)
            async for chunk in response.aiter_bytes():
                call.meter.feed(chunk)
                await answer.pass_on(chunk)
        finally:
            await response.aclose()

    async def _record(
        self, call: Call, admission: Admission, request_bytes: int, started_at: datetime, seconds: float
    ) -> None:
        usage = call.meter.usage() if call.meter is not None else TokenUsage()
        cost = self._prices.price(call.body.model, usage)
        record = ModelCall(
            run_id=admission.grant.run_id,
            model=call.body.model,
            status=call.status,
            request_bytes=request_bytes,
            input_tokens=usage.input,
            output_tokens=usage.output,
            cache_write_tokens=usage.cache_write,
            cache_read_tokens=usage.cache_read,
            cost_usd=cost,
            started_at=started_at,
            duration_ms=int(seconds * 1000),
        )
        await self._budget.settle(admission, record, usage)
        self._metrics.called(record.model, call.status, usage, cost_usd=cost, seconds=seconds)
        metered = call.meter is not None and call.meter.seen
        (log.info if metered or call.status != _OK else log.warning)(
            "model call",
            run_id=record.run_id,
            job_id=admission.grant.job_id,
            model=record.model,
            status=record.status,
            metered=metered,
            request_bytes=request_bytes,
            max_tokens=admission.max_tokens,
            prompt_tokens=usage.prompt,
            output_tokens=usage.output,
            cost_usd=round(cost, 6),
            duration_ms=record.duration_ms,
        )


async def pass_error(api: ModelApi, response: httpx.Response, answer: Answer) -> None:
    """Errors go through as they are, with Retry-After: the client is who retries.

    Raises:
        CallRefusedError: it is a redirect, which nobody follows.
    """
    if response.status_code in _REDIRECTS:
        raise CallRefusedError(502, "api_error", "the model API sent us elsewhere", reason="upstream")
    body = await api.error_body(response)
    headers = headers_down(response)
    if response.status_code in _OUR_KEY:
        headers.setdefault("x-should-retry", "false")
    # Without a length: the answer ends once the call is recorded, so that whoever asks again finds it so.
    await answer.begin(response.status_code, headers)
    await answer.pass_on(body)
