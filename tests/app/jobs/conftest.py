"""Fixtures: a Redis of its own for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.demo.redis_server import embedded_redis
from tests.app.jobs.parts import Workshop, workshop


@pytest.fixture
def redis_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "redis"
    directory.mkdir()
    return directory


@pytest.fixture
async def redis_url(redis_directory: Path) -> AsyncIterator[str]:
    async with embedded_redis(redis_directory) as url:
        yield url


@pytest.fixture
async def shop(tmp_path: Path, redis_url: str) -> AsyncIterator[Workshop]:
    async with workshop(tmp_path, redis_url) as shop:
        yield shop
