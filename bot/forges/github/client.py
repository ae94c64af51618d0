"""GitHub's REST API as one App: every request with a token for one repository and one act."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

import httpx
import msgspec

from bot.errors import ForgeRefusedError, ForgeUnavailableError
from bot.forges.github import answers
from bot.forges.github.app_auth import Act, AppIdentity, InstallationTokens
from bot.forges.github.failures import OUTAGE_WAIT
from bot.forges.github.gate import Gate
from bot.forges.github.pacing import Monotonic, Sleep
from bot.forges.github.transport import NOBODY, Answer, Asker, Transport
from bot.forges.meter import Meter, NoMeter
from bot.model.forge import RepositoryRef
from bot.ports.system import Clock

PAGE_SIZE: Final = 100
"""The most GitHub gives: https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api ."""

_UNAUTHORIZED: Final = 401
_REPOSITORY: Final = "/repos/{owner}/{repo}"

_T = TypeVar("_T")
_A = TypeVar("_A")


class GitHubClient:
    """Requests to GitHub on behalf of one App.

    The base URL comes from the settings and no request leaves it: URLs in payloads and answers are never dialled, and
    redirects are not followed. What GitHub's limits leave of each installation is kept to (``bot.forges.github.gate``).

    Every method raises ``ForgeUnavailableError``, ``ForgeRefusedError`` or ``ForgeNotFoundError``.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        app_id: int,
        private_key_pem: str,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        monotonic: Monotonic = time.monotonic,
        processes: int = 1,
        meter: Meter | None = None,
    ) -> None:
        """Use ``http``, which stays the caller's to close; ``transport.open_http`` opens a fitting one.

        Args:
            http: the connections.
            base_url: of the API.
            app_id: the App's numeric id.
            private_key_pem: its key.
            clock: the time of day, for credentials and for what GitHub says about its hours.
            sleep: how to wait.
            monotonic: seconds that no setting of clocks changes, for the pace.
            processes: how many processes ask for this App: each goes at a part of the pace that GitHub allows.
            meter: takes the numbers.

        Raises:
            SettingsError: the base URL or the private key will not do.
        """
        identity = AppIdentity(app_id=app_id, private_key_pem=private_key_pem)
        meter = meter or NoMeter()
        self._gate = Gate(clock=clock, monotonic=monotonic, sleep=sleep, processes=processes, meter=meter)
        self._transport = Transport(http, base_url=base_url, gate=self._gate, clock=clock, sleep=sleep, meter=meter)
        self._identity = identity
        self._tokens = InstallationTokens(self._transport, identity, clock=clock)
        self._clock = clock

    async def token(self, repository: RepositoryRef, act: Act) -> str:
        """A token that allows ``act`` on ``repository`` and nothing else, for five minutes at least."""
        self._gate.check(repository.installation_id)
        return await self._tokens.get(repository, act)

    async def public(self, url: str, answer: type[_T], **url_vars: str | int) -> _T:
        """Read what everybody may read, without any credential. ``url`` is a template below the base URL."""
        found = await self._transport.call(NOBODY, "GET", url, _texts(url_vars), idempotent=True)
        return _converted(found.data, answer, url)

    async def shown_to_any(self, url: str, answer: type[_T], **url_vars: str | int) -> _T:
        """Read what everybody may read where nobody is let in without a credential: as one of the installations.

        An Enterprise Server in private mode is such a place:
        https://docs.github.com/en/enterprise-server@3.20/admin/configuring-settings/hardening-security-for-your-enterprise/enabling-private-mode

        Raises ``ForgeRefusedError`` also where the App is installed nowhere.
        """
        async for page in self.app_pages("/app/installations{?per_page,page}", list[answers.Installation]):
            for one in page:
                if one.suspended_at is None:
                    asker = Asker(installation_id=one.id, act="metadata", token=await self._tokens.metadata(one.id))
                    shown = await self._transport.call(asker, "GET", url, _texts(url_vars), idempotent=True)
                    return _converted(shown.data, answer, url)
        raise ForgeRefusedError("the App is installed nowhere, and GitHub tells nobody else", status=_UNAUTHORIZED)

    async def app(self, url: str, answer: type[_T]) -> _T:
        """Read about the App itself, with its own credential. ``url`` is a template below the base URL."""
        found = await self._transport.call(self._as_app(), "GET", url, {}, idempotent=True)
        return _converted(found.data, answer, url)

    async def app_pages(self, url: str, page: type[_T]) -> AsyncIterator[_T]:
        """Read a list about the App itself; ``url`` ends in ``{?per_page,page}``."""
        number, more = 1, True
        while more:
            numbered = {"per_page": str(PAGE_SIZE), "page": str(number)}
            answer = await self._transport.call(self._as_app(), "GET", url, numbered, idempotent=True)
            yield _converted(answer.data, page, url)
            number, more = number + 1, answer.has_more

    async def app_page(self, url: str, page: type[_T], *, cursor: str | None = None) -> tuple[_T, str | None]:
        """Read a page of a list about the App that goes on by cursors, and the cursor of the next one.

        ``url`` ends in ``{?per_page,cursor}`` or ``{&per_page,cursor}``.
        """
        there = {"per_page": str(PAGE_SIZE)} if cursor is None else {"per_page": str(PAGE_SIZE), "cursor": cursor}
        answer = await self._transport.call(self._as_app(), "GET", url, there, idempotent=True)
        return _converted(answer.data, page, url), answer.cursor

    async def app_send(self, method: str, url: str, answer: type[_T], *, idempotent: bool, **url_vars: str | int) -> _T:
        """Have something done as the App itself. See ``send`` for ``idempotent``."""
        sent = await self._transport.call(self._as_app(), method, url, _texts(url_vars), idempotent=idempotent)
        return _converted(sent.data, answer, url)

    async def get(
        self, repository: RepositoryRef, act: Act, url: str, answer: type[_T], **url_vars: str | int | list[str]
    ) -> _T:
        """Read one thing. ``url`` is a template below ``/repos/{owner}/{repo}``."""
        found = await self._authorized(repository, act, "GET", url, url_vars, idempotent=True)
        return _converted(found.data, answer, url)

    async def pages(
        self, repository: RepositoryRef, act: Act, url: str, page: type[_T], **url_vars: str | int
    ) -> AsyncIterator[_T]:
        """Read a list page by page; ``url`` ends in ``{?per_page,page}`` or ``{&per_page,page}``.

        Pages are asked for by number as long as an answer says that there is a next one, never by its link.
        """
        async for answer in self._pages(repository, act, url, page, url_vars, root=_REPOSITORY):
            yield answer

    async def owner_pages(
        self, repository: RepositoryRef, act: Act, url: str, page: type[_T], **url_vars: str | int
    ) -> AsyncIterator[_T]:
        """Read a list of the organization that has the repository; ``url`` is a template below ``/orgs/{owner}``."""
        async for answer in self._pages(repository, act, url, page, url_vars, root="/orgs/{owner}"):
            yield answer

    async def _pages(
        self, repository: RepositoryRef, act: Act, url: str, page: type[_T], url_vars: dict[str, Any], *, root: str
    ) -> AsyncIterator[_T]:
        number, more = 1, True
        while more:
            numbered = {**url_vars, "per_page": PAGE_SIZE, "page": number}
            answer = await self._authorized(repository, act, "GET", url, numbered, idempotent=True, root=root)
            yield _converted(answer.data, page, url)
            number, more = number + 1, answer.has_more

    async def send(
        self,
        repository: RepositoryRef,
        act: Act,
        method: str,
        url: str,
        answer: type[_T],
        *,
        data: object,
        idempotent: bool,
        **url_vars: str | int,
    ) -> _T:
        """Write something. Unless ``idempotent``, a failure that leaves open whether it was written is not repeated."""
        sent = await self._authorized(repository, act, method, url, url_vars, data=data, idempotent=idempotent)
        return _converted(sent.data, answer, url)

    async def query(
        self, repository: RepositoryRef, act: Act, query: str, answer: type[_T], **variables: str | int | None
    ) -> _T:
        """Read in GraphQL what REST does not tell. ``query`` has the variables ``owner`` and ``repo`` and yours."""
        about: dict[str, object] = {"owner": repository.owner, "repo": repository.name, **variables}
        found = await self._let_in(repository, act, lambda asker: self._transport.query(asker, query, about))
        return _converted(found, answer, "a query in GraphQL")

    async def _authorized(
        self,
        repository: RepositoryRef,
        act: Act,
        method: str,
        url: str,
        url_vars: dict[str, Any],
        *,
        data: object = b"",
        idempotent: bool,
        root: str = _REPOSITORY,
    ) -> Answer:
        template = f"{root}{url}"
        filled = _texts({"owner": repository.owner, "repo": repository.name, **url_vars})
        return await self._let_in(
            repository,
            act,
            lambda asker: self._transport.call(asker, method, template, filled, data=data, idempotent=idempotent),
        )

    async def _let_in(self, repository: RepositoryRef, act: Act, ask: Callable[[Asker], Awaitable[_A]]) -> _A:
        """Ask with a token; with a new token when GitHub no longer knows the one we kept."""
        self._gate.check(repository.installation_id)
        asker = await self._asker(repository, act)
        try:
            return await ask(asker)
        except ForgeRefusedError as error:
            if error.status != _UNAUTHORIZED:
                raise
        # A refused credential means that nothing was done: repeating is safe for every request.
        self._tokens.discard(repository, act, asker.token)
        return await ask(await self._asker(repository, act))

    async def _asker(self, repository: RepositoryRef, act: Act) -> Asker:
        token = await self._tokens.get(repository, act)
        return Asker(installation_id=repository.installation_id, act=act, token=token)

    def _as_app(self) -> Asker:
        return Asker(act="app", jwt=self._identity.jwt(self._clock.now()))


def _texts(url_vars: dict[str, Any]) -> dict[str, Any]:
    """The values as RFC 6570 wants them: texts and lists of texts."""
    return {name: value if isinstance(value, list) else str(value) for name, value in url_vars.items()}


def _converted(answer: object, type_: type[_T], url: str) -> _T:
    try:
        return msgspec.convert(answer, type_)
    except msgspec.ValidationError as error:
        message = f"GitHub's answer about {url} is not as documented: {error}"
        raise ForgeUnavailableError(message, retry_after=OUTAGE_WAIT) from None
