"""Names in trees that no checkout may have. A hostile pack can hold them; git and libgit2 let some of them through."""

import re
import unicodedata
from typing import Final

from bot.errors import TreeRefusedError

MAX_DEPTH: Final = 64
"""Directories below each other, the file's own name included."""

_MAX_NAME: Final = 255
"""Bytes; what common file systems take."""

# What nearly all names are like; nothing of what is forbidden is.
_PLAIN: Final = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.+@=-]{0,254}")

_GIT: Final = frozenset({".git", "git~1"})

# Code points that HFS+ leaves out when it compares names: zero-width joiners, directional marks, shaping marks, BOM.
# https://developer.apple.com/library/archive/technotes/tn/tn1150.html#UnicodeSubtleties
_IGNORED: Final = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF],
)


def forbidden(name: bytes) -> str | None:
    """Why a single name must not be in a tree, None when it may.

    Forbidden are: the empty name, ``.`` and ``..``, slashes and backslashes, control characters, names too long for a
    file system, and whatever some file system takes for ``.git``: any case, NTFS's short name ``git~1``, trailing dots
    and spaces, stream names after a colon, code points that HFS+ ignores.
    """
    if _PLAIN.fullmatch(name):
        return None
    text = name.decode("utf-8", "surrogateescape")
    seen = text.translate(_IGNORED).casefold()
    faults = (
        (not text, "an empty name"),
        (len(name) > _MAX_NAME, f"a name longer than {_MAX_NAME} bytes"),
        ("/" in text or "\\" in text, "a slash or backslash in a name"),
        (any(unicodedata.category(char) == "Cc" for char in text), "a control character in a name"),
        (not seen.strip(". "), "a name of nothing but dots and spaces"),
        (seen.partition(":")[0].rstrip(". ") in _GIT, "a name that is .git to some file system"),
    )
    return next((reason for fault, reason in faults if fault), None)


def check_path(path: str) -> tuple[str, ...]:
    """The components of a repository path.

    Raises:
        GitError: a component must not be in a tree, or there are too many.
    """
    parts = tuple(path.split("/"))
    if len(parts) > MAX_DEPTH:
        raise TreeRefusedError(f"{shown(path)} is deeper than {MAX_DEPTH} directories")
    for part in parts:
        try:
            reason = forbidden(part.encode("utf-8"))
        except UnicodeEncodeError:
            reason = "a name that is not UTF-8"
        if reason:
            raise TreeRefusedError(f"{shown(path)}: {reason}")
    return parts


def is_utf8(path: str) -> bool:
    """False for a path with bytes that are not UTF-8 (they stand there as lone surrogates)."""
    return not any("\ud800" <= char <= "\udfff" for char in path)


def shown(path: str | bytes) -> str:
    """A path for a message: anything that is not plain ASCII is escaped, and it is not too long."""
    text = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
    return ascii(text)[:300]
