"""Tokens counted before a call: free, so it is neither metered nor recorded, but of use to the run's budget."""

from typing import Final

import httpx
import msgspec
import structlog

from app.gateway.answers import Answer
from app.gateway.budget import Budget
from app.gateway.forwarding import Call, pass_error
from app.gateway.refusals import CallRefusedError
from app.gateway.upstream import ModelApi, headers_down

_OK: Final = 200
_MAX_ANSWER: Final = 64 * 1024

log = structlog.get_logger(__name__)


class _Counted(msgspec.Struct, frozen=True):
    input_tokens: int


class TokenCounter:
    """Forwards requests to count tokens.

    Source: https://platform.claude.com/docs/en/build-with-claude/token-counting
    """

    def __init__(self, *, budget: Budget, api: ModelApi) -> None:
        self._budget = budget
        self._api = api

    async def forward(self, call: Call, answer: Answer) -> None:
        """Have the tokens counted, and let the run's budget know.

        Raises:
            CallRefusedError: it was not let out, or the model API was not reached or broke off.
            StoreError: the database did not answer; nothing was asked.
        """
        grant = await self._budget.admit_count(call.token_sha256, call.body)
        try:
            response = await self._api.call(call.body.as_is(), call.headers, call.endpoint)
            try:
                tokens = await self._pass_on(call, response, answer)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            log.warning("model API failed", run_id=grant.run_id, error=type(error).__name__)
            raise CallRefusedError(502, "api_error", "the model API did not answer", reason="upstream") from None
        log.info("tokens counted", run_id=grant.run_id, status=response.status_code, tokens=tokens)
        await answer.end()

    async def _pass_on(self, call: Call, response: httpx.Response, answer: Answer) -> int | None:
        """Pass the answer on; the tokens it speaks of."""
        if response.status_code != _OK:
            await pass_error(self._api, response, answer)
            return None
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > _MAX_ANSWER:
                raise CallRefusedError(502, "api_error", "the model API did not answer", reason="upstream")
        tokens = _tokens(bytes(content))
        if tokens is not None:
            self._budget.counted(call.token_sha256, call.body, tokens)
        await answer.begin(_OK, headers_down(response))
        await answer.pass_on(bytes(content))
        return tokens


def _tokens(content: bytes) -> int | None:
    try:
        counted = msgspec.json.decode(content, type=_Counted)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return counted.input_tokens if counted.input_tokens > 0 else None
