"""The App's credentials: a JWT to show who we are, and tokens worth one repository and one act each."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bot.errors import ForgeError, ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError, SettingsError
from bot.forges.github.transport import Asker, Transport
from bot.model.forge import RepositoryRef
from bot.ports.system import Clock

CLOCK_SKEW: Final = timedelta(seconds=60)
JWT_LIFE: Final = timedelta(minutes=8)
"""From now on; with the skew the JWT spans 9 of the 10 minutes that GitHub allows.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
"""

REFRESH_BEFORE: Final = timedelta(minutes=5)
"""A token closer to its end than this is not handed out any more."""


class Act(StrEnum):
    """What a token is for."""

    READ = "read"
    REPORT = "report"
    FETCH = "fetch"
    PUSH = "push"
    MEMBERS = "members"
    STATUSES = "statuses"


PERMISSIONS: Final[Mapping[Act, Mapping[str, str]]] = MappingProxyType(
    {
        # Pull requests, people's permissions, the configuration file.
        Act.READ: MappingProxyType({"metadata": "read", "contents": "read", "pull_requests": "read"}),
        # Check runs, comments under issues and pull requests, reactions, pull requests of our own.
        Act.REPORT: MappingProxyType({"checks": "write", "issues": "write", "pull_requests": "write"}),
        # git fetch and ls-remote.
        Act.FETCH: MappingProxyType({"contents": "read"}),
        # git push. Never "workflows": GitHub then refuses any push that changes a workflow file.
        Act.PUSH: MappingProxyType({"contents": "write"}),
    },
)
"""The permissions of each act that is always needed; together they are what app-manifest.yml asks for.

https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
"""


OPTIONAL_PERMISSIONS: Final[Mapping[Act, Mapping[str, str]]] = MappingProxyType(
    {
        # Who is in a team that CODEOWNERS names. Without it, teams there have no members for us.
        Act.MEMBERS: MappingProxyType({"members": "read"}),
        # What fails on a head without being a check run. Without it, a fix does not know of those.
        Act.STATUSES: MappingProxyType({"statuses": "read"}),
    },
)
"""The permissions of acts that an App may do without; app-manifest.yml says what for."""


class AppIdentity:
    """The App's id and private key."""

    def __init__(self, *, app_id: int, private_key_pem: str) -> None:
        """Load the key.

        Raises:
            SettingsError: it is no RSA private key in PEM; the message shows nothing of it.
        """
        try:
            key = load_pem_private_key(private_key_pem.encode("utf-8"), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise SettingsError("the GitHub App's private key is not an unencrypted PEM key") from None
        if not isinstance(key, RSAPrivateKey):
            raise SettingsError("the GitHub App's private key is not an RSA key")
        self.app_id = app_id
        self._key = key

    def jwt(self, now: datetime) -> str:
        """A fresh JWT, issued a minute ago so that GitHub's clock may be behind ours."""
        claims = {"iat": now - CLOCK_SKEW, "exp": now + JWT_LIFE, "iss": str(self.app_id)}
        return jwt.encode(claims, self._key, algorithm="RS256")


class _Minted(msgspec.Struct, frozen=True):
    """https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app ."""

    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"_Minted(token=<hidden>, expires_at={self.expires_at!r})"


UNKNOWN_ID: Final = 0
"""The id of a repository of which only the name is known; its token is asked for by that name."""

ABSENT_FOR: Final = timedelta(seconds=60)
"""For so long nobody asks again for a token for a name that the installation does not have."""

_UNPROCESSABLE: Final = 422

_Key = tuple[int, int | str, Act]


class NoSuchRepositoryError(ForgeNotFoundError):
    """The installation has no repository of that name, or was not given it."""


@dataclass(slots=True, eq=False)
class _Flight:
    """A mint under way: ``done`` is set when it ended, with a token, an error, or (cancelled) neither."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    minted: _Minted | None = None
    error: ForgeError | None = None


class InstallationTokens:
    """Installation tokens, each for one repository and one act, kept until shortly before their end.

    However many ask at once, a token is minted once; all of them get it, or its error.
    """

    def __init__(self, transport: Transport, identity: AppIdentity, *, clock: Clock) -> None:
        self._transport = transport
        self._identity = identity
        self._clock = clock
        self._kept: dict[_Key, _Minted] = {}
        self._absent: dict[_Key, datetime] = {}
        self._flights: dict[_Key, _Flight] = {}

    async def get(self, repository: RepositoryRef, act: Act) -> str:
        """A token for ``act`` on ``repository``.

        Raises:
            ForgeUnavailableError: GitHub is away or limits us.
            ForgeRefusedError: GitHub gives none; the status is 404 when the installation is gone.
            NoSuchRepositoryError: the repository is known by its name alone, and the installation has none of it.
        """
        key = _key(repository, act)
        if self._clock.now() < self._absent.get(key, datetime.min.replace(tzinfo=UTC)):
            raise NoSuchRepositoryError(f"the installation has no repository {repository.full_name}")
        while True:
            kept = self._kept.get(key)
            if kept is not None and self._clock.now() < kept.expires_at - REFRESH_BEFORE:
                return kept.token
            flight = self._flights.get(key)
            if flight is None:
                return (await self._lead(key)).token
            await flight.done.wait()
            if flight.error is not None:
                raise flight.error
            if flight.minted is not None:
                return flight.minted.token
            # Whoever minted was cancelled: somebody else's turn, perhaps ours.

    def discard(self, repository: RepositoryRef, act: Act, token: str | None) -> None:
        """Forget a token that GitHub refused; one that took its place meanwhile stays."""
        key = _key(repository, act)
        kept = self._kept.get(key)
        if kept is not None and kept.token == token:
            del self._kept[key]

    async def _lead(self, key: _Key) -> _Minted:
        flight = self._flights[key] = _Flight()
        try:
            flight.minted = await self._mint(key)
        except ForgeError as error:
            flight.error = error
            raise
        finally:
            del self._flights[key]
            flight.done.set()
        now = self._clock.now()
        self._kept = {kept: minted for kept, minted in self._kept.items() if now < minted.expires_at}
        self._kept[key] = flight.minted
        return flight.minted

    async def metadata(self, installation_id: int) -> str:
        """A token that may read metadata and nothing else, in all of an installation. It is not kept.

        Raises as ``get`` does.
        """
        return (await self._ask(installation_id, {"permissions": {"metadata": "read"}})).token

    async def _mint(self, key: _Key) -> _Minted:
        installation_id, which, act = key
        named = isinstance(which, str)
        where = {"repositories" if named else "repository_ids": [which]}
        try:
            return await self._ask(installation_id, {**where, "permissions": dict(_permissions(act))})
        except ForgeRefusedError as error:
            if not named or error.status != _UNPROCESSABLE:
                raise
            now = self._clock.now()
            self._absent = {absent: until for absent, until in self._absent.items() if now < until}
            self._absent[key] = now + ABSENT_FOR
            raise NoSuchRepositoryError(str(error)) from None

    async def _ask(self, installation_id: int, wanted: dict[str, object]) -> _Minted:
        try:
            answer = await self._transport.call(
                Asker(act="app", jwt=self._identity.jwt(self._clock.now())),
                "POST",
                "/app/installations/{installation_id}/access_tokens",
                {"installation_id": str(installation_id)},
                data=wanted,
                idempotent=True,  # a token too many harms nobody
            )
        except ForgeNotFoundError as error:
            # Not the same as a missing object: nobody may take it for "this file does not exist".
            raise ForgeRefusedError(str(error), status=404) from None
        try:
            return msgspec.convert(answer.data, _Minted)
        except msgspec.ValidationError:
            raise ForgeUnavailableError("GitHub's answer to a request for a token is not as documented") from None


def _key(repository: RepositoryRef, act: Act) -> _Key:
    which = repository.name if repository.id == UNKNOWN_ID else repository.id
    return repository.installation_id, which, act


def _permissions(act: Act) -> Mapping[str, str]:
    return PERMISSIONS[act] if act in PERMISSIONS else OPTIONAL_PERMISSIONS[act]
