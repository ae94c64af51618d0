"""Settings: what is missing or wrong is named at the start, and no value is ever shown."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.forge_settings import GitHubApp, GitLabHost, OAuthGrant
from app.settings import (
    CommonSettings,
    Environment,
    GatewaySettings,
    LogLevel,
    RunnerKind,
    ServiceSettings,
    Settings,
    load_settings,
)
from bot.errors import SettingsError

SECRET = "sixteen-characters-at-least"
SERVICE = {
    "FLOWFORGE_ENVIRONMENT": "development",
    "FLOWFORGE_DATABASE_URL": "sqlite:////tmp/flowforge.db",
    "FLOWFORGE_REDIS_URL": "redis://127.0.0.1/0",
    "FLOWFORGE_GITHUB_APP_ID": "12345",
    "FLOWFORGE_GITHUB_APP_SLUG": "flowforge",
    "FLOWFORGE_GITHUB_PRIVATE_KEY": "a private key",
    "FLOWFORGE_GITHUB_WEBHOOK_SECRETS": SECRET,
}
GITLAB = {
    "FLOWFORGE_GITLAB_TOKEN": "glpat-a-token",
    "FLOWFORGE_GITLAB_WEBHOOK_SECRETS": SECRET,
}
GATEWAY = {
    "FLOWFORGE_DATABASE_URL": "sqlite:////tmp/flowforge.db",
    "FLOWFORGE_ANTHROPIC_API_KEY": "sk-ant-the-model-key",
}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*SERVICE, *GATEWAY, *GITLAB, "FLOWFORGE_FORGES", "FLOWFORGE_SECRETS_DIR"}:
        monkeypatch.delenv(name, raising=False)


def put(monkeypatch: pytest.MonkeyPatch, values: dict[str, str], **changes: str | None) -> None:
    for name, value in (values | {f"FLOWFORGE_{key.upper()}": value for key, value in changes.items()}).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def refusal(kind: type[CommonSettings] = ServiceSettings) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(kind)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_a_service_needs_no_model_key_and_a_gateway_no_key_of_a_forge(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, SERVICE)
    service = load_settings(ServiceSettings)
    assert (service.github_app_id, service.environment) == (12345, Environment.DEVELOPMENT)
    assert not hasattr(service, "anthropic_api_key")
    assert "FLOWFORGE_ANTHROPIC_API_KEY: Field required" in refusal(Settings)
    put(monkeypatch, dict.fromkeys(SERVICE, None) | GATEWAY)  # type: ignore[arg-type]
    gateway = load_settings(GatewaySettings)
    assert gateway.anthropic_api_key.get_secret_value() == "sk-ant-the-model-key"
    assert not hasattr(gateway, "github_private_key")


def test_everything_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal()
    for name in ("FLOWFORGE_DATABASE_URL", "FLOWFORGE_REDIS_URL"):
        assert f"{name}: " in said
    put(monkeypatch, {name: value for name, value in SERVICE.items() if "GITHUB" not in name})
    said = refusal()
    assert "no forge is configured" in said
    for name in (*(name for name in SERVICE if "GITHUB" in name), "FLOWFORGE_GITLAB_TOKEN", "FLOWFORGE_FORGES"):
        assert name in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("github_app_id", "TOP-SECRET"),
        ("port", "TOP-SECRET"),
        ("log_level", "TOP-SECRET"),
        ("max_budget_usd", "-1"),
        ("runner", "TOP-SECRET"),
        ("direct_calls", "TOP-SECRET"),
        ("environment", "TOP-SECRET"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    put(monkeypatch, SERVICE, **{name: value})
    said = refusal()
    assert f"FLOWFORGE_{name.upper()}: " in said
    assert "TOP-SECRET" not in said
    assert SECRET not in said


def test_production_refuses_what_is_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, SERVICE, environment=None)
    assert "FLOWFORGE_RUNNER=process is no sandbox" in refusal()
    put(monkeypatch, SERVICE, environment="development")
    assert load_settings(ServiceSettings).runner is RunnerKind.PROCESS


@pytest.mark.parametrize(
    ("secrets", "problem"),
    [
        ("", "FLOWFORGE_GITHUB_WEBHOOK_SECRETS must be set too"),
        (" , ", "FLOWFORGE_GITHUB_WEBHOOK_SECRETS must be set too"),
        ("short", "at least 16 characters"),
        (f"{SECRET},short", "at least 16 characters"),
        (f"{SECRET},{SECRET}2,{SECRET}3", "must hold one secret, or two"),
    ],
)
def test_webhook_secrets_are_never_empty_short_or_three(
    monkeypatch: pytest.MonkeyPatch, secrets: str, problem: str
) -> None:
    put(monkeypatch, SERVICE, github_webhook_secrets=secrets)
    said = refusal()
    assert problem in said
    assert SECRET not in said


def test_two_webhook_secrets_while_rotating(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, SERVICE, github_webhook_secrets=f" {SECRET} , {SECRET}-new ")
    secrets = load_settings(ServiceSettings).github_webhook_secrets
    assert [secret.get_secret_value() for secret in secrets] == [SECRET, f"{SECRET}-new"]


def test_the_model_must_be_one_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, SERVICE, allowed_models="claude-one, claude-two", model="claude-two")
    assert load_settings(ServiceSettings).allowed_models == ("claude-one", "claude-two")
    put(monkeypatch, SERVICE, allowed_models="claude-one", model="claude-two")
    assert "FLOWFORGE_MODEL must be one of" in refusal()


def test_direct_calls_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, SERVICE)
    assert load_settings(ServiceSettings).direct_calls is True
    for word in ("false", "0"):
        put(monkeypatch, SERVICE, direct_calls=word)
        assert load_settings(ServiceSettings).direct_calls is False


def test_secrets_can_be_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(monkeypatch, SERVICE, github_private_key=None, github_webhook_secrets=None, log_level="ERROR")
    (tmp_path / "flowforge_github_private_key").write_text("-----BEGIN KEY-----\nline\n")
    (tmp_path / "flowforge_github_webhook_secrets").write_text(SECRET + "\n")
    monkeypatch.setenv("FLOWFORGE_SECRETS_DIR", str(tmp_path))
    settings = load_settings(ServiceSettings)
    assert settings.github_private_key is not None
    assert settings.github_private_key.get_secret_value().startswith("-----BEGIN KEY-----")
    assert settings.github_webhook_secrets[0].get_secret_value() == SECRET
    assert settings.log_level is LogLevel.ERROR


def test_a_directory_of_secrets_must_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(monkeypatch, SERVICE)
    monkeypatch.setenv("FLOWFORGE_SECRETS_DIR", str(tmp_path / "nothing-here"))
    assert "FLOWFORGE_SECRETS_DIR: there is no such directory" in refusal()


def test_no_secret_is_shown_by_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, SERVICE | GATEWAY, database_url="postgresql://me:hunter2@db/flowforge")
    settings = load_settings(Settings)
    shown = f"{settings!r} {settings} {settings.model_dump_json()}"
    for secret in (SECRET, "hunter2", "sk-ant-the-model-key", "a private key"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runner": "cluster", "run_image": "r/guest:1"}, "names this machine alone"),
        ({"runner": "container", "run_image": "r/guest:latest"}, "not `latest`"),
        ({"runner": "container"}, "needs the guest image"),
        ({"runner": "container", "run_image": "r/guest:1", "run_memory_bytes": "1"}, "FLOWFORGE_RUN_MEMORY_BYTES"),
        ({"runner": "container", "run_image": "r/guest:1", "run_disk_bytes": "1"}, "FLOWFORGE_RUN_DISK_BYTES"),
        ({"runner": "container", "gateway_url": "http://gateway:80810"}, "FLOWFORGE_GATEWAY_URL"),
        ({"runner": "container", "gateway_url": "gateway:8081"}, "FLOWFORGE_GATEWAY_URL"),
    ],
)
def test_sandboxes_that_could_never_run_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], words: str
) -> None:
    put(monkeypatch, SERVICE, environment="production", **changes)
    assert words in refusal()


# --- several forges


def without_github(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    """A service whose first GitHub is not configured."""
    put(monkeypatch, SERVICE | GITLAB, **dict.fromkeys(SERVICE_GITHUB), **changes)


SERVICE_GITHUB = ("github_app_id", "github_app_slug", "github_private_key", "github_webhook_secrets")


def test_one_forge_of_either_kind_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    without_github(monkeypatch)
    (gitlab,) = load_settings(ServiceSettings).configured_forges
    assert isinstance(gitlab, GitLabHost)
    assert isinstance(gitlab.token, SecretStr)
    assert (gitlab.name, gitlab.url) == ("gitlab", "https://gitlab.com")
    assert gitlab.token.get_secret_value() == "glpat-a-token"
    put(monkeypatch, SERVICE)
    assert [forge.name for forge in load_settings(ServiceSettings).configured_forges] == ["github", "gitlab"]


@pytest.mark.parametrize("lacking", [*SERVICE_GITHUB, "gitlab_token", "gitlab_webhook_secrets"])
def test_a_forge_needs_all_of_its_settings(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    put(monkeypatch, SERVICE | GITLAB, **{lacking: None})
    assert f"FLOWFORGE_{lacking.upper()} must be set too" in refusal()


def entry(directory: Path, **changes: object) -> dict[str, object]:
    """An App on an Enterprise Server, as it stands in the list, with its secrets in files."""
    for name, text in (("key", "a private key"), ("hooks", f"{SECRET}-a\n{SECRET}-b\n")):
        (directory / name).write_text(text)
    known = {
        "name": "github-ghes",
        "kind": "github",
        "url": "https://ghes.example/",
        "app_id": 7,
        "app_slug": "flowforge-ghes",
        "private_key_file": str(directory / "key"),
        "webhook_secrets_file": str(directory / "hooks"),
    }
    return {name: value for name, value in (known | changes).items() if value is not None}


def gitlab_entry(directory: Path, **changes: object) -> dict[str, object]:
    return entry(
        directory,
        name="gitlab-acme",
        kind="gitlab",
        url="https://gitlab.acme.example",
        **{"token_file": str(directory / "key")} | dict.fromkeys(("app_id", "app_slug", "private_key_file")) | changes,
    )


def test_further_apps_and_hosts_are_a_list_with_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(monkeypatch, SERVICE, forges=json.dumps([entry(tmp_path), gitlab_entry(tmp_path)]))
    first, ghes, acme = load_settings(ServiceSettings).configured_forges
    assert isinstance(first, GitHubApp)
    assert (first.name, first.api_url, first.git_url) == ("github", "https://api.github.com", "https://github.com")
    assert isinstance(ghes, GitHubApp)
    # https://docs.github.com/en/enterprise-server@latest/rest/enterprise-admin#endpoint-urls
    assert (ghes.api_url, ghes.git_url) == ("https://ghes.example/api/v3", "https://ghes.example")
    assert [secret.get_secret_value() for secret in ghes.webhook_secrets] == [f"{SECRET}-a", f"{SECRET}-b"]
    assert isinstance(acme, GitLabHost)
    assert isinstance(acme.token, SecretStr)
    assert (acme.name, acme.url, acme.token.get_secret_value()) == (
        "gitlab-acme",
        "https://gitlab.acme.example",
        "a private key",
    )


OAUTH: dict[str, str | None] = {
    "gitlab_token": None,
    "gitlab_oauth_client_id": "the application",
    "gitlab_oauth_client_secret": "gloas-secret",
    "gitlab_oauth_refresh_token": "a-refresh-token",
}


def test_oauth_stands_in_the_place_of_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {f"oauth_{key}_file": str(tmp_path / "key") for key in ("client_secret", "refresh_token")}
    further = gitlab_entry(tmp_path, token_file=None, oauth_client_id="another", **files)
    without_github(monkeypatch)
    put(monkeypatch, {}, forges=json.dumps([further]), **OAUTH)
    for host in load_settings(ServiceSettings).configured_forges:
        assert isinstance(host, GitLabHost)
        assert isinstance(host.token, OAuthGrant)
        assert host.token.application == host.oauth
        assert "gloas-secret" not in repr(host)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"gitlab_token": "glpat-a-token"}, "two ways to act there"),
        ({"gitlab_oauth_client_id": None}, "belong together"),
        ({"gitlab_oauth_client_id": None, "gitlab_oauth_client_secret": None}, "needs the client id"),
    ],
    ids=["two tokens", "half an application", "no application"],
)
def test_half_of_oauth_is_refused(monkeypatch: pytest.MonkeyPatch, change: dict[str, str | None], problem: str) -> None:
    without_github(monkeypatch)
    put(monkeypatch, {}, **OAUTH | change)
    assert problem in refusal()
    assert "gloas-secret" not in refusal()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "ghes"}, "FLOWFORGE_FORGES[0]: "),
        ({"name": "gitlab-ghes"}, "a forge of the kind github is named"),
        ({"name": "github"}, "two forges are called github"),
        ({"app_id": None}, "FLOWFORGE_FORGES[0].app_id: Field required"),
        ({"kind": "bitbucket"}, "FLOWFORGE_FORGES[0]: "),
        ({"private_key": "in the open"}, "FLOWFORGE_FORGES[0].private_key: "),
        ({"private_key_file": "/nowhere/key"}, "the file of private_key_file of github-ghes cannot be read"),
        ({"webhook_secrets_file": "/dev/null"}, "the file of webhook_secrets_file of github-ghes is empty"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
def test_what_is_wrong_in_the_list_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    put(monkeypatch, SERVICE, forges=json.dumps([entry(tmp_path, **change)]))
    said = refusal()
    assert problem in said
    assert "in the open" not in said


@pytest.mark.parametrize("text", ['[{"name": "TOP-SECRET"', "[" * 100_000])
def test_a_list_that_is_no_json_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    put(monkeypatch, SERVICE, forges=text)
    assert refusal() == "settings: Value error, FLOWFORGE_FORGES is no JSON"
