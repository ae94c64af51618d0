"""``python -m runners.guest``: one run, from its environment to its uploaded result."""

import os
import sys

from runners.guest.claude import run_claude
from runners.guest.commands import run_commands
from runners.guest.hiding import hide
from runners.guest.probe import run_probe
from runners.guest.result import build_result
from runners.guest.stopping import StoppedError, arm, disarm, end_descendants
from runners.guest.task import GuestError, task_from_environment
from runners.guest.transfer import fetch_workspace, upload_result
from runners.guest.unpack import unpack
from runners.guest.walk import find_changes
from runners.protocol import (
    ENV_LIFELINE,
    ENV_PROBE,
    ENV_SOCKET,
    EXIT_OK,
    EXIT_STOPPED,
    GUEST_PREFIX,
    TRANSCRIPT_NAME,
    WORK_COMMANDS,
)

_GRACE_SECONDS = 1.0


def run() -> int:
    """Do the task, or prove the sandbox. Raises ``GuestError`` and ``StoppedError``."""
    if ENV_PROBE in os.environ:
        print(run_probe(os.environ), flush=True)  # noqa: T201 - the log is how a probe answers
        return EXIT_OK
    task = task_from_environment(os.environ)
    marks = unpack(fetch_workspace(task), task.directory)
    ended = run_commands(task) if task.work == WORK_COMMANDS else run_claude(task)
    changes = find_changes(
        task.workspace,
        marks,
        max_bytes=task.max_result_bytes,
        max_files=task.max_result_files,
    )
    upload_result(task, build_result(ended, changes, task.directory / TRANSCRIPT_NAME))
    return EXIT_OK


def main() -> int:
    """Do the task and say in the exit status how that went."""
    os.umask(0o077)
    try:
        lifeline = os.environ.get(ENV_LIFELINE) == "stdin"
        arm(lifeline=lifeline)
        # A guest with a lifeline and without a door is the process backend's: that is no sandbox, and finds its
        # guests by what this would hide.
        if not lifeline or ENV_SOCKET in os.environ:
            hide()
        return run()
    except StoppedError:
        return EXIT_STOPPED
    except GuestError as error:
        print(f"{GUEST_PREFIX}{error}", file=sys.stderr, flush=True)  # noqa: T201 - the guest's only voice
        return error.exit_code
    finally:
        disarm()
        end_descendants(grace=_GRACE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
