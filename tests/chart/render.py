"""The chart rendered with real Helm, as objects. Also used where they are put to a real API server."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import helm_python
import yaml

CHART: Final = Path(__file__).parents[2] / "charts" / "flowforge"
RELEASE: Final = "flowforge"
NAMESPACE: Final = "flowforge"
VALUES: Final = tuple(sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml")))
"""The names of the values that the chart is tried with."""

Object = dict[str, Any]
"""A Kubernetes object as YAML has it."""


def values(name: str) -> Object:
    """The values of ``ci/<name>-values.yaml``."""
    loaded: Object = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text(encoding="utf-8"))
    return loaded


def manifests(given: Mapping[str, Any], *, name: str = RELEASE, namespace: str = NAMESPACE) -> dict[str, str]:
    """Helm's output for some values, by the template's path.

    Raises:
        helm_python.HelmError: the schema refuses the values, or a template does.
    """
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(dict(given))
        return chart.render(dict(given), name=name, namespace=namespace)


def objects(given: Mapping[str, Any], *, name: str = RELEASE, namespace: str = NAMESPACE) -> list[Object]:
    """The objects that Helm would send to the API server, hooks included, for some values.

    Raises:
        helm_python.HelmError: the schema refuses the values, or a template does.
    """
    found: list[Object] = []
    for path, text in sorted(manifests(given, name=name, namespace=namespace).items()):
        if path.endswith(".yaml"):
            found.extend(document for document in yaml.safe_load_all(text) if document)
    return found


@functools.cache
def _rendered(values_name: str) -> tuple[Object, ...]:
    return tuple(objects(values(values_name)))


def render(values_name: str) -> list[Object]:
    """The objects for ``ci/<values_name>-values.yaml``; do not change them, they are made once."""
    return list(_rendered(values_name))
