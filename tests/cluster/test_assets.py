"""Where the programs of a cluster come from."""

from pathlib import Path

import pytest

from tests.cluster.assets import program
from tests.cluster.plane import plane_obstacle


@pytest.fixture(autouse=True)
def _built() -> None:
    if obstacle := plane_obstacle():
        pytest.skip(f"no control plane: {obstacle}")


def test_a_directory_that_is_named_goes_before_what_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    mine = tmp_path / "kube-apiserver"
    mine.touch()

    assert program("kube-apiserver") == mine
    assert program("kubelet").parent != tmp_path


def test_what_was_built_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    built = program("pause")
    monkeypatch.setenv("PATH", "/nonexistent")  # no compiler is to be found any more

    assert program("pause") == built
