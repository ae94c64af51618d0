"""What a guest is told through its environment; the same for every backend."""

from typing import assert_never

from bot.errors import SandboxError
from bot.model.runs import RunKind, RunTask
from runners.protocol import (
    ENV_BUDGET_USD,
    ENV_CLAUDE,
    ENV_GATEWAY_URL,
    ENV_MAX_LOG_BYTES,
    ENV_MAX_RESULT_BYTES,
    ENV_MAX_RESULT_FILES,
    ENV_MAX_TURNS,
    ENV_MAX_WORKSPACE_BYTES,
    ENV_MODEL,
    ENV_PROBE,
    ENV_RUN_ID,
    ENV_RUN_TOKEN,
    ENV_SOCKET,
    ENV_STALL_SECONDS,
    ENV_TASK_DIR,
    ENV_WORK,
    SOCKET_URL,
    WORK_AGENT,
    WORK_CHANGE,
    WORK_COMMANDS,
    WORK_LOOK,
)


def guest_environment(task: RunTask, *, claude: str, task_dir: str, socket: str | None = None) -> dict[str, str]:
    """The variables of ``runners.protocol`` for one run. All paths are as the guest sees them.

    One of them is the run's token: backends must not log the mapping.

    Args:
        task: the run.
        claude: Claude Code's binary.
        task_dir: an empty directory of the guest's own.
        socket: the unix socket that leads to the gateway, None where a network does.

    Raises:
        SandboxError: this kind of run has no guest.
    """
    limits = task.limits
    door = {ENV_SOCKET: socket} if socket else {}
    probe = {ENV_PROBE: task.probe} if task.probe else {}
    return {
        **door,
        **probe,
        ENV_RUN_ID: task.run_id,
        ENV_WORK: _work(task.kind),
        ENV_RUN_TOKEN: task.token,
        ENV_GATEWAY_URL: SOCKET_URL if socket else task.gateway_url,
        ENV_MODEL: task.model,
        ENV_CLAUDE: claude,
        ENV_TASK_DIR: task_dir,
        ENV_MAX_TURNS: str(limits.max_turns),
        ENV_BUDGET_USD: repr(limits.budget_usd),
        ENV_STALL_SECONDS: repr(limits.stall_seconds),
        ENV_MAX_WORKSPACE_BYTES: str(limits.max_workspace_bytes),
        ENV_MAX_RESULT_BYTES: str(limits.max_result_bytes),
        ENV_MAX_RESULT_FILES: str(limits.max_result_files),
        ENV_MAX_LOG_BYTES: str(limits.max_log_bytes),
    }


def _work(kind: RunKind) -> str:
    match kind:
        case RunKind.AGENT:
            return WORK_AGENT
        case RunKind.CHANGE:
            return WORK_CHANGE
        case RunKind.LOOK:
            return WORK_LOOK
        case RunKind.REGENERATE | RunKind.TEST:
            return WORK_COMMANDS
        case RunKind.DIRECT:
            raise SandboxError("a direct call has no sandbox")
        case _:
            assert_never(kind)
