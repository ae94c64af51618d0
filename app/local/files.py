"""Files of a person's work tree."""

import os
import stat
import tempfile
from pathlib import Path

from bot.errors import GitError


def read_file(place: Path, *, limit: int) -> bytes | None:
    """The bytes of a plain file; None for anything else, a link too, and for what is larger than ``limit``."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            content = file.read(limit + 1)
    except OSError:
        return None
    return content if len(content) <= limit else None


def replace_file(place: Path, content: bytes) -> None:
    """Put a new content in the place of a plain file, at once or not at all; its mode and kind of line ends stay.

    Raises:
        GitError: it cannot be written.
    """
    try:
        before = place.read_bytes()
        ends = b"\r\n" in before and b"\r\n" not in content
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".flowforge-", delete=False) as file:
            file.write(content.replace(b"\n", b"\r\n") if ends else content)
        fresh = Path(file.name)
        fresh.chmod(place.stat().st_mode & 0o777)
        fresh.replace(place)
    except OSError as error:
        raise GitError(f"a file could not be written: {error.strerror}") from error
