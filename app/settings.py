"""The only reader of the environment, beside ``app.settings_of_tools`` for commands of a person's own.

Every setting can come from the environment (``FLOWFORGE_<NAME>``) or from a file of that lower-case name in the
directory that ``FLOWFORGE_SECRETS_DIR`` names: Kubernetes secrets and Vault's agent both mount such files. A file of
that name and ``.sealed`` holds it encrypted; the key is in the file that ``FLOWFORGE_SECRETS_KEY_FILE`` names.
"""

import json
import os
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.forge_settings import (
    GITHUB_API_URL,
    GITHUB_URL,
    GITLAB_URL,
    ForgeEntry,
    ForgeSettings,
    check_forges,
)
from app.forge_settings_first import first_github, first_gitlab
from app.sealed import SealedSource, default_key_file
from app.store.limits import Limits
from bot.errors import SettingsError
from bot.forges.github.pacing import MOST_PROCESSES
from bot.model.forge import ForgeKind

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LISTS = (
    "github_webhook_secrets",
    "gitlab_webhook_secrets",
    "allowed_models",
    "probe_targets",
    "cluster_image_pull_secrets",
)

_OPTIONAL = (
    "public_url",
    "github_app_id",
    "github_app_slug",
    "github_private_key",
    "github_oauth_client_id",
    "github_oauth_client_secret",
    "gitlab_token",
    "gitlab_oauth_client_id",
    "gitlab_oauth_client_secret",
    "gitlab_oauth_refresh_token",
    "forges",
)
"""Those that are not set where they are empty: a Compose file hands on what nobody filled in."""


class Environment(StrEnum):
    """Where the process runs; production refuses what is no sandbox."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class RunnerKind(StrEnum):
    """Which backend executes agent runs."""

    PROCESS = "process"
    CONTAINER = "container"
    CLUSTER = "cluster"


class PullPolicy(StrEnum):
    """When the cluster fetches the guest image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class LogLevel(StrEnum):
    """What is logged: this and what is graver."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class FileSettings(BaseSettings):
    """Settings of the environment and of the secrets' directory."""

    model_config = SettingsConfigDict(env_prefix="FLOWFORGE_", extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings come from, the strongest first: sealed files after plain ones."""
        sources = (init_settings, env_settings, dotenv_settings, file_secret_settings)
        directory = getattr(file_secret_settings, "secrets_dir", None)
        if directory is None:
            return sources
        return (*sources, SealedSource(settings_cls, Path(directory), key_file(Path(directory))))


class CommonSettings(FileSettings):
    """What every process reads."""

    database_url: SecretStr = Field(description="SQLAlchemy URL, e.g. `sqlite+aiosqlite:////var/lib/flowforge/db`")
    database_pool_size: int = Field(default=5, gt=0, description="connections to the database that a process keeps")
    database_max_overflow: int = Field(
        default=10, ge=0, description="connections that a process opens beyond these while all are in use"
    )
    database_recycle_seconds: float = Field(
        default=1800.0, gt=0, description="age at which a connection to PostgreSQL is replaced"
    )
    database_statement_seconds: float = Field(
        default=30.0, ge=1, description="longest time PostgreSQL may work at one statement; migrations are not bounded"
    )
    database_pgbouncer: bool = Field(
        default=False, description="`true` or `false`: whether PgBouncer in transaction mode stands before PostgreSQL"
    )
    gateway_url: str = Field(
        default="http://127.0.0.1:8081",
        description="the gateway as a sandbox reaches it: model, workspace and result",
    )
    max_result_bytes: int = Field(default=32 * 1024 * 1024, gt=0, description="most bytes a run may change")
    max_result_files: int = Field(default=1000, gt=0, description="most files a run may change")
    max_log_bytes: int = Field(default=32 * 1024 * 1024, gt=0, description="longest event stream of a run, in bytes")
    log_level: LogLevel = Field(default=LogLevel.INFO, description="`DEBUG`, `INFO`, `WARNING` or `ERROR`")
    otlp_endpoint: str | None = Field(default=None, description="OTLP/HTTP traces endpoint; none sends no traces")

    @property
    def database_limits(self) -> Limits:
        """What one process may take of the database."""
        return Limits(
            pool_size=self.database_pool_size,
            max_overflow=self.database_max_overflow,
            recycle_seconds=self.database_recycle_seconds,
            statement_seconds=self.database_statement_seconds,
            pgbouncer=self.database_pgbouncer,
        )

    @field_validator("gateway_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:  # a wrong port raises
            raise ValueError("it must be an address such as http://gateway:8081")
        return url


class GatewaySettings(CommonSettings):
    """What the gateway reads: it holds the model key, and no key of a forge."""

    gateway_host: str = Field(default="127.0.0.1", description="address the model gateway binds")
    gateway_port: int = Field(default=8081, ge=0, le=65535, description="port of the model gateway; 0 takes a free one")
    gateway_admin_host: str = Field(
        default="127.0.0.1", description="address of the gateway's health and metrics, which no sandbox needs"
    )
    gateway_admin_port: int = Field(
        default=8083, ge=0, le=65535, description="port of the gateway's health and metrics where it runs alone"
    )
    anthropic_api_key: SecretStr = Field(description="the model key; only a process that is the gateway reads it")
    anthropic_base_url: str = Field(default="https://api.anthropic.com", description="upstream of the model gateway")


class ServiceSettings(CommonSettings):
    """What the web service and the workers read: they hold the App's key, and not the model's."""

    environment: Environment = Field(
        default=Environment.PRODUCTION,
        description="`production` or `development`; production refuses the `process` runner",
    )
    data_dir: Path = Field(default=Path("/var/lib/flowforge"), description="where the bare mirrors are kept")
    redis_url: SecretStr = Field(description="`redis://…` or `unix:///path/to/socket`")
    host: str = Field(default="127.0.0.1", description="address the web service binds")
    port: int = Field(default=8080, ge=0, le=65535, description="port of the web service; 0 takes a free one")
    public_url: str | None = Field(
        default=None,
        description="the web service as forges reach it, e.g. `https://flowforge.example.com`; GitLab's hooks that "
        "point there are switched on again after an outage",
    )
    worker_host: str = Field(default="127.0.0.1", description="address of a worker's health and metrics")
    worker_port: int = Field(
        default=8082, ge=0, le=65535, description="port of a worker's health and metrics where it runs alone"
    )
    max_delivery_bytes: int = Field(
        default=25 * 1024 * 1024,
        description="largest webhook body in bytes; GitHub sends 25 MB at most",
    )
    github_api_url: str = Field(default=GITHUB_API_URL, description="base URL of GitHub's REST API")
    github_git_url: str = Field(default=GITHUB_URL, description="base URL for git over HTTPS")
    forge_processes: int = Field(
        default=1,
        ge=1,
        le=MOST_PROCESSES,
        description="how many worker processes ask GitHub for this App; each goes at its part of the allowed pace",
    )
    github_app_id: int | None = Field(
        default=None, description="the App's numeric id; it and the next three settings belong together"
    )
    github_app_slug: str | None = Field(default=None, description="the App's slug; the bot's user is `<slug>[bot]`")
    github_private_key: SecretStr | None = Field(default=None, description="the App's private key, PEM")
    github_webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="one webhook secret, or two separated by a comma while rotating; 16 characters at least",
    )
    github_oauth_client_id: str | None = Field(
        default=None,
        description="the App's client id; with it and the next setting, people sign in and approve on a page, see "
        "[operations.md](operations.md#the-approval-page)",
    )
    github_oauth_client_secret: SecretStr | None = Field(default=None, description="a client secret of the App")
    gitlab_url: str = Field(default=GITLAB_URL, description="base URL of GitLab, as people see it")
    gitlab_token: SecretStr | None = Field(
        default=None,
        description="a project, group or personal access token; it (or the refresh token) and the webhook secrets "
        "belong together",
    )
    gitlab_oauth_client_id: str | None = Field(
        default=None,
        description="the id of an OAuth application on GitLab; with it and the next setting, people sign in and "
        "approve on a page, see [operations.md](operations.md#the-approval-page)",
    )
    gitlab_oauth_client_secret: SecretStr | None = Field(default=None, description="the secret of that application")
    gitlab_oauth_refresh_token: SecretStr | None = Field(
        default=None, description="the refresh token of that application, in place of the token"
    )
    gitlab_webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="webhook secrets separated by commas, 16 characters at least: signing tokens (`whsec_…`) or secret "
        "tokens; several while rotating, or one for each hook; after `project:<number>:`, for that project only",
    )
    forges: Annotated[tuple[ForgeEntry, ...], NoDecode] = Field(
        default=(),
        description="further Apps and hosts: a JSON list, see [operations.md](operations.md#several-forges)",
    )
    model: str = Field(default="claude-sonnet-4-5", description="model used when nothing else is asked for")
    allowed_models: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("claude-sonnet-4-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"),
        description="models that repositories and commands may choose, separated by commas",
    )
    require_organisation_config: bool = Field(
        default=False,
        description="`true` or `false`: whether nothing begins where no organisation's or group's configuration can be "
        "read, see [configuration.md](configuration.md#for-a-whole-organisation)",
    )
    max_budget_usd: float = Field(default=10.0, gt=0, description="money no job may exceed, whoever asks")
    direct_calls: bool = Field(
        default=True,
        description="`true` or `false`: whether a few small hunks may be put to the model in one call, without sandbox",
    )
    max_jobs_per_repository: int = Field(
        default=4, gt=0, description="jobs of one repository that may be at work at once"
    )
    max_jobs_per_installation: int = Field(
        default=10, gt=0, description="jobs of one installation that may be at work at once"
    )
    max_jobs: int = Field(
        default=20, gt=0, description="jobs that may be at work at once in all; every worker needs the same three caps"
    )
    runner: RunnerKind = Field(default=RunnerKind.PROCESS, description="backend that executes agent runs")
    claude_path: Path | None = Field(
        default=None,
        description="Claude Code's binary; by default the one bundled with claude-agent-sdk",
    )
    run_timeout_seconds: float = Field(default=1800.0, gt=0, description="longest time one agent run may take")
    stall_timeout_seconds: float = Field(default=300.0, gt=0, description="longest silence of an agent run")
    max_turns: int = Field(default=40, gt=0, description="most turns of one agent run")
    max_workspace_bytes: int = Field(
        default=200 * 1024 * 1024, gt=0, description="largest workspace of a run, in bytes"
    )
    push_debounce_seconds: float = Field(
        default=15.0,
        ge=0,
        description="pause after a push to head or base before the work that it ended begins afresh",
    )
    result_days: int = Field(
        default=14, gt=0, description="days for which what a sandbox sent is kept after the end of its job"
    )
    proposal_days: int = Field(
        default=14, gt=0, description="days after which a proposal that nobody decided on expires"
    )
    delivery_days: int = Field(
        default=14, ge=14, description="days for which deliveries are kept; forges send them again for up to seven"
    )
    history_months: int = Field(
        default=13, ge=2, description="months for which executions, pushes and calls of the model are kept"
    )
    audit_months: int = Field(
        default=0, ge=0, description="months for which the audit log is kept; 0 keeps it for ever"
    )
    run_image: str = Field(default="", description="the guest image; `container` and `cluster` need it")
    run_cpus: float = Field(default=2.0, gt=0, description="processors that one sandbox may use")
    run_memory_bytes: int = Field(
        default=2 * 1024**3, ge=256 * 1024**2, description="memory of one sandbox; Claude Code alone takes 300 MB"
    )
    run_pids: int = Field(default=512, gt=0, description="most processes and threads of one container")
    run_disk_bytes: int = Field(default=4 * 1024**3, ge=64 * 1024**2, description="what one sandbox may write in all")
    run_pending_seconds: float = Field(
        default=600.0, gt=0, description="longest wait for a sandbox to come to work; a queue of the cluster's is not"
    )
    run_queue_seconds: float = Field(
        default=86_400.0, gt=0, description="longest wait until a queue of the cluster's lets a sandbox in"
    )
    probe_seconds: float = Field(default=3600.0, gt=0, description="how often the isolation is proved anew")
    probe_targets: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="more addresses, `host:port`, that no sandbox may reach, separated by commas"
    )
    container_engine: str = Field(
        default="podman", description="`podman` or `docker`, with options as a shell would read them"
    )
    container_runtime: str | None = Field(
        default=None, description="`runc`, `crun` or `runsc`; by default the engine's own"
    )
    cluster_namespace: str = Field(default="flowforge-runs", description="the namespace of the runs' Jobs")
    cluster_service_account: str = Field(default="flowforge-run", description="their ServiceAccount, without rights")
    cluster_kubeconfig: Path | None = Field(default=None, description="by default the worker's own ServiceAccount")
    cluster_context: str | None = Field(default=None, description="context in that file; by default its current one")
    cluster_image_pull_policy: PullPolicy = Field(
        default=PullPolicy.IF_NOT_PRESENT, description="`Always`, `IfNotPresent` or `Never`"
    )
    cluster_image_pull_secrets: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="names of Secrets in the runs' namespace, separated by commas"
    )
    cluster_runtime_class: str | None = Field(default=None, description="RuntimeClass of the pods, e.g. `gvisor`")
    cluster_user_namespace: bool = Field(
        default=False, description="`true` or `false`: whether each pod has a user namespace of its own"
    )
    cluster_node_selector: dict[str, str] = Field(default={}, description="JSON, as in a pod")
    cluster_tolerations: tuple[dict[str, Any], ...] = Field(default=(), description="JSON, as in a pod")
    cluster_affinity: dict[str, Any] = Field(default={}, description="JSON, as in a pod")
    cluster_queue: str | None = Field(default=None, description="Kueue's LocalQueue that admits the Jobs")

    @field_validator("public_url")
    @classmethod
    def _is_public_address(cls, url: str | None) -> str | None:
        return None if url is None else cls._is_address(url).rstrip("/")

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, data: object) -> object:
        if isinstance(data, dict):
            for name in _LISTS:
                value = data.get(name)
                if isinstance(value, str):
                    data[name] = tuple(part.strip() for part in value.split(",") if part.strip())
            for name in _OPTIONAL:
                if isinstance(data.get(name), str) and not data[name].strip():
                    del data[name]
            if isinstance(data.get("forges"), str):
                data["forges"] = read_list(data["forges"])
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.environment is Environment.PRODUCTION and self.runner is RunnerKind.PROCESS:
            raise ValueError(
                "FLOWFORGE_RUNNER=process is no sandbox and is refused in production; "
                "set FLOWFORGE_RUNNER to `container` or `cluster`, or FLOWFORGE_ENVIRONMENT=development to try it on "
                "your own machine",
            )
        self._check_sandboxes()
        check_forges(self.configured_forges)
        if self.model not in self.allowed_models:
            raise ValueError("FLOWFORGE_MODEL must be one of FLOWFORGE_ALLOWED_MODELS")
        return self

    @cached_property
    def configured_forges(self) -> tuple[ForgeSettings, ...]:
        """Every forge that is served, by the settings of the first of each kind and by the list of the others."""
        github = first_github(
            api_url=self.github_api_url,
            git_url=self.github_git_url,
            app_id=self.github_app_id,
            app_slug=self.github_app_slug,
            private_key=self.github_private_key,
            client_id=self.github_oauth_client_id,
            client_secret=self.github_oauth_client_secret,
            webhook_secrets=self.github_webhook_secrets,
        )
        gitlab = first_gitlab(
            url=self.gitlab_url,
            token=self.gitlab_token,
            client_id=self.gitlab_oauth_client_id,
            client_secret=self.gitlab_oauth_client_secret,
            refresh_token=self.gitlab_oauth_refresh_token,
            webhook_secrets=self.gitlab_webhook_secrets,
        )
        return (*github, *gitlab, *(entry.loaded(key_file) for entry in self.forges))

    def _check_sandboxes(self) -> None:
        """Refuse what could never run, before the first run finds out."""
        if self.runner is RunnerKind.PROCESS:
            return
        if not self.run_image:
            raise ValueError(f"FLOWFORGE_RUNNER={self.runner.value} needs the guest image in FLOWFORGE_RUN_IMAGE")
        if self.environment is Environment.PRODUCTION and self.run_image.endswith(":latest"):
            raise ValueError("FLOWFORGE_RUN_IMAGE must name a version or a digest, not `latest`")
        if self.runner is RunnerKind.CLUSTER and urlsplit(self.gateway_url).hostname in _LOOPBACK:
            raise ValueError("FLOWFORGE_GATEWAY_URL names this machine alone; the cluster's pods have to reach it")


def read_list(text: str) -> object:
    """What ``FLOWFORGE_FORGES`` holds. Raises ``ValueError`` where it is no JSON; nothing of it is shown."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("FLOWFORGE_FORGES is no JSON") from None


class Settings(ServiceSettings, GatewaySettings):
    """All settings, for one process that plays every part. ``docs/settings.md`` is generated from this class."""


S = TypeVar("S", bound=FileSettings)


def load_settings(kind: type[S], *, secrets: Path | None = None) -> S:
    """Read the settings of this process.

    Args:
        kind: which of them.
        secrets: the directory of the secrets, in place of the one that the environment names.

    Raises:
        SettingsError: something is missing or wrong; the message names each setting and never shows a value.
    """
    directory = secrets or secrets_directory()
    if directory is not None and not directory.is_dir():
        raise SettingsError("FLOWFORGE_SECRETS_DIR: there is no such directory")
    try:
        if directory is not None:
            return kind(_secrets_dir=str(directory))  # type: ignore[call-arg]  # pydantic reads the rest itself
        return kind()
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def secrets_directory() -> Path | None:
    """The directory of the secrets' files, None where the environment names none."""
    named = os.environ.get("FLOWFORGE_SECRETS_DIR")
    return None if named is None else Path(named)


def key_file(directory: Path) -> Path:
    """The file with the key of the sealed secrets in a directory."""
    named = os.environ.get("FLOWFORGE_SECRETS_KEY_FILE")
    return Path(named) if named else default_key_file(directory)


def _explain(error: ValidationError) -> str:
    items = error.errors(include_input=False, include_context=False, include_url=False)
    return "\n".join(f"{_name_of(item['loc'])}: {item['msg']}" for item in items)


def _name_of(place: tuple[str | int, ...]) -> str:
    """The setting that a fault is in, and where in it: ``FLOWFORGE_FORGES[0].app_id``."""
    if not place:
        return "settings"
    # An entry of the list is one of several types; which of them was tried is no part of what people wrote.
    inner = [part for part in place[1:] if part not in frozenset(ForgeKind)]
    return f"FLOWFORGE_{str(place[0]).upper()}" + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in inner
    )
