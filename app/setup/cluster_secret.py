"""A Secret of a Kubernetes cluster as the place for what a forge hands out."""

import base64
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from app.setup.keeping import Kept
from bot.errors import SettingsError
from runners.backends.cluster.api import ApiError, ClusterApi

_PART_OF: Final = {"app.kubernetes.io/part-of": "flowforge"}


class ClusterSecret:
    """Keys of one Secret, which is made if it is not there; other keys of it stay.

    https://kubernetes.io/docs/concepts/configuration/secret/
    """

    def __init__(self, api: ClusterApi, name: str) -> None:
        """Keep in the Secret ``name`` of the namespace that ``api`` works in."""
        self._api = api
        self._name = name
        self._all = f"/api/v1/namespaces/{api.namespace}/secrets"
        self._one = f"{self._all}/{name}"

    @property
    def place(self) -> str:
        """Cluster, namespace and name."""
        return f"the Secret {self._api.namespace}/{self._name} ({self._api.context})"

    async def check(self, names: Iterable[str]) -> None:
        """See that we may write it, and that it has none of these names: they would be another App's."""
        try:
            found = await self._find()
            verb = "create" if found is None else "update"
            about = {"namespace": self._api.namespace, "verb": verb, "resource": "secrets"}
            allowed = await self._api.may(about if found is None else about | {"name": self._name})
        except ApiError as error:
            raise SettingsError(f"{self.place} cannot be looked at: {error}") from None
        if not allowed:
            raise SettingsError(f"you may not {verb} {self.place}")
        there = sorted(set(names) & set((found or {}).get("data") or {}))
        if there:
            raise SettingsError(f"{self.place} has {there[0]} already: take the secrets of the earlier App out first")

    async def keep(self, kept: Kept) -> None:
        """Write it. If somebody changes it in the same moment, the API server refuses, and theirs is not lost."""
        data = {name: _encoded(value) for name, value in {**kept.plain, **kept.secret}.items()}
        try:
            found = await self._find()
            if found is None:
                await self._api.send("POST", self._all, self._fresh(data))
            else:
                await self._api.send("PUT", self._one, {**found, "data": {**(found.get("data") or {}), **data}})
        except ApiError as error:
            raise SettingsError(f"{self.place} was not written: {error}") from None

    async def _find(self) -> dict[str, Any] | None:
        try:
            return await self._api.send("GET", self._one)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def _fresh(self, data: dict[str, str]) -> dict[str, Any]:
        meta = {"name": self._name, "namespace": self._api.namespace, "labels": dict(_PART_OF)}
        return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta, "data": data}


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode("utf-8")).decode("ascii")
