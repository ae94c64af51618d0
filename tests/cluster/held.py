"""Programs in the hands of a keeper: the test's side of the pipe."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_KEEPER: Final = Path(__file__).with_name("keeper.py")
_CLOSING_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.02
_LOG_LINES: Final = 15


class ProgramError(Exception):
    """A program of the test cluster could not be started, failed or did not come up in time."""


class Programs:
    """Starts and stops programs; all of them end, and their directory goes, with this object or this process."""

    def __init__(self, directory: Path, *, inside: Sequence[str] = (), cgroup: str = "") -> None:
        """Start the keeper.

        Args:
            directory: belongs to the programs, and is removed with them. Their logs are there.
            inside: the command that makes the keeper's namespaces, if it is to have some.
            cgroup: the control group that is removed in the end, below each hierarchy's root.
        """
        self.directory = directory
        self._lock = threading.Lock()
        self._keeper = subprocess.Popen(
            [*inside, sys.executable, "-I", str(_KEEPER), str(directory), cgroup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process that this one started: the keeper, or what made its namespaces."""
        return self._keeper.pid

    def start(self, name: str, *argv: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a program under ``name``; what it says goes to its log."""
        self._ask(do="start", name=name, argv=argv, log=str(self.log(name)), environment=environment or {})

    def stop(self, name: str, *, seconds: float = 20.0) -> int | None:
        """Ask a program to end, kill it after ``seconds``, and return its status; ``None`` when it was not there."""
        status: int | None = self._ask(do="stop", name=name, seconds=seconds)["returncode"]
        return status

    def run(self, *argv: str, stdin: str = "", seconds: float = 60.0) -> str:
        """Run a program to its end where the keeper is, and return what it said.

        Raises:
            ProgramError: its status was not 0.
        """
        done = self._ask(do="run", argv=argv, input=stdin, seconds=seconds)
        if done["returncode"] != 0:
            raise ProgramError(f"{' '.join(argv)}: status {done['returncode']}: {done['output'].strip()}")
        return str(done["output"])

    def log(self, name: str) -> Path:
        """The file with all that the program of this name said."""
        return self.directory / f"{name}.log"

    def memory_bytes(self) -> dict[str, int]:
        """The resident memory of each program, of its first process only."""
        return {name: state["memory_bytes"] for name, state in self._ask(do="state").items()}

    def until(self, name: str, ready: Callable[[], bool], *, seconds: float) -> float:
        """Wait until the program called ``name`` is ready, and return the seconds that took.

        Raises:
            ProgramError: it ended, or was not ready in time; with the end of its log.
        """
        began = time.monotonic()
        while not ready():
            ended = self._ask(do="state").get(name, {}).get("returncode")
            waited = time.monotonic() - began
            if ended is not None or waited > seconds:
                how = f"ended with status {ended}" if ended is not None else f"is not ready after {waited:.0f} s"
                said = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
                raise ProgramError("\n".join([f"{name} {how}; the end of its log:", *said]))
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - began

    def close(self) -> None:
        """End all programs; returns when nothing of them is left.

        Raises:
            ProgramError: some of their files could not be removed.
        """
        with self._lock:
            if self._keeper.stdin is not None and not self._keeper.stdin.closed:
                self._keeper.stdin.close()
            self._keeper.wait(_CLOSING_SECONDS)
            if self._keeper.stdout is not None:
                self._keeper.stdout.close()
        if self.directory.exists():
            raise ProgramError(f"{self.directory} could not be removed")

    def _ask(self, **asked: Any) -> dict[str, Any]:
        with self._lock:
            if self._keeper.stdin is None or self._keeper.stdout is None or self._keeper.stdin.closed:
                raise ProgramError("the programs were ended")
            self._keeper.stdin.write(json.dumps(asked) + "\n")
            said = self._keeper.stdout.readline()
        if not said:
            raise ProgramError(f"the keeper of {self.directory} ended with status {self._keeper.wait()}")
        answer: dict[str, Any] = json.loads(said)
        if isinstance(answer.get("error"), str):
            raise ProgramError(answer["error"])
        return answer
