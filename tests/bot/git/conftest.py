"""A forge to fetch from and mirrors to fetch into; and a person's clone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.git.adapter import GitMirrors
from bot.git.clone import LocalClone, open_clone
from tests.bot.git.lab import Remote
from tests.bot.git.workshop import Workshop
from tests.kinds import LEFT, RIGHT, TEXT


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote.create(tmp_path / "forge" / "shop.git")


@pytest.fixture
def git(tmp_path: Path) -> GitMirrors:
    return GitMirrors(tmp_path / "mirrors", allow_file=True, timeout_seconds=20)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """``main`` and ``side`` disagree about line 3 of ``a``."""
    shop = Workshop.create(tmp_path / "shop")
    shop.commit({"a": TEXT, "d/b": "b\n"}, "base")
    shop.git("branch", "side")
    shop.commit({"a": LEFT}, "ours")
    shop.git("checkout", "--quiet", "side")
    shop.commit({"a": RIGHT}, "theirs")
    shop.git("checkout", "--quiet", "main")
    return shop


@pytest.fixture
async def clone(shop: Workshop) -> AsyncIterator[LocalClone]:
    async with open_clone(shop.path) as opened:
        yield opened
