"""Where new files may stand: in directories, beside no other spelling of their name, under names that every system has.

A workspace shows regular files alone. Where it has nothing, a tree may hold a symbolic link, a submodule, or a
directory of such; a file put there would take its place without a word.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from bot.model.resolutions import Finding, GateVerdict
from bot.model.text import code_span

NAME: Final = "places"

Directories = Mapping[str, Mapping[str, str]]
"""Directories of a tree by their paths, the root is "": the names in each, with their modes."""

DIRECTORY: Final = "040000"
_KINDS: Final = {DIRECTORY: "a directory", "120000": "a symbolic link", "160000": "a submodule"}

_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\..*)?", re.DOTALL)
_UNUSUAL: Final = re.compile(r"[<>:\"|?*]|[. ]\Z")
"""https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file#naming-conventions"""


def check(tree: Directories, new: Iterable[str], gone: Iterable[str]) -> Iterator[Finding]:
    """Promise: no new file takes the place of anything, is taken for another one, or has a name Windows does not take.

    ``tree`` has every directory on the way to the new paths. ``gone`` are paths whose files are deleted: their names
    are free. Names that differ in case or in compatibility forms alone are one name to some file systems.
    """
    there = {path: dict(names) for path, names in tree.items()}
    for path in gone:
        above, _, name = path.rpartition("/")
        there.get(above, {}).pop(name, None)
    for path in new:
        fault = _fault(there, path)
        if fault is not None:
            yield Finding(check=NAME, verdict=GateVerdict.REFUSED, path=path, message=fault)


def _fault(there: dict[str, dict[str, str]], path: str) -> str | None:
    """What is wrong with a new path; it is put among the others where nothing is."""
    names = path.split("/")
    for depth, name in enumerate(names):
        above, last = "/".join(names[:depth]), depth == len(names) - 1
        beside = there.setdefault(above, {})
        mode = beside.get(name)
        if mode is None:
            fault = _fault_of_name(name, above, beside)
            if fault is not None:
                return fault
            beside[name] = "100644" if last else DIRECTORY
        elif last:
            return f"Here is {_KINDS.get(mode, 'a file')}, and the change puts a file in its place."
        elif mode != DIRECTORY:
            parent = code_span("/".join(names[: depth + 1]))
            return f"{parent} is {_KINDS.get(mode, 'a file')}, and the change makes it a directory."
    return None


def _fault_of_name(name: str, above: str, beside: Iterable[str]) -> str | None:
    folded = _folded(name)
    if _RESERVED.fullmatch(folded) or _UNUSUAL.search(name):
        return (
            f"Windows takes no file or directory of the name {code_span(name)}, so nobody could check this out there."
        )
    other = next((one for one in beside if _folded(one) == folded), None)
    if other is None:
        return None
    where = code_span(f"{above}/{other}" if above else other)
    return f"{where} is there as well, and some file systems take the two names for one."


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
