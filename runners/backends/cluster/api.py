"""The few requests to the API server that runs need, over the official client.

The client is synchronous: its calls run in threads of our own, each with a timeout. Its typed models are left aside:
objects are the JSON of the API itself, so that what a newer server adds is no error.
"""

import asyncio
import contextlib
import functools
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import kubernetes.client
import kubernetes.config
import urllib3

from bot.errors import SandboxError, SettingsError
from runners.text import one_line

Object = dict[str, Any]
Result = TypeVar("Result")

_config: Final[Any] = kubernetes.config  # its functions have no types
_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 10.0
_LOG_SECONDS: Final = 5.0
_THREADS: Final = 8
_RELISTS: Final = 2
_MAX_WORDS: Final = 300
_BATCH: Final = frozenset({"jobs"})


class ApiError(SandboxError):
    """The API server did not do what was asked.

    Attributes:
        status: of HTTP, 0 when nobody answered.
        reason: the machine's word in the ``Status`` object, such as ``AlreadyExists``.
            https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(one_line(message, _MAX_WORDS))
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects of a list, and what time it was at the API server."""

    items: list[Object]
    time: datetime


@dataclass(frozen=True, slots=True)
class _Answer:
    data: bytes
    headers: Mapping[str, str]


class ClusterApi:
    """The API server, as far as one namespace and one identity go. Every method raises ``ApiError``."""

    def __init__(self, client: Any, namespace: str, *, context: str = "", page: int = 500) -> None:
        """Use an ``ApiClient`` of the official library; ``page`` is how many objects one answer to a list holds."""
        self.namespace = namespace
        self.context = context
        self._client = client
        self._page = page
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="cluster")
        # Of a log a node is asked. One that does not answer holds threads, and must not hold those of everybody.
        self._log_threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="cluster-logs")

    @classmethod
    def open(cls, namespace: str, *, kubeconfig: Path | None, context: str | None, page: int = 500) -> Self:
        """Connect as the kubeconfig says, or as the pod that this process runs in.

        Raises:
            SettingsError: there is no such file or context, or this is no pod.
        """
        configuration = kubernetes.client.Configuration()
        # A request that failed is repeated by whoever wanted it, who knows whether it still matters.
        configuration.retries = False
        configuration.connection_pool_maxsize = 2 * _THREADS
        try:
            if kubeconfig is None:
                _config.load_incluster_config(client_configuration=configuration)
                name = "this cluster"
            else:
                _config.load_kube_config(
                    config_file=str(kubeconfig),
                    context=context,
                    client_configuration=configuration,
                    persist_config=False,
                )
                name = f"context {context or _current_context(kubeconfig)}"
        except (kubernetes.config.ConfigException, OSError) as error:
            raise SettingsError(f"no access to a Kubernetes cluster: {error}") from None
        return cls(kubernetes.client.ApiClient(configuration), namespace, context=name, page=page)

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    async def items(self, resource: str, *, labels: str = "", fields: str = "") -> Listing:
        """All objects of a resource in the namespace, page by page.

        A page can be asked for too late (410 Gone): then the whole list is read anew, in the end in one piece.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
        """
        query = {"labelSelector": labels, "fieldSelector": fields}
        for page in [self._page] * _RELISTS:
            with contextlib.suppress(_TooLateError):
                return await self._in_thread(self._list, resource, query, page)
        return await self._in_thread(self._list, resource, query, None)

    async def find_job(self, name: str) -> Object | None:
        """A Job by its name."""
        try:
            return await self._in_thread(self._object, "GET", self._path("jobs", name))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def create_job(self, job: Object) -> None:
        """Create a Job."""
        await self._in_thread(self._object, "POST", self._path("jobs"), job)

    async def delete(self, resource: str, name: str, *, grace_seconds: int) -> None:
        """Ask for the end of an object and of what it owns; nothing happens when it is not there.

        0 seconds of grace take a pod out of the API without asking its node.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "gracePeriodSeconds": grace_seconds,
        }
        try:
            await self._in_thread(self._object, "DELETE", self._path(resource, name), options)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    async def log(self, pod: str, *, limit: int, since: datetime | None = None, stamped: bool = False) -> bytes | None:
        """What a pod's container printed, as raw bytes; None when it has not begun or is gone.

        Args:
            pod: its name.
            limit: the most bytes of the answer, stamps included.
            since: whole seconds: lines from then on only.
            stamped: each line begins with its time.
        """
        query = {"limitBytes": str(limit), "timestamps": "true" if stamped else ""}
        if since is not None:
            query["sinceTime"] = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            answer = await asyncio.get_running_loop().run_in_executor(
                self._log_threads, self._request, "GET", f"{self._path('pods', pod)}/log", query, None, _LOG_SECONDS
            )
        except ApiError as error:
            if error.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}:
                return None
            raise
        return answer.data

    async def may(self, attributes: Mapping[str, str]) -> bool:
        """Whether we may do what ``attributes`` say (``SelfSubjectAccessReview``)."""
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": dict(attributes)},
        }
        answer = await self._in_thread(self._object, "POST", path, review)
        return answer.get("status", {}).get("allowed") is True

    async def send(self, method: str, path: str, body: Object | None = None) -> Object:
        """One request to any path, for what is no matter of runs."""
        return await self._in_thread(self._object, method, path, body)

    async def close(self) -> None:
        """End the threads and the connections; a request under way is waited for, at most until its timeout."""
        for threads in (self._threads, self._log_threads):
            await asyncio.to_thread(threads.shutdown, wait=True, cancel_futures=True)
        self._client.close()

    async def _in_thread(self, call: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(call, *arguments))

    def _path(self, resource: str, name: str = "") -> str:
        group = "/apis/batch/v1" if resource in _BATCH else "/api/v1"
        return f"{group}/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "")

    def _list(self, resource: str, query: Mapping[str, str], page: int | None) -> Listing:
        found: list[Object] = []
        asked = {**query, "limit": "" if page is None else str(page)}
        while True:
            try:
                answer = self._request("GET", self._path(resource), asked)
            except ApiError as error:
                if error.status == HTTPStatus.GONE and page is not None:
                    raise _TooLateError from None
                raise
            part = _decode(answer.data)
            found.extend(part.get("items") or [])
            more = (part.get("metadata") or {}).get("continue")
            if not more:
                return Listing(found, _time(answer.headers))
            asked["continue"] = more

    def _object(self, method: str, path: str, body: Object | None = None) -> Object:
        return _decode(self._request(method, path, {}, body).data)

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        read_seconds: float = _READ_SECONDS,
    ) -> _Answer:
        """One request, without repetition."""
        try:
            asked = self._client.param_serialize(
                method=method,
                resource_path=path,
                query_params=[(name, value) for name, value in query.items() if value],
                header_params={"Accept": "application/json, */*", "Content-Type": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = self._client.call_api(*asked, _request_timeout=(_CONNECT_SECONDS, read_seconds))
            data = bytes(answer.read())
        except (
            urllib3.exceptions.HTTPError,
            kubernetes.client.ApiException,
            kubernetes.config.ConfigException,
            OSError,
        ) as error:
            raise ApiError(f"the API server does not answer ({type(error).__name__})") from None
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise _failure(answer.status, data)
        return _Answer(data, answer.headers)


class _TooLateError(Exception):
    """The rest of a list cannot be had any more."""


def _current_context(kubeconfig: Path) -> str:
    _, current = _config.list_kube_config_contexts(config_file=str(kubeconfig))
    return str(current["name"])


def _decode(data: bytes) -> Object:
    try:
        decoded = json.loads(data)
    except ValueError:
        decoded = None
    if not isinstance(decoded, dict):
        raise ApiError("the API server's answer is no object")
    return decoded


def _failure(status: int, data: bytes) -> ApiError:
    said: Object = {}
    with contextlib.suppress(ApiError):
        said = _decode(data)
    words = str(said.get("message") or "") or data.decode("utf-8", "replace")
    return ApiError(f"HTTP {status}: {words}", status=status, reason=str(said.get("reason") or ""))


def _time(headers: Mapping[str, str]) -> datetime:
    """What time it is for whoever stamps the objects; our own clock may be another."""
    with contextlib.suppress(TypeError, ValueError):
        return parsedate_to_datetime(headers.get("Date") or "").astimezone(UTC)
    return datetime.now(UTC)
