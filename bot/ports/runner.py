"""The port to the sandboxes."""

from typing import Protocol

from bot.model.runs import RunTask, SandboxObservation


class AgentRunner(Protocol):
    """Starts, observes and ends sandboxes. The same guest runs in every backend."""

    @property
    def name(self) -> str:
        """The backend's name: ``process``, ``container`` or ``cluster``."""
        ...

    async def start(self, task: RunTask) -> None:
        """Start the sandbox of a run; starting one that exists already does nothing. Raises ``SandboxError``."""
        ...

    async def observe(self, run_id: str) -> SandboxObservation:
        """What the sandbox of a run is doing now."""
        ...

    async def read_log(self, run_id: str, *, offset: int, limit: int) -> bytes:
        """Up to ``limit`` bytes of what the sandbox printed, from byte ``offset``."""
        ...

    async def stop(self, run_id: str) -> None:
        """End the sandbox and everything in it; when this returns no process of the run is left."""
        ...

    async def forget(self, run_id: str) -> None:
        """Remove what is left of an ended sandbox: files, container, Job."""
        ...
