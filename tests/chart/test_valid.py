"""What Helm renders is what Kubernetes takes."""

import helm_python
import kubernetes_validate
import pytest
from kubernetes_validate.utils import all_versions, major_minor

from tests.chart.objects import strings
from tests.chart.render import CHART, VALUES, manifests, render, values

NEWEST = list(dict.fromkeys(major_minor(version) for version in all_versions()))[-3:]
OTHERS = {
    "ExternalSecret": "external-secrets.io/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "ServiceMonitor": "monitoring.coreos.com/v1",
}
"""Kinds that other programs bring: no schema of Kubernetes knows them."""


def test_values_for_each_purpose_are_there() -> None:
    assert VALUES == ("external", "gvisor", "k3s", "minimal", "production")


def test_the_three_newest_versions_are_looked_at() -> None:
    first, second, third = (int(version.removeprefix("1.")) for version in NEWEST)
    assert (first, second) == (third - 2, third - 1)
    assert third >= 37


@pytest.mark.parametrize("name", VALUES)
def test_helm_finds_nothing_to_complain_about(name: str) -> None:
    report = helm_python.lint(CHART, values(name), strict=True, namespace="flowforge")
    assert report["errors"] == []
    assert [message["error"] for message in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", NEWEST)
@pytest.mark.parametrize("name", VALUES)
def test_every_object_is_valid(name: str, version: str) -> None:
    known = 0
    for item in render(name):
        if item["kind"] in OTHERS:
            assert item["apiVersion"] == OTHERS[item["kind"]]
        else:
            assert kubernetes_validate.validate(item, version, strict=True) == version
            known += 1
    assert known > 20


def test_validation_sees_a_misspelt_name() -> None:
    (deployment, *_) = (item for item in render("minimal") if item["kind"] == "Deployment")
    wrong = deployment | {"spec": deployment["spec"] | {"replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, NEWEST[-1], strict=True)


def test_production_uses_every_kind_that_others_bring() -> None:
    assert {item["kind"] for item in render("production")} >= set(OTHERS)


@pytest.mark.parametrize("name", VALUES)
def test_no_two_objects_have_the_same_name(name: str) -> None:
    keys = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in render(name)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", VALUES)
def test_every_object_says_whose_it_is_and_where(name: str) -> None:
    for item in render(name):
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == "flowforge"
        assert item["kind"] == "Namespace" or item["metadata"]["namespace"] in {"flowforge", "flowforge-runs"}


@pytest.mark.parametrize("name", VALUES)
def test_no_large_number_is_written_as_floating_point(name: str) -> None:
    assert not [text for item in render(name) for text in strings(item) if "e+" in text]


def test_long_names_stay_within_what_a_service_may_have() -> None:
    text = "\n".join(manifests(values("minimal") | {"fullnameOverride": "f" * 60}).values())
    assert f"name: {'f' * 40}-gateway-admin\n" in text


def test_the_notes_say_that_an_evaluation_is_one() -> None:
    notes = {name: manifests(values(name))["flowforge/templates/NOTES.txt"] for name in VALUES}
    assert [name for name in VALUES if "FOR EVALUATION ONLY" in notes[name]] == ["k3s"]
    assert [name for name in VALUES if "share the nodes' kernel" not in notes[name]] == ["gvisor"]
