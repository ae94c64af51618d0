"""Fixtures: what the tests of the backends have, and a deployment whose every secret is known."""

from tests.cluster.conftest import cluster, cluster_namespace, plane, plane_namespace, pytest_collection_finish
from tests.cluster.test_runs import guest, parts
from tests.image.fixtures import built_image, engine, loaded_image
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
    "guest",
    "loaded_image",
    "parts",
    "places",
    "plane",
    "plane_namespace",
    "pytest_collection_finish",
]
