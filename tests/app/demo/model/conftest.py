from pathlib import Path

import pytest

from tests.app.demo.model.claude import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(directory=tmp_path / "run")
    workspace.root.mkdir(parents=True)
    return workspace
