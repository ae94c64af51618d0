"""The crash points of a worker: every commit and every external effect has a name, and the process can be killed there.

The names are made of what the code calls itself, so what is new in the code has a name at once:

* ``SqlJobs.move preparing running@before`` is inside the transaction, when all of it is written and nothing kept;
  ``@after`` is when it was kept and nobody knows it yet;
* ``forge create_comment@before``, ``git push …@before`` and so on stand around calls of a port, ``@after`` when the
  answer is there and nothing was made of it;
* ``git-push@started`` and ``@finished`` are in the child: the process dies, its git goes on or has ended unheard.

A name's occurrences are counted: ``…#2`` is the second one of a process.
"""

import inspect
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.store.database import SqlStore
from app.store.engine import Database
from app.system import SystemClock, SystemIds
from app.wiring_parts import Parts, job_caps
from bot.git.adapter import GitMirrors

READS_OF_FORGE = frozenset(
    {
        "bot_user",
        "comments",
        "find_check_run",
        "find_comment",
        "find_pull_request",
        "git_access",
        "issue",
        "mention",
        "open_pull_requests",
        "permission",
        "pipeline_file",
        "pull_request",
        "read_file",
        "sent_deliveries",
        "shared_config",
        "shown_check_runs",
        "shown_comment",
    }
)
READS_OF_RUNNER = frozenset({"aged", "observe", "read_log"})
_READS_OF_QUEUE: frozenset[str] = frozenset()
_EFFECTS_OF_GIT = frozenset({"fetch", "fetch_commits", "merge", "push", "write_commit"})
"""The rest of git's port looks at the mirror and changes nothing, on the forge or on disk."""

_TOLD = ("to", "kind", "surface", "state", "status", "name", "outcome")
"""Arguments whose values tell two uses of one method apart."""

_CHANGED = "flowforge_crash_changed"
_SUBCOMMANDS = "push | fetch"

_GIT = """#!/bin/sh
# git, with two crash points of its own: the process that started it dies, and it goes on or has ended.
reach() {{
    number=$(($(grep -c "^$1#" {log}) + 1))
    echo "$1#$number" >>{log}
    case {point} in "$1#$number" | "$1") kill -KILL "$PPID" ;; esac
}}
case $1 in {subcommands}) ;; *) exec {git} "$@" ;; esac
reach "git-$1@started"
{git} "$@"
status=$?
reach "git-$1@finished"
exit $status
"""


class Witness:
    """Writes down each point that the process reaches, and kills the process at one of them."""

    def __init__(self, log: Path, *, point: str | None) -> None:
        """Write to ``log``; die at ``point``: an occurrence, or a name for its next one. None only looks on."""
        self._log = log
        self._point = point
        self._file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._counts: Counter[str] = Counter()

    def reach(self, name: str) -> None:
        """The process is at a point."""
        self._counts[name] += 1
        point = f"{name}#{self._counts[name]}"
        os.write(self._file, f"{point}\n".encode())
        if self._point in {point, name}:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, parts: Parts) -> Parts:
        """The parts of a worker, each with this witness around it."""
        database = WitnessedDatabase(parts.store.engine, self.reach)
        mirrors = parts.settings.data_dir / "mirrors"
        return replace(
            parts,
            store=SqlStore(database, parts.clock, parts.ids, caps=job_caps(parts.settings)),
            forge=watched(parts.forge, "forge", self.reach, reads=READS_OF_FORGE),
            git=watched(self._mirrors(mirrors), "git", self.reach, effects=_EFFECTS_OF_GIT),
            runner=watched(parts.runner, "sandbox", self.reach, reads=READS_OF_RUNNER),
            queue=watched(parts.queue, "queue", self.reach, reads=_READS_OF_QUEUE),
        )

    def around_store(self, store: SqlStore) -> SqlStore:
        """The gateway's store with this witness around it."""
        return SqlStore(WitnessedDatabase(store.engine, self.reach), SystemClock(), SystemIds())

    def _mirrors(self, root: Path) -> GitMirrors:
        program = self._log.with_name("git")
        git = next(Path(path) / "git" for path in os.defpath.split(os.pathsep) if (Path(path) / "git").is_file())
        text = _GIT.format(log=self._log, point=f"'{self._point}'", git=git, subcommands=_SUBCOMMANDS)
        program.write_text(text, encoding="utf-8")
        program.chmod(0o700)
        return GitMirrors(root, git=str(program))


class WitnessedDatabase(Database):
    """A database whose every transaction that changes something is two points."""

    def __init__(self, engine: AsyncEngine, reach: Callable[[str], None]) -> None:
        """Transactions on ``engine``, told to ``reach``."""
        super().__init__(engine)
        self._reach = reach
        event.listen(engine.sync_engine, "after_cursor_execute", _note_change)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        name = _use(sys._getframe(1))
        async with super().writing() as connection:
            info = connection.sync_connection.info if connection.sync_connection is not None else {}
            info[_CHANGED] = False
            yield connection
            changed = info[_CHANGED]
            if changed:
                self._reach(f"{name}@before")
        if changed:
            self._reach(f"{name}@after")

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[Any]:
        """What is done with the driver itself is one transaction, begun and kept in one turn."""
        name = _use(sys._getframe(1))
        async with super().driver() as driver:
            self._reach(f"{name}@before")
            yield driver
            self._reach(f"{name}@after")


def _note_change(connection: Connection, cursor: Any, _text: str, _values: Any, context: Any, _many: bool) -> None:
    """A transaction that found nothing to change is no boundary: it is looked at, and nothing differs after it."""
    if (context.isinsert or context.isupdate or context.isdelete) and cursor.rowcount != 0:
        connection.info[_CHANGED] = True


def _use(frame: FrameType | None) -> str:
    """Which method of a store is writing: the outermost of those that called each other."""
    outermost: FrameType | None = None
    while frame is not None:
        owner = frame.f_locals.get("self")
        if owner is not None and type(owner).__module__.startswith("app.store.") and not isinstance(owner, Database):
            outermost = frame
        elif outermost is not None:
            break
        frame = frame.f_back
    if outermost is None:
        return "unknown"
    told = [text for name in _TOLD if (text := _text(outermost.f_locals.get(name))) is not None]
    publication = outermost.f_locals.get("publication")
    told += [] if publication is None else [publication.purpose.value]
    told += sorted({one.event for one, _ in outermost.f_locals.get("batch", ())})
    come_from = _text(outermost.f_locals.get("come_from"))
    told = told if come_from is None else [come_from, *told]
    method = f"{type(outermost.f_locals['self']).__name__}.{outermost.f_code.co_name}"
    return " ".join([method, *told])


def _text(value: object) -> str | None:
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, str) else None


def watched(
    target: Any,
    what: str,
    reach: Callable[[str], None],
    *,
    reads: frozenset[str] = frozenset(),
    effects: frozenset[str] | None = None,
) -> Any:
    """``target`` with a point before and after each call of a coroutine method that has an effect."""
    return _Watched(target, what, reach, reads, effects)


class _Watched:
    """Stands for an adapter."""

    def __init__(
        self,
        target: Any,
        what: str,
        reach: Callable[[str], None],
        reads: frozenset[str],
        effects: frozenset[str] | None,
    ) -> None:
        self._target = target
        self._what = what
        self._reach = reach
        self._reads = reads
        self._effects = effects

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        has_effect = name not in self._reads if self._effects is None else name in self._effects
        if not has_effect or not inspect.iscoroutinefunction(method):
            return method

        async def seen(*args: Any, **kwargs: Any) -> Any:
            label = " ".join([f"{self._what} {name}", *_about(args, kwargs)])
            self._reach(f"{label}@before")
            answer = await method(*args, **kwargs)
            self._reach(f"{label}@after")
            return answer

        return seen


def _about(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """What tells two uses of one method apart: which ref is moved how, what is rung for, which emoji it is."""
    if "expected" in kwargs:
        ref = str(kwargs["ref"])
        side = "ours" if ref.startswith("refs/heads/flowforge/") else "head"
        act = "create" if kwargs["expected"] is None else "delete" if kwargs["new"] is None else "move"
        return [act, side]
    return [text for text in args if isinstance(text, str) and text.isidentifier() and len(text) < 20][:1]
