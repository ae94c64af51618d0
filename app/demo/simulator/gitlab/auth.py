"""Who is asking: somebody with an access token, or nobody."""

import base64
import binascii
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.demo.simulator.gitlab.messages import Denial, unauthorized
from app.demo.simulator.gitlab.state import AccessToken, GitLabWorld
from app.demo.simulator.messages import Request
from app.demo.simulator.state import Account

ALL_SCOPES = frozenset({"api", "read_api", "read_user", "read_repository", "write_repository", "self_rotate"})
OAUTH_SECONDS = 7200
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Whoever sent a request. ``token`` None: nobody in particular."""

    token: AccessToken | None = None

    @property
    def account(self) -> Account | None:
        """As whom they speak."""
        return None if self.token is None else self.token.account

    def describe(self) -> str:
        """Who asked, for the record; never the credential."""
        if self.token is None:
            return "nobody"
        return f"user {self.token.account.login} scopes={','.join(sorted(self.token.scopes))}"


class Tokens:
    """Makes access tokens and knows whose they are."""

    def __init__(self, world: GitLabWorld) -> None:
        self._world = world

    def mint(
        self,
        account: Account,
        *,
        scopes: frozenset[str] = ALL_SCOPES,
        expires_at: datetime | None = None,
        name: str = "simulator",
    ) -> AccessToken:
        """A new token. Source of its form: https://docs.gitlab.com/security/tokens/#token-prefixes ."""
        token = AccessToken(
            id=self._world.new_id(),
            value=f"glpat-{secrets.token_urlsafe(20)}",
            name=name,
            account=account,
            scopes=scopes,
            created_at=self._world.now(),
            expires_at=expires_at,
        )
        self._world.tokens[token.value] = token
        return token

    def authorize(self, account: Account) -> str:
        """Somebody lets the OAuth application act as them: the refresh token that comes of it."""
        return self._grant(account)[1]

    def renew(self, refresh: str) -> tuple[AccessToken, str] | None:
        """Another access token and another refresh token; both old ones are void. None for what is no refresh token.

        Source: https://docs.gitlab.com/api/oauth2/ .
        """
        old = self._world.refresh_tokens.pop(refresh, None)
        if old is None:
            return None
        old.revoked = True
        return self._grant(old.account)

    def _grant(self, account: Account) -> tuple[AccessToken, str]:
        ends = self._world.now() + timedelta(seconds=OAUTH_SECONDS)
        token = self.mint(account, scopes=frozenset({"api"}), expires_at=ends, name="oauth")
        refresh = secrets.token_hex(32)
        self._world.refresh_tokens[refresh] = token
        return token, refresh

    def of_request(self, request: Request) -> Asker:
        """Who sent a request to the API: by ``PRIVATE-TOKEN``, or by ``Authorization: Bearer``.

        Source: https://docs.gitlab.com/api/rest/authentication/ . Raises ``Denial`` 401 or 403.
        """
        value = request.headers.get("private-token", "")
        if not value:
            scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
            if not scheme:
                return Asker()
            if scheme.casefold() != "bearer":
                raise unauthorized()
            value = bearer.strip()
        asker = Asker(token=self._valid(value))
        if request.path != "/api/v4/personal_access_tokens/self":
            _check_scope(asker, request)
        return asker

    def of_git(self, authorization: str | None) -> Asker:
        """Who a Basic header of git belongs to: the password is a token, the name (``oauth2``) is any.

        Source: https://docs.gitlab.com/user/profile/personal_access_tokens/ , "Clone repository".
        Raises ``Denial`` 401.
        """
        if authorization is None:
            return Asker()
        try:
            _, _, encoded = authorization.partition(" ")
            _, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise unauthorized() from None
        return Asker(token=self._valid(password))

    def _valid(self, value: str) -> AccessToken:
        token = self._world.tokens.get(value)
        if token is None:
            raise unauthorized()
        if token.revoked:
            raise _invalid_token("Token was revoked. You have to re-authorize from the user.")
        if token.expires_at is not None and token.expires_at <= self._world.clock.now():
            raise _invalid_token("Token is expired. You can either do re-authorization or token refresh.")
        return token


def _invalid_token(description: str) -> Denial:
    return Denial(401, {"error": "invalid_token", "error_description": description})


def _check_scope(asker: Asker, request: Request) -> None:
    """What a token's scopes let it ask. Source: https://docs.gitlab.com/user/profile/personal_access_tokens/ ."""
    scopes = frozenset() if asker.token is None else asker.token.scopes
    if "api" in scopes or (request.method not in WRITES and "read_api" in scopes):
        return
    if request.method == "GET" and request.path.startswith("/api/v4/user") and "read_user" in scopes:
        return
    if request.method == "GET" and "/repository/" in request.path and "read_repository" in scopes:
        return
    raise Denial(
        403,
        {
            "error": "insufficient_scope",
            "error_description": "The request requires higher privileges than provided by the access token.",
            "scope": "api" if request.method in WRITES else "api read_api",
        },
    )
