"""What ``flowforge github setup`` keeps in a cluster: a Secret as the chart reads it, on a real API server."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.setup.cluster_secret import ClusterSecret
from app.setup.keeping import Kept
from bot.errors import SettingsError
from runners.backends.cluster.api import ClusterApi
from tests.cluster.plane import Plane

NAMES = ["flowforge_github_private_key", "flowforge_github_app_id"]
KEPT = Kept(plain={"flowforge_github_app_id": "7"}, secret={"flowforge_github_private_key": "-----BEGIN…\nä\n"})


@pytest.fixture
async def api(plane: Plane, plane_namespace: str) -> AsyncIterator[ClusterApi]:
    """As whoever installs FlowForge."""
    api = ClusterApi.open(plane_namespace, kubeconfig=plane.admin_kubeconfig, context=None)
    yield api
    await api.close()


async def secret_of(api: ClusterApi, name: str) -> dict[str, Any]:
    return await api.send("GET", f"/api/v1/namespaces/{api.namespace}/secrets/{name}")


def decoded(secret: dict[str, Any]) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}


async def test_a_secret_is_made_with_the_keys_that_the_chart_reads(api: ClusterApi) -> None:
    keeper = ClusterSecret(api, "flowforge")
    await keeper.check(NAMES)
    await keeper.keep(KEPT)
    secret = await secret_of(api, "flowforge")
    assert (secret["type"], decoded(secret)) == ("Opaque", {**KEPT.plain, **KEPT.secret})


async def test_other_keys_stay_and_those_of_an_earlier_app_are_not_overwritten(api: ClusterApi) -> None:
    keeper = ClusterSecret(api, "flowforge")
    await keeper.keep(Kept(plain={}, secret={"flowforge_database_url": "postgresql://db"}))
    await keeper.check(NAMES)
    await keeper.keep(KEPT)
    assert decoded(await secret_of(api, "flowforge"))["flowforge_database_url"] == "postgresql://db"
    with pytest.raises(SettingsError, match="has flowforge_github_app_id already"):
        await keeper.check(NAMES)


async def test_who_may_not_write_is_told_before_anything_is_registered(plane: Plane, plane_namespace: str) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}
    plane.admin.request("POST", f"/api/v1/namespaces/{plane_namespace}/serviceaccounts", json=account)
    kubeconfig = plane.kubeconfig(plane_namespace, "nobody")
    nobody = ClusterApi.open(plane_namespace, kubeconfig=kubeconfig, context=None)
    try:
        with pytest.raises(SettingsError, match="cannot be looked at: HTTP 403"):
            await ClusterSecret(nobody, "flowforge").check(NAMES)
    finally:
        await nobody.close()
