"""The forges that one instance serves, as its settings name them.

The first App on GitHub and the first GitLab have settings of their own and go by the names ``github`` and ``gitlab``.
Further Apps and hosts are entries of one JSON list, whose secrets are files: what is in the list may be shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from app.sealed import SUFFIX, read_key, unseal
from bot.errors import SettingsError
from bot.forges.github import deliveries as github_deliveries
from bot.forges.gitlab import deliveries as gitlab_deliveries
from bot.model.forge import ForgeKind, ForgeName, is_forge_name, kind_of

GITHUB_URL: Final = "https://github.com"
GITHUB_API_URL: Final = "https://api.github.com"
GITLAB_URL: Final = "https://gitlab.com"

_MIN_SECRET: Final = max(github_deliveries.MIN_SECRET_BYTES, gitlab_deliveries.MIN_SECRET_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthApplication:
    """What a forge knows FlowForge as, where people or FlowForge itself act by OAuth."""

    client_id: str
    client_secret: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubApp:
    """One App on github.com or on an Enterprise Server. ``api_url`` and ``git_url`` have no slash at their end."""

    name: ForgeName
    api_url: str
    git_url: str
    app_id: int
    app_slug: str
    private_key: SecretStr
    webhook_secrets: tuple[SecretStr, ...]
    oauth: OAuthApplication | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthGrant:
    """Somebody's permission to act as them, through an application, for as long as ``refresh_token`` is renewed."""

    application: OAuthApplication
    refresh_token: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLabHost:
    """One GitLab, seen as one user: by a token that stays, or by OAuth. ``url`` is the address that people see."""

    name: ForgeName
    url: str
    token: SecretStr | OAuthGrant
    webhook_secrets: tuple[SecretStr, ...]
    oauth: OAuthApplication | None = None


ForgeSettings = GitHubApp | GitLabHost

KeyOf = Callable[[Path], Path]
"""Where the key is with which the sealed files of a directory were sealed."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: str = Field(description="`github` or `gitlab`")
    name: str = Field(description="`github-…` or `gitlab-…`; the webhook's path ends with it")
    webhook_secrets_file: Path = Field(description="file with the webhook secrets, separated by commas or new lines")

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if not is_forge_name(self.name) or kind_of(self.name) != self.kind:
            raise ValueError(
                f"a forge of the kind {self.kind} is named `{self.kind}` or `{self.kind}-<word>`, in lower-case "
                "letters, digits and hyphens, 32 characters at most"
            )
        return self

    def _secrets(self, key_of: KeyOf) -> tuple[SecretStr, ...]:
        text = _read(self.name, "webhook_secrets_file", self.webhook_secrets_file, key_of)
        return split_secrets(text.replace("\n", ","))


class GitHubEntry(_Entry):
    """A further App, on the same host or on another one."""

    kind: Literal["github"]
    url: str = Field(default=GITHUB_URL, description="the host, as people see it")
    api_url: str | None = Field(default=None, description="base URL of its REST API where it is not `<url>/api/v3`")
    app_id: int = Field(description="the App's numeric id")
    app_slug: str = Field(description="the App's slug")
    private_key_file: Path = Field(description="file with the App's private key, PEM")
    oauth_client_id: str | None = Field(default=None, description="the App's client id, by which people sign in")
    oauth_client_secret_file: Path | None = Field(default=None, description="file with a client secret of the App")

    def loaded(self, key_of: KeyOf) -> GitHubApp:
        """With its secrets read. Raises ``ValueError`` naming the file that cannot be read."""
        key = SecretStr(_read(self.name, "private_key_file", self.private_key_file, key_of))
        file = self.oauth_client_secret_file
        secret = None if file is None else SecretStr(_read(self.name, "oauth_client_secret_file", file, key_of))
        return GitHubApp(
            name=self.name,
            api_url=self.api_url or github_api_url(self.url),
            git_url=self.url.rstrip("/"),
            app_id=self.app_id,
            app_slug=self.app_slug,
            private_key=key,
            webhook_secrets=self._secrets(key_of),
            oauth=oauth_application(self.oauth_client_id, secret, where=f"{self.name} in FLOWFORGE_FORGES"),
        )


class GitLabEntry(_Entry):
    """A further GitLab, or the same one with another token."""

    kind: Literal["gitlab"]
    url: str = Field(default=GITLAB_URL, description="the host, as people see it")
    token_file: Path | None = Field(default=None, description="file with the access token")
    oauth_client_id: str | None = Field(default=None, description="the id of an OAuth application on this GitLab")
    oauth_client_secret_file: Path | None = Field(default=None, description="file with that application's secret")
    oauth_refresh_token_file: Path | None = Field(
        default=None, description="file with the refresh token of that application, in place of an access token"
    )

    def loaded(self, key_of: KeyOf) -> GitLabHost:
        """With its secrets read. Raises ``ValueError`` naming the file that cannot be read, or what is missing."""

        def secret(key: str, path: Path | None) -> SecretStr | None:
            return None if path is None else SecretStr(_read(self.name, key, path, key_of))

        oauth = oauth_application(
            self.oauth_client_id,
            secret("oauth_client_secret_file", self.oauth_client_secret_file),
            where=f"{self.name} in FLOWFORGE_FORGES",
        )
        token = gitlab_token(
            secret("token_file", self.token_file),
            secret("oauth_refresh_token_file", self.oauth_refresh_token_file),
            oauth,
            where=f"{self.name} in FLOWFORGE_FORGES",
        )
        if token is None:
            raise ValueError(f"FLOWFORGE_FORGES: {self.name} needs token_file or oauth_refresh_token_file")
        url, secrets = self.url.rstrip("/"), self._secrets(key_of)
        return GitLabHost(name=self.name, url=url, token=token, webhook_secrets=secrets, oauth=oauth)


ForgeEntry = Annotated[GitHubEntry | GitLabEntry, Field(discriminator="kind")]
"""One entry of ``FLOWFORGE_FORGES``."""


def oauth_application(client_id: str | None, client_secret: SecretStr | None, *, where: str) -> OAuthApplication | None:
    """An OAuth application of the settings, None where there is none. Raises ``ValueError`` for half of one."""
    if client_id is None and client_secret is None:
        return None
    if client_id is None or client_secret is None:
        raise ValueError(f"{where}: the OAuth client id and the client secret belong together")
    return OAuthApplication(client_id=client_id, client_secret=client_secret)


def gitlab_token(
    token: SecretStr | None, refresh_token: SecretStr | None, oauth: OAuthApplication | None, *, where: str
) -> SecretStr | OAuthGrant | None:
    """What we act with on a GitLab, None where nothing is set. Raises ``ValueError`` for what contradicts itself."""
    if refresh_token is None:
        return token
    if token is not None:
        raise ValueError(
            f"{where}: a token and an OAuth refresh token are two ways to act there; leave one of them out"
        )
    if oauth is None:
        raise ValueError(f"{where}: an OAuth refresh token needs the client id and the client secret it was given to")
    return OAuthGrant(application=oauth, refresh_token=refresh_token)


def place(forge: ForgeSettings, key: str, *, file: bool = False) -> str:
    """Where an operator sets ``key`` of a forge: a setting of its own, or a key of its entry (of a ``file``)."""
    if forge.name in frozenset(ForgeKind):
        return f"FLOWFORGE_{forge.name.upper()}_{key.upper()}"
    return f"{key}{'_file' if file else ''} of {forge.name} in FLOWFORGE_FORGES"


def github_api_url(url: str) -> str:
    """Where the REST API of a GitHub is that people see at ``url``.

    https://docs.github.com/en/enterprise-server@latest/rest/enterprise-admin#endpoint-urls
    """
    plain = url.rstrip("/")
    return GITHUB_API_URL if urlsplit(plain).hostname == urlsplit(GITHUB_URL).hostname else f"{plain}/api/v3"


def split_secrets(text: str) -> tuple[SecretStr, ...]:
    """Secrets that stand in one text with commas between them."""
    return tuple(SecretStr(part.strip()) for part in text.split(",") if part.strip())


def check_forges(forges: Sequence[ForgeSettings]) -> None:
    """Refuse what no forge could be served with.

    Raises:
        ValueError: there is none, two go by one name, or one lacks secrets that can hold; no value is shown.
    """
    if not forges:
        raise ValueError(
            "no forge is configured: set FLOWFORGE_GITHUB_APP_ID, FLOWFORGE_GITHUB_APP_SLUG, "
            "FLOWFORGE_GITHUB_PRIVATE_KEY and FLOWFORGE_GITHUB_WEBHOOK_SECRETS for GitHub, FLOWFORGE_GITLAB_TOKEN and "
            "FLOWFORGE_GITLAB_WEBHOOK_SECRETS for GitLab, or FLOWFORGE_FORGES"
        )
    names = [forge.name for forge in forges]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"two forges are called {doubled[0]}: give each entry of FLOWFORGE_FORGES a name of its own")
    for forge in forges:
        _check_secrets(forge)


def _check_secrets(forge: ForgeSettings) -> None:
    where = place(forge, "webhook_secrets", file=True)
    most = github_deliveries.MAX_SECRETS if isinstance(forge, GitHubApp) else gitlab_deliveries.MAX_SECRETS
    if not 1 <= len(forge.webhook_secrets) <= most:
        several = "two while rotating" if isinstance(forge, GitHubApp) else f"up to {most}"
        raise ValueError(f"{where} must hold one secret, or {several}")
    if any(len(secret.get_secret_value().encode()) < _MIN_SECRET for secret in forge.webhook_secrets):
        raise ValueError(f"{where}: a webhook secret must have at least {_MIN_SECRET} characters")


def _read(name: str, key: str, path: Path, key_of: KeyOf) -> str:
    try:
        sealed = path.suffix == SUFFIX
        text = unseal(path, read_key(key_of(path.parent))) if sealed else path.read_text(encoding="utf-8")
        text = text.strip()
    except SettingsError as error:
        raise ValueError(f"FLOWFORGE_FORGES: {key} of {name}: {error}") from None
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"FLOWFORGE_FORGES: the file of {key} of {name} cannot be read") from None
    if not text:
        raise ValueError(f"FLOWFORGE_FORGES: the file of {key} of {name} is empty")
    return text
