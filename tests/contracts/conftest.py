"""The stage on which ``GitHubForge`` is held against GitHub's own description."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.demo.simulator.git import File
from app.demo.simulator.state import Role
from bot.forges.github.client import GitHubClient
from bot.forges.github.forge import GitHubForge
from bot.forges.github.transport import open_http
from bot.model.forge import ForgeKind, RepositoryRef
from tests.contracts.github_stage import CONFIG, SECRET, HandSetClock, Stage, no_sleep
from tests.contracts.simulator import checked_simulator


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as stage:
        yield stage


@asynccontextmanager
async def open_stage(tmp_path: Path, *, enterprise: bool = False) -> AsyncIterator[Stage]:
    """The stage, on a GitHub or on an Enterprise Server."""
    clock = HandSetClock()
    async with (
        checked_simulator(tmp_path / "sim", webhook_secret=SECRET, clock=clock, enterprise=enterprise) as sim,
        open_http(sim.api_url) as http,
    ):
        ada, eve = sim.people.user("ada"), sim.people.user("eve")
        repository = await sim.people.repository(
            "acme/pay.ments",
            files={
                "fee.py": "rate = 1\n",
                ".flowforge.yml": CONFIG,
                "docs/with space/é?#.md": "odd\n",
                "link.yml": File(content=b".flowforge.yml", mode="120000"),
                "dangling": File(content=b"nowhere", mode="120000"),
            },
            roles={ada: Role.WRITE, eve: Role.READ},
        )
        await sim.people.commit(repository, "feature", {"fee.py": "rate = 2\n"}, author=ada)
        pull = await sim.people.open_pull_request(repository, author=ada, head="feature", title="Raise", body="Why")
        installation = sim.world.installation_for(repository)
        assert installation is not None
        ref = RepositoryRef(
            forge=ForgeKind.GITHUB,
            id=repository.id,
            owner="acme",
            name="pay.ments",
            installation_id=installation.id,
        )
        client = GitHubClient(
            http,
            base_url=sim.api_url,
            app_id=sim.app.id,
            private_key_pem=sim.app.private_key_pem,
            clock=clock,
            sleep=no_sleep,
        )
        forge = GitHubForge(client, app_id=sim.app.id, app_slug=sim.app.slug, git_base_url=sim.base_url)
        yield Stage(sim=sim, clock=clock, forge=forge, repository=repository, ref=ref, pull=pull, ada=ada, eve=eve)
