"""Fixtures: an engine with the guest image, and one bench a test."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.image.engine import Engine
from tests.image.fixtures import built_image, engine, loaded_image
from tests.runners.bench import Bench
from tests.runners.container.bench import ContainerBench, open_containers, spec

__all__ = ["built_image", "engine", "loaded_image"]


@pytest.fixture
def places() -> Iterator[Path]:
    """Where runs have their directories: a short path, since a unix socket's may have 107 bytes only."""
    with tempfile.TemporaryDirectory(prefix="ff-") as name:
        runs = Path(name) / "runs"
        runs.mkdir()
        yield runs


@pytest.fixture
async def containers(bench: Bench, engine: Engine, loaded_image: str, places: Path) -> AsyncIterator[ContainerBench]:
    async with open_containers(bench, engine, spec(loaded_image), places) as made:
        yield made
        assert made.containers() == []
