"""A small client of the Kubernetes API for tests: objects are the dicts of the API itself."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

Object = dict[str, Any]
Found = TypeVar("Found")

_FIELD_MANAGER: Final = "flowforge-tests"
_LOOK_SECONDS: Final = 0.05


class ApiError(Exception):
    """The API server refused: ``status`` of HTTP, ``reason`` and message as in its ``Status`` object."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason


class Api:
    """The API as one identity sees it."""

    def __init__(self, url: str, ca_file: Path, token: str) -> None:
        self.url = url
        self.token = token
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=str(ca_file)),
            timeout=30.0,
            trust_env=False,
        )
        self._paths: dict[tuple[str, str], tuple[str, bool]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Any request, for what the other methods do not say.

        Raises:
            ApiError: it was refused.
            httpx.TransportError: nobody answered.
        """
        answer = self._http.request(method, path, **more)
        if answer.is_success:
            return answer
        said = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        raise ApiError(answer.status_code, said.get("reason", ""), said.get("message", answer.text))

    def apply(self, *objects: Object, dry_run: bool = False) -> list[Object]:
        """Bring objects to the state given (server-side apply), with all admission; return them as they are then."""
        query = {"fieldManager": _FIELD_MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return [
            self.request("PATCH", self._path_to(each), json=each, params=query, headers=headers).json()
            for each in objects
        ]

    def create(self, new: Object) -> Object:
        """Create an object; one of its name must not be there."""
        path = self.path(new["kind"], new["metadata"].get("namespace"), api_version=new["apiVersion"])
        return _object(self.request("POST", path, json=new))

    def read(self, kind: str, name: str, namespace: str | None = None, *, api_version: str = "") -> Object:
        """One object."""
        return _object(self.request("GET", f"{self.path(kind, namespace, api_version=api_version)}/{name}"))

    def items(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = "", api_version: str = ""
    ) -> list[Object]:
        """The objects of a kind, of all namespaces without ``namespace``."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        path = self.path(kind, namespace, api_version=api_version, all_namespaces=namespace is None)
        found: list[Object] = self.request("GET", path, params=query).json()["items"]
        return found

    def merge(self, kind: str, name: str, namespace: str | None, patch: Object, *, subresource: str = "") -> Object:
        """Change fields of an object (a JSON merge patch), or of its ``status``."""
        path = f"{self.path(kind, namespace)}/{name}" + (f"/{subresource}" if subresource else "")
        headers = {"Content-Type": "application/merge-patch+json"}
        return _object(self.request("PATCH", path, json=patch, headers=headers))

    def remove(self, kind: str, name: str, namespace: str | None = None, *, grace_seconds: int | None = None) -> None:
        """Delete an object and, in the background, what it owns; nothing happens when it is not there."""
        options: Object = {"propagationPolicy": "Background"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            self.request("DELETE", f"{self.path(kind, namespace)}/{name}", json=options)
        except ApiError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise

    def logs(self, pod: str, namespace: str, **query: Any) -> str:
        """What a pod said; the API server asks the kubelet for it."""
        return self.request("GET", f"{self.path('Pod', namespace)}/{pod}/log", params=query).text

    def events(self, namespace: str, about: str) -> list[Object]:
        """The events of the object of this name."""
        return self.items("Event", namespace, fields=f"involvedObject.name={about}", api_version="v1")

    def path(self, kind: str, namespace: str | None, *, api_version: str = "", all_namespaces: bool = False) -> str:
        """The path of a kind's objects, as the server's discovery says.

        Raises:
            LookupError: the server has no such kind.
        """
        root, namespaced = self._resource(kind, api_version or _VERSIONS.get(kind, "v1"))
        prefix, _, plural = root.rpartition("/")
        if not namespaced or all_namespaces:
            return root
        return f"{prefix}/namespaces/{namespace or 'default'}/{plural}"

    def _path_to(self, each: Object) -> str:
        about = each["metadata"]
        return f"{self.path(each['kind'], about.get('namespace'), api_version=each['apiVersion'])}/{about['name']}"

    def _resource(self, kind: str, api_version: str) -> tuple[str, bool]:
        if (api_version, kind) not in self._paths:
            root = f"/{'apis' if '/' in api_version else 'api'}/{api_version}"
            for resource in self.request("GET", root).json()["resources"]:
                if "/" not in resource["name"]:
                    self._paths[api_version, resource["kind"]] = (f"{root}/{resource['name']}", resource["namespaced"])
        try:
            return self._paths[api_version, kind]
        except KeyError:
            raise LookupError(f"the API server has no {kind} in {api_version}") from None


_VERSIONS: Final = {
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "Deployment": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
    "RuntimeClass": "node.k8s.io/v1",
    "Lease": "coordination.k8s.io/v1",
}
"""Where kinds are that tests name without their version."""


def until(look: Callable[[], Found], what: str, *, seconds: float = 30.0) -> Found:
    """Look again and again until something true is found, and return it.

    Raises:
        AssertionError: ``what`` was not to be seen in time.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(_LOOK_SECONDS)
    return found


def _object(answer: httpx.Response) -> Object:
    found: Object = answer.json()
    return found
