"""The cluster of a test session, and the tests' places in it. ``tests/cluster/__init__.py`` says what there is."""

import secrets
from collections.abc import Iterator

import pytest

from tests.cluster.node import Cluster, node_obstacle, running_cluster
from tests.cluster.plane import Plane, plane_obstacle, running_plane
from tests.cluster.played import bench, run_databases

__all__ = ["bench", "run_databases"]

CLUSTER = pytest.mark.xdist_group("cluster")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs all tests on the cluster, so that there is one."""
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(CLUSTER)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What takes minutes the first time is built before any test's time runs."""
    if any(item.get_closest_marker("xdist_group") == CLUSTER.mark for item in session.items):
        plane_obstacle()
        node_obstacle()


@pytest.fixture(scope="session")
def plane() -> Iterator[Plane]:
    """A control plane without any node."""
    if obstacle := plane_obstacle():
        pytest.skip(f"no control plane: {obstacle}")
    with running_plane() as plane:
        yield plane


@pytest.fixture
def plane_namespace(plane: Plane) -> Iterator[str]:
    """A namespace of this test's own on ``plane``, with Pod Security *restricted*."""
    name = plane.namespace(f"runs-{secrets.token_hex(4)}")
    yield name
    plane.admin.remove("Namespace", name)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A control plane of its own with one real node, on which policies are enforced."""
    if obstacle := plane_obstacle() or node_obstacle():
        pytest.skip(f"no cluster: {obstacle}")
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of this test's own on ``cluster``, with Pod Security *restricted*."""
    name = cluster.plane.namespace(f"runs-{secrets.token_hex(4)}")
    yield name
    cluster.plane.admin.remove("Namespace", name)
