"""compose.yaml: what Compose makes of it, who sees which secret, and how each service is closed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from app.settings import ServiceSettings, Settings, load_settings
from bot.errors import SettingsError
from tests.chart.render import Object

FILE: Final = Path(__file__).parents[2] / "compose.yaml"
COMPOSE: Final[Object] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: Final[dict[str, Object]] = COMPOSE["services"]
APP: Final = {"FLOWFORGE_GITHUB_APP_ID": "123456", "FLOWFORGE_GITHUB_APP_SLUG": "my-flowforge"}
TOOLS: Final = (
    ("docker", "compose"),
    ("docker-compose",),
    (str(Path(sys.executable).with_name("podman-compose")),),
    ("podman-compose",),
)


def works(tool: tuple[str, ...]) -> bool:
    if shutil.which(tool[0]) is None:
        return False
    done = subprocess.run([*tool, "version"], capture_output=True, timeout=60, check=False)
    return done.returncode == 0


@pytest.fixture(scope="module")
def tool() -> tuple[str, ...]:
    """A program that reads Compose files."""
    for candidate in TOOLS:
        if works(candidate):
            return candidate
    pytest.skip("there is neither docker compose nor podman-compose here")


def config(tool: tuple[str, ...], given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("FLOWFORGE_")}
    return subprocess.run(
        [*tool, "--file", str(FILE), "config"],
        env=bare | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_compose_takes_the_file(tool: tuple[str, ...]) -> None:
    done = config(tool, APP)
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load(done.stdout)
    assert set(found["services"]) == set(SERVICES)
    assert found["services"]["web"]["environment"]["FLOWFORGE_GITHUB_APP_ID"] in {"123456", 123456}
    assert set(found["secrets"]) == set(COMPOSE["secrets"])


def test_a_forge_that_is_not_served_has_empty_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With ``.env`` left alone: what the file hands on is what FlowForge takes for not set."""
    for name, text in SERVICES["web"]["environment"].items():
        given = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text))
        monkeypatch.setenv(name, given)
    for name in SERVICES["web"]["secrets"]:
        (tmp_path / name).write_text("")
    (tmp_path / "flowforge_database_url").write_text("sqlite://")
    (tmp_path / "flowforge_redis_url").write_text("redis://redis")
    with pytest.raises(SettingsError, match="no forge is configured"):
        load_settings(ServiceSettings, secrets=tmp_path)
    (tmp_path / "flowforge_gitlab_token").write_text("glpat-a-token\n")
    (tmp_path / "flowforge_gitlab_webhook_secrets").write_text("sixteen-characters-at-least\n")
    (forge,) = load_settings(ServiceSettings, secrets=tmp_path).configured_forges
    assert forge.name == "gitlab"


def test_every_environment_name_is_a_setting() -> None:
    known = {f"FLOWFORGE_{name.upper()}" for name in Settings.model_fields} | {"FLOWFORGE_SECRETS_DIR"}
    for name in ("migrate", "web", "worker", "gateway"):
        assert set(SERVICES[name]["environment"]) <= known


def test_each_service_gets_the_secrets_it_reads_and_no_other() -> None:
    service = {
        "flowforge_database_url",
        "flowforge_redis_url",
        "flowforge_github_private_key",
        "flowforge_github_webhook_secrets",
        "flowforge_github_oauth_client_secret",
        "flowforge_gitlab_token",
        "flowforge_gitlab_webhook_secrets",
        "flowforge_gitlab_oauth_client_secret",
    }
    assert {name: set(item["secrets"]) for name, item in SERVICES.items()} == {
        "postgresql": {"postgres_password"},
        "redis": {"redis.conf"},
        "migrate": {"flowforge_database_url"},
        "web": service,
        "worker": service,
        "gateway": {"flowforge_database_url", "flowforge_anthropic_api_key"},
    }


def test_every_secret_is_a_file_outside_the_repository() -> None:
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"${{FLOWFORGE_SECRETS:-/etc/flowforge/secrets}}/{name}"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_closed(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].removeprefix("${WORKER_USER:-").split(":")[0] in {"10001", "999"}
    assert "privileged" not in service
    assert {"mem_limit", "pids_limit"} <= set(service)


def test_only_the_worker_holds_the_engine() -> None:
    def sources(service: Any) -> str:
        return " ".join(service.get("volumes", ()))

    assert [name for name, service in SERVICES.items() if "engine.sock" in sources(service)] == ["worker"]


def test_the_data_directory_has_the_same_path_on_both_sides() -> None:
    path = "${FLOWFORGE_DATA_DIR:-/var/lib/flowforge}"
    assert f"{path}:{path}" in SERVICES["worker"]["volumes"]
    assert SERVICES["worker"]["environment"]["FLOWFORGE_DATA_DIR"] == path


def test_database_and_redis_have_no_way_out() -> None:
    assert COMPOSE["networks"]["data"] == {"internal": True}
    assert SERVICES["postgresql"]["networks"] == SERVICES["redis"]["networks"] == ["data"]
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]
    assert SERVICES["web"]["ports"] == ["${WEB_ADDRESS:-127.0.0.1}:${WEB_PORT:-8080}:8080"]


def test_the_chart_and_compose_evaluate_with_the_same_images() -> None:
    chart = yaml.safe_load((FILE.parent / "charts/flowforge/values.yaml").read_text(encoding="utf-8"))["evaluation"]
    for name in ("postgresql", "redis"):
        assert SERVICES[name]["image"] == f"${{{name.upper()}_IMAGE:-{chart[name]['image']}}}"
