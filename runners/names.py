"""Names in archives: which paths may come out of a sandbox. Standard library only.

The spellings that some file systems take for ``.git`` are those of git's own checks, taken a little wider: see
``is_hfs_dotgit`` and ``is_ntfs_dotgit`` in https://git.kernel.org/pub/scm/git/git.git/tree/utf8.c and path.c.
"""

import re
import unicodedata
from typing import Final

from runners.protocol import MAX_DEPTH

MAX_PATH_BYTES: Final = 4096
MAX_NAME_BYTES: Final = 255

_SHORT_NAMES: Final = re.compile(r"git~\d+|gitmod~\d+|gi[0-9a-f]{4}~\d+|gi[0-9a-f]{2}e[0-9a-f]~\d+")


def fault_of_path(path: str) -> str | None:
    """Why ``path`` may not come out of a sandbox, or None.

    Allowed are relative paths of ordinary names. ``.gitignore``, ``.gitattributes``, ``.github/`` pass in exactly this
    spelling: whether they may change is the gate's matter. ``.git`` and ``.gitmodules`` pass in no spelling.
    """
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "not Unicode"
    if not path or size > MAX_PATH_BYTES:
        return "empty or too long"
    names = path.split("/")
    if len(names) > MAX_DEPTH:
        return "nested too deep"
    return next((fault for name in names if (fault := _fault_of_name(name))), None)


def _fault_of_name(name: str) -> str | None:
    if name in {"", ".", ".."}:
        return "not a plain relative path"
    if len(name.encode()) > MAX_NAME_BYTES:
        return "a name is too long"
    if "\\" in name:
        return "a backslash in a name"
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in name):
        return "a control character in a name"
    return _fault_of_git_name(name)


def _fault_of_git_name(name: str) -> str | None:
    plain = _as_seen_by_file_systems(name)
    if plain in {".git", ".gitmodules"} or _SHORT_NAMES.fullmatch(plain):
        return "a name reserved for git"
    if plain.startswith(".git") and plain != name:
        return "a disguised name of git's"
    return None


def _as_seen_by_file_systems(name: str) -> str:
    """Without what HFS+ and NTFS ignore: format characters, case, width, trailing dots and blanks, streams."""
    visible = "".join(character for character in name if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", visible).casefold().partition(":")[0].rstrip(" .")
