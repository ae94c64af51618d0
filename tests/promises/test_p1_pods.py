"""P1 in pods: the same search as in containers, and the cluster's own credentials among what is searched for."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from bot.model.runs import RunTask
from runners.ingest import read_result
from tests.cluster.bench import HONEST
from tests.promises import host
from tests.promises.conftest import Pods
from tests.promises.spy import FORBIDDEN, GO
from tests.promises.sweep import Sweep
from tests.promises.test_p1_no_credential import OF_THE_GUEST, SPY, seen_inside
from tests.promises.thief import LINKS, Thief
from tests.promises.vault import fill_environment
from tests.runners.bench import CONFLICT, MODEL_KEY, RESOLVED
from tests.runners.container.bench import eventually

pytestmark = pytest.mark.xdist_group("cluster")

STOLEN = "stolen.txt"


def of_the_cluster(pods: Pods) -> dict[str, str]:
    """The credentials of the worker and of the cluster's administrator, as they stand in kubeconfigs."""
    found = {}
    for name, file in (("worker's token", pods.bench.kubeconfig), ("admin's token", pods.bench.plane.admin_kubeconfig)):
        (user,) = yaml.safe_load(file.read_bytes())["users"]
        found[name] = user["user"]["token"]
    # All tokens of service accounts begin alike: what tells them apart is the signature.
    return {name: token.rpartition(".")[2] for name, token in found.items()}


def processes_of(run_id: str) -> list[psutil.Process]:
    """The guest of a run, and what it has started; none while it has started nothing."""
    wanted = f"FLOWFORGE_RUN_ID={run_id}".encode()
    for process in psutil.process_iter():
        try:
            told = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in told:
            children = process.children(recursive=True)
            return [process, *children] if children else []
    return []


class Case:
    """What is seen of the runs of one test."""

    def __init__(self, pods: Pods, directory: Path, planted: dict[str, str]) -> None:
        self.pods = pods
        self.sweep = Sweep(directory)
        self.planted = planted

    async def look_at(self, task: RunTask, name: str, real: dict[str, str]) -> list[psutil.Process]:
        """Take all of a running pod that can be seen from outside, and search its files where they are."""
        found: list[psutil.Process] = await eventually(lambda: processes_of(task.run_id), f"the program of {name}")
        assert found[0].environ()[OF_THE_GUEST] == task.token
        await asyncio.to_thread(self._look_at, found, task, name, real)
        return found

    def _look_at(self, found: list[psutil.Process], task: RunTask, name: str, real: dict[str, str]) -> None:
        bench, admin = self.pods.bench, self.pods.bench.plane.admin
        host.take_processes(self.sweep, name, found)
        host.take_arguments(self.sweep, name)
        (pod,), (job,) = bench.pods(task.run_id), bench.jobs(task.run_id)
        self.sweep.add(f"{name}: pod", json.dumps(pod))
        self.sweep.add(f"{name}: Job", json.dumps(job))
        self.sweep.add(f"{name}: log", admin.logs(pod["metadata"]["name"], bench.namespace))
        self.sweep.add(f"{name}: events", json.dumps(admin.items("Event", bench.namespace, api_version="v1")))
        # The image was searched in a container.
        roots = [root for root in host.roots_of(found[0]) if root.name not in {"usr", "opt"}]
        hits = {(Path(hit.where).name, hit.secret) for hit in self.sweep.hits_below(roots, real | self.planted)}
        assert ("README.md", "planted") in hits
        assert {secret for _, secret in hits} == {"planted"}

    def take_logs(self) -> None:
        for log in self.pods.cluster.node.directory.glob("*.log"):
            self.sweep.add(f"node: {log.name}", log.read_bytes())

    async def archive_of(self, task: RunTask, name: str) -> Any:
        """Take the result of a run that ended, and read it."""
        await self.pods.bench.bench.ended(task.run_id)
        archive = await self.pods.bench.bench.store.runs.result(task.run_id)
        assert archive is not None
        self.sweep.add(f"{name}: result", archive)
        return read_result(archive, task.limits)


async def test_no_credential_is_in_a_pod_or_comes_out_of_it(
    pods: Pods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, planted = pods.bench, {"planted": secrets.token_urlsafe(30)}
    real = fill_environment(monkeypatch, tmp_path / "secrets") | of_the_cluster(pods) | {"model key": MODEL_KEY}
    readme = f"{planted['planted']}\n".encode()
    monkeypatch.delenv("HTTPS_PROXY")  # the worker would ask it for the API server
    thief = Thief(HONEST, edits=STOLEN)
    worker, case = bench.worker(), Case(pods, tmp_path, planted)

    def place_links() -> None:
        (guest, *_) = processes_of(agent.run_id)
        for name, target in LINKS.items():
            Path(f"/proc/{guest.pid}/root/task/workspace/{name}").symlink_to(target)

    thief.at_first = place_links
    agent, agents_job = await bench.prepare(thief, {"src/a.py": CONFLICT, "README.md": readme}, max_turns=60)
    await worker.supervisor.launch(agent, job_id=agents_job)
    await asyncio.wait_for(thief.at_the_end.wait(), 60)
    assert {process.name() for process in await case.look_at(agent, "agent", real)} >= {"python3", "claude"}
    thief.go_on.set()
    answer = await case.archive_of(agent, "agent")

    test, tests_job = await bench.prepare_commands(
        [["python3", "spy.py"]], {"spy.py": SPY.encode(), "README.md": readme}, max_log_bytes=2**21
    )
    await worker.supervisor.launch(test, job_id=tests_job)
    (guest, *_) = await case.look_at(test, "test", real)
    await asyncio.to_thread(Path(f"/proc/{guest.pid}/root{GO}").touch, mode=0o644)
    inside = seen_inside(case.sweep, (await case.archive_of(test, "test")).transcript)
    case.sweep.add("the scripted model: what it was sent", json.dumps([one.body for one in bench.bench.model.requests]))
    await asyncio.to_thread(case.take_logs)

    assert case.sweep.hits(real) == set()
    tokens = {(hit.secret, hit.where) for hit in case.sweep.hits({"agent": agent.token, "test": test.token})}
    assert tokens == {
        *(("agent", f"agent: environ of {program}") for program in ("python3", "claude")),
        *((name, f"{name}: {kind}") for name in ("agent", "test") for kind in ("pod", "Job")),
        ("test", "test: environ of python3"),
    }
    assert inside["forbidden"] == dict.fromkeys(FORBIDDEN, "PermissionError")

    # The control: what is planted is found wherever it was put, and the thief did put it there.
    assert [name for name, gave in thief.answers.items() if gave] == [
        '["Read", {"file_path": "README.md"}]',
        *(name for name in thief.answers if STOLEN in name),
    ]
    assert answer.changed.keys() == {"src/a.py", STOLEN}
    assert answer.guest.oddities == tuple(f"symbolic link: {name}" for name in LINKS)
    assert answer.changed["src/a.py"] == RESOLVED
    found = case.sweep.hits(planted)
    assert {hit.where for hit in found} >= {"agent: result", "agent: log", "test inside: /task/workspace/README.md"}
    assert {"raw", "reversed", "rot13", "hex", "percent"} <= {hit.disguise for hit in found}
