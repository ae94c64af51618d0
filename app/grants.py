"""OAuth grants in the database, sealed with what the OAuth application alone knows.

The key is derived from the application's secret, which every process reads from its own files and the database never
sees: a dump of the database gives nothing away, and nothing else has to be set.
"""

import hashlib
from datetime import datetime

import msgspec
from cryptography.fernet import InvalidToken

from app.forge_settings import GitLabHost, OAuthApplication, OAuthGrant
from app.sealed import derived_key
from app.store.database import SqlStore
from app.store.grants import SqlGrants
from bot.errors import StoreError
from bot.forges.gitlab.tokens import FixedToken, OAuthTokens, TokenEndpoint, TokenSource
from bot.model.forge import ForgeName
from bot.model.grants import Grant, KeptGrant
from bot.ports.system import Clock, Timer


class SealedGrants:
    """One authorization; implements ``bot.ports.grants.Grants``.

    Its name is a digest of all that the settings say of it. Where somebody authorizes the application anew, that is
    another one, and processes that have the old settings still do not get in its way.
    """

    def __init__(self, rows: SqlGrants, *, forge: ForgeName, application: OAuthApplication, refresh_token: str) -> None:
        secret = application.client_secret.get_secret_value()
        self._rows = rows
        self._forge = forge
        self._key = derived_key(secret, purpose="oauth grants")
        told = f"{application.client_id}\0{secret}\0{refresh_token}"
        self._authorization = hashlib.sha256(told.encode()).hexdigest()[:32]

    async def read(self) -> KeptGrant:
        """The newest grant. Raises ``StoreError`` where what is there was tampered with."""
        row = await self._rows.read(self._forge, self._authorization)
        grant = None if row.sealed is None else self._unsealed(row.sealed)
        return KeptGrant(version=row.version, grant=grant, fault=row.fault, again_at=row.again_at)

    async def take_turn(self, kept: KeptGrant, *, until: datetime) -> bool:
        """Whether the renewal is the caller's alone until then."""
        return await self._rows.take_turn(self._forge, self._authorization, version=kept.version, until=until)

    async def keep(self, kept: KeptGrant, grant: Grant) -> None:
        """Put ``grant`` in the place of ``kept``, sealed."""
        sealed = self._key.encrypt(msgspec.json.encode(grant))
        await self._rows.keep(self._forge, self._authorization, version=kept.version, sealed=sealed)

    async def failed(self, kept: KeptGrant, *, fault: str, again_at: datetime) -> None:
        """Give the turn back."""
        await self._rows.failed(self._forge, self._authorization, version=kept.version, fault=fault, again_at=again_at)

    def _unsealed(self, sealed: bytes) -> Grant:
        try:
            return msgspec.json.decode(self._key.decrypt(sealed), type=Grant)
        except (InvalidToken, msgspec.MsgspecError):
            raise StoreError(f"the kept OAuth grant of {self._forge} was not sealed by this application") from None


def gitlab_tokens(host: GitLabHost, store: SqlStore, clock: Clock, timer: Timer) -> TokenSource:
    """Where the token of a GitLab comes from. Raises ``SettingsError`` where it can be none."""
    match host.token:
        case OAuthGrant(application=application, refresh_token=refresh_token):
            first, secret = refresh_token.get_secret_value(), application.client_secret.get_secret_value()
            grants = SealedGrants(store.grants, forge=host.name, application=application, refresh_token=first)
            endpoint = TokenEndpoint(
                base_url=host.url, client_id=application.client_id, client_secret=secret, clock=clock
            )
            return OAuthTokens(grants, endpoint, first=first, clock=clock, sleep=timer.sleep)
        case token:
            return FixedToken(token.get_secret_value())
