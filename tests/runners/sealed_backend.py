"""An ``AgentRunner`` over sandboxes of namespaces, whose walls a test may take away between two starts."""

import asyncio
from pathlib import Path

from bot.errors import SandboxError
from bot.model.runs import RunTask, SandboxExited, SandboxMissing, SandboxObservation, SandboxPending, SandboxRunning
from runners.environment import guest_environment
from tests.runners.guest import sealed


class SealedRunner:
    """``walls`` are those of the next sandbox, ``door`` the socket that leads to the gateway.

    ``fails`` is raised by the next start; ``pending`` is what the next sandboxes wait for, for ever.
    """

    def __init__(self, door: Path) -> None:
        self.walls = sealed.WALLS
        self.door = door
        self.fails: SandboxError | None = None
        self.pending: SandboxPending | None = None
        self.tasks: list[RunTask] = []
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._logs: dict[str, Path] = {}

    @property
    def name(self) -> str:
        return "sealed"

    @property
    def outlives_us(self) -> bool:
        return False

    async def start(self, task: RunTask) -> None:
        self.tasks.append(task)
        if self.fails is not None:
            raise self.fails
        log = self.door.parent.parent / f"log-{task.run_id}"
        environment = guest_environment(task, claude="/nowhere", task_dir="/task", socket="/run/flowforge/door.sock")
        with log.open("wb") as said:
            self._running[task.run_id] = await asyncio.create_subprocess_exec(
                *sealed.command(self.walls),
                stdout=said,
                stderr=said,
                env={
                    **environment,
                    "PATH": "/usr/bin:/bin",
                    "PYTHONPATH": str(sealed.ROOT),
                    "SEALED_DOOR": str(self.door),
                },
            )
        self._logs[task.run_id] = log

    async def observe(self, run_id: str) -> SandboxObservation:
        if self.pending is not None:
            return self.pending
        process = self._running.get(run_id)
        if process is None:
            return SandboxMissing()
        if process.returncode is None:
            return SandboxRunning(log_bytes=0)
        status = process.returncode
        return SandboxExited(exit_code=status if status >= 0 else None, signal=-status if status < 0 else None)

    async def read_log(self, run_id: str, *, offset: int, limit: int) -> bytes:
        return self._logs[run_id].read_bytes()[offset : offset + min(limit, 1000)]

    async def stop(self, run_id: str) -> None:
        process = self._running.get(run_id)
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def forget(self, run_id: str) -> None:
        self._running.pop(run_id, None)
        log = self._logs.pop(run_id, None)
        if log is not None:
            log.unlink()

    async def aged(self) -> list[str]:
        return []

    @property
    def left(self) -> list[str]:
        """The runs of which something is here."""
        return [*self._running, *self._logs]
