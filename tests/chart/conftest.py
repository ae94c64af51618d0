"""What takes minutes the first time is built before any test's time runs."""

import pytest

from tests.cluster.plane import plane_obstacle


def pytest_collection_finish(session: pytest.Session) -> None:
    """Only tests that install the chart need a control plane."""
    if any(item.path.name == "test_install.py" for item in session.items):
        plane_obstacle()
