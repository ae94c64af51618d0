"""Looking at rendered objects."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from tests.chart.render import Object

_WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "Job"})


def kinds(found: Iterable[Object], kind: str) -> list[Object]:
    """All objects of a kind."""
    return [item for item in found if item["kind"] == kind]


def one(found: Iterable[Object], kind: str, name: str) -> Object:
    """The object of that kind and name."""
    (item,) = (item for item in found if item["kind"] == kind and item["metadata"]["name"] == name)
    return item


def pods(found: Iterable[Object]) -> dict[str, Object]:
    """The pod template of each workload, by ``Kind/name``."""
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["spec"]["template"]
        for item in found
        if item["kind"] in _WORKLOADS
    }


def containers(pod: Object) -> list[Object]:
    """All containers of a pod template, those that run first included."""
    spec = pod["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def environment(container: Object) -> dict[str, str]:
    """What stands in a container's environment; each entry has to be a plain value."""
    entries = container.get("env", ())
    assert all(set(entry) == {"name", "value"} for entry in entries), container["name"]
    return {entry["name"]: entry["value"] for entry in entries}


def strings(value: Any) -> Iterator[str]:
    """Every key and every text in a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value
