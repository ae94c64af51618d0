"""Secrets are files, each process has only its own, and none stands in an environment, an argument or a label."""

import re

import pytest
import yaml

from tests.chart.objects import containers, environment, kinds, one, pods, strings
from tests.chart.render import VALUES, Object, manifests, objects, render, values

SERVICE = {
    "flowforge_database_url",
    "flowforge_redis_url",
    "flowforge_github_private_key",
    "flowforge_github_webhook_secrets",
}
ALLOWED = {
    "web": SERVICE,
    "worker": SERVICE,
    "gateway": {"flowforge_database_url", "flowforge_anthropic_api_key"},
    "migrate": {"flowforge_database_url"},
}
FURTHER = {key: {"ghes_private_key", "ghes_webhook_secrets"} for key in ("production", "gvisor")}
"""Values that serve a further forge: web and workers have its files besides, and nobody else."""
SECRET_SETTINGS = {
    f"FLOWFORGE_{name.removeprefix('flowforge_').upper()}" for names in ALLOWED.values() for name in names
}


def mounted(template: Object) -> set[str]:
    """The secret files that a pod of ours finds in its secrets' directory."""
    (volume,) = (volume for volume in template["spec"]["volumes"] if volume["name"] == "secrets")
    sources = volume["projected"]["sources"]
    assert all(set(source) == {"secret"} for source in sources)
    return {item["path"] for source in sources for item in source["secret"]["items"]}


def injected(template: Object) -> set[str]:
    """The secret files that Vault's agent is told to write."""
    prefix = "vault.hashicorp.com/agent-inject-secret-"
    return {key.removeprefix(prefix) for key in template["metadata"]["annotations"] if key.startswith(prefix)}


def files(name: str, process: str) -> set[str]:
    for key, template in pods(render(name)).items():
        if key.endswith(f"/flowforge-{process}"):
            return injected(template) if name == "gvisor" else mounted(template)
    raise AssertionError(process)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("process", ["web", "worker", "gateway"])
def test_a_process_finds_the_secrets_it_reads_and_no_other(name: str, process: str) -> None:
    further = FURTHER.get(name, set()) if ALLOWED[process] is SERVICE else set()
    assert files(name, process) == ALLOWED[process] | further


@pytest.mark.parametrize("name", [name for name in VALUES if name != "k3s"])
def test_the_migration_finds_the_database_only(name: str) -> None:
    assert files(name, "migrate") == ALLOWED["migrate"]


@pytest.mark.parametrize("name", VALUES)
def test_each_process_is_told_where_its_files_are(name: str) -> None:
    directory = "/vault/secrets" if name == "gvisor" else "/etc/flowforge/secrets"
    for key, template in pods(render(name)).items():
        if key.startswith("StatefulSet/"):
            continue
        for container in containers(template):
            assert environment(container)["FLOWFORGE_SECRETS_DIR"] == directory
            places = {mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "secrets"}
            assert places == (set() if name == "gvisor" else {directory})


@pytest.mark.parametrize("name", VALUES)
def test_no_environment_holds_a_secret_or_takes_one_from_a_secret(name: str) -> None:
    for template in pods(render(name)).values():
        for container in containers(template):
            assert not SECRET_SETTINGS & set(environment(container))
            assert "envFrom" not in container


def test_made_passwords_stand_in_their_secret_and_nowhere_else() -> None:
    found = objects(values("k3s"))
    secret = one(found, "Secret", "flowforge-evaluation")["stringData"]
    passwords = {secret["postgres_password"], secret["redis_password"]}
    assert len(passwords) == 2
    assert all(re.fullmatch("[A-Za-z0-9]{32}", password) for password in passwords)
    others = [text for item in found if item["kind"] != "Secret" for text in strings(item)]
    assert not [text for text in others if any(password in text for password in passwords)]
    notes = manifests(values("k3s"))["flowforge/templates/NOTES.txt"]
    assert not [password for password in passwords if password in notes]


@pytest.mark.parametrize("name", VALUES)
def test_no_argument_has_to_do_with_a_password(name: str) -> None:
    """Whoever lists processes reads arguments."""
    for template in pods(render(name)).values():
        for container in containers(template):
            words = [*container.get("command", ()), *container.get("args", ())]
            assert not [word for word in words if "pass" in word]


def test_only_the_evaluation_makes_a_secret() -> None:
    assert [name for name in VALUES if kinds(render(name), "Secret")] == ["k3s"]


def test_external_secrets_fetch_for_each_party_what_it_reads() -> None:
    found = {item["metadata"]["name"]: item["spec"] for item in kinds(render("production"), "ExternalSecret")}
    fetched = {name: {item["secretKey"] for item in spec["data"]} for name, spec in found.items()}
    assert fetched == {
        "flowforge-service": SERVICE | FURTHER["production"],
        "flowforge-gateway": ALLOWED["gateway"],
        "flowforge-migrate": ALLOWED["migrate"],
    }
    assert all(spec["target"]["name"] == name for name, spec in found.items())
    assert all(spec["secretStoreRef"] == {"name": "company", "kind": "ClusterSecretStore"} for spec in found.values())


def test_the_files_of_further_forges_come_from_where_all_secrets_do() -> None:
    (fetched,) = (
        item["spec"]["data"]
        for item in kinds(render("production"), "ExternalSecret")
        if item["metadata"]["name"] == "flowforge-service"
    )
    assert {
        "secretKey": "ghes_private_key",
        "remoteRef": {"key": "flowforge/ghes", "property": "private_key"},
    } in fetched
    annotations = pods(render("gvisor"))["Deployment/flowforge-web"]["metadata"]["annotations"]
    assert annotations["vault.hashicorp.com/agent-inject-secret-ghes_private_key"] == "secret/data/flowforge/ghes"
    assert (
        annotations["vault.hashicorp.com/agent-inject-template-ghes_private_key"]
        == '{{- with secret "secret/data/flowforge/ghes" -}}{{ index .Data.data "private_key" }}{{- end -}}'
    )


def test_each_secret_may_come_from_somewhere_else() -> None:
    (volume,) = (
        volume
        for volume in pods(render("external"))["Deployment/flowforge-gateway"]["spec"]["volumes"]
        if volume["name"] == "secrets"
    )
    assert [source["secret"] for source in volume["projected"]["sources"]] == [
        {"name": "flowforge-pg-app", "items": [{"key": "uri", "path": "flowforge_database_url"}]},
        {"name": "anthropic", "items": [{"key": "key", "path": "flowforge_anthropic_api_key"}]},
    ]


def test_vault_gives_each_party_its_own_role_and_a_token_for_vault_alone() -> None:
    roles = {}
    for key, template in pods(render("gvisor")).items():
        annotations = template["metadata"]["annotations"]
        roles[key] = annotations["vault.hashicorp.com/role"]
        assert annotations["vault.hashicorp.com/agent-pre-populate-only"] == "true"
        (volume,) = (volume for volume in template["spec"]["volumes"] if volume["name"] == "vault-token")
        assert annotations["vault.hashicorp.com/agent-service-account-token-volume-name"] == "vault-token"
        (source,) = volume["projected"]["sources"]
        assert source["serviceAccountToken"]["audience"] == "vault"
        assert not [
            mount for item in containers(template) for mount in item["volumeMounts"] if mount["name"] == "vault-token"
        ]
    assert roles == {
        "Deployment/flowforge-web": "flowforge-service",
        "Deployment/flowforge-worker": "flowforge-service",
        "Deployment/flowforge-gateway": "flowforge-gateway",
        "Job/flowforge-migrate": "flowforge-migrate",
    }


def test_vaults_template_reads_one_field() -> None:
    annotations = pods(render("gvisor"))["Deployment/flowforge-gateway"]["metadata"]["annotations"]
    assert annotations["vault.hashicorp.com/agent-inject-template-flowforge_anthropic_api_key"] == (
        '{{- with secret "secret/data/flowforge/anthropic" -}}{{ index .Data.data "api_key" }}{{- end -}}'
    )


def test_the_values_of_the_tests_hold_no_secret() -> None:
    for name in VALUES:
        assert not re.search(r"sk-ant|BEGIN|://[^/ ]*:[^/ ]*@", yaml.safe_dump(values(name)))
