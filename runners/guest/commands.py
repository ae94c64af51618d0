"""Run the repository's own commands over the workspace, without a model.

The commands are argument lists from the base branch's configuration; no shell reads them. What they may do is up to the
sandbox: no credential is in their environment, and a sealed sandbox gives them no network.
"""

import json
from typing import IO, Final

from runners.guest.program import Ended, make_places, run_program
from runners.guest.task import GuestError, GuestTask
from runners.protocol import CONTEXT_NAME, EXIT_MISUSED, TRANSCRIPT_NAME

NOT_STARTED: Final = 127
"""The exit status of a command that cannot be started, as a shell gives it."""


def environment(task: GuestTask) -> dict[str, str]:
    """The whole environment of a command: nothing of the guest's own, so no token and no address."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(task.directory / "home"),
        "TMPDIR": str(task.directory / "tmp"),
        "LANG": "C.UTF-8",
        "CI": "true",
        "GIT_CEILING_DIRECTORIES": str(task.directory),
    }


def run_commands(task: GuestTask) -> Ended:
    """Run one after the other until one fails; how the last one ended. All that they print is the transcript.

    Raises:
        GuestError: the context has no commands.
        StoppedError: a stop was asked for.
    """
    commands = _commands(task)
    make_places(task.directory)
    left = task.max_log_bytes
    spent = 0
    ended = Ended(exit_code=0, signal=None, stderr_tail="", duration_ms=0)
    with (task.directory / TRANSCRIPT_NAME).open("wb", buffering=0) as transcript:
        for command in commands:
            ended = _run(task, command, transcript, cap=max(0, left - transcript.tell()))
            spent += ended.duration_ms
            if ended.exit_code != 0:
                break
    return Ended(exit_code=ended.exit_code, signal=ended.signal, stderr_tail=ended.stderr_tail, duration_ms=spent)


def _run(task: GuestTask, command: list[str], transcript: IO[bytes], *, cap: int) -> Ended:
    try:
        return run_program(
            command,
            directory=task.workspace,
            environment=environment(task),
            said="",
            transcript=transcript,
            cap=cap,
            on_line=_unread,
            errors_too=True,
        )
    except OSError as error:
        words = f"the command cannot be started ({type(error).__name__})"
        return Ended(exit_code=NOT_STARTED, signal=None, stderr_tail=words, duration_ms=0)


def _unread(line: bytes) -> None:
    """Nothing is read out of what commands print."""


def _commands(task: GuestTask) -> list[list[str]]:
    raw = json.loads((task.directory / CONTEXT_NAME).read_bytes()).get("commands")
    commands = raw if isinstance(raw, list) else []
    if not commands or not all(
        isinstance(command, list) and command and all(isinstance(word, str) for word in command) for command in commands
    ):
        raise GuestError("the context names no commands", exit_code=EXIT_MISUSED)
    return commands
