"""The port to the sandboxes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from bot.model.runs import (
    AgentAnswer,
    AgentBrief,
    CommandAnswer,
    CommandBrief,
    RunLimits,
    RunTask,
    SandboxObservation,
    SuiteAnswer,
    WorkAnswer,
    WorkBrief,
)
from bot.ports.git import WorkspaceFile

Obstacle = Callable[[], str | None]
"""Says why no sandbox may be started now, in words for the operator; None when one may."""


class AgentRunner(Protocol):
    """Starts, observes and ends sandboxes. The same guest runs in every backend.

    A backend is told nothing about jobs and decides nothing: whoever supervises a run does.
    """

    @property
    def name(self) -> str:
        """The backend's name: ``process``, ``container`` or ``cluster``."""
        ...

    @property
    def outlives_us(self) -> bool:
        """Whether a sandbox goes on when this process ends, so that another one can go on supervising it."""
        ...

    async def start(self, task: RunTask) -> None:
        """Start the sandbox of a run; starting one that exists already does nothing.

        Raises:
            SandboxRefusedError: it can never be started like this; trying again is pointless.
            SandboxHeldBackError: there is no room for it now; nothing is wrong with it.
            SandboxError: it cannot be started now.
        """
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

    async def aged(self) -> list[str]:
        """The runs of this installation of which something is here that is older than a minute.

        Whoever asks decides by the runs' rows, read anew, what of it has to go. Raises ``SandboxError``.
        """
        ...


class RunDoors(Protocol):
    """The doors of sandboxes without a network: unix sockets that lead to the gateway, each for one run only."""

    async def open(self, task: RunTask, directory: Path) -> Path:
        """Open the run's door in an existing directory; the socket's path. Opening it again does nothing."""
        ...

    async def close(self, run_id: str) -> None:
        """Close the door and whatever goes through it; of a run without a door, nothing happens."""
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

    def pack_work(self, brief: WorkBrief, files: Sequence[WorkspaceFile]) -> bytes:
        """The workspace archive of a run for work that people asked for in words."""
        ...

    def read_work(self, archive: bytes, *, limits: RunLimits) -> WorkAnswer:
        """Ingest the result archive of such a run. Raises ``IngestError`` naming the broken rule."""
        ...

    def read(self, archive: bytes, *, limits: RunLimits) -> AgentAnswer:
        """Ingest an agent's result archive. Raises ``IngestError`` naming the broken rule."""
        ...

    def read_commands(self, archive: bytes, *, limits: RunLimits) -> CommandAnswer:
        """Ingest the result archive of a run without a model. Raises ``IngestError`` naming the broken rule."""
        ...

    def read_tests(self, archive: bytes, *, limits: RunLimits) -> SuiteAnswer:
        """Ingest the result archive of a run of tests. Raises ``IngestError`` naming the broken rule."""
        ...
