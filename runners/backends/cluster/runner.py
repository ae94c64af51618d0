"""Runs as Jobs: launched here, observed from one list, ended by their names."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final, Self

import structlog

from bot.errors import SandboxError, SandboxHeldBackError, SandboxRefusedError
from bot.model.runs import (
    RunOutcome,
    RunTask,
    SandboxLost,
    SandboxMissing,
    SandboxObservation,
    SandboxPending,
    SandboxRunning,
)
from runners.backends.cluster.api import ApiError, ClusterApi, Object
from runners.backends.cluster.logs import LastLogs, RunLog
from runners.backends.cluster.observation import (
    PodRuns,
    PodStuck,
    created_at,
    has_ended,
    is_aged,
    is_finished,
    is_going,
    is_out_of_reach,
    is_suspended,
    job_failure,
    name_of,
    passed_deadline,
    refusals_of,
    run_of,
    uid_of,
    view_of_job,
    view_of_pod,
)
from runners.backends.cluster.periodic import Periodic
from runners.backends.cluster.rights import check_rights
from runners.manifests import Placement, make_job
from runners.sandbox import (
    INSTANCE_LABEL,
    NAME_LABEL,
    RUN_LABEL,
    RUN_NAME,
    SandboxSpec,
    sandbox_labels,
    sandbox_name,
)

log = structlog.get_logger(__name__)

_STUCK_SECONDS: Final = 120.0
_END_SECONDS: Final = 12.0
_FORCED_SECONDS: Final = 4.0
_LOOK_SECONDS: Final = 0.2
_GRACE_SECONDS: Final = 1
_LOG_PAUSE: Final = 5
_LAST_LOG_BYTES: Final = 10 * 2**20
"""As much as a node keeps of a log unless its ``containerLogMaxSize`` was changed.

https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-rotation
"""
_LAST_LOG_SECONDS: Final = 4.0


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """All our Jobs and pods, by run, as of one moment."""

    began: float
    jobs: Mapping[str, Object]
    pods: Mapping[str, Object]


@dataclass(slots=True)
class _Known:
    """What this process remembers of one run. Nothing of it is needed to go on with the run elsewhere."""

    log: RunLog = field(default_factory=RunLog)
    log_asked_at: float | None = None
    log_failure: str = ""
    reading: asyncio.Task[None] | None = None
    created_at: float | None = None
    stuck_since: float | None = None


class ClusterRunner:
    """``AgentRunner`` over Kubernetes Jobs in one namespace.

    Nothing here waits for a run: what all runs do is read from one LIST of our Jobs and one of our pods an interval,
    whoever asks, and only the log of a pod at work is read besides. A run is found by its name and its labels, so that
    any other process goes on with it.
    """

    def __init__(
        self,
        api: ClusterApi,
        *,
        spec: SandboxSpec,
        placement: Placement,
        interval_seconds: float = 2.0,
        stuck_seconds: float = _STUCK_SECONDS,
    ) -> None:
        """Run pods as ``spec`` and ``placement`` say.

        Args:
            api: belongs to this runner from now on.
            spec: what all sandboxes have in common.
            placement: where the pods go.
            interval_seconds: how old what is told about a run may be.
            stuck_seconds: how long a node may try again to fetch an image or to make a container.
        """
        self._api = api
        self._spec = spec
        self._placement = placement
        self._interval = interval_seconds
        self._stuck_seconds = stuck_seconds
        self._ours = f"{NAME_LABEL}={RUN_NAME},{INSTANCE_LABEL}={spec.instance}"
        self._snapshot = Periodic(self._look, interval_seconds)
        self._refusals = Periodic(self._look_for_refusals, interval_seconds)
        self._known: dict[str, _Known] = {}
        self._last_logs = LastLogs()
        self._reading: set[asyncio.Task[None]] = set()

    @classmethod
    def open(
        cls,
        *,
        kubeconfig: Path | None,
        context: str | None,
        spec: SandboxSpec,
        placement: Placement,
        interval_seconds: float = 2.0,
    ) -> Self:
        """Connect as the kubeconfig says; without one, as the pod that this process runs in.

        Raises:
            SettingsError: there is no such file or context, or this is no pod.
        """
        api = ClusterApi.open(placement.namespace, kubeconfig=kubeconfig, context=context)
        return cls(api, spec=spec, placement=placement, interval_seconds=interval_seconds)

    async def close(self) -> None:
        """End our threads and connections. The runs go on."""
        await self._api.close()
        await asyncio.gather(*self._reading, return_exceptions=True)

    @property
    def name(self) -> str:
        """The backend's name."""
        return "cluster"

    @property
    def outlives_us(self) -> bool:
        """A Job goes on whoever created it."""
        return True

    def describe(self) -> str:
        """Which cluster this is, for people to confirm."""
        return f"{self._api.context} ({self._api.server}), namespace {self._placement.namespace}"

    async def check_rights(self) -> list[str]:
        """What our identity may not do and should, or may do and should not; empty when all is well.

        Raises:
            SandboxError: the API server does not say.
        """
        return await check_rights(self._api)

    async def start(self, task: RunTask) -> None:
        """Create the Job of a run, or find that it is there already.

        Raises:
            SandboxRefusedError: the cluster will not have it; the message says what to change.
            SandboxHeldBackError: the namespace's quota of Jobs is used up.
            SandboxError: it cannot be created now.
        """
        job = make_job(task, self._spec, self._placement)
        try:
            if await self._is_there(task.run_id):
                return
            await self._create(task.run_id, job)
        except ApiError as error:
            raise _not_created(error, self._placement.namespace) from None
        self._of(task.run_id).created_at = time.monotonic()

    async def observe(self, run_id: str) -> SandboxObservation:
        """What the pod of a run does, not older than the interval. Raises ``SandboxError`` when nobody can tell."""
        snapshot = await self._snapshot.value()
        job, pod = snapshot.jobs.get(run_id), snapshot.pods.get(run_id)
        if job is None and pod is None:
            known = self._known.get(run_id)
            if known is not None and known.created_at is not None and known.created_at >= snapshot.began:
                return SandboxPending(reason="just created")
            return SandboxMissing()
        lost = job_failure(job) if job is not None and passed_deadline(job) else None
        if lost is not None:
            return lost
        if pod is None:
            return await self._without_pod(run_id, job or {})
        return await self._with_pod(run_id, pod)

    async def read_log(self, run_id: str, *, offset: int, limit: int) -> bytes:
        """Up to ``limit`` bytes of what the guest printed, from byte ``offset``.

        Of a run that was stopped here, what was read before is told until it is forgotten. Of a long log the node keeps
        the end only (the kubelet's ``containerLogMaxSize``, 10 MiB). Raises ``SandboxError``.
        """
        if run_id in self._last_logs:
            return self._last_logs.read(run_id, offset, limit)
        known = self._known.get(run_id)
        if offset and known is not None:
            text = known.log.read(offset, limit)
            if text is not None:
                return text
        whole = await self._api.log(await self._pod_name(run_id), limit=offset + limit)
        return (whole or b"")[offset:]

    async def stop(self, run_id: str) -> None:
        """End a run's pod; what it printed can still be read until the run is forgotten.

        When this returns, its node says that no process is left. Of a node that the cluster has lost nobody can say
        that: its pod is taken out of the API. An ended pod stays as it is.

        Raises:
            SandboxError: the pod does not end, or nobody can tell.
        """
        jobs, pods = await self._things(run_id)
        alive = [pod for pod in pods if not has_ended(pod)]
        if not alive and (pods or all(is_finished(job) for job in jobs)):
            return
        if alive and run_id not in self._last_logs:
            self._last_logs.keep(run_id, await self._last_words(alive[0]))
        await self._remove(run_id)

    async def forget(self, run_id: str) -> None:
        """Remove a run's Job and pod, and what is remembered of it. Raises ``SandboxError`` when they do not go."""
        self._last_logs.drop(run_id)
        self._known.pop(run_id, None)
        await self._remove(run_id)

    async def aged(self) -> list[str]:
        """The runs of this installation of which a Job or a pod is here that is a minute old or older.

        Of probes, those that no worker waits for any longer. Raises ``SandboxError``.
        """
        found: set[str] = set()
        for resource in ("jobs", "pods"):
            listing = await self._api.items(resource, labels=self._ours)
            found.update(run_of(thing) for thing in listing.items if is_aged(thing, now=listing.time))
        return sorted(found - {""})

    async def _is_there(self, run_id: str) -> bool:
        """Whether the run's Job exists. Raises ``SandboxRefusedError`` when a Job of its name is somebody else's."""
        job = await self._api.find_job(sandbox_name(run_id))
        if job is None:
            return False
        labels = (job.get("metadata") or {}).get("labels") or {}
        if any(labels.get(name) != value for name, value in sandbox_labels(run_id, self._spec).items()):
            raise SandboxRefusedError(f"a Job {sandbox_name(run_id)} is there that is not this installation's")
        return True

    async def _create(self, run_id: str, job: Object) -> None:
        try:
            await self._api.create_job(job)
        except ApiError as error:
            # Another worker was quicker, or the request came through and its answer did not.
            if not _may_be_there(error) or not await self._is_there(run_id):
                raise error from None

    async def _without_pod(self, run_id: str, job: Object) -> SandboxObservation:
        known = self._known.get(run_id)
        if is_suspended(job) and known is not None and known.log_asked_at is not None:
            return _lost("the queue took the sandbox back while it ran")
        if is_finished(job) or is_going(job) or is_suspended(job):
            return view_of_job(job, None)
        # Only the Job's events tell why there is no pod.
        refusals = await self._refusals.value()
        return view_of_job(job, refusals.get(uid_of(job)))

    async def _with_pod(self, run_id: str, pod: Object) -> SandboxObservation:
        view = view_of_pod(pod)
        known = self._of(run_id)
        if isinstance(view, PodStuck):
            now = time.monotonic()
            known.stuck_since = known.stuck_since or now
            if now - known.stuck_since >= self._stuck_seconds:
                return SandboxLost(outcome=view.outcome, detail=view.reason)
            return SandboxPending(reason=view.reason)
        known.stuck_since = None
        if isinstance(view, PodRuns):
            self._read_on(known, name_of(pod))
            if known.log_failure:
                raise SandboxError(known.log_failure)
            return SandboxRunning(log_bytes=known.log.size, since=view.since)
        return view

    def _read_on(self, known: _Known, pod: str) -> None:
        """Have what is new in a pod's log read, at most once an interval; less often where its node does not answer.

        Nobody waits for that: the log of one pod can take as long as its node is silent.
        """
        if known.reading is not None and not known.reading.done():
            return
        pause = self._interval * (_LOG_PAUSE if known.log_failure else 1)
        now = time.monotonic()
        if known.log_asked_at is not None and now - known.log_asked_at < pause:
            return
        known.log_asked_at = now
        known.reading = asyncio.create_task(self._read(known, pod), name=f"log of {pod}")
        self._reading.add(known.reading)
        known.reading.add_done_callback(self._reading.discard)

    async def _read(self, known: _Known, pod: str) -> None:
        position = known.log.position
        try:
            answer = await self._api.log(pod, limit=position.limit, since=position.since, stamped=True)
        except ApiError as error:
            known.log_failure = f"the log cannot be read: {error}"
            return
        known.log_failure = ""
        if answer is not None:
            known.log.grow(answer)

    async def _look(self) -> _Snapshot:
        began = time.monotonic()
        jobs = await self._api.items("jobs", labels=self._ours)
        pods = await self._api.items("pods", labels=self._ours)
        snapshot = _Snapshot(began, _by_run(jobs.items), _by_run(pods.items))
        # Runs that another worker took are not forgotten here by anybody.
        there = snapshot.jobs.keys() | snapshot.pods.keys()
        for run_id, known in list(self._known.items()):
            if run_id not in there and (known.created_at is None or known.created_at < began):
                del self._known[run_id]
        return snapshot

    async def _look_for_refusals(self) -> dict[str, str]:
        fields = "involvedObject.kind=Job,reason=FailedCreate"
        return refusals_of((await self._api.items("events", fields=fields)).items)

    async def _things(self, run_id: str) -> tuple[list[Object], list[Object]]:
        """The Jobs and the pods of a run, as of now."""
        labels = f"{self._ours},{RUN_LABEL}={run_id}"
        jobs = await self._api.items("jobs", labels=labels)
        pods = await self._api.items("pods", labels=labels)
        return jobs.items, pods.items

    async def _pod_name(self, run_id: str) -> str:
        _, pods = await self._things(run_id)
        return name_of(_by_run(pods).get(run_id, {})) or sandbox_name(run_id)

    async def _last_words(self, pod: Object) -> bytes:
        with contextlib.suppress(SandboxError, TimeoutError):
            async with asyncio.timeout(_LAST_LOG_SECONDS):
                return await self._api.log(name_of(pod), limit=_LAST_LOG_BYTES) or b""
        return b""

    async def _remove(self, run_id: str) -> None:
        """Ask for the end of a run's Job and pod and wait for it, the Job's first: it makes no other pod then."""
        patience = time.monotonic() + _END_SECONDS
        forced = False
        while True:
            jobs, pods = await self._things(run_id)
            if not jobs and not pods:
                return
            late = time.monotonic() >= patience
            if late and forced:
                raise SandboxError("the run's pod does not end")
            for job in jobs:
                if not is_going(job):
                    await self._api.delete("jobs", name_of(job), grace_seconds=0)
            force = not forced and (late or any(is_out_of_reach(pod) for pod in pods))
            for pod in pods:
                if force or not is_going(pod):
                    await self._api.delete("pods", name_of(pod), grace_seconds=0 if force else _GRACE_SECONDS)
            if force:
                log.warning("pod taken out of the API: nobody ends it", run_id=run_id)
                forced, patience = True, time.monotonic() + _FORCED_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)

    def _of(self, run_id: str) -> _Known:
        return self._known.setdefault(run_id, _Known())


def _by_run(things: Iterable[Object]) -> dict[str, Object]:
    """The newest object of each run. There is one, except where a queue took a pod back and let another run."""
    newest: dict[str, Object] = {}
    for thing in things:
        other = newest.get(run_of(thing))
        if other is None or str(created_at(thing) or "") >= str(created_at(other) or ""):
            newest[run_of(thing)] = thing
    return newest


def _may_be_there(error: ApiError) -> bool:
    return error.reason == "AlreadyExists" or error.status == 0 or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _lost(detail: str) -> SandboxLost:
    return SandboxLost(outcome=RunOutcome.INFRA_RETRYABLE, detail=detail)


def _not_created(error: ApiError, namespace: str) -> SandboxError:
    """What an error at the creation of a Job means: whether it can pass, and what an operator has to do if not."""
    words = str(error)
    if error.status == HTTPStatus.FORBIDDEN and "exceeded quota" in words:
        return SandboxHeldBackError(f"the namespace's quota of Jobs is used up: {words}")
    if error.status == HTTPStatus.FORBIDDEN:
        return SandboxRefusedError(f"the worker's ServiceAccount may not create Jobs in {namespace}: {words}")
    if error.status == HTTPStatus.UNAUTHORIZED:
        return SandboxRefusedError(f"the API server does not know the worker's token: {words}")
    if error.status == HTTPStatus.NOT_FOUND:
        return SandboxRefusedError(f"namespace {namespace} has to be created first: {words}")
    if error.status in {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_REQUEST}:
        return SandboxRefusedError(
            f"the API server does not accept the Job, see the FLOWFORGE_CLUSTER_ settings: {words}"
        )
    return error
