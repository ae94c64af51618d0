"""Fixtures: what the tests of the backends have: containers, and pods of a real cluster."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.demo.model.resolver import HonestResolver
from runners.image.build import BuiltImage
from tests.app.store.backends import SqliteBackend
from tests.cluster.bench import SPEC, ClusterBench, open_cluster_bench, open_gateway
from tests.cluster.conftest import cluster, cluster_namespace, plane, plane_namespace, pytest_collection_finish
from tests.cluster.node import Cluster
from tests.image.fixtures import built_image, engine, loaded_image
from tests.runners.bench import open_bench
from tests.runners.conftest import bench, databases
from tests.runners.container.conftest import containers, places

__all__ = [
    "bench",
    "built_image",
    "cluster",
    "cluster_namespace",
    "containers",
    "databases",
    "engine",
    "loaded_image",
    "places",
    "plane",
    "plane_namespace",
    "pytest_collection_finish",
]


@dataclass(frozen=True)
class Pods:
    """A bench whose runs are Jobs, and the cluster that their pods are on."""

    bench: ClusterBench
    cluster: Cluster


@pytest.fixture(scope="session")
def imported_image(cluster: Cluster, built_image: BuiltImage) -> str:
    """The guest image's name on the node."""
    cluster.node.import_image(built_image.archive)
    return built_image.reference


@pytest.fixture
async def pods(
    databases: SqliteBackend, tmp_path: Path, cluster: Cluster, cluster_namespace: str, imported_image: str
) -> AsyncIterator[Pods]:
    directory = tmp_path / "pods"
    directory.mkdir()
    spec = replace(SPEC, image=imported_image)
    async with (
        open_bench(await databases.fresh(), directory, HonestResolver()) as bench,
        open_gateway(bench, cluster.node.network.host) as gateway,
        open_cluster_bench(bench, cluster.plane, cluster_namespace, spec=spec, gateway=gateway) as opened,
    ):
        yield Pods(opened, cluster)
