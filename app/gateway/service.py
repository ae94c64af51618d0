"""The model gateway: the only holder of the model key, and the only address a sandbox reaches.

A sandbox shows its run's token. What it may ask, where that goes, what it may cost and when it must stop is decided
here, before the call; what it did cost is read off the answer while that passes by, chunk by chunk.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

import httpx
import structlog
from litestar import Litestar, asgi
from litestar.enums import ScopeType
from litestar.types import HTTPScope, Receive, Scope, Send

from app.gateway.answers import Answer
from app.gateway.bodies import parse_body, parse_count
from app.gateway.budget import Budget
from app.gateway.counting import TokenCounter
from app.gateway.forwarding import Call, Forwarder
from app.gateway.metrics import METRICS, GatewayMetrics
from app.gateway.policy import (
    Endpoint,
    GatewayPolicy,
    Target,
    check_encoding,
    check_target,
    declared_length,
    token_sha256,
)
from app.gateway.prices import PriceTable, load_prices
from app.gateway.refusals import CallRefusedError
from app.gateway.upstream import ModelApi
from bot.errors import StoreError
from bot.ports.runs import ModelLedger, Runs
from bot.ports.system import Clock

_LOGGED_PATH: Final = 200

log = structlog.get_logger(__name__)


def create_gateway(
    *,
    ledger: ModelLedger,
    runs: Runs,
    http: httpx.AsyncClient,
    upstream: str,
    api_key: str,
    clock: Clock,
    prices: PriceTable | None = None,
    policy: GatewayPolicy | None = None,
    metrics: GatewayMetrics = METRICS,
) -> Litestar:
    """The gateway as an ASGI application.

    Args:
        ledger: grants in, metered calls out.
        runs: is asked to stop a run whose money is used up.
        http: the client that calls the model API; its defaults for headers, cookies and redirects are not used.
        upstream: the model API's base URL.
        api_key: the model key.
        clock: the time of calls.
        prices: the price table; by default the one FlowForge comes with.
        policy: limits; the default serves loopback only.
        metrics: counters.

    Serve it with a server that shows the request target as it was sent (uvicorn with h11).
    """
    policy = policy or GatewayPolicy()
    prices = prices or load_prices()
    budget = Budget(
        ledger=ledger,
        runs=runs,
        prices=prices,
        min_output_tokens=policy.min_output_tokens,
        max_counts=policy.max_counts,
        patience_seconds=policy.patience_seconds,
    )
    api = ModelApi(http=http, base_url=upstream, api_key=api_key, policy=policy)
    forwarder = Forwarder(budget=budget, api=api, prices=prices, metrics=metrics, clock=clock)
    counter = TokenCounter(budget=budget, api=api)
    gateway = _Gateway(budget=budget, forwarder=forwarder, counter=counter, policy=policy, metrics=metrics)

    @asgi("/", is_mount=True, copy_scope=True)
    async def everything(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:  # there are no websockets here
            await gateway.serve(scope, receive, send)

    # Logging is the program's business: Litestar's own would put handlers on the root logger.
    return Litestar([everything], openapi_config=None, logging_config=None)


class _Gateway:
    """Takes requests in, and ends calls whose client left or whose run was asked to stop."""

    def __init__(
        self,
        *,
        budget: Budget,
        forwarder: Forwarder,
        counter: TokenCounter,
        policy: GatewayPolicy,
        metrics: GatewayMetrics,
    ) -> None:
        self._budget = budget
        self._forwarder = forwarder
        self._counter = counter
        self._policy = policy
        self._metrics = metrics
        self._under_way: Counter[str] = Counter()

    async def serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """One request."""
        answer = Answer(send)  # type: ignore[arg-type]  # Litestar's typed events are plain ASGI dictionaries
        target = Target(method=scope["method"], path=scope["raw_path"], query=scope["query_string"])
        try:
            with contextlib.ExitStack() as places:
                call = await self._accept(target, scope, receive, places)
                if call is None:
                    await answer.whole(200, {}, b"")
                else:
                    await self._carry_out(call, answer, receive)
        except CallRefusedError as error:
            self._report(target, error)
            await answer.fail(error)
        except StoreError as error:
            log.exception("the database did not answer", error=str(error))
            await answer.fail(CallRefusedError(503, "api_error", "try again later", reason="store"))

    async def _accept(
        self, target: Target, scope: HTTPScope, receive: Receive, places: contextlib.ExitStack
    ) -> Call | None:
        """Look at the request, cheapest checks first: no body is read for an unknown token. None for ``HEAD /``.

        The call has its place among those of its run until ``places`` is closed.
        """
        headers = tuple(scope["headers"])
        endpoint = check_target(target, headers, self._policy)
        if endpoint is None:
            return None
        token = token_sha256(headers)
        await self._budget.grant(token)
        places.enter_context(self._place(token))
        check_encoding(headers)
        content = await self._body(declared_length(headers), receive)
        body = parse_count(content) if endpoint is Endpoint.COUNT else parse_body(content)
        return Call(token_sha256=token, body=body, headers=headers, endpoint=endpoint)

    @contextlib.contextmanager
    def _place(self, token: str) -> Iterator[None]:
        """A run's calls under way are few, so that the bodies of one run cannot fill the memory of all."""
        if self._under_way[token] >= self._policy.max_calls_at_once:
            message = "too many calls at once"
            raise CallRefusedError(429, "rate_limit_error", message, reason="crowd")
        self._under_way[token] += 1
        try:
            yield
        finally:
            self._under_way[token] -= 1
            if not self._under_way[token]:
                del self._under_way[token]

    async def _body(self, declared: int, receive: Receive) -> bytes:
        limit = self._policy.max_body_bytes
        content = bytearray()
        more = declared <= limit
        while more:
            event = await receive()
            content += event.get("body", b"") if event["type"] == "http.request" else b""
            more = event["type"] == "http.request" and event.get("more_body", False) and len(content) <= limit
        if declared > limit or len(content) > limit:
            message = f"the request is larger than {limit} bytes"
            raise CallRefusedError(413, "request_too_large", message, reason="size")
        return bytes(content)

    async def _carry_out(self, call: Call, answer: Answer, receive: Receive) -> None:
        """Forward the call until it is done, its client is gone, or its run must stop."""
        way = self._counter if call.endpoint is Endpoint.COUNT else self._forwarder
        work = asyncio.create_task(way.forward(call, answer))
        gone = asyncio.create_task(_disconnected(receive))
        stop = asyncio.create_task(self._stop_asked(call.token_sha256))
        try:
            await asyncio.wait({work, gone, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Once the exchange is over only its record is missing, and that is never broken off.
            if not work.done() and not call.over:
                work.cancel()
            await asyncio.wait({work})
            gone.cancel()
            stop.cancel()
        if not work.cancelled():
            work.result()
        elif stop.done() and not stop.cancelled():
            raise stop.result()

    async def _stop_asked(self, token_sha256: str) -> CallRefusedError:
        """Wait until the run is asked to stop, or ends; what its sandbox is then told."""
        while True:
            await asyncio.sleep(self._policy.stop_poll_seconds)
            try:
                await self._budget.grant(token_sha256)
            except CallRefusedError as error:
                return error
            except StoreError:
                continue

    def _report(self, target: Target, error: CallRefusedError) -> None:
        self._metrics.refused(error.reason)
        log.warning(
            "model call refused",
            reason=error.reason,
            status=error.status,
            detail=str(error),
            method=target.method[:_LOGGED_PATH],
            path=target.path[:_LOGGED_PATH].decode("latin-1"),
        )


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
