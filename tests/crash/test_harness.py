"""The harness sees through builds that are broken on purpose, and knows the points that matter most."""

import pytest

from tests.app.store.backends import SqliteBackend
from tests.crash.matrix import attempt, record
from tests.crash.stories import STORIES
from tests.crash.world import Host

session_loop = pytest.mark.asyncio(loop_scope="session")
RULES = STORIES["rules"]
BROKEN = [
    ("blind", "forge create_comment@after#1", "double", "+ comment by flowforge[bot]"),
    ("blind", "forge create_check_run@after#1", "double", "+ check run on head"),
    ("forgetful", "queue ring delivery@before#4", "stuck", "- job resolve published"),
    ("impatient", "git push move head@before#1", "double", "+ push of refs/heads/feature"),
]
"""What is wrong, where the service dies, and what the harness has to say."""


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> SqliteBackend:
    return SqliteBackend(tmp_path_factory.mktemp("databases"))


@pytest.mark.timeout(400)
@session_loop
async def test_broken_builds_are_found_out(host: Host, backend: SqliteBackend) -> None:
    recording = await record(host, backend, RULES)
    for flaw, point, outcome, because in BROKEN:
        verdict = await attempt(host, backend, RULES, recording, point, flaw=flaw, seconds=40.0)
        assert verdict.outcome == outcome, (flaw, verdict.difference)
        assert any(line.startswith(because) for line in verdict.difference), (flaw, verdict.difference)
