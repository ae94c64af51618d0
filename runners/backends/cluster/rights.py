"""What the worker's identity may do in the cluster: exactly what runs need."""

from collections.abc import Mapping
from typing import Final

from runners.backends.cluster.api import ClusterApi

_NEEDED: Final = {
    ("batch", "jobs", ""): ("create", "get", "list", "delete"),
    ("", "pods", ""): ("list", "delete"),
    ("", "pods", "log"): ("get",),
    ("", "events", ""): ("list",),
}
_TOO_MUCH: Final = {
    ("", "secrets", ""): ("get", "list"),
    ("", "configmaps", ""): ("get",),
    ("", "pods", ""): ("create", "patch"),
    ("", "pods", "exec"): ("create",),
    ("", "pods", "ephemeralcontainers"): ("patch",),
    ("", "serviceaccounts", "token"): ("create",),
    ("rbac.authorization.k8s.io", "rolebindings", ""): ("create",),
}
_TOO_MUCH_ELSEWHERE: Final = {
    ("", "secrets", ""): ("get", "list"),
    ("", "pods", ""): ("list", "create", "delete"),
    ("", "pods", "exec"): ("create",),
    ("batch", "jobs", ""): ("create", "delete"),
    ("", "nodes", ""): ("list", "get"),
}
_EVERYWHERE: Final = ""


async def check_rights(api: ClusterApi) -> list[str]:
    """What is missing and what is too much, in sentences; empty when the rights are just right.

    https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/

    Raises:
        SandboxError: the API server does not say.
    """
    problems = []
    for what, verbs in _NEEDED.items():
        missing = [verb for verb in verbs if not await api.may(_attributes(api.namespace, what, verb))]
        if missing:
            problems.append(f"missing: {_name(what)}: {', '.join(missing)} in namespace {api.namespace}")
    for where, table in ((api.namespace, _TOO_MUCH), (_EVERYWHERE, _TOO_MUCH_ELSEWHERE)):
        place = f"in namespace {where}" if where else "in all namespaces"
        for what, verbs in table.items():
            allowed = [verb for verb in verbs if await api.may(_attributes(where, what, verb))]
            if allowed:
                problems.append(f"too much: {_name(what)}: {', '.join(allowed)} {place}")
    return problems


def _attributes(namespace: str, what: tuple[str, str, str], verb: str) -> Mapping[str, str]:
    group, resource, subresource = what
    return {
        "namespace": namespace,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "verb": verb,
    }


def _name(what: tuple[str, str, str]) -> str:
    _, resource, subresource = what
    return f"{resource}/{subresource}" if subresource else resource
