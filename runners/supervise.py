"""Look after runs from start to end; the same for every backend.

Of each run this process owns one asyncio task. It renews the run's lease, obeys whoever asked the run to stop, keeps
the run's limits of time, silence and log, tells what the agent is doing, and names the end. If this process dies, the
lease runs out, and any other supervisor's ``reap`` goes on with the run where its sandbox outlives us, or ends it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.errors import (
    FencingLostError,
    FlowForgeError,
    SandboxError,
    SandboxHeldBackError,
    SandboxRefusedError,
    StoreError,
    StoreUnavailableError,
)
from bot.model.runs import (
    AGENT_KINDS,
    AgentProgress,
    Run,
    RunKind,
    RunLimits,
    RunOutcome,
    RunState,
    RunTask,
    SandboxEnd,
    SandboxLost,
    SandboxMissing,
    SandboxObservation,
    SandboxPending,
    SandboxRunning,
)
from bot.ports.runner import AgentRunner
from bot.ports.runs import Runs
from bot.ports.system import Clock
from runners.ending import verdict_of_commands, verdict_of_log, verdict_of_lost_commands, verdict_of_result
from runners.outcome import Verdict
from runners.progress import START, ProgressState, advance

log = structlog.get_logger(__name__)

OnProgress = Callable[[str, AgentProgress], Awaitable[None]]
OnEnd = Callable[[str, str], Awaitable[None]]
Guard = Callable[[], str | None]
"""Says why no sandbox may be started now, None when one may."""

_WAITING: Final = {
    False: AgentProgress(line="waiting for a sandbox", turns=0, tool_uses=0),
    True: AgentProgress(line="waiting until the cluster's queue lets the sandbox in", turns=0, tool_uses=0),
}
"""What people are told of a sandbox that waits. Why it does is for the operator: it names parts of the cluster."""

_HEARTBEAT_SECONDS: Final = 0.5
_CHUNK: Final = 2**18
_MAX_LINE: Final = 2**20


@dataclass(slots=True, kw_only=True)
class _Watched:
    """One run that somebody has to see to its end."""

    run_id: str
    job_id: str
    kind: RunKind
    limits: RunLimits


@dataclass(slots=True, kw_only=True)
class _Watch(_Watched):
    """One run under supervision, and what was seen of it so far."""

    deadline: datetime
    lease_until: datetime
    grew_at: datetime
    seen_at: datetime
    next_heartbeat: datetime
    in_sight: bool = True
    pending: SandboxPending | None = None
    pending_since: datetime | None = None
    log_bytes: int = 0
    read_bytes: int = 0
    rest: bytes = b""
    progress: ProgressState = field(default=START)


class Supervisor:
    """``RunLauncher``: starts sandboxes by ``runner`` and looks after each until it ended.

    ``on_progress(run_id, progress)`` is called when there is something new to say, ``on_end(job_id, run_id)`` once
    after the end was recorded. What they raise of ours is logged and changes nothing.
    """

    def __init__(
        self,
        *,
        runner: AgentRunner,
        runs: Runs,
        clock: Clock,
        owner: str,
        on_progress: OnProgress,
        on_end: OnEnd,
        guard: Guard = lambda: None,
        poll_seconds: float = 0.25,
        lease_seconds: float = 30.0,
        blind_seconds: float = 30.0,
        pending_seconds: float = 600.0,
        queue_seconds: float = 86_400.0,
    ) -> None:
        """Supervise as ``owner``, a name that no other process has.

        While ``guard`` gives a reason, no sandbox is started. A sandbox that cannot be observed for ``blind_seconds``
        is given up, and so is one that does not come to work for ``pending_seconds``, or that an outside scheduler
        holds back for ``queue_seconds``.
        """
        self._runner = runner
        self._runs = runs
        self._clock = clock
        self._owner = owner
        self._on_progress = on_progress
        self._on_end = on_end
        self._guard = guard
        self._poll_seconds = poll_seconds
        self._lease = timedelta(seconds=lease_seconds)
        self._blind = timedelta(seconds=blind_seconds)
        self._pending = timedelta(seconds=pending_seconds)
        self._queue = timedelta(seconds=queue_seconds)
        self._closing = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._starting: set[str] = set()

    async def launch(self, task: RunTask, *, job_id: str) -> None:
        """Start a run's sandbox and see to it that the run ends.

        The start is recorded first: of whatever dies afterwards, the lease tells. A sandbox that cannot be started is
        an end of the run like any other.

        Args:
            task: the run.
            job_id: handed to ``on_end``.

        Raises:
            SandboxError: this process is ending; the run was not begun.
            StoreError: the start could not be recorded; nothing was started.
        """
        if self._closing.is_set():
            raise SandboxError("the service is shutting down")
        now = self._clock.now()
        deadline = now + timedelta(seconds=task.limits.deadline_seconds)
        lease_until = now + self._lease
        self._starting.add(task.run_id)
        try:
            await self._runs.started(task.run_id, owner=self._owner, deadline=deadline, lease_until=lease_until)
            self._check_guard()
            async with self._held(task.run_id):
                await self._runner.start(task)
        except SandboxError as error:
            refused = isinstance(error, SandboxRefusedError)
            outcome = RunOutcome.INFRA_TERMINAL if refused else RunOutcome.INFRA_RETRYABLE
            log.warning("sandbox not started", run_id=task.run_id, job_id=job_id, error=str(error))
            if isinstance(error, SandboxHeldBackError):
                await self._runs.withdrawn(task.run_id, detail=str(error))
            else:
                await self._runs.ended(task.run_id, outcome, detail=str(error))
            await self._call(self._on_end(job_id, task.run_id), task.run_id)
            return
        finally:
            self._starting.discard(task.run_id)
        self._begin(task.run_id, job_id, task.kind, task.limits, deadline=deadline)

    @contextlib.asynccontextmanager
    async def _held(self, run_id: str) -> AsyncIterator[None]:
        """Renew a run's lease while something takes its time, so that nobody takes the run for abandoned."""
        renewing = asyncio.create_task(self._renew(run_id), name=f"lease of {run_id}")
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})

    async def _renew(self, run_id: str) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                await self._runs.heartbeat(run_id, owner=self._owner, lease_until=self._clock.now() + self._lease)
            except FencingLostError:
                return  # whoever has the run now sees to it
            except StoreError:
                continue

    def _check_guard(self) -> None:
        reason = self._guard()
        if reason is not None:
            raise SandboxHeldBackError(reason)

    def _begin(self, run_id: str, job_id: str, kind: RunKind, limits: RunLimits, *, deadline: datetime) -> None:
        now = self._clock.now()
        watch = _Watch(
            run_id=run_id,
            job_id=job_id,
            kind=kind,
            limits=limits,
            deadline=deadline,
            lease_until=now + self._lease,
            grew_at=now,
            seen_at=now,
            next_heartbeat=now,
        )
        self._tasks[run_id] = asyncio.create_task(self._supervise(watch), name=f"run {run_id}")

    async def reap(self, now: datetime) -> int:
        """Go on with the runs whose supervisor is gone, or end them where their sandbox is gone with it; how many.

        A result that came in before is not lost. Raises ``StoreError``.
        """
        reaped = 0
        for run in await self._runs.abandoned(now):
            if self._knows(run.id) or self._closing.is_set():
                continue
            try:
                asked = await self._runs.heartbeat(run.id, owner=self._owner, lease_until=now + self._lease)
            except FencingLostError:
                continue  # another supervisor was quicker
            if self._knows(run.id):
                continue  # another call of this one was
            log.warning("run abandoned", run_id=run.id, job_id=run.job_id, adopted=self._runner.outlives_us)
            reaped += 1
            if self._runner.outlives_us:
                self._begin(run.id, run.job_id, run.kind, run.limits, deadline=_deadline(run, now))
            else:
                left = _Watched(run_id=run.id, job_id=run.job_id, kind=run.kind, limits=run.limits)
                await self._finish(left, SandboxMissing(), asked)
        return reaped

    def _knows(self, run_id: str) -> bool:
        return run_id in self._tasks or run_id in self._starting

    async def sink(self) -> int:
        """Remove what is left of runs that do not live any more; how many. Each run's row is read anew for it.

        Raises:
            SandboxError: nobody can tell what is there.
            StoreError: the rows cannot be read.
        """
        removed = 0
        for run_id in await self._runner.aged():
            run = await self._runs.get(run_id)
            if self._knows(run_id) or (run is not None and run.state is not RunState.ENDED):
                continue
            log.warning("sandbox without a live run removed", run_id=run_id)
            await self._remove(run_id)
            removed += 1
        return removed

    async def close(self) -> None:
        """Stop every run of this supervisor and record that; returns when no sandbox of it is left.

        Sandboxes that outlive us are left to the next supervisor, which finds their leases run out.
        """
        self._closing.set()
        await asyncio.gather(*self._tasks.values())

    async def _supervise(self, watch: _Watch) -> None:
        try:
            seen, stop = await self._watch(watch)
            if seen is None and self._runner.outlives_us:
                await self._runs.heartbeat(watch.run_id, owner=self._owner, lease_until=self._clock.now())
            elif seen is None:
                await self._shut_down(watch.run_id)
            else:
                await self._finish(watch, seen, stop)
        except StoreError as error:
            # Somebody else's now, or nobody's until the lease runs out and the sweep finds it.
            log.warning("run left to the sweep", run_id=watch.run_id, error=type(error).__name__)
            if not self._runner.outlives_us:
                await self._remove(watch.run_id)
        except Exception:  # a fault of ours: the sandbox must go all the same, the sweep records the end
            log.exception("supervision failed", run_id=watch.run_id)
            await self._remove(watch.run_id)
        finally:
            self._tasks.pop(watch.run_id, None)

    async def _watch(self, watch: _Watch) -> tuple[SandboxEnd | None, RunOutcome | None]:
        """How the sandbox ended, None when we are closing; and what it was asked to end with."""
        while not self._closing.is_set():
            seen = await self._look(watch)
            if seen is not None and not isinstance(seen, SandboxRunning | SandboxPending):
                return seen, await self._heartbeat(watch)
            given_up = self._given_up(watch)
            if given_up is not None:
                return given_up, None
            stop = await self._reason_to_stop(watch)
            if stop is not None:
                await self._stop(watch.run_id)
                return SandboxMissing(), stop
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), timeout=self._poll_seconds)
        return None, None

    async def _look(self, watch: _Watch) -> SandboxObservation | None:
        """What the sandbox does and says; None when it could not be seen just now."""
        try:
            seen = await self._runner.observe(watch.run_id)
            waited = watch.pending
            self._note(watch, seen)
            if isinstance(seen, SandboxPending) and (waited is None or waited.queued is not seen.queued):
                await self._call(self._on_progress(watch.run_id, _WAITING[seen.queued]), watch.run_id)
            if isinstance(seen, SandboxRunning) and watch.kind in AGENT_KINDS:
                # What commands print is read by people only, when they ended.
                await self._tell_progress(watch)
        except SandboxError as error:
            if watch.in_sight:
                log.warning("sandbox cannot be observed", run_id=watch.run_id, error=str(error))
            watch.in_sight = False
            return None
        if not watch.in_sight:
            log.info("sandbox is seen again", run_id=watch.run_id)
        watch.in_sight = True
        watch.seen_at = self._clock.now()
        return seen

    def _note(self, watch: _Watch, seen: SandboxObservation) -> None:
        """Keep the run's clocks: its time and its silence begin when it comes to work."""
        now = self._clock.now()
        whole = timedelta(seconds=watch.limits.deadline_seconds)
        if isinstance(seen, SandboxPending):
            another = watch.pending is None or watch.pending.queued is not seen.queued
            watch.pending_since = now if another else watch.pending_since
            watch.pending = seen
            watch.grew_at, watch.deadline = now, now + whole
        elif isinstance(seen, SandboxRunning):
            watch.pending = None
            if seen.since is not None:
                watch.deadline = seen.since + whole
            if seen.log_bytes > watch.log_bytes:
                watch.log_bytes, watch.grew_at = seen.log_bytes, now

    def _given_up(self, watch: _Watch) -> SandboxLost | None:
        """The end of a sandbox that nobody waits for any longer."""
        now = self._clock.now()
        if now - watch.seen_at >= self._blind:
            return SandboxLost(outcome=RunOutcome.INFRA_RETRYABLE, detail="the sandbox could not be observed")
        if watch.pending is None or watch.pending_since is None:
            return None
        waited = now - watch.pending_since
        if watch.pending.queued and waited >= self._queue:
            return SandboxLost(outcome=RunOutcome.INFRA_TERMINAL, detail="the queue did not let the sandbox in")
        if not watch.pending.queued and waited >= self._pending:
            reason = f"the sandbox did not come to work: {watch.pending.reason}"
            return SandboxLost(outcome=RunOutcome.INFRA_RETRYABLE, detail=reason)
        return None

    async def _reason_to_stop(self, watch: _Watch) -> RunOutcome | None:
        now = self._clock.now()
        if now >= watch.deadline:
            return RunOutcome.TIMED_OUT
        if watch.log_bytes > watch.limits.max_log_bytes:
            return RunOutcome.MAX_OUTPUT
        # What a sandbox out of sight said meanwhile is read as soon as it is seen again.
        if watch.in_sight and now - watch.grew_at >= timedelta(seconds=watch.limits.stall_seconds):
            return RunOutcome.STALLED
        return await self._heartbeat(watch) if now >= watch.next_heartbeat else None

    async def _heartbeat(self, watch: _Watch) -> RunOutcome | None:
        """Renew the lease. An absent database is borne until the lease has run out."""
        now = self._clock.now()
        watch.next_heartbeat = now + timedelta(seconds=_HEARTBEAT_SECONDS)
        try:
            asked = await self._runs.heartbeat(watch.run_id, owner=self._owner, lease_until=now + self._lease)
        except StoreUnavailableError:
            if self._clock.now() >= watch.lease_until:
                raise
            return None
        watch.lease_until = now + self._lease
        return asked

    async def _tell_progress(self, watch: _Watch) -> None:
        """Read on in the log and say the newest of what it tells."""
        chunk = await self._runner.read_log(watch.run_id, offset=watch.read_bytes, limit=_CHUNK)
        watch.read_bytes += len(chunk)
        *lines, watch.rest = (watch.rest + chunk).split(b"\n")
        watch.rest = watch.rest[-_MAX_LINE:]
        newest: AgentProgress | None = None
        for line in lines:
            watch.progress, progress = advance(watch.progress, line)
            newest = progress or newest
        if newest is not None:
            await self._call(self._on_progress(watch.run_id, newest), watch.run_id)

    async def _finish(self, run: _Watched, seen: SandboxEnd, stop: RunOutcome | None) -> None:
        """End what is left, name the end, record it, tidy up, tell."""
        async with self._held(run.run_id):
            await self._stop(run.run_id)
            verdict = await self._verdict(run, seen, stop)
        await self._runs.ended(run.run_id, verdict.outcome, detail=verdict.detail)
        outcome = verdict.outcome.value
        log.info("run ended", run_id=run.run_id, job_id=run.job_id, outcome=outcome, detail=verdict.detail)
        await self._remove(run.run_id)
        await self._call(self._on_end(run.job_id, run.run_id), run.run_id)

    async def _verdict(self, run: _Watched, seen: SandboxEnd, stop: RunOutcome | None) -> Verdict:
        archive = await self._runs.result(run.run_id)
        written = b"" if archive is not None else await self._whole_log(run.run_id, run.limits.max_log_bytes)
        if run.kind not in AGENT_KINDS:
            if archive is not None:
                return await asyncio.to_thread(
                    verdict_of_commands, archive, run.limits, stop_requested=stop, kind=run.kind
                )
            return verdict_of_lost_commands(written, seen, stop_requested=stop, kind=run.kind)
        calls = await self._runs.model_calls(run.run_id)
        if archive is not None:
            return await asyncio.to_thread(
                verdict_of_result, archive, run.limits, stop_requested=stop, model_calls=calls, kind=run.kind
            )
        return await asyncio.to_thread(
            verdict_of_log, written, seen, stop_requested=stop, model_calls=calls, kind=run.kind
        )

    async def _whole_log(self, run_id: str, cap: int) -> bytes:
        with contextlib.suppress(SandboxError):
            return await self._runner.read_log(run_id, offset=0, limit=cap)
        return b""

    async def _shut_down(self, run_id: str) -> None:
        """Nobody is told: the next process finds the ended run, the one that is closing has nobody to tell."""
        await self._stop(run_id)
        await self._runs.ended(run_id, RunOutcome.INFRA_RETRYABLE, detail="the service was shut down")
        await self._remove(run_id)

    async def _stop(self, run_id: str) -> None:
        try:
            await self._runner.stop(run_id)
        except SandboxError:
            # The end is recorded all the same: with it the run's token is worth nothing any more.
            log.exception("sandbox cannot be stopped", run_id=run_id)

    async def _remove(self, run_id: str) -> None:
        try:
            await self._runner.forget(run_id)
        except SandboxError:
            log.exception("sandbox cannot be removed", run_id=run_id)

    async def _call(self, told: Awaitable[None], run_id: str) -> None:
        try:
            await told
        except FlowForgeError as error:
            log.warning("nobody could be told", run_id=run_id, error=type(error).__name__)


def _deadline(run: Run, now: datetime) -> datetime:
    """When a run ends at the latest whose supervisor is gone."""
    return run.deadline_at or now + timedelta(seconds=run.limits.deadline_seconds)
