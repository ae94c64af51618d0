"""P1: a run holds no credential that is worth anything outside of it: all that can be read is searched for all of them.

The model is a thief, and so is the repository's test. One secret is planted in the repository: that it is found in all
places and disguises shows that the others would be.
"""

import asyncio
import base64
import json
import secrets
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.demo.model.resolver import HonestResolver
from bot.model.runs import Run, RunKind
from runners.ingest import read_result
from runners.sandbox import sandbox_name
from tests.image.engine import Engine, needs_engine
from tests.promises import host
from tests.promises.deployment import deployed
from tests.promises.spy import FORBIDDEN, GO
from tests.promises.sweep import Sweep
from tests.promises.thief import Thief
from tests.promises.vault import Minted, fill_environment, of_the_stage
from tests.runners.container.bench import eventually
from tests.scenarios.play import ANSWER, Play
from tests.scenarios.test_adversarial import logged, sent, shown

pytestmark = needs_engine("runc")

SPY = Path(__file__).with_name("spy.py").read_text(encoding="utf-8")
CONFIG = "version: 1\ntest_command: python3 spy.py\n"
OF_THE_GUEST = "FLOWFORGE_RUN_TOKEN"


@dataclass(slots=True)
class Case:
    """A job on its way through two containers, and what was seen of it."""

    play: Play
    engine: Engine
    sweep: Sweep
    planted: dict[str, str]
    run_tokens: dict[str, str] = field(default_factory=dict)

    async def newest(self, kind: RunKind) -> Run:
        """The job's newest run, once it is of this kind and its guest is at work."""

        async def look() -> Run | None:
            job = await self.play.job()
            run = await self.play.stage.instance.store.runs.latest(job.id)
            at_work = run is not None and run.kind is kind and self.container(run).get("State", {}).get("Running")
            return run if at_work else None

        found: Run = await eventually(look, f"a container of kind {kind}")
        return found

    def container(self, run: Run) -> dict[str, Any]:
        return host.inspect(self.engine, run.id)

    def look_at(self, run: Run, name: str, real: dict[str, str], *, image_too: bool) -> list[psutil.Process]:
        """Take all of a running container that can be seen from outside, and search its files where they are."""
        container = self.container(run)
        processes = host.processes_of(container)
        self.run_tokens[f"token of {name}"] = processes[0].environ()[OF_THE_GUEST]
        host.take_processes(self.sweep, name, processes)
        host.take_arguments(self.sweep, name)
        self.sweep.add(f"{name}: inspect", json.dumps(container))
        roots = [root for root in host.roots_of(processes[0]) if image_too or root.name not in {"usr", "opt"}]
        assert {"task", "tmp", "run", "etc"} <= {root.name for root in roots}
        found = {(Path(hit.where).name, hit.secret) for hit in self.sweep.hits_below(roots, real | self.planted)}
        assert ("README.md", "planted") in found
        assert {secret for _, secret in found} == {"planted"}
        return processes

    async def take_what_came_out(self, run: Run, name: str) -> bytes:
        archive = await self.play.stage.instance.store.runs.result(run.id)
        assert archive is not None
        self.sweep.add(f"{name}: result", archive)
        return archive


async def test_no_credential_is_in_a_container_or_comes_out_of_it(
    tmp_path: Path, places: Path, engine: Engine, loaded_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = {"planted": secrets.token_urlsafe(30)}
    base = {"README.md": f"{planted['planted']}\n", ".flowforge.yml": CONFIG, "spy.py": SPY}
    real = fill_environment(monkeypatch, tmp_path / "secrets")
    thief = Thief(HonestResolver(answers={"fees.py": ANSWER}))
    with logged() as log:
        async with deployed(places.parent, thief, engine=engine.line, image=loaded_image, base=base) as play:
            minted = Minted.watch(play.stage.forge)
            case = Case(play, engine, Sweep(tmp_path), planted)
            real |= of_the_stage(play.stage)
            inside = await observed(case, thief, real, minted)
            database = places.parent / "flowforge.db"
            case.sweep.add("database", b"".join(file.read_bytes() for file in database.parent.glob("flowforge.db*")))
        case.sweep.add("log", log.getvalue())
    assert minted.tokens
    assert case.sweep.hits(real | minted.secrets) == set()
    assert_tokens_are_where_they_must_be(case)
    assert inside["forbidden"] == dict.fromkeys(FORBIDDEN, "PermissionError")
    assert {"test inside: its own environment", "test inside: /proc/net/unix"} <= set(case.sweep.names)
    assert [name for name in case.sweep.names if name.startswith("test inside: /etc/")]
    assert_the_search_finds(case)
    assert [name for name, gave in thief.answers.items() if gave] == ['["Read", {"file_path": "README.md"}]']


async def observed(case: Case, thief: Thief, real: dict[str, str], minted: Minted) -> dict[str, Any]:
    """Have the job done, and take all of it as evidence; the last words of the repository's test."""
    play = case.play
    play.say("/flowforge resolve")
    await asyncio.wait_for(thief.at_the_end.wait(), 60)
    agent = await case.newest(RunKind.AGENT)
    at_work = await asyncio.to_thread(case.look_at, agent, "agent", real | minted.secrets, image_too=True)
    assert {process.name() for process in at_work} >= {"python3", "claude"}
    thief.go_on.set()
    test = await case.newest(RunKind.TEST)
    await eventually(lambda: len(host.processes_of(case.container(test))) > 1, "the spy")
    await asyncio.to_thread(case.look_at, test, "test", real | minted.secrets, image_too=False)
    case.engine.run("exec", sandbox_name(test.id), "python3", "-c", f"open({GO!r}, 'w')")
    await play.until_conclusion("action_required")
    await case.take_what_came_out(agent, "agent")
    archive = await case.take_what_came_out(test, "test")
    case.sweep.add("the forge: all that the bot said", sent(play))
    case.sweep.add("the forge: what it shows", "\n".join(shown(play)))
    case.sweep.add("the scripted model: what it was sent", _asked(play))
    return seen_inside(case.sweep, read_result(archive, test.limits).transcript)


def assert_tokens_are_where_they_must_be(case: Case) -> None:
    """The tokens of the two runs: in the guests, in Claude Code, in what the engine keeps, and nowhere else."""
    assert {(hit.secret, hit.where) for hit in case.sweep.hits(case.run_tokens)} == {
        ("token of agent", "agent: environ of python3"),
        ("token of agent", "agent: environ of claude"),
        ("token of agent", "agent: inspect"),
        ("token of test", "test: environ of python3"),
        ("token of test", "test: inspect"),
    }


def assert_the_search_finds(case: Case) -> None:
    """The control: a secret of the repository's is where whoever has it put it, in every disguise."""
    found = case.sweep.hits(case.planted)
    assert {hit.where for hit in found} >= {
        "agent: result",
        "test inside: /task/workspace/README.md",
        "the forge: all that the bot said",
        "the scripted model: what it was sent",
        "database",
    }
    disguised = {hit.disguise.partition(" by ")[0] for hit in found if hit.where == "agent: result"}
    plain = {"raw", "reversed", "rot13", "hex", "HEX", "percent", "decimal", "base32", "base64"}
    assert disguised >= {*plain, "raw, inner"}


def seen_inside(sweep: Sweep, printed: bytes) -> dict[str, Any]:
    """Take as evidence all that the repository's test read; its last words."""
    *told, last = [json.loads(line) for line in printed.splitlines()]
    for one in told:
        sweep.add(f"test inside: {one['where']}", zlib.decompress(base64.b64decode(one["read"])))
    words: dict[str, Any] = last
    return words


def _asked(play: Play) -> str:
    model = play.stage.scripted
    assert model is not None
    return "\n".join(json.dumps([dict(request.headers), request.body]) for request in model.requests)
