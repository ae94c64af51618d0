"""Who is asking: the App by JWT, an installation by token, a person by token, or nobody."""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt

from app.demo.simulator.messages import Refusal, not_found
from app.demo.simulator.state import Account, AccountKind, GitHubWorld, Installation, Repository, Role

TOKEN_LIFETIME = timedelta(hours=1)
CLOCK_SKEW_SECONDS = 60
LONGEST_JWT_SECONDS = 600
LEVELS = {"none": 0, "read": 1, "write": 2, "admin": 3}
FORBIDDEN = "Resource not accessible by integration"


@dataclass(frozen=True, slots=True)
class AppPrincipal:
    """The App itself, by a JWT signed with its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationToken:
    """An installation's token, down-scoped to some repositories (None: all of the installation) and permissions."""

    value: str
    installation: Installation
    repositories: frozenset[int] | None
    permissions: Mapping[str, str]
    expires_at: datetime

    def reaches(self, repository: Repository) -> bool:
        """Whether the token is for that repository."""
        return self.installation.covers(repository) and (
            self.repositories is None or repository.id in self.repositories
        )

    def allows(self, permission: str, level: str) -> bool:
        """Whether the token has a permission at that level or above."""
        if permission == "metadata" and level == "read":
            return True
        return LEVELS[self.permissions.get(permission, "none")] >= LEVELS[level]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPrincipal:
    """A person with a personal access token."""

    account: Account


@dataclass(frozen=True, slots=True)
class NobodyPrincipal:
    """A request without credentials."""


Principal = AppPrincipal | InstallationToken | UserPrincipal | NobodyPrincipal
Needs = tuple[tuple[str, str], ...]
"""Permissions of which any one is enough, each a name and a level."""


def describe(principal: Principal) -> str:
    """Who asked, for the record; never the credential."""
    match principal:
        case AppPrincipal():
            return "app"
        case InstallationToken():
            scope = "all" if principal.repositories is None else ",".join(map(str, sorted(principal.repositories)))
            rights = ",".join(f"{name}:{level}" for name, level in sorted(principal.permissions.items()))
            return f"installation {principal.installation.id} repositories={scope} permissions={rights}"
        case UserPrincipal():
            return f"user {principal.account.login}"
        case NobodyPrincipal():
            return "nobody"


class Credentials:
    """Checks credentials and makes tokens."""

    def __init__(self, world: GitHubWorld) -> None:
        self._world = world
        self._installation_tokens: dict[str, InstallationToken] = {}
        self._user_tokens: dict[str, Account] = {}

    def user_token(self, account: Account) -> str:
        """A new personal access token with all scopes."""
        token = f"ghp_{secrets.token_hex(18)}"
        self._user_tokens[token] = account
        return token

    def sign_in_token(self, account: Account) -> str:
        """A new token of somebody who signed in by the App: ``ghu_…``."""
        token = f"ghu_{secrets.token_hex(18)}"
        self._user_tokens[token] = account
        return token

    def forget(self, token: str) -> bool:
        """Make a person's token worthless; False for one that is none."""
        return self._user_tokens.pop(token, None) is not None

    def mint(
        self, installation: Installation, repositories: frozenset[int] | None, permissions: Mapping[str, str]
    ) -> InstallationToken:
        """A new installation token in GitHub's long format: ``ghs_<app id>_<JWT>``.

        Source: https://github.blog/changelog/ , April 2026, "new format for GitHub App installation tokens".
        """
        world = self._world
        expires = world.now() + TOKEN_LIFETIME
        header = _base64url({"alg": "ES256", "typ": "JWT", "kid": secrets.token_hex(16)})
        claims = _base64url({"iss": world.app.id, "exp": int(expires.timestamp()), "jti": secrets.token_hex(32)})
        value = f"ghs_{world.app.id}_{header}.{claims}.{secrets.token_urlsafe(64)}"
        token = InstallationToken(
            value=value,
            installation=installation,
            repositories=repositories,
            permissions=dict(permissions),
            expires_at=expires,
        )
        self._installation_tokens[value] = token
        return token

    def revoke(self, token: InstallationToken) -> None:
        """Make a token worthless."""
        self._installation_tokens.pop(token.value, None)

    def authenticate(self, authorization: str | None) -> Principal:
        """Who an ``Authorization`` header of the API belongs to.

        Raises:
            Refusal: 401, the credential is not valid (any more).
        """
        if authorization is None:
            return NobodyPrincipal()
        scheme, _, value = authorization.partition(" ")
        if scheme.casefold() == "basic":
            return self.basic(authorization)
        if scheme.casefold() not in {"bearer", "token"}:
            raise Refusal(401, "Bad credentials")
        value = value.strip()
        return self._app(value) if value.count(".") == 2 and not value.startswith("ghs_") else self._by_token(value)  # noqa: PLR2004 - a JWT has three parts

    def basic(self, authorization: str | None) -> Principal:
        """Who a Basic header of git belongs to: the password is a token.

        Raises:
            Refusal: 401, the credential is not valid (any more).
        """
        if authorization is None:
            return NobodyPrincipal()
        scheme, _, value = authorization.partition(" ")
        if scheme.casefold() == "bearer":
            return self._by_token(value.strip())
        try:
            _, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Refusal(401, "Bad credentials") from None
        return self._by_token(password)

    def _by_token(self, value: str) -> Principal:
        if account := self._user_tokens.get(value):
            return UserPrincipal(account=account)
        token = self._installation_tokens.get(value)
        if token is None or token.expires_at <= self._world.clock.now():
            raise Refusal(401, "Bad credentials")
        if token.installation.id not in self._world.installations:
            raise Refusal(401, "Bad credentials")
        if token.installation.suspended_at is not None:
            raise Refusal(403, "This installation has been suspended")
        return token

    def _app(self, token: str) -> AppPrincipal:
        """Check an App's JWT.

        Source: https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app , "Generating a JWT".
        """
        try:
            claims = jwt.decode(
                token,
                self._world.app.public_key_pem(),
                algorithms=["RS256"],
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_iss": False,
                    "verify_aud": False,
                },
            )
        except jwt.PyJWTError:
            raise Refusal(401, "A JSON web token could not be decoded") from None
        now = self._world.clock.now().timestamp()
        issued, expires = claims.get("iat"), claims.get("exp")
        if str(claims.get("iss")) not in {str(self._world.app.id), self._world.app.client_id}:
            raise Refusal(401, "Integration not found")
        if not isinstance(issued, int) or issued > now + CLOCK_SKEW_SECONDS:
            raise Refusal(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            )
        if not isinstance(expires, int) or expires <= now:
            raise Refusal(
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the "
                "assertion expires",
            )
        if expires > now + LONGEST_JWT_SECONDS:
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
        return AppPrincipal()


def may(principal: Principal, repository: Repository, needs: Needs) -> None:
    """Let a request on a repository pass, or refuse it as GitHub does.

    ``needs`` are permissions of which one is enough. What the asker may not even read is not found.

    Raises:
        Refusal: 401, 403 or 404.
    """
    read = all(level == "read" for _, level in needs)
    match principal:
        case AppPrincipal():
            raise Refusal(401, "A JSON web token could not be decoded")
        case NobodyPrincipal():
            if repository.private:
                raise not_found()
            if not read:
                raise Refusal(401, "Requires authentication")
        case UserPrincipal():
            _person_may(principal.account, repository, needs, read=read)
        case InstallationToken():
            _installation_may(principal, repository, needs, read=read)


def _installation_may(token: InstallationToken, repository: Repository, needs: Needs, *, read: bool) -> None:
    if token.reaches(repository):
        if not any(token.allows(name, level) for name, level in needs):
            raise _forbidden(needs)
    elif repository.private:
        raise not_found()
    elif not read:
        raise _forbidden(needs)


def _person_may(account: Account, repository: Repository, needs: Needs, *, read: bool) -> None:
    role = repository.role_of(account)
    if role < Role.READ:
        raise not_found()
    if read:
        return
    if any(name == "checks" for name, _ in needs) and account.kind is AccountKind.USER:
        raise Refusal(403, "You must authenticate via a GitHub App.")
    talking = any(name in {"issues", "pull_requests"} for name, _ in needs)
    if not talking and role < Role.WRITE:
        raise Refusal(403, "Must have admin rights to Repository.")


def _forbidden(needs: Needs) -> Refusal:
    accepted = "; ".join(f"{name}={level}" for name, level in needs)
    return Refusal(403, FORBIDDEN, headers={"x-accepted-github-permissions": accepted})


def _base64url(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode("ascii")
