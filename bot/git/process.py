"""The one way in which the git command is run: with an environment of our own making.

Nothing of the machine's or a user's configuration has a say, no hook or filter runs, no prompt appears, and no protocol
but HTTP is spoken, offline none at all. What attributes or a repository's configuration could change is asked of bare
repositories of our own, never of a user's clone. A credential reaches git only as configuration in its environment
(``GIT_CONFIG_KEY_0`` and so on, https://git-scm.com/docs/git-config#ENVIRONMENT): it is in no argument, no URL, no file
and no message.
"""

import asyncio
import base64
import binascii
import contextlib
import math
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bot.errors import GitError, GitTimeoutError, SettingsError
from bot.model.forge import GitAccess
from bot.redact import MARK, redact

MAX_OUTPUT_BYTES: Final = 64 * 1024 * 1024
"""No command of ours writes more than this; what does is stopped."""

_MAX_WORDS: Final = 2_000
"""Characters of git's standard error that go into a message."""

_GRACE_SECONDS: Final = 1.0
"""Between asking git to end, so that it removes its lock files, and killing it."""

_CHUNK: Final = 64 * 1024
_SHORT: Final = 6

_CONFIG: Final = (
    ("core.abbrev", "40"),  # an abbreviated id in a marker's label would change with the number of objects
    ("core.attributesFile", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.hooksPath", os.devnull),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.writeCommitGraph", "true"),  # merge bases that are far away are found ten times as fast
    ("gc.auto", "0"),
    ("http.followRedirects", "false"),
    ("maintenance.auto", "false"),
    ("merge.conflictStyle", "diff3"),
    ("merge.directoryRenames", "conflict"),
    ("merge.renameLimit", "7000"),  # git's own since 2.34: 6,900 edited and renamed files on a side take 12 s
    ("protocol.allow", "never"),
    ("protocol.http.allow", "always"),
    ("protocol.https.allow", "always"),
    ("push.recurseSubmodules", "no"),
    ("submodule.recurse", "false"),
    ("transfer.credentialsInUrl", "die"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A git command that ended by itself. ``words`` is its standard error: redacted, printable, cut to a length."""

    status: int
    output: bytes
    words: str


class GitCommand:
    """Runs git.

    Args:
        git: name or path of the git program.
        home: an empty directory, git's home and working directory.
        timeout_seconds: how long one command may take.
        allow_file: also allow ``file://`` URLs, for tests.
        offline: allow no network at all.

    Raises:
        SettingsError: there is no such program.
    """

    def __init__(
        self, *, git: str, home: Path, timeout_seconds: float, allow_file: bool = False, offline: bool = False
    ) -> None:
        program = shutil.which(git)
        if program is None:
            raise SettingsError(f"the git program {git!r} was not found")
        self._program = program
        self._home = home
        self._timeout = timeout_seconds
        self._allow_file = allow_file
        self._offline = offline

    @property
    def timeout_seconds(self) -> float:
        """How long one command may take."""
        return self._timeout

    async def run(
        self,
        git_dir: Path,
        *arguments: str,
        access: GitAccess | None = None,
        keep_open: Sequence[int] = (),
        work_tree: Path | None = None,
        scratch: Path | None = None,
        stdin: bytes = b"",
    ) -> Completed:
        """Run one command on a repository and wait for its end, whatever its exit status.

        ``keep_open`` are file descriptors that git and its children hold as long as they live; ``work_tree`` is where a
        clone's files are; ``scratch`` is an object directory that takes what git writes, and names the repository's own
        as its alternate. When this call is cancelled or takes too long, git and all its children have ended before it
        returns.

        Raises:
            GitTimeoutError: it took longer than the limit.
            GitError: it cannot be started, or it wrote too much.
        """
        environment = self._environment(git_dir, access)
        if work_tree is not None:
            environment["GIT_WORK_TREE"] = str(work_tree)
        if scratch is not None:
            environment["GIT_OBJECT_DIRECTORY"] = str(scratch)
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *arguments,
                stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=work_tree or self._home,
                env=environment,
                start_new_session=True,
                pass_fds=keep_open,
            )
        except OSError as error:
            raise GitError(f"git {arguments[0]} could not be started: {error.strerror}") from error
        try:
            async with asyncio.timeout(self._timeout):
                output, errors = await _talk(process, stdin)
                status = await process.wait()
        except TimeoutError:
            raise GitTimeoutError(f"git {arguments[0]} took longer than {self._timeout:g} s") from None
        finally:
            await _end(process)
        if len(output) > MAX_OUTPUT_BYTES:
            raise GitError(f"git {arguments[0]} wrote more than {MAX_OUTPUT_BYTES} bytes")
        return Completed(status=status, output=output, words=clean_words(errors, access))

    def _environment(self, git_dir: Path, access: GitAccess | None) -> dict[str, str]:
        # A git that outlives a killed worker holds the mirror's lock: a silent forge must not keep it for ever.
        config = [*_CONFIG, ("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", str(math.ceil(self._timeout)))]
        if self._offline:
            config += [("protocol.http.allow", "never"), ("protocol.https.allow", "never")]
        if self._allow_file:
            config.append(("protocol.file.allow", "always"))
        if access is not None:
            check_access(access, allow_file=self._allow_file)
            if access.authorization:
                config.append((f"http.{access.url}.extraHeader", f"Authorization: {access.authorization}"))
        environment = {
            "PATH": os.pathsep.join([str(Path(self._program).parent), os.defpath]),
            "HOME": str(self._home),
            "LC_ALL": "C",
            "GIT_DIR": str(git_dir),
            "GIT_ASKPASS": "true",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": str(len(config)),
        }
        for index, (key, value) in enumerate(config):
            environment[f"GIT_CONFIG_KEY_{index}"] = key
            environment[f"GIT_CONFIG_VALUE_{index}"] = value
        return environment


def check_access(access: GitAccess, *, allow_file: bool = False) -> None:
    """Refuse URLs and credentials that could make git do something else than talk HTTP to that address.

    Raises:
        GitError: the URL has another scheme, user information, a query, or characters that no clone URL has; or the
            credential is not one printable line.
    """
    if allow_file and access.url.startswith("file:///"):
        return
    try:
        parts = urlsplit(access.url)
        plain = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        plain = False
    odd = not access.url.isascii() or any(not char.isprintable() or char in " \\?#\"'@" for char in access.url)
    if not plain or odd:
        raise GitError("the repository's address is not a plain http or https URL")
    if not access.authorization.isprintable():
        raise GitError("the credential for git is not one printable line")


def clean_words(raw: bytes, access: GitAccess | None) -> str:
    """Git's or the remote's words, fit for a message: without secrets and control characters, and not too long."""
    text = raw.decode("utf-8", "replace")
    for secret in sorted(_secrets(access), key=len, reverse=True):
        text = text.replace(secret, MARK)
    text = "".join(char if char.isprintable() or char == "\n" else " " for char in redact(text))
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line)[:_MAX_WORDS]


def _secrets(access: GitAccess | None) -> set[str]:
    """Everything that would give the credential away: the header's value, its parts, and what base64 hides in it."""
    if access is None:
        return set()
    found = {access.authorization, *access.authorization.split()[1:]}
    for part in list(found):
        with contextlib.suppress(binascii.Error, ValueError):
            decoded = base64.b64decode(part, validate=True).decode("utf-8")
            found |= {decoded, decoded.partition(":")[2]}
    return {secret for secret in found if len(secret) >= _SHORT}


async def _talk(process: asyncio.subprocess.Process, stdin: bytes) -> tuple[bytes, bytes]:
    if process.stdout is None or process.stderr is None:
        raise GitError("git was started without pipes")
    output, errors, _ = await asyncio.gather(
        _read(process, process.stdout), _read(process, process.stderr), _write(process, stdin)
    )
    return output, errors


async def _write(process: asyncio.subprocess.Process, stdin: bytes) -> None:
    """Give git its input; git may end before it has read all of it, which its exit status then tells."""
    if process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()


async def _read(process: asyncio.subprocess.Process, stream: asyncio.StreamReader) -> bytes:
    """All that a stream holds. What writes without end is killed, and the result is then over the limit."""
    chunks = bytearray()
    while chunk := await stream.read(_CHUNK):
        if len(chunks) <= MAX_OUTPUT_BYTES:
            chunks += chunk
        else:
            _signal(process, signal.SIGKILL)
    return bytes(chunks)


async def _end(process: asyncio.subprocess.Process) -> None:
    """After this, git and its children are gone. Nothing to do when git ended by itself."""
    if process.returncode is not None and process.stdout is not None and process.stdout.at_eof():
        return
    _signal(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        _signal(process, signal.SIGKILL)
    await process.communicate()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal the whole process group; git leads one of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
