"""Object directories to throw away: beside the mirrors, where the next one clears away what a killed process left."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PREFIX: Final = "watch-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """An object directory. Git must hold ``lock`` while it writes there: what nobody holds is taken for left over."""

    objects: Path
    lock: int


@contextlib.asynccontextmanager
async def throw_away(root: Path, mirror: Path) -> AsyncIterator[Scratch]:
    """An object directory below ``root`` that borrows the mirror's, gone soon after with all that was written to it.

    Nobody waits for its removal: there may be thousands of files in hundreds of directories. It is held until then.

    Raises:
        OSError: it cannot be made.
    """
    place, lock = await asyncio.to_thread(_make, root, mirror)
    try:
        yield Scratch(objects=place / "scratch", lock=lock)
    finally:
        asyncio.get_running_loop().run_in_executor(None, _remove, place, lock)


def _remove(place: Path, lock: int) -> None:
    try:
        shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(lock)


def _make(root: Path, mirror: Path) -> tuple[Path, int]:
    root.mkdir(mode=0o700, exist_ok=True)
    with _alone(root):
        _clear(root)
        place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = _locked(place)
    # By a link: an alternate's path would be read with quotes, comments and line ends of its own.
    (place / "objects").symlink_to(mirror / "objects")
    info = place / "scratch" / "info"
    info.mkdir(parents=True)
    (info / "alternates").write_text(f"{place / 'objects'}\n", encoding="utf-8")
    return place, lock


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Nobody else makes or clears away anything here meanwhile: a new directory is not locked at once."""
    descriptor = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _clear(root: Path) -> None:
    """Remove what belongs to no process any more."""
    for place in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # held, or gone by itself
            _remove(place, _locked(place))


def _locked(place: Path) -> int:
    """A descriptor of a directory that nobody else holds. Raises ``OSError`` where somebody does."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
