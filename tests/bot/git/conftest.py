"""A forge to fetch from and mirrors to fetch into."""

from pathlib import Path

import pytest

from bot.git.adapter import GitMirrors
from tests.bot.git.lab import Remote


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote.create(tmp_path / "forge" / "shop.git")


@pytest.fixture
def git(tmp_path: Path) -> GitMirrors:
    return GitMirrors(tmp_path / "mirrors", allow_file=True, timeout_seconds=20)
