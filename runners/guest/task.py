"""What the guest is asked to do, read from its environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

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
    ENV_RUN_ID,
    ENV_RUN_TOKEN,
    ENV_SOCKET,
    ENV_STALL_SECONDS,
    ENV_TASK_DIR,
    ENV_WORK,
    EXIT_MISUSED,
    WORKS,
)

_RUN_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_TOKEN: Final = re.compile(r"[0-9A-Za-z._~+/=-]{8,512}")
_MODEL: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:@/\[\]-]{0,127}")
# The directory stands in a permission rule, Read(//<directory>/context.json): nothing in it may mean anything there.
_DIRECTORY: Final = re.compile(r"/[0-9A-Za-z._/+@ -]+")


class GuestError(Exception):
    """Why the guest cannot go on; ``exit_code`` says so to whoever started it. The message holds no secret."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestTask:
    """The guest's task: what, where from, where to, with what, within which limits."""

    run_id: str
    work: str
    token: str
    gateway_url: str
    model: str
    claude: Path
    directory: Path
    max_turns: int
    budget_usd: float
    stall_seconds: float
    max_workspace_bytes: int
    max_result_bytes: int
    max_result_files: int
    max_log_bytes: int
    socket: str | None = None

    def __repr__(self) -> str:
        return f"GuestTask(run_id={self.run_id!r}, token=<hidden>)"

    @property
    def workspace(self) -> Path:
        """Where the repository's files are; Claude Code's working directory."""
        return self.directory / "workspace"


def task_from_environment(environ: Mapping[str, str]) -> GuestTask:
    """Read the task. Raises ``GuestError`` naming the variable that is missing or wrong, never its value."""
    return GuestTask(
        run_id=_matching(environ, ENV_RUN_ID, _RUN_ID),
        work=_work(environ),
        token=_matching(environ, ENV_RUN_TOKEN, _TOKEN),
        gateway_url=_url(environ, ENV_GATEWAY_URL),
        model=_matching(environ, ENV_MODEL, _MODEL),
        claude=Path(_value(environ, ENV_CLAUDE)),
        directory=_directory(environ),
        max_turns=_count(environ, ENV_MAX_TURNS),
        budget_usd=_number(environ, ENV_BUDGET_USD),
        stall_seconds=_number(environ, ENV_STALL_SECONDS),
        max_workspace_bytes=_count(environ, ENV_MAX_WORKSPACE_BYTES),
        max_result_bytes=_count(environ, ENV_MAX_RESULT_BYTES),
        max_result_files=_count(environ, ENV_MAX_RESULT_FILES),
        max_log_bytes=_count(environ, ENV_MAX_LOG_BYTES),
        socket=environ.get(ENV_SOCKET) or None,
    )


def _value(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise GuestError(f"{name} is not set", exit_code=EXIT_MISUSED)
    return value


def _work(environ: Mapping[str, str]) -> str:
    value = _value(environ, ENV_WORK)
    if value not in WORKS:
        raise GuestError(f"{ENV_WORK} names no work that this guest does", exit_code=EXIT_MISUSED)
    return value


def _matching(environ: Mapping[str, str], name: str, pattern: re.Pattern[str]) -> str:
    value = _value(environ, name)
    if not pattern.fullmatch(value):
        raise GuestError(f"{name} has a form that is not allowed", exit_code=EXIT_MISUSED)
    return value


def _url(environ: Mapping[str, str], name: str) -> str:
    value = _value(environ, name)
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
        raise GuestError(f"{name} is not an HTTP address", exit_code=EXIT_MISUSED)
    return value.rstrip("/")


def _number(environ: Mapping[str, str], name: str) -> float:
    try:
        value = float(_value(environ, name))
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise GuestError(f"{name} is not a positive number", exit_code=EXIT_MISUSED)
    return value


def _count(environ: Mapping[str, str], name: str) -> int:
    value = _number(environ, name)
    if value != int(value):
        raise GuestError(f"{name} is not a whole number", exit_code=EXIT_MISUSED)
    return int(value)


def _directory(environ: Mapping[str, str]) -> Path:
    # Resolved first: rules and the agent's own paths must name the same place.
    directory = Path(_value(environ, ENV_TASK_DIR)).resolve()
    if not _DIRECTORY.fullmatch(str(directory)):
        raise GuestError(f"{ENV_TASK_DIR} has a form that is not allowed", exit_code=EXIT_MISUSED)
    if not directory.is_dir() or any(directory.iterdir()):
        raise GuestError(f"{ENV_TASK_DIR} is not an empty directory", exit_code=EXIT_MISUSED)
    return directory
