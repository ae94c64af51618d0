"""Fixtures: the image as it is built here, and an engine that has loaded it."""

from collections.abc import Iterator

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
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = make_engine(tmp_path_factory.mktemp("podman"))
    yield engine
    close_engine(engine)


@pytest.fixture(scope="session")
def loaded_image(engine: Engine, built_image: BuiltImage) -> str:
    """The image's name in the engine."""
    engine.run("load", "--input", str(built_image.archive))
    return built_image.reference
