"""The traffic with the forge is shown, and names nobody."""

from pathlib import Path

import pytest

from app.demo.simulator.server import Simulator
from app.forge_meter import ForgeMeter
from app.system import SystemClock
from app.telemetry import REGISTRY, render_metrics
from bot.errors import ForgeLimitedError, ForgeNotFoundError
from bot.forges.github.client import GitHubClient
from bot.forges.github.forge import GitHubForge
from bot.forges.github.transport import open_http
from bot.model.forge import ForgeKind, RepositoryRef
from tests.bot.forges.github.virtual import VirtualTime


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"flowforge_forge_{name}", {"forge": "github", **labels}) or 0.0


async def test_requests_are_counted_by_what_came_of_them(tmp_path: Path) -> None:
    kinds = [("GET", "2xx"), ("GET", "304"), ("GET", "4xx"), ("GET", "5xx"), ("GET", "limited"), ("POST", "2xx")]
    before = {kind: sample("requests_total", method=kind[0], result=kind[1]) for kind in kinds}
    time = VirtualTime()
    async with Simulator.serve(tmp_path, webhook_secret="s" * 16, clock=SystemClock()) as sim:
        repository = await sim.people.repository("acme/secret-plans", files={"a": "b"})
        (installation,) = sim.world.installations.values()
        ref = RepositoryRef(
            forge=ForgeKind.GITHUB,
            id=repository.id,
            owner="acme",
            name="secret-plans",
            installation_id=installation.id,
        )
        async with open_http(sim.base_url) as http:
            client = GitHubClient(
                http,
                base_url=sim.base_url,
                app_id=sim.app.id,
                private_key_pem=sim.app.private_key_pem,
                clock=SystemClock(),
                sleep=time.sleep,
                meter=ForgeMeter(ForgeKind.GITHUB),
            )
            forge = GitHubForge(client, app_id=sim.app.id, app_slug=sim.app.slug, git_base_url=sim.base_url)
            await forge.open_pull_requests(ref)
            await forge.open_pull_requests(ref)
            sim.faults.fail("GET", ".*/pulls", status=502)
            assert await time.run(forge.open_pull_requests(ref)) == [[]]
            with pytest.raises(ForgeNotFoundError):
                await forge.pull_request(ref, 1)
            sim.faults.secondary_limit("GET", ".*/pulls", retry_after=60)
            for _ in range(2):
                with pytest.raises(ForgeLimitedError):
                    await forge.pull_request(ref, 1)
    after = {kind: sample("requests_total", method=kind[0], result=kind[1]) for kind in kinds}
    assert {kind: after[kind] - before[kind] for kind in kinds} == {
        ("GET", "2xx"): 1,
        ("GET", "304"): 2,
        ("GET", "5xx"): 1,
        ("GET", "4xx"): 1,
        ("GET", "limited"): 1,
        ("POST", "2xx"): 1,
    }
    assert 0.99 < sample("budget_left", resource="core") < 1
    assert b"secret-plans" not in render_metrics()


def test_waits_add_up() -> None:
    before = sample("paced_seconds_total")
    for seconds in (1.5, 0.25):
        ForgeMeter(ForgeKind.GITHUB).paced(seconds)
    assert sample("paced_seconds_total") == before + 1.75
