"""GitLab's REST API as the user of one token.

python-gitlab writes and reads the requests, in threads of our own: it waits for answers. When to ask and what to do
about failures is decided here, since its own rules sleep in the thread, repeat what must not be repeated, and follow
redirects.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

import gitlab
import msgspec
import requests

from bot.errors import ForgeError, ForgeLimitedError, ForgeUnavailableError
from bot.forges.gitlab.failures import OUTAGE_WAIT, PassingError, failure
from bot.forges.gitlab.limits import Limits
from bot.forges.gitlab.session import CONNECTIONS, Session, check_base_url
from bot.forges.gitlab.tokens import FixedToken, TokenSource
from bot.forges.meter import Meter, NoMeter, result_of
from bot.ports.system import Clock

PAGE_SIZE: Final = 100
"""The most GitLab gives: https://docs.gitlab.com/api/rest/#offset-based-pagination ."""

USER_AGENT: Final = "FlowForge"

BACKOFF: Final = (0.5, 1.0, 2.0)
"""Seconds between the tries of a request that may be repeated."""

_PIECE: Final = 64 * 1024
_UNAUTHORIZED: Final = 401

_T = TypeVar("_T")
Sleep = Callable[[float], Awaitable[None]]
Query = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A success: its body, and its headers by lower-case names."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is asked; of the answer's body the last ``tail`` bytes, with 0 all of it."""

    method: str
    path: str
    query: dict[str, Any]
    data: dict[str, Any] | None
    tail: int


class GitLabClient:
    """Requests to one GitLab as the user of its token: of a project, a group, a person, or OAuth.

    All are sent as a bearer's. Where GitLab does not accept one and there is another by now, the request is made again.

    https://docs.gitlab.com/api/rest/authentication/

    The base URL comes from the settings and no request leaves it. Every method raises ``ForgeUnavailableError``,
    ``ForgeRefusedError`` or ``ForgeNotFoundError``. Whoever makes a client calls ``close`` when done.
    """

    def __init__(
        self,
        *,
        base_url: str,
        token: str | TokenSource,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        meter: Meter | None = None,
    ) -> None:
        """Use ``token`` at ``base_url``, the address that people see, such as ``https://gitlab.com``.

        Raises:
            SettingsError: the base URL or the token will not do.
        """
        self._base_url = check_base_url(base_url)
        self._tokens = FixedToken(token) if isinstance(token, str) else token
        self._clock = clock
        self._sleep = sleep
        self._meter = meter or NoMeter()
        self._limits = Limits(clock, self._meter)
        self._session = Session(self._base_url)
        self._gitlab = gitlab.Gitlab(self._base_url, session=self._session, user_agent=USER_AGENT, keep_base_url=True)
        self._threads = ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="gitlab")

    @property
    def base_url(self) -> str:
        """The address of this GitLab, without a slash at its end."""
        return self._base_url

    async def token(self) -> str:
        """The token, for git, which asks nobody for another one."""
        return await self._tokens.token()

    def close(self) -> None:
        """Let go of connections and threads; a request that is under way ends by itself."""
        self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def get(self, path: str, answer: type[_T], /, **query: str | int | bool) -> _T:
        """Read one thing. ``path`` is below ``/api/v4``, with its parts percent-encoded (``encoded``)."""
        return _converted(await self._call("get", path, query, idempotent=True), answer, path)

    async def head(self, path: str, /, **query: str | int | bool) -> Mapping[str, str]:
        """The headers that reading a thing would give, by lower-case names."""
        return (await self._call("head", path, query, idempotent=True)).headers

    async def pages(self, path: str, page: type[list[_T]], /, **query: str | int | bool) -> AsyncIterator[list[_T]]:
        """Read a list page by page, by number as long as there is a next one; never by a link of the answer.

        A page has as many entries as GitLab gives, unless ``query`` says ``per_page``.
        """
        number = 1
        size = int(query.get("per_page", PAGE_SIZE))
        while True:
            numbered = {**query, "per_page": size, "page": number}
            answer = await self._call("get", path, numbered, idempotent=True)
            found = _converted(answer, page, path)
            yield found
            following = answer.headers.get("x-next-page")
            if following == "" or (following is None and len(found) < size):
                return
            number += 1

    async def end_of(self, path: str, *, most: int) -> str:
        """The last bytes of a text, such as a job's log, at most so many; no more of it is ever held."""
        answer = await self._call("get", path, {}, idempotent=True, tail=most)
        return answer.body.decode("utf-8", "replace")

    async def send(self, method: str, path: str, answer: type[_T], *, data: dict[str, Any], idempotent: bool) -> _T:
        """Write something. Unless ``idempotent``, a failure that leaves open whether it was written is not repeated."""
        return _converted(await self._call(method, path, {}, data=data, idempotent=idempotent), answer, path)

    async def _call(
        self,
        method: str,
        path: str,
        query: Query,
        *,
        data: dict[str, Any] | None = None,
        idempotent: bool,
        tail: int = 0,
    ) -> Answer:
        for pause in BACKOFF if idempotent else ():
            try:
                return await self._once(method, path, query, data, tail)
            except PassingError:
                await self._sleep(pause)
        return await self._once(method, path, query, data, tail)

    async def _once(self, method: str, path: str, query: Query, data: dict[str, Any] | None, tail: int) -> Answer:
        request = _Request(method=method, path=path, query=_texts(query), data=data, tail=tail)
        token = await self._tokens.token()
        try:
            try:
                answer = await self._asked(token, request)
            except _FailedError as failed:
                # What was not let in was not done either, and so may be asked again.
                other = await self._tokens.token(refused=token) if failed.status == _UNAUTHORIZED else token
                if other == token:
                    raise
                answer = await self._asked(other, request)
        except _FailedError as failed:
            raise self._failed(method, path, failed) from None
        self._limits.learn(answer.headers)
        self._meter.answered(method.upper(), "2xx")
        return answer

    async def _asked(self, token: str, request: _Request) -> Answer:
        with self._limits.asking():
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._exchange, token, request)

    def _exchange(self, token: str, request: _Request) -> Answer:
        """One exchange, in a thread.

        Exceptions of libraries end here: they carry the request with its token.
        """
        self._session.speak_as(token)
        try:
            response = self._gitlab.http_request(
                request.method,
                request.path,
                query_data=request.query,
                post_data=request.data,
                obey_rate_limit=False,
                retry_transient_errors=False,
                max_retries=0,
                streamed=bool(request.tail),
            )
            body = _end(response, request.tail) if request.tail else response.content
        except gitlab.GitlabError as error:
            body = error.response_body if isinstance(error.response_body, bytes) else b""
            raise _FailedError(error.response_code, body, self._session.answered) from None
        except (requests.RequestException, UnicodeError) as error:
            raise _FailedError(None, type(error).__name__.encode(), {}) from None
        return Answer(body=body, headers=self._session.answered)

    def _failed(self, method: str, path: str, failed: "_FailedError") -> ForgeError:
        what = f"{method.upper()} {path}"
        if failed.status is None:
            self._meter.answered(method.upper(), "none")
            name = failed.body.decode("ascii", "replace")
            return PassingError(f"GitLab did not answer {what}: {name}", retry_after=OUTAGE_WAIT)
        self._limits.learn(failed.headers)
        error = failure(what, failed.status, failed.headers, failed.body, now=self._clock.now())
        limited = isinstance(error, ForgeLimitedError)
        self._meter.answered(method.upper(), "limited" if limited else result_of(failed.status))
        if isinstance(error, ForgeLimitedError):
            self._limits.close(error)
        return error


class _FailedError(Exception):
    """No success: the answer's status, body and headers; without a status, none came, and the body is why."""

    def __init__(self, status: int | None, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


def _end(response: requests.Response, most: int) -> bytes:
    kept = b""
    with response:
        for piece in response.iter_content(_PIECE):
            kept = (kept + piece)[-most:]
    return kept


def _texts(query: Query) -> dict[str, Any]:
    """Booleans as GitLab writes them."""
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}


def encoded(part: str) -> str:
    """A text as one part of a path: https://docs.gitlab.com/api/rest/#encoding ."""
    return quote(part, safe="")


def _converted(answer: Answer, type_: type[_T], path: str) -> _T:
    try:
        return msgspec.json.decode(answer.body, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = str(error) if isinstance(error, msgspec.ValidationError) else "it is not JSON"
        message = f"GitLab's answer about {path} is not as documented: {why}"
        raise ForgeUnavailableError(message, retry_after=OUTAGE_WAIT) from None
