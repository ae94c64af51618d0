"""The backend that executes runs, as the settings name it."""

import contextlib
import hashlib
import importlib.util
from pathlib import Path
from typing import assert_never

from app.settings import Environment, RunnerKind, ServiceSettings
from app.store.engine import parse_url
from bot.errors import SettingsError
from bot.ports.runner import AgentRunner
from runners.backends.process import ProcessRunner
from runners.sandbox import SandboxSpec


def claude_path(settings: ServiceSettings) -> Path:
    """Claude Code's binary: the setting, or the one that claude-agent-sdk bundles.

    Raises:
        SettingsError: there is none.
    """
    sdk = importlib.util.find_spec("claude_agent_sdk")
    bundled = None if sdk is None or sdk.origin is None else Path(sdk.origin).parent / "_bundled" / "claude"
    path = settings.claude_path or bundled
    if path is None or not path.is_file():
        raise SettingsError("Claude Code was not found; set FLOWFORGE_CLAUDE_PATH to its binary")
    return path


def sandbox_spec(settings: ServiceSettings) -> SandboxSpec:
    """What all sandboxes of this installation have in common."""
    return SandboxSpec(
        image=settings.run_image,
        instance=instance_id(settings),
        cpus=settings.run_cpus,
        memory_bytes=settings.run_memory_bytes,
        pids=settings.run_pids,
        disk_bytes=settings.run_disk_bytes,
    )


def instance_id(settings: ServiceSettings) -> str:
    """A name for this installation: the same in all of its processes, another one for another database."""
    url = parse_url(settings.database_url.get_secret_value())
    place = f"{url.host}:{url.port}/{url.database}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]


async def open_runner(settings: ServiceSettings, stack: contextlib.AsyncExitStack) -> AgentRunner:
    """The backend, closed with ``stack``.

    Raises:
        SettingsError: it cannot be made with these settings.
    """
    match settings.runner:
        case RunnerKind.PROCESS:
            return ProcessRunner(
                settings.data_dir / "runs",
                claude=claude_path(settings),
                development=settings.environment is Environment.DEVELOPMENT,
            )
        case RunnerKind.CONTAINER | RunnerKind.CLUSTER:
            raise SettingsError(f"the {settings.runner.value} backend is not part of this build")
        case _:
            assert_never(settings.runner)
