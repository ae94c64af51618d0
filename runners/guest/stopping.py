"""End on request, and leave no process behind."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_CHILD_SUBREAPER: Final = 36
_KILL_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02
_GONE: Final = frozenset({b"Z", b"X"})


class StoppedError(Exception):
    """Somebody asked the guest to end."""


def arm(*, lifeline: bool) -> None:
    """From now on a signal raises ``StoppedError`` in the main thread; so does the end of ``lifeline`` (stdin)."""
    _adopt_orphans()
    for number in _SIGNALS:
        signal.signal(number, _stop)
    if lifeline:
        threading.Thread(target=_watch_lifeline, name="lifeline", daemon=True).start()


def disarm() -> None:
    """From now on signals are ignored: what is left to do is little and must be done."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _stop(_number: int, _frame: FrameType | None) -> None:
    disarm()
    raise StoppedError


def _watch_lifeline() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none is ever lost from sight (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(*, grace: float) -> None:
    """SIGTERM to every descendant, after ``grace`` seconds SIGKILL; returns when none is left alive.

    Exit statuses not yet asked for are lost.
    """
    _signal_until_gone(signal.SIGTERM, seconds=grace)
    _signal_until_gone(signal.SIGKILL, seconds=_KILL_SECONDS)
    # Those that were adopted have no other parent to take note of their end.
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _signal_until_gone(number: signal.Signals, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    signalled: set[int] = set()
    while alive := _descendants(os.getpid()):
        for pid in alive - signalled:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        signalled |= alive
        if time.monotonic() > deadline:
            return
        time.sleep(_POLL_SECONDS)


def _descendants(root: int) -> set[int]:
    """The living descendants of ``root``. Without /proc none is seen; there the starter of the guest ends them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # After the command in parentheses, which may hold anything: state, parent.
            state, parent = entry.read_bytes().rpartition(b")")[2].split()[:2]
            if state not in _GONE:
                children.setdefault(int(parent), []).append(int(entry.parent.name))
    found: set[int] = set()
    waiting = [root]
    while waiting:
        fresh = [pid for pid in children.get(waiting.pop(), ()) if pid not in found]
        found.update(fresh)
        waiting += fresh
    return found
