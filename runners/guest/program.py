"""Run one program over the workspace: its streams, its end, and nothing of it left behind."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from runners.guest.stopping import end_descendants

_LINE_CHUNK: Final = 2**20
_TAIL: Final = 4096
_GRACE_SECONDS: Final = 1.0

OnLine = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended. ``exit_code`` is None when ``signal`` ended it; ``version`` is empty where it says none."""

    exit_code: int | None
    signal: int | None
    stderr_tail: str
    duration_ms: int
    version: str = ""


def make_places(directory: Path) -> None:
    """The directories beside the workspace that a program calls its own: home, temporary files, settings."""
    for name in ("home", "tmp", "config"):
        (directory / name).mkdir(mode=0o700)


def run_program(
    arguments: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    said: str,
    transcript: IO[bytes],
    cap: int,
    on_line: OnLine,
    errors_too: bool = False,
) -> Ended:
    """Run a program to its end; when this returns or raises, no process of it is left.

    ``said`` goes to its standard input. What it prints goes to our standard output as it comes, line by line to
    ``on_line``, and to ``transcript`` as far as ``cap`` bytes go. With ``errors_too``, its standard error is the same
    stream: all that it says keeps its order, and ``stderr_tail`` is the end of all of it.

    Raises:
        OSError: it cannot be started.
        StoppedError: a stop was asked for.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        list(arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if errors_too else subprocess.PIPE,
        cwd=directory,
        env=dict(environment),
    )
    with contextlib.ExitStack() as stack:
        stack.callback(process.kill)  # for systems where descendants cannot be seen; does nothing once it ended
        stack.callback(end_descendants, grace=_GRACE_SECONDS)
        sink = _Sink(transcript, cap=cap)
        out = _OutputPump(_pipe(process.stdout), sink, on_line=on_line)
        err = None if errors_too else _ErrorPump(_pipe(process.stderr))
        _say(process, said)
        status = process.wait()
        # Whoever else holds the pipes is ended before the last lines are read.
        end_descendants(grace=_GRACE_SECONDS)
        out.join()
        if err is not None:
            err.join()
    return Ended(
        exit_code=status if status >= 0 else None,
        signal=-status if status < 0 else None,
        stderr_tail=(out if err is None else err).tail.decode("utf-8", "replace"),
        duration_ms=int((time.monotonic() - started) * 1000),
    )


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError  # all three were asked for
    return pipe


def _say(process: subprocess.Popen[bytes], said: str) -> None:
    stdin = _pipe(process.stdin)
    with contextlib.suppress(BrokenPipeError):  # it ended before it read; its exit status says why
        stdin.write(said.encode())
        stdin.flush()
    with contextlib.suppress(BrokenPipeError):
        stdin.close()


class _Sink:
    """Where lines go: to our standard output, and to the transcript up to ``cap`` bytes."""

    def __init__(self, transcript: IO[bytes], *, cap: int) -> None:
        self._transcript = transcript
        self._left = cap
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """Take a line, whole."""
        with self._lock:
            _write_all(1, line)
            if len(line) <= self._left:
                self._left -= len(line)
                self._transcript.write(line)


class _OutputPump:
    """Copies a stream into the sink as it comes, and keeps its end."""

    def __init__(self, pipe: IO[bytes], sink: _Sink, *, on_line: OnLine) -> None:
        self.tail = b""
        self._pipe = pipe
        self._sink = sink
        self._on_line = on_line
        self._thread = threading.Thread(target=self._pump, name="stdout", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the stream."""
        self._thread.join()

    def _pump(self) -> None:
        with self._pipe:
            while line := self._pipe.readline(_LINE_CHUNK):
                self.tail = (self.tail + line)[-_TAIL:]
                self._sink.write(line)
                self._on_line(line)


class _ErrorPump:
    """Reads a stream and keeps its end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.tail = b""
        self._pipe = pipe
        self._thread = threading.Thread(target=self._pump, name="stderr", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the stream."""
        self._thread.join()

    def _pump(self) -> None:
        with self._pipe:
            while chunk := self._pipe.readline(_LINE_CHUNK):
                self.tail = (self.tail + chunk)[-_TAIL:]


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
