"""Any forge alone, or several: the chart hands on what FlowForge reads, and only what the served ones need."""

import json
from typing import Any

import helm_python
import pytest
from pydantic import TypeAdapter

from app.forge_settings import GITLAB_URL, ForgeEntry, github_api_url
from app.setup.github import Plan, Registered, chart_values
from tests.chart.objects import environment, pods
from tests.chart.render import objects, values
from tests.chart.test_secrets import mounted
from tests.chart.test_values import merged

GITLAB_ONLY = {"github": {"enabled": False, "appId": 0, "appSlug": ""}, "gitlab": {"enabled": True}}
ACME = {
    "name": "gitlab-acme",
    "kind": "gitlab",
    "url": "https://gitlab.acme.example",
    "token_file": "/etc/flowforge/secrets/acme_token",
    "webhook_secrets_file": "/etc/flowforge/secrets/acme_hooks",
}
FILES = [{"name": name, "secret": "acme", "key": name} for name in ("acme_token", "acme_hooks")]


def service(changes: dict[str, Any], process: str) -> tuple[dict[str, str], set[str]]:
    """The environment and the secret files of web or worker."""
    template = pods(objects(merged(values("minimal"), changes)))[f"Deployment/flowforge-{process}"]
    (container,) = template["spec"]["containers"]
    return environment(container), mounted(template)


@pytest.mark.parametrize("process", ["web", "worker"])
def test_gitlab_alone_needs_nothing_of_github(process: str) -> None:
    given, files = service(GITLAB_ONLY | {"publicUrl": "https://flowforge.example.com"}, process)
    assert not [name for name in given if "GITHUB" in name]
    assert (given["FLOWFORGE_GITLAB_URL"], given["FLOWFORGE_PUBLIC_URL"]) == (
        GITLAB_URL,
        "https://flowforge.example.com",
    )
    assert files == {
        "flowforge_database_url",
        "flowforge_redis_url",
        "flowforge_gitlab_token",
        "flowforge_gitlab_webhook_secrets",
    }


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_client_id_brings_the_secret_of_the_approval_page(kind: str) -> None:
    changes = {"gitlab": {"enabled": True}, "publicUrl": "https://flowforge.example.com"}
    given, files = service(merged(changes, {kind: {"oauthClientId": "the-client"}}), "web")
    assert given[f"FLOWFORGE_{kind.upper()}_OAUTH_CLIENT_ID"] == "the-client"
    assert {name for name in files if "oauth" in name} == {f"flowforge_{kind}_oauth_client_secret"}


def test_further_forges_are_handed_on_as_they_are_read() -> None:
    given, files = service({"forges": [ACME], "secrets": {"files": FILES}}, "worker")
    (entry,) = TypeAdapter(list[ForgeEntry]).validate_python(json.loads(given["FLOWFORGE_FORGES"]))
    assert entry.model_dump(mode="json", exclude_unset=True) == ACME
    assert {"acme_token", "acme_hooks", "flowforge_github_private_key"} <= files
    _, gateways = service({"forges": [ACME], "secrets": {"files": FILES}}, "gateway")
    assert not {"acme_token", "acme_hooks"} & gateways


@pytest.mark.parametrize("host", ["https://github.com", "https://github.acme.example"])
def test_the_chart_takes_what_the_set_up_prints(host: str) -> None:
    plan = Plan(host=host, organization=None, service="https://flowforge.example.com", name=None, forge="github")
    registered = Registered(id=7, slug="acme-forge", client_id="Iv1.acme", install=f"{host}/x")
    told = chart_values(plan, registered, "of-the-set-up")
    given, _ = service(told, "web")
    assert given["FLOWFORGE_GITHUB_OAUTH_CLIENT_ID"] == "Iv1.acme"
    assert given["FLOWFORGE_PUBLIC_URL"] == "https://flowforge.example.com"
    assert (given["FLOWFORGE_GITHUB_APP_ID"], given["FLOWFORGE_GITHUB_APP_SLUG"]) == ("7", "acme-forge")
    assert given["FLOWFORGE_GITHUB_GIT_URL"] == host
    assert given["FLOWFORGE_GITHUB_API_URL"] == github_api_url(host)
    web = pods(objects(merged(values("minimal"), told)))["Deployment/flowforge-web"]
    (volume,) = (one for one in web["spec"]["volumes"] if one["name"] == "secrets")
    assert {source["secret"]["name"] for source in volume["projected"]["sources"]} == {"of-the-set-up"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"github": {"enabled": False}}, "no forge is served"),
        ({"forges": [ACME | {"name": "acme"}]}, "/forges/0/name"),
        ({"forges": [ACME | {"token": "glpat-in-the-open"}]}, "/forges/0"),
        ({"forges": [ACME]}, "acme_(hooks|token), which secrets does not make"),
        ({"forges": [ACME], "secrets": {"files": [*FILES, FILES[0]]}}, "two files of secrets have one name"),
        ({"secrets": {"source": "vaultAgent", "files": FILES}}, "use secrets.vaultAgent.files"),
    ],
)
def test_what_no_forge_could_be_served_with_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(helm_python.HelmError, match=message):
        objects(merged(values("minimal"), changes))
