"""Every value has a comment and stands in the schema, and the schema refuses what nobody knows."""

import json
import re
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
import yaml

from tests.chart.render import CHART, VALUES, Object, manifests, objects, values

SCHEMA: Object = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")
DEFAULTS: Object = yaml.safe_load(TEXT)


def resolve(schema: Object) -> Object:
    if "$ref" in schema:
        found: Object = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        return found
    return schema


def shapes_of_kubernetes() -> set[str]:
    """Definitions whose insides Kubernetes' documentation explains, not this chart's."""
    return {"resources", "containerResources", "quantities", "strings", "affinity", "toleration", "peer", "egressRule"}


def paths(node: yaml.Node | None, schema: Object, path: str = "") -> Iterator[tuple[str, int]]:
    """Each value's path and the line it stands in, as far down as the chart defines them."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        name = f"{path}.{key.value}".removeprefix(".")
        yield name, key.start_mark.line
        inner = schema["properties"][key.value]
        if inner.get("$ref", "").removeprefix("#/$defs/") not in shapes_of_kubernetes():
            yield from paths(value, resolve(inner), name)


def test_every_value_has_a_comment_above_it() -> None:
    lines = TEXT.splitlines()
    found = list(paths(yaml.compose(TEXT), SCHEMA))
    assert len(found) > 200
    assert [name for name, line in found if not re.match(r" *# [A-Z`0-9]", first_of_comment(lines, line))] == []


def first_of_comment(lines: list[str], line: int) -> str:
    """The first line of the block of comments that ends above ``line``, or what stands there instead."""
    above = line - 1
    while above > 0 and lines[above - 1].lstrip().startswith("#"):
        above -= 1
    return lines[above] if lines[line - 1].lstrip().startswith("#") else lines[line - 1]


def test_every_value_of_the_schema_has_a_default() -> None:
    """``global`` is Helm's own."""

    def missing(schema: Object, given: Any, path: str) -> Iterator[str]:
        for name, inner in resolve(schema).get("properties", {}).items():
            if name not in given:
                yield f"{path}{name}"
            elif inner.get("$ref", "").removeprefix("#/$defs/") not in shapes_of_kubernetes():
                yield from missing(inner, given[name], f"{path}{name}.")

    assert list(missing(SCHEMA, DEFAULTS, "")) == ["global"]


def test_every_object_of_the_schema_is_closed_or_a_map_of_one_type() -> None:
    def opened(schema: Any, path: str) -> Iterator[str]:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                further = schema.get("additionalProperties", True)
                if further is not False and not (isinstance(further, dict) and further):
                    yield path
            for key, value in schema.items():
                yield from opened(value, f"{path}/{key}")

    assert list(opened(SCHEMA, "")) == []


def nested(path: str, value: object) -> Object:
    name, _, rest = path.partition(".")
    return {name: nested(rest, value) if rest else value}


def merged(one: Object, other: Object) -> Object:
    result = dict(one)
    for key, value in other.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("replicas", 1),
        ("image.latest", True),
        ("web.replica", 2),
        ("worker.extraEnv", {"FLOWFORGE_RUNNER": "process"}),
        ("secrets.anthropicApiKey", "sk-ant-0000"),
        ("runs.privileged", True),
        ("networkPolicy.egress.database.port", 5432),
        ("evaluation.postgresql.password", "x"),
        ("global", {"anything": 1}),
        ("web.resources", {"limits": {"cpus": 1}}),
        ("web.replicas", "two"),
        ("image.tag", "latest"),
        ("image.digest", "sha256:short"),
        ("runs.image", "registry.example.com/guest:latest"),
        ("runs.image", "registry.example.com/guest"),
        ("github.appId", 0),
        ("secrets.source", "environment"),
        ("runs.tolerations", [{"keys": "x"}]),
        ("worker.affinity", {"nodeAffinities": {}}),
        ("networkPolicy.ingress.web", [{}]),
    ],
)
def test_the_schema_refuses(path: str, value: object) -> None:
    with pytest.raises(helm_python.HelmError, match=path.split(".", maxsplit=1)[0]):
        objects(merged(values("minimal"), nested(path, value)))


def test_nobody_lowers_the_pod_security_of_runs() -> None:
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    with pytest.raises(helm_python.HelmError, match="invalid propertyName 'pod-security"):
        objects(merged(values("minimal"), {"runs": {"namespace": {"labels": labels}}}))


@pytest.mark.parametrize("path", ["image.repository", "github.appId", "github.appSlug", "runs.image"])
def test_what_has_no_right_default_has_to_be_said(path: str) -> None:
    given = values("minimal")
    name, key = path.split(".")
    del given[name][key]
    with pytest.raises(helm_python.HelmError, match=f"/{name}/{key}"):
        objects(given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"secrets.existingSecret": ""},
            "secrets.existingSecret or secrets.items.databaseUrl.secret has to name a Secret",
        ),
        ({"runs.namespace.name": "flowforge"}, "would cut FlowForge itself off"),
        ({"model.default": "another"}, "model.default has to be one of model.allowed"),
        ({"worker.replicas": 2, "worker.persistence.enabled": True}, "several workers cannot have one"),
        ({"worker.keda.enabled": True}, "prometheusAddress has to say"),
        (
            {
                "worker.keda.enabled": True,
                "worker.keda.prometheusAddress": "http://p:9090",
                "worker.persistence.enabled": True,
            },
            "several workers cannot have one",
        ),
        ({"ingress.enabled": True}, "ingress.host has to name the host"),
        ({"secrets.source": "externalSecrets"}, "store.name has to name a store"),
        ({"evaluation.enabled": True, "secrets.source": "vaultAgent"}, "existingSecret only"),
    ],
)
def test_the_chart_refuses_what_cannot_work(changes: dict[str, object], message: str) -> None:
    given = values("minimal")
    for path, value in changes.items():
        given = merged(given, nested(path, value))
    with pytest.raises(helm_python.HelmError, match=re.escape(message)):
        objects(given)


def test_the_namespace_may_be_made_by_others() -> None:
    found = objects(merged(values("minimal"), {"runs": {"namespace": {"create": False}}}))
    assert not [item for item in found if item["kind"] == "Namespace"]
    assert [item for item in found if item["kind"] == "ResourceQuota"]


def test_a_digest_goes_before_a_tag() -> None:
    digest = "sha256:" + "3" * 64
    given = merged(values("minimal"), {"image": {"tag": "1.2.3", "digest": digest}})
    images = set(re.findall(r"image: (\S+)", "\n".join(manifests(given).values())))
    assert images == {f"registry.example.com/flowforge/flowforge@{digest}"}


@pytest.mark.parametrize("name", VALUES)
def test_the_values_of_the_tests_say_only_what_differs(name: str) -> None:
    def same(given: Any, default: Any, path: str) -> Iterator[str]:
        for key, value in given.items():
            if isinstance(value, dict) and isinstance(default.get(key), dict):
                yield from same(value, default[key], f"{path}{key}.")
            elif default.get(key) == value:
                yield f"{path}{key}"

    assert [path for path in same(values(name), DEFAULTS, "") if not path.startswith("runs.quota")] == []
