"""The port to the sandboxes."""

from collections.abc import Sequence
from typing import Protocol

from bot.model.runs import AgentAnswer, AgentBrief, CommandAnswer, CommandBrief, RunLimits, RunTask, SandboxObservation
from bot.ports.git import WorkspaceFile


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


class RunLauncher(Protocol):
    """Launches runs and looks after them; nobody waits for a run."""

    async def launch(self, task: RunTask, *, job_id: str) -> None:
        """Start a run's sandbox and see to it that the run ends. Raises ``SandboxError``."""
        ...


class RunArchives(Protocol):
    """Turns what goes into and comes out of a sandbox into bytes and back. Pure."""

    def pack(self, brief: AgentBrief, files: Sequence[WorkspaceFile]) -> bytes:
        """The workspace archive of a run."""
        ...

    def pack_commands(self, brief: CommandBrief, files: Sequence[WorkspaceFile]) -> bytes:
        """The workspace archive of a run without a model."""
        ...

    def read(self, archive: bytes, *, limits: RunLimits) -> AgentAnswer:
        """Ingest an agent's result archive. Raises ``IngestError`` naming the broken rule."""
        ...

    def read_commands(self, archive: bytes, *, limits: RunLimits) -> CommandAnswer:
        """Ingest the result archive of a run without a model. Raises ``IngestError`` naming the broken rule."""
        ...
