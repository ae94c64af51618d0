"""What every sealed sandbox is like, whichever backend makes it."""

from dataclasses import dataclass
from typing import Final

NAME_LABEL: Final = "app.kubernetes.io/name"
MANAGED_LABEL: Final = "app.kubernetes.io/managed-by"
INSTANCE_LABEL: Final = "flowforge.dev/instance"
RUN_LABEL: Final = "flowforge.dev/run"
PROBE_LABEL: Final = "flowforge.dev/probe"
RUN_NAME: Final = "flowforge-run"
"""The labels by which our sandboxes are found again, and the value of the first. Only a probe bears ``PROBE_LABEL``.

https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
"""

TASK_DIR: Final = "/task"
CLAUDE: Final = "/usr/local/bin/claude"
DOOR_DIR: Final = "/run/flowforge"
DOOR_NAME: Final = "door.sock"
USER_ID: Final = 1000
"""Places and user inside the guest image (``runners/image``)."""

AGED_SECONDS: Final = 60.0
"""What is younger may belong to a run whose row is only being written."""

PROBE_PENDING_SECONDS: Final = 600.0
PROBE_SECONDS: Final = 120.0
PROBE_AGED_SECONDS: Final = 900.0
"""How long a probe waits for its sandbox at the most, how long it works, and the age from which it is left over.

A probe has no row that says whether it lives. The third is longer than the first two and what a removal takes.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """What all sandboxes of one installation have in common.

    Attributes:
        image: the guest image.
        instance: names this installation: whatever bears another name is somebody else's.
        cpus: processors that one sandbox may use.
        memory_bytes: memory, files in memory included.
        pids: processes and threads.
        disk_bytes: what a sandbox may write in all.
    """

    image: str
    instance: str
    cpus: float
    memory_bytes: int
    pids: int
    disk_bytes: int


def sandbox_name(run_id: str) -> str:
    """The name of a run's container or Job: the same whoever asks, so that a second start finds the first."""
    return f"ff-run-{run_id}"


def sandbox_labels(run_id: str, spec: SandboxSpec, *, probe: bool = False) -> dict[str, str]:
    """The labels of a run's container, or of its Job and pod; ``probe`` where nothing but its walls is of interest."""
    labels = {
        NAME_LABEL: RUN_NAME,
        MANAGED_LABEL: "flowforge",
        INSTANCE_LABEL: spec.instance,
        RUN_LABEL: run_id,
    }
    return {**labels, PROBE_LABEL: "true"} if probe else labels
