"""The first App and the first GitLab, of the settings that are theirs alone."""

from pydantic import SecretStr

from app.forge_settings import GitHubApp, GitLabHost, gitlab_token, oauth_application
from bot.model.forge import ForgeKind

Secrets = tuple[SecretStr, ...]


def first_github(
    *,
    api_url: str,
    git_url: str,
    app_id: int | None,
    app_slug: str | None,
    private_key: SecretStr | None,
    client_id: str | None,
    client_secret: SecretStr | None,
    webhook_secrets: Secrets,
) -> tuple[GitHubApp, ...]:
    """The App, if all of it is set. Raises ``ValueError`` where only some of it is."""
    oauth = oauth_application(client_id, client_secret, where="FLOWFORGE_GITHUB_OAUTH_CLIENT_ID and _CLIENT_SECRET")
    if app_id is not None and app_slug is not None and private_key is not None and webhook_secrets:
        return (
            GitHubApp(
                name=ForgeKind.GITHUB.value,
                api_url=api_url,
                git_url=git_url,
                app_id=app_id,
                app_slug=app_slug,
                private_key=private_key,
                webhook_secrets=webhook_secrets,
                oauth=oauth,
            ),
        )
    _none_missing(
        "GitHub",
        github_app_id=app_id,
        github_app_slug=app_slug,
        github_private_key=private_key,
        github_webhook_secrets=webhook_secrets,
    )
    return ()


def first_gitlab(
    *,
    url: str,
    token: SecretStr | None,
    client_id: str | None,
    client_secret: SecretStr | None,
    refresh_token: SecretStr | None,
    webhook_secrets: Secrets,
) -> tuple[GitLabHost, ...]:
    """The GitLab, if all of it is set. Raises ``ValueError`` where only some of it is, or two tokens."""
    oauth = oauth_application(client_id, client_secret, where="FLOWFORGE_GITLAB_OAUTH_CLIENT_ID and _CLIENT_SECRET")
    act_by = gitlab_token(token, refresh_token, oauth, where="FLOWFORGE_GITLAB_OAUTH_REFRESH_TOKEN")
    if act_by is not None and webhook_secrets:
        host = GitLabHost(
            name=ForgeKind.GITLAB.value, url=url, token=act_by, webhook_secrets=webhook_secrets, oauth=oauth
        )
        return (host,)
    _none_missing("GitLab", gitlab_token=act_by, gitlab_webhook_secrets=webhook_secrets)
    return ()


def _none_missing(forge: str, **values: object) -> None:
    """Refuse a forge with only some of its settings; one without any is not configured."""
    lacking = [f"FLOWFORGE_{name.upper()}" for name, value in values.items() if value is None or value == ()]
    if lacking and len(lacking) < len(values):
        raise ValueError(f"{', '.join(lacking)} must be set too: {forge} needs all of its settings, or none")
