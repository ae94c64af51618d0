"""Run Claude Code over the workspace: its command line, its environment, its streams.

The command line and the environment are those measured against a hostile repository: no shell, no configuration and no
instructions from the repository, edits inside the workspace only. All that is untrusted stands in ``context.json``; the
prompt is a constant.

Options: https://code.claude.com/docs/en/cli-reference
Variables: https://code.claude.com/docs/en/env-vars
"""

import contextlib
import dataclasses
import json
from typing import Final

from runners.guest.manners import DENIED, MANNERS
from runners.guest.program import Ended, make_places, run_program
from runners.guest.task import GuestError, GuestTask
from runners.protocol import CONTEXT_NAME, EXIT_CLAUDE_MISSING, TRANSCRIPT_NAME

_MAX_RETRIES: Final = 3
# The smallest value that the CLI takes for its byte watchdog.
_MIN_IDLE_SECONDS: Final = 10.0


def command_line(task: GuestTask) -> list[str]:
    """The argument list: nothing in it comes from the repository or from a comment, except the checked model id."""
    # Read is free inside the working directory only; of the rest, exactly the context is allowed ("//" means absolute).
    manner = MANNERS[task.work]
    context = f"Read(/{task.directory / CONTEXT_NAME})"
    return [
        str(task.claude),
        "-p",
        *manner.mode,
        *("--setting-sources", ""),
        "--strict-mcp-config",
        "--disable-slash-commands",
        "--no-session-persistence",
        *("--permission-mode", "dontAsk"),
        *("--tools", ",".join(manner.tools)),
        *("--allowedTools", *manner.allowed, context),
        *("--disallowedTools", *DENIED),
        *("--json-schema", json.dumps(dict(manner.schema))),
        *("--max-turns", str(task.max_turns)),
        *("--max-budget-usd", f"{max(task.budget_usd, 0.0001):.4f}"),
        *("--model", task.model),
        *("--output-format", "stream-json"),
        "--verbose",
    ]


def environment(task: GuestTask) -> dict[str, str]:
    """The whole environment. Home, settings and temporary files are inside the task's directory."""
    # Two silent attempts of the watchdog fit into the time after which the supervisor calls a run stalled.
    idle_ms = int(max(_MIN_IDLE_SECONDS, task.stall_seconds / 3) * 1000)
    door = {"ANTHROPIC_UNIX_SOCKET": task.socket} if task.socket else {}
    return {
        **door,
        "PATH": "/usr/bin:/bin",
        "HOME": str(task.directory / "home"),
        "TMPDIR": str(task.directory / "tmp"),
        "CLAUDE_CONFIG_DIR": str(task.directory / "config"),
        "LANG": "C.UTF-8",
        "ANTHROPIC_API_KEY": task.token,
        "ANTHROPIC_BASE_URL": task.gateway_url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
        "CLAUDE_CODE_DISABLE_CLAUDE_MDS": "1",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_MAX_RETRIES": str(_MAX_RETRIES),
        "CLAUDE_ENABLE_BYTE_WATCHDOG": "1",
        "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": str(idle_ms),
        "API_TIMEOUT_MS": str(int(max(_MIN_IDLE_SECONDS, task.stall_seconds) * 1000)),
        # The CLI runs `git ls-files` in its working directory; it must not find a repository further up.
        "GIT_CEILING_DIRECTORIES": str(task.directory),
    }


def run_claude(task: GuestTask) -> Ended:
    """Run Claude Code to its end; when this returns or raises, no process of it is left.

    Raises:
        GuestError: there is no such program.
        StoppedError: a stop was asked for.
    """
    make_places(task.directory)
    version = ""

    def read(line: bytes) -> None:
        nonlocal version
        version = version or _version_in(line)

    try:
        with (task.directory / TRANSCRIPT_NAME).open("wb", buffering=0) as transcript:
            ended = run_program(
                command_line(task),
                directory=task.workspace,
                environment=environment(task),
                said=MANNERS[task.work].prompt,
                transcript=transcript,
                cap=task.max_log_bytes,
                on_line=read,
            )
    except OSError as error:
        message = f"Claude Code cannot be started ({type(error).__name__})"
        raise GuestError(message, exit_code=EXIT_CLAUDE_MISSING) from None
    return dataclasses.replace(ended, version=version)


def _version_in(line: bytes) -> str:
    """The version that the first event names, empty when this line does not."""
    if b'"claude_code_version"' not in line:
        return ""
    with contextlib.suppress(ValueError, AttributeError, RecursionError):
        return str(json.loads(line).get("claude_code_version", ""))[:64]
    return ""
