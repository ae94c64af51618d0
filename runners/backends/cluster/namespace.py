"""A sealed namespace for runs, made and removed by whoever tries FlowForge out on a cluster without its chart.

What the chart makes (``charts/flowforge/templates/runs``) has more to it: quotas, limits and the worker's own rights.
"""

import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final

from runners.backends.cluster.api import ApiError, ClusterApi, Object
from runners.sandbox import NAME_LABEL, RUN_NAME

_LEVELS: Final = ("enforce", "audit", "warn")
_PLURALS: Final = {
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "NetworkPolicy": "networkpolicies",
}


def sealed_namespace(name: str, *, service_account: str, gateway_ip: str, gateway_port: int) -> list[Object]:
    """The objects of a namespace whose pods have no rights, and reach one port of one address and nothing else.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    https://kubernetes.io/docs/concepts/services-networking/network-policies/
    """
    levels = {f"pod-security.kubernetes.io/{level}": "restricted" for level in _LEVELS}
    everything: dict[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    to_gateway = {
        "podSelector": {"matchLabels": {NAME_LABEL: RUN_NAME}},
        "policyTypes": ["Egress"],
        "egress": [
            {
                "to": [{"ipBlock": {"cidr": f"{gateway_ip}/{128 if ':' in gateway_ip else 32}"}}],
                "ports": [{"protocol": "TCP", "port": gateway_port}],
            }
        ],
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": levels}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": service_account, "namespace": name},
            "automountServiceAccountToken": False,
        },
        _policy(name, "deny-everything", everything),
        _policy(name, "reach-the-gateway", to_gateway),
    ]


def _policy(namespace: str, name: str, spec: dict[str, Any]) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


@contextlib.asynccontextmanager
async def namespace(api: ClusterApi, objects: list[Object]) -> AsyncIterator[None]:
    """The objects of ``sealed_namespace`` are there while the context lasts; then all that is in it goes.

    Raises:
        ApiError: they cannot be made, or not be removed.
    """
    name = objects[0]["metadata"]["name"]
    try:
        for thing in objects:
            await api.send("POST", _collection(thing), thing)
        yield
    finally:
        try:
            await api.send("DELETE", f"/api/v1/namespaces/{name}")
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise


def _collection(thing: Object) -> str:
    kind, version = thing["kind"], thing["apiVersion"]
    group = "/api/v1" if version == "v1" else f"/apis/{version}"
    where = "" if kind == "Namespace" else f"/namespaces/{thing['metadata']['namespace']}"
    return f"{group}{where}/{_PLURALS[kind]}"
