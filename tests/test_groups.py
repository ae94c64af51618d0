"""Tests that belong to a group run in one process: a cluster, or a database of a million rows, is made once."""

import pytest


@pytest.mark.xdist_group("together")
def test_groups_of_tests_are_kept_together(request: pytest.FixtureRequest) -> None:
    options = getattr(request.config, "workerinput", None)
    assert options is None or request.node.nodeid.endswith("@together"), "pytest-xdist lost sight of the groups"
