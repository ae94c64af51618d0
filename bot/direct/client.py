"""One call of the Messages API for small conflicts, with Anthropic's SDK."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

import anthropic
import httpx2

from bot.direct.answer import read_answer, read_count, read_message, read_usage
from bot.direct.asking import AskedFile, asked_files
from bot.direct.failures import model_error, timed_out
from bot.direct.narrow import Scope, scopes
from bot.direct.prompt import encoded, request_body
from bot.errors import ModelError
from bot.model.direct import DirectLimits, DirectQuestion, DirectReply, ModelAccess, NotAsked
from bot.model.runs import RunOutcome, Usage

Price = Callable[[str, Usage], float]
"""What some usage of a model costs, in US dollars."""

BYTES_PER_TOKEN: Final = 2
"""Where nobody counts: code has three to four bytes to a token, so this errs on the side of too many tokens."""

_RETRIES: Final = 1
_MAX_COUNTS: Final = 4
_COUNT_SECONDS: Final = 10.0
_MAX_ANSWER: Final = 4 * 2**20


class _Request(NamedTuple):
    """A request that fits."""

    scope: Scope
    body: dict[str, Any]
    content: str


class AnthropicDirect:
    """The ``DirectModel`` of the Messages API. Holds no key and no connection: both belong to one question."""

    def __init__(self, *, price: Price) -> None:
        self._price = price

    async def ask(self, question: DirectQuestion, access: ModelAccess) -> DirectReply | NotAsked:
        """Put the open hunks to the model in one call. Tokens are counted first; too large a question is narrowed.

        Everything together takes at most ``timeout_seconds``; a call that fails is repeated once at most.

        Raises:
            ModelError: the model could not be reached, refused, or its answer cannot be used.
        """
        files = await asyncio.to_thread(asked_files, question)
        if isinstance(files, NotAsked):
            return files
        try:
            async with asyncio.timeout(question.limits.timeout_seconds), _client(access, question.limits) as client:
                return await self._ask(client, question, files)
        except TimeoutError:
            raise timed_out() from None
        except anthropic.APIError as error:
            raise model_error(error) from None
        except (anthropic.AnthropicError, httpx2.HTTPError, httpx2.InvalidURL):
            raise ModelError("the model API was not reached", outcome=RunOutcome.MODEL_UNREACHABLE) from None

    async def _ask(
        self, client: anthropic.AsyncAnthropic, question: DirectQuestion, files: tuple[AskedFile, ...]
    ) -> DirectReply | NotAsked:
        request = await self._fit(client, question, files)
        if isinstance(request, NotAsked):
            return request
        async with client.messages.with_streaming_response.create(**request.body) as response:
            content = await _bounded(response)
        message = read_message(content)
        usage = read_usage(message, request_bytes=len(request.content.encode()))
        read = await asyncio.to_thread(read_answer, message, request.scope.files)
        return DirectReply(
            answers=read.answers,
            undecided=read.undecided,
            usage=replace(usage, cost_usd=self._price(question.model, usage)),
            prompt=request.content,
            response=content.decode(errors="replace"),
        )

    async def _fit(
        self, client: anthropic.AsyncAnthropic, question: DirectQuestion, files: tuple[AskedFile, ...]
    ) -> _Request | NotAsked:
        """The largest scope that is within the limits on tokens and money. Only scopes that look small are counted."""
        count = _Count(client)
        tokens, cost = 0, 0.0
        for scope in scopes(files):
            body = await asyncio.to_thread(request_body, question, scope)
            content = encoded(body)
            size = len(content.encode())
            tokens = count.expected(size)
            cost = self._worst(question, tokens)
            if count.knows and _over(question.limits, tokens, cost):
                continue
            tokens = await count.tokens(body, size)
            cost = self._worst(question, tokens)
            if not _over(question.limits, tokens, cost):
                return _Request(scope, body, content)
        limits = question.limits
        reason = (
            f"Even one hunk alone needs about {tokens} tokens of input and may cost ${cost:.4f}; "
            f"the limits are {limits.max_input_tokens} tokens and ${limits.budget_usd:.4f}."
        )
        return NotAsked(reason=reason, estimated_input_tokens=tokens, estimated_cost_usd=cost)

    def _worst(self, question: DirectQuestion, tokens: int) -> float:
        """The most that the call can cost: all input written to the cache, all output used."""
        most = Usage(cache_write_tokens=tokens, output_tokens=question.limits.max_output_tokens)
        return self._price(question.model, most)


class _Count:
    """Counts tokens with the API, a few times at most, and guesses from the bytes otherwise."""

    def __init__(self, client: anthropic.AsyncAnthropic) -> None:
        self._client = client.with_options(max_retries=0, timeout=_COUNT_SECONDS)
        self._left = _MAX_COUNTS
        self._rate = 1 / BYTES_PER_TOKEN
        self.knows = False

    def expected(self, size: int) -> int:
        """The tokens of a body of ``size`` bytes, judged by the last one counted."""
        return int(size * self._rate) + 1

    async def tokens(self, body: dict[str, Any], size: int) -> int:
        """The tokens of a body."""
        if self._left == 0:
            return self.expected(size)
        self._left -= 1
        counted = {key: value for key, value in body.items() if key != "max_tokens"}
        try:
            async with self._client.messages.with_streaming_response.count_tokens(**counted) as response:
                said = read_count(await _bounded(response))
        except (anthropic.AnthropicError, httpx2.HTTPError, ModelError):
            said = None
        self.knows = True
        if said is None:
            self._left = 0
            return self.expected(size)
        self._rate = said / size
        return said


def _over(limits: DirectLimits, tokens: int, cost: float) -> bool:
    return tokens > limits.max_input_tokens or cost > limits.budget_usd


def _client(access: ModelAccess, limits: DirectLimits) -> anthropic.AsyncAnthropic:
    """A client for one question: no credentials from the environment, no redirects, no spans but our own.

    Proxies of the environment are used for https only: what is plain is our own gateway, and a proxy would read the
    key. The SDK's own client would use them always.
    """
    return anthropic.AsyncAnthropic(
        api_key=access.api_key,
        base_url=access.base_url,
        timeout=limits.timeout_seconds,
        max_retries=_RETRIES,
        open_telemetry=False,
        http_client=httpx2.AsyncClient(
            timeout=limits.timeout_seconds,
            trust_env=access.base_url.startswith("https://"),
            follow_redirects=False,
        ),
    )


async def _bounded(response: anthropic.AsyncAPIResponse[Any]) -> bytes:
    """The body of an answer.

    Raises:
        ModelError: it is larger than any answer can be.
    """
    content = bytearray()
    async for chunk in response.iter_bytes():
        content += chunk
        if len(content) > _MAX_ANSWER:
            raise ModelError("the answer is too large", outcome=RunOutcome.MAX_OUTPUT)
    return bytes(content)
