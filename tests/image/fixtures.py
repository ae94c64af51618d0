"""Fixtures: the image as it is built here, and an engine that has loaded it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.image.base import check_machine
from runners.image.build import BuiltImage, build_offline
from runners.image.debian import read_lock
from runners.image.errors import ImageError
from runners.image.pin import LOCK
from tests.image.engine import Engine, close_engine, make_engine


@pytest.fixture(scope="session")
def built_image() -> BuiltImage:
    try:
        check_machine(read_lock(LOCK).architecture)
    except ImageError as error:
        pytest.skip(f"the guest image cannot be built: {error}")
    return build_offline()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    # Podman takes no run root of more than 50 characters, and pytest's own directories are deep.
    with tempfile.TemporaryDirectory(prefix="ff-", ignore_cleanup_errors=True) as name:
        engine = make_engine(Path(name))
        yield engine
        close_engine(engine)


@pytest.fixture(scope="session")
def loaded_image(engine: Engine, built_image: BuiltImage) -> str:
    """The image's name in the engine."""
    engine.run("load", "--input", str(built_image.archive))
    return built_image.reference
