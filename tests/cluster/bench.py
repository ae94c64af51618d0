"""Workers on a real Kubernetes: with the chart's rights, in a namespace as the chart makes it."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx

from app.demo.model.replies import Script
from app.demo.model.resolver import HonestResolver
from app.gateway.front import sandbox_service
from app.gateway.policy import GatewayPolicy
from app.gateway.service import create_gateway
from app.http.server import bind, serving
from app.http.service import create_desk
from app.system import SystemClock, SystemIds
from bot.errors import SandboxError
from bot.model.runs import AgentProgress, CommandBrief, RunKind, RunTask, SandboxMissing
from bot.ports.git import WorkspaceFile
from runners.archives import TarArchives
from runners.backends.cluster import ClusterRunner
from runners.backends.cluster.api import ClusterApi
from runners.manifests import Placement
from runners.protocol import result_archive_cap
from runners.sandbox import RUN_LABEL, SandboxSpec
from runners.supervise import Supervisor
from tests.app.store.words import model_call
from tests.chart.render import NAMESPACE, RELEASE, objects, values
from tests.cluster.api import Object
from tests.cluster.plane import Plane
from tests.runners.bench import LIMITS, MODEL, MODEL_KEY, Bench, Ended

HONEST: Final = HonestResolver()
INTERVAL_SECONDS: Final = 0.2
LEASE_SECONDS: Final = 1.0
INSTANCE: Final = "test"
GATEWAY_HOST: Final = "gateway.flowforge"
SPEC: Final = SandboxSpec(
    image="localhost/flowforge-guest:none",
    instance=INSTANCE,
    cpus=2.0,
    memory_bytes=2**30,
    pids=512,
    disk_bytes=2**30,
)
_WAIT_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05
_OF_THE_CHART: Final = frozenset(
    {"ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "ResourceQuota", "LimitRange"}
)


def install(plane: Plane, namespace: str, **runs: Any) -> Path:
    """Put the chart's objects for runs into a namespace; the kubeconfig of the worker's own ServiceAccount."""
    given = values("minimal")
    given["runs"] |= {"namespace": {"create": False, "name": namespace}, **runs}
    plane.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    account = f"{RELEASE}-worker"
    for found in objects(given):
        about = found["metadata"]
        mine = about.get("namespace") == namespace and found["kind"] in _OF_THE_CHART
        if mine or (found["kind"] == "ServiceAccount" and about["name"] == account):
            plane.admin.apply(found)
    return plane.kubeconfig(NAMESPACE, account)


async def eventually(look: Callable[[], Any], what: str, *, seconds: float = _WAIT_SECONDS) -> Any:
    """Look again and again until something true is found, and return it; the event loop goes on meanwhile."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(_LOOK_SECONDS)


@dataclass(slots=True, kw_only=True)
class Worker:
    """What of a worker process has to do with runs."""

    runner: ClusterRunner
    supervisor: Supervisor

    async def die(self) -> None:
        """End as a killed process does: nothing is tidied up, recorded or told any more."""
        mine = list(self.supervisor._tasks.values())
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)
        await self.runner.close()


@dataclass(slots=True, kw_only=True)
class ClusterBench:
    """Workers, the database and the gateway of ``Bench``, and one namespace of a cluster."""

    bench: Bench
    plane: Plane
    namespace: str
    kubeconfig: Path
    spec: SandboxSpec
    placement: Placement
    gateway_url: str
    ended: list[str] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    launched: list[str] = field(default_factory=list)

    def runner(self, *, page: int = 500, stuck_seconds: float = 120.0, **placement: Any) -> ClusterRunner:
        """A runner as of another process."""
        api = ClusterApi.open(self.namespace, kubeconfig=self.kubeconfig, context="test", page=page)
        return ClusterRunner(
            api,
            spec=self.spec,
            placement=replace(self.placement, **placement),
            interval_seconds=INTERVAL_SECONDS,
            stuck_seconds=stuck_seconds,
        )

    def worker(self, runner: ClusterRunner | None = None, **options: Any) -> Worker:
        """A worker as of another process: it knows nothing of the others' runs."""
        runner = runner or self.runner()

        async def on_progress(run_id: str, said: AgentProgress) -> None:
            self.bench.progress.setdefault(run_id, []).append(said)

        async def on_end(_job_id: str, run_id: str) -> None:
            self.ended.append(run_id)
            self.bench.ends[run_id].set()

        usual: dict[str, Any] = {
            "runner": runner,
            "runs": self.bench.store.runs,
            "clock": SystemClock(),
            "owner": SystemIds().new_id(),
            "on_progress": on_progress,
            "on_end": on_end,
            "poll_seconds": 0.05,
            "lease_seconds": LEASE_SECONDS,
        }
        worker = Worker(runner=runner, supervisor=Supervisor(**(usual | options)))
        self.workers.append(worker)
        return worker

    async def prepare(self, script: Script = HONEST, files: Any = None, **options: Any) -> tuple[RunTask, str]:
        """A run that is ready to be launched, and its job's id."""
        task, job_id = await self.bench.prepare(script, files, **options)
        self.bench.ends[task.run_id] = asyncio.Event()
        self.launched.append(task.run_id)
        return replace(task, gateway_url=self.gateway_url), job_id

    async def prepare_commands(
        self, commands: Sequence[Sequence[str]], files: Mapping[str, bytes], **limits: Any
    ) -> tuple[RunTask, str]:
        """A run of a repository's tests that is ready to be launched, and its job's id."""
        task, job_id = await self.prepare(HONEST, dict(files), **limits)
        brief = CommandBrief(commands=tuple(tuple(command) for command in commands))
        workspace = [WorkspaceFile(path=path, executable=False, content=content) for path, content in files.items()]
        run = await self.bench.store.runs.get(task.run_id)
        assert run is not None
        job = await self.bench.store.jobs.get(job_id)
        assert job is not None
        ids = SystemIds()
        run_id, token = ids.new_id(), ids.new_token()
        await self.bench.store.runs.create(
            run_id=run_id,
            job=job,
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            model=MODEL,
            limits=task.limits,
            kind=RunKind.TEST,
        )
        await self.bench.store.runs.put_workspace(run_id, TarArchives().pack_commands(brief, workspace))
        self.launched[-1] = run_id
        self.bench.ends[run_id] = asyncio.Event()
        return replace(task, run_id=run_id, token=token, kind=RunKind.TEST), job_id

    async def launch(self, worker: Worker, script: Script = HONEST, files: Any = None, **options: Any) -> str:
        """Launch a run; its id."""
        task, job_id = await self.prepare(script, files, **options)
        await worker.supervisor.launch(task, job_id=job_id)
        return task.run_id

    async def adopted_by(self, worker: Worker, run_id: str) -> Ended:
        """Wait until a worker's sweep took the run over, and for its end."""

        async def look() -> bool:
            await worker.supervisor.reap(SystemClock().now())
            return self.bench.ends[run_id].is_set()

        await eventually(look, f"the end of the abandoned run {run_id}")
        return await self.bench.ended(run_id)

    def pods(self, run_id: str = "") -> list[Object]:
        """The pods of a run, or all."""
        labels = f"{RUN_LABEL}={run_id}" if run_id else ""
        return self.plane.admin.items("Pod", self.namespace, labels=labels)

    def jobs(self, run_id: str = "") -> list[Object]:
        """The Jobs of a run, or all."""
        labels = f"{RUN_LABEL}={run_id}" if run_id else ""
        return self.plane.admin.items("Job", self.namespace, labels=labels)

    def pods_made(self) -> int:
        """How many pods the Job controller ever made here."""
        events = self.plane.admin.items(
            "Event", self.namespace, fields="reason=SuccessfulCreate,involvedObject.kind=Job", api_version="v1"
        )
        return sum(event.get("count") or 1 for event in events)

    async def pod(self, run_id: str) -> Object:
        """The pod of a run, when it is there."""
        (pod,) = await eventually(lambda: self.pods(run_id), f"the pod of {run_id}")
        found: Object = pod
        return found

    async def play(self, run_id: str, **status: Any) -> None:
        """Be the kubelet: say what the run's pod does."""
        pod = await self.pod(run_id)
        self.plane.admin.merge("Pod", pod["metadata"]["name"], self.namespace, {"status": status}, subresource="status")

    async def play_running(self, run_id: str) -> None:
        """Be the kubelet: the guest is at work."""
        await self.play(run_id, phase="Running", **container({"running": {"startedAt": _now()}}))

    async def play_ended(self, run_id: str, code: int = 0, reason: str = "Completed") -> None:
        """Be the kubelet: the guest has ended."""
        ended = {"terminated": {"exitCode": code, "reason": reason, "startedAt": _now(), "finishedAt": _now()}}
        await self.play(run_id, phase="Failed" if code else "Succeeded", **container(ended))

    async def play_result(self, task: RunTask, archive: bytes) -> None:
        """Be the guest: fetch the workspace, ask the model and bring a result."""
        digest = hashlib.sha256(task.token.encode()).hexdigest()
        assert await self.bench.store.runs.take_workspace(task.run_id, digest) is not None
        await self.bench.store.ledger.record(model_call(task.run_id))
        assert await self.bench.store.runs.accept_result(task.run_id, digest, archive)

    async def settled(self, *, pods: int) -> None:
        """No run is lost, none was there twice, nothing is left; so many pods were made in all."""
        for run_id in self.launched:
            ended = await self.bench.ended(run_id)
            assert ended.outcome is not None
        assert sorted(self.ended) == sorted(self.launched)
        assert self.pods_made() == pods
        probe = self.worker()
        await probe.supervisor.sink()
        for run_id in self.launched:
            assert await probe.runner.observe(run_id) == SandboxMissing()
        await eventually(lambda: not self.jobs() and not self.pods(), "an empty namespace", seconds=60)


def container(state: Object) -> Object:
    """The status of a pod whose guest is in this state."""
    ready = "True" if "running" in state else "False"
    return {
        "conditions": [{"type": kind, "status": ready} for kind in ("Ready", "ContainersReady")],
        "containerStatuses": [
            {
                "name": "guest",
                "image": SPEC.image,
                "imageID": "",
                "ready": "running" in state,
                "restartCount": 0,
                "state": state,
            }
        ],
    }


@contextlib.asynccontextmanager
async def open_cluster_bench(
    bench: Bench, plane: Plane, namespace: str, *, spec: SandboxSpec = SPEC, gateway: tuple[str, int] = ("", 0)
) -> AsyncIterator[ClusterBench]:
    """Workers for a namespace; all of them are closed in the end. ``gateway`` is where pods find it."""
    kubeconfig = await asyncio.to_thread(install, plane, namespace)
    address, port = gateway if gateway[0] else ("192.0.2.1", 8081)
    plane.admin.apply(gateway_policy(namespace, address, port))
    made = ClusterBench(
        bench=bench,
        plane=plane,
        namespace=namespace,
        kubeconfig=kubeconfig,
        spec=spec,
        placement=Placement(
            namespace=namespace, service_account="flowforge-run", gateway_host=GATEWAY_HOST, gateway_ip=address
        ),
        gateway_url=f"http://{GATEWAY_HOST}:{port}",
    )
    try:
        yield made
    finally:
        for worker in made.workers:
            await worker.supervisor.close()
            with contextlib.suppress(SandboxError):
                await worker.runner.close()


@contextlib.asynccontextmanager
async def open_gateway(bench: Bench, address: str) -> AsyncIterator[tuple[str, int]]:
    """All that a sandbox can reach, at an address that pods reach; yields that and the port."""
    async with httpx.AsyncClient(trust_env=False) as http:
        gateway = create_gateway(
            ledger=bench.store.ledger,
            runs=bench.store.runs,
            http=http,
            upstream=bench.model.base_url,
            api_key=MODEL_KEY,
            clock=SystemClock(),
            policy=GatewayPolicy(hosts=frozenset({GATEWAY_HOST})),
        )
        cap = result_archive_cap(LIMITS.max_result_bytes, LIMITS.max_result_files, LIMITS.max_log_bytes)
        front = sandbox_service(gateway=gateway, runs=create_desk(bench.store.runs, max_result_bytes=cap))
        listener = bind(address, 0)
        port: int = listener.getsockname()[1]
        async with serving(front, listener):
            yield address, port


def gateway_policy(namespace: str, address: str, port: int) -> Object:
    """What the chart's policy says of the gateway's pods, for a gateway that is none."""
    target = {"to": [{"ipBlock": {"cidr": f"{address}/32"}}], "ports": [{"protocol": "TCP", "port": port}]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "runs-to-the-tests-gateway", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [target]},
    }


def _now() -> str:
    return SystemClock().now().strftime("%Y-%m-%dT%H:%M:%SZ")
