"""P2: nothing in a repository configures, instructs or starts anything, in a container and in a pod."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.demo.model.attacker import Ordered
from bot.model.runs import RunKind, RunOutcome
from bot.ports.git import WorkspaceFile
from tests.image.engine import needs_engine
from tests.promises.canaries import Inside, nested_repository, others, programs, servers, shadows
from tests.promises.conftest import Pods
from tests.runners.bench import CONFLICT, RESOLVED, Bench, Ended
from tests.runners.container.bench import ContainerBench
from tests.runners.hostile import MARK, Files, everything, hooks, instructions, listening
from tests.runners.test_hostile import AtStart, bodies

CONTROL = Path(__file__).with_name("plain_claude.py").read_text(encoding="utf-8")
TREE: Files = {"src/a.py": CONFLICT, "sub/a.py": b"x = 1\n", "README.md": b"hello\n"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("Read", {"file_path": "sub/a.py"}),
    ("Read", {"file_path": "vendor/x/HEAD"}),
    ("Edit", {"file_path": "sub/a.py", "old_string": "x = 1", "new_string": "x = 2"}),
    ("Bash", {"command": "cd vendor/x && git status"}),
    ("mcp__singer__run", {}),
]


@pytest.fixture
async def attacker(tmp_path: Path) -> AsyncIterator[Inside]:
    """Whoever wrote the repository, and listens on this machine."""
    directory = tmp_path / "outside"
    directory.mkdir()
    async with listening(directory) as outside:
        yield Inside(directory=directory, port=outside.port, heard=outside.heard)


def hostile(attacker: Inside) -> dict[str, bytes | WorkspaceFile]:
    """All canaries in one repository; its MCP servers need no shell."""
    files = everything(attacker) | {name: content for name, content in servers().items() if name == ".mcp.json"}
    return {**files, **nested_repository(attacker), **shadows(), **others(), **programs(), **TREE}


def assert_nothing_happened(bench: Bench, attacker: Inside, script: AtStart, ended: Ended) -> None:
    assert ended.outcome is RunOutcome.SUCCEEDED, ended.run.detail
    assert ended.answer is not None
    assert ended.answer.changed == {"src/a.py": RESOLVED, "sub/a.py": b"x = 2\n"}
    assert (ended.answer.deleted, ended.answer.oddities) == ((), ())
    sent = bodies(bench)
    assert MARK not in sent
    assert "x = 2" in sent
    assert {tool["name"] for call in bench.model.calls for tool in (call.body or {})["tools"]} == {
        *("Read", "Edit", "StructuredOutput")
    }
    assert [script.result(name, given)[1] for name, given in CALLS] == [False, False, False, True, True]
    assert attacker.heard == []
    assert attacker.canaries() == []


@needs_engine("runc")
async def test_in_a_container_no_canary_sings(containers: ContainerBench, attacker: Inside) -> None:
    script = AtStart(Ordered(CALLS))
    ended = await containers.run(script, hostile(attacker))
    assert_nothing_happened(containers.bench, attacker, script, ended)


@pytest.mark.xdist_group("cluster")
async def test_in_a_pod_no_canary_sings(pods: Pods, attacker: Inside) -> None:
    bench, script = pods.bench, AtStart(Ordered(CALLS))
    run_id = await bench.launch(bench.worker(), script, hostile(attacker))
    assert_nothing_happened(bench.bench, attacker, script, await bench.bench.ended(run_id))


@needs_engine("runc")
async def test_where_our_options_are_missing_they_do_sing_there(containers: ContainerBench, attacker: Inside) -> None:
    """The control: the same container, the same files, and Claude Code as one would start it without a thought.

    What needs a shell or git stays silent even so: there is neither in the image.
    """
    files = {**instructions(attacker), **hooks(attacker), **others(), **nested_repository(attacker), **servers()}
    given = {**files, "control.py": CONTROL.encode()}
    ended = await containers.bench.command([["python3", "control.py", MARK]], given, kind=RunKind.TEST)
    assert ended.said is not None
    found = json.loads(ended.said.log_tail.splitlines()[-1])
    assert found["marked"] == [True]
    assert "mcp-server" in found["sung"]
    assert not [name for name in found["sung"] if name.startswith(("hook", "nested"))]
    assert found["programs"] == {"git": None, "sh": None, "rg": None, "node": None}
    assert attacker.canaries() == []
