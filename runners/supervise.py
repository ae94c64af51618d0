"""Look after runs from start to end; the same for every backend.

Of each run this process owns one asyncio task. It renews the run's lease, obeys whoever asked the run to stop, keeps
the run's limits of time, silence and log, tells what the agent is doing, and names the end. If this process dies, the
lease runs out and any other supervisor's ``reap`` ends the run.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.errors import FencingLostError, FlowForgeError, SandboxError, StoreError, StoreUnavailableError
from bot.model.runs import (
    AgentProgress,
    RunKind,
    RunLimits,
    RunOutcome,
    RunTask,
    SandboxExited,
    SandboxMissing,
    SandboxObservation,
    SandboxRunning,
)
from bot.ports.runner import AgentRunner
from bot.ports.store import Runs
from bot.ports.system import Clock
from runners.ending import verdict_of_commands, verdict_of_log, verdict_of_lost_commands, verdict_of_result
from runners.outcome import Verdict
from runners.progress import START, ProgressState, advance

log = structlog.get_logger(__name__)

OnProgress = Callable[[str, AgentProgress], Awaitable[None]]
OnEnd = Callable[[str, str], Awaitable[None]]

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
        poll_seconds: float = 0.25,
        lease_seconds: float = 30.0,
        blind_seconds: float = 30.0,
    ) -> None:
        """Supervise as ``owner``, a name that no other process has.

        A sandbox that cannot be observed for ``blind_seconds`` is given up.
        """
        self._runner = runner
        self._runs = runs
        self._clock = clock
        self._owner = owner
        self._on_progress = on_progress
        self._on_end = on_end
        self._poll_seconds = poll_seconds
        self._lease = timedelta(seconds=lease_seconds)
        self._blind = timedelta(seconds=blind_seconds)
        self._closing = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def launch(self, task: RunTask, *, job_id: str, deadline: datetime | None = None) -> None:
        """Start a run's sandbox and see to it that the run ends.

        The start is recorded first: of whatever dies afterwards, the lease tells.

        Args:
            task: the run.
            job_id: handed to ``on_end``.
            deadline: when the run ends at the latest; None for its limits' deadline from now.

        Raises:
            SandboxError: the sandbox cannot be started; the run ended.
            StoreError: the start could not be recorded; nothing was started.
        """
        if self._closing.is_set():
            raise SandboxError("the service is shutting down")
        now = self._clock.now()
        deadline = deadline or now + timedelta(seconds=task.limits.deadline_seconds)
        lease_until = now + self._lease
        await self._runs.started(task.run_id, owner=self._owner, deadline=deadline, lease_until=lease_until)
        try:
            await self._runner.start(task)
        except SandboxError as error:
            await self._runs.ended(task.run_id, RunOutcome.INFRA_RETRYABLE, detail=str(error))
            raise
        watch = _Watch(
            run_id=task.run_id,
            job_id=job_id,
            kind=task.kind,
            limits=task.limits,
            deadline=deadline,
            lease_until=lease_until,
            grew_at=now,
            seen_at=now,
            next_heartbeat=now,
        )
        self._tasks[task.run_id] = asyncio.create_task(self._supervise(watch), name=f"run {task.run_id}")

    async def reap(self, now: datetime) -> None:
        """End the runs whose supervisor is gone. A result that came in before is not lost. Raises ``StoreError``."""
        for run in await self._runs.abandoned(now):
            if run.id in self._tasks:
                continue
            try:
                asked = await self._runs.heartbeat(run.id, owner=self._owner, lease_until=now + self._lease)
            except FencingLostError:
                continue  # another supervisor was quicker
            log.warning("run abandoned", run_id=run.id, job_id=run.job_id)
            left = _Watched(run_id=run.id, job_id=run.job_id, kind=run.kind, limits=run.limits)
            await self._finish(left, SandboxMissing(), asked)

    async def close(self) -> None:
        """Stop every run of this supervisor and record that; returns when no sandbox of it is left."""
        self._closing.set()
        await asyncio.gather(*self._tasks.values())

    async def _supervise(self, watch: _Watch) -> None:
        try:
            seen, stop = await self._watch(watch)
            if seen is None:
                await self._shut_down(watch.run_id)
            else:
                await self._finish(watch, seen, stop)
        except StoreError as error:
            # Somebody else's now, or nobody's until the lease runs out and the sweep finds it.
            log.warning("run left to the sweep", run_id=watch.run_id, error=type(error).__name__)
            await self._remove(watch.run_id)
        except Exception:  # a fault of ours: the sandbox must go all the same, the sweep records the end
            log.exception("supervision failed", run_id=watch.run_id)
            await self._remove(watch.run_id)
        finally:
            self._tasks.pop(watch.run_id, None)

    async def _watch(self, watch: _Watch) -> tuple[SandboxExited | SandboxMissing | None, RunOutcome | None]:
        """How the sandbox ended, None when we are closing; and what it was asked to end with."""
        while not self._closing.is_set():
            seen = await self._look(watch)
            if seen is not None and not isinstance(seen, SandboxRunning):
                return seen, await self._heartbeat(watch)
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
            if isinstance(seen, SandboxRunning) and seen.log_bytes > watch.log_bytes:
                watch.log_bytes, watch.grew_at = seen.log_bytes, self._clock.now()
            await self._tell_progress(watch)
        except SandboxError as error:
            log.warning("sandbox cannot be observed", run_id=watch.run_id, error=str(error))
            return None
        watch.seen_at = self._clock.now()
        return seen

    async def _reason_to_stop(self, watch: _Watch) -> RunOutcome | None:
        now = self._clock.now()
        if now >= watch.deadline:
            return RunOutcome.TIMED_OUT
        if watch.log_bytes > watch.limits.max_log_bytes:
            return RunOutcome.MAX_OUTPUT
        if now - watch.seen_at >= self._blind:
            return RunOutcome.INFRA_RETRYABLE
        if now - watch.grew_at >= timedelta(seconds=watch.limits.stall_seconds):
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

    async def _finish(self, run: _Watched, seen: SandboxExited | SandboxMissing, stop: RunOutcome | None) -> None:
        """End what is left, name the end, record it, tidy up, tell."""
        await self._stop(run.run_id)
        verdict = await self._verdict(run, seen, stop)
        await self._runs.ended(run.run_id, verdict.outcome, detail=verdict.detail)
        outcome = verdict.outcome.value
        log.info("run ended", run_id=run.run_id, job_id=run.job_id, outcome=outcome, detail=verdict.detail)
        await self._remove(run.run_id)
        await self._call(self._on_end(run.job_id, run.run_id), run.run_id)

    async def _verdict(self, run: _Watched, seen: SandboxExited | SandboxMissing, stop: RunOutcome | None) -> Verdict:
        archive = await self._runs.result(run.run_id)
        written = b"" if archive is not None else await self._whole_log(run.run_id, run.limits.max_log_bytes)
        if run.kind is not RunKind.AGENT:
            if archive is not None:
                return await asyncio.to_thread(verdict_of_commands, archive, run.limits, stop_requested=stop)
            return verdict_of_lost_commands(written, seen, stop_requested=stop)
        calls = await self._runs.model_calls(run.run_id)
        if archive is not None:
            return await asyncio.to_thread(
                verdict_of_result, archive, run.limits, stop_requested=stop, model_calls=calls
            )
        return await asyncio.to_thread(verdict_of_log, written, seen, stop_requested=stop, model_calls=calls)

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
