"""Paths and modes that no resolution may have, or only a person's."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from bot.globs import matches
from bot.model.characters import is_hidden
from bot.model.conflicts import Conflict, Side
from bot.model.resolutions import Candidate, Finding, GateVerdict

NAME: Final = "paths"

MAX_PATH_BYTES: Final = 4096

_REGULAR: Final = "100644"
_EXECUTABLE: Final = "100755"
_UNUSUAL_MODES: Final = {
    "120000": "a symbolic link",
    "160000": "a submodule",
    "040000": "a directory",
    "40000": "a directory",
}

_GIT_NAME: Final = re.compile(r"\.git|git~[0-9]|gi(?:7eba|7d29|250a)~[0-9]")
"""``.git`` and all that begins so (trailing dots, spaces and streams, which Windows drops, come after), and the short
names that Windows may give to such files.

https://git-scm.com/docs/git-config#Documentation/git-config.txt-coreprotectNTFS
"""

_REPOSITORY: Final = re.compile(r"\.git(?![a-z])|git~[0-9]|gi(?:7eba|7d29|250a)~[0-9]")
"""Of these, the repository itself: no file of a tree may be called so."""

_WORKFLOWS: Final = ("/.github/workflows", "/.gitlab-ci.yml", "/.gitea/workflows", "/.forgejo/workflows")


def check(candidate: Candidate) -> list[Finding]:
    """Promise: no path that is git's own, a workflow, protected, or no proper path; regular files with their mode only.

    ``.git`` counts in every spelling that some file system takes for it. Such a path, one that is none, and a mode that
    git did not merge are refused; the others need a person, also where all lines are from the sides.
    """
    conflicts = {conflict.path: conflict for conflict in candidate.conflicts}
    modes: dict[str, set[str]] = {path: {mode} for path, mode in candidate.modes.items()}
    for resolution in candidate.resolutions:
        modes.setdefault(resolution.path, set())
        if resolution.content is not None:
            modes[resolution.path].add(resolution.mode)
    findings = []
    for path in sorted({*candidate.changed, *modes}):
        conflict = conflicts.get(path)
        reason = forbidden(path, candidate.protected_paths)
        verdict = GateVerdict.REFUSED if _impossible(path) else GateVerdict.NEEDS_PERSON
        if reason is None:
            reason = _forbidden_mode(modes.get(path, set()), conflict)
            verdict = _mode_verdict(modes.get(path, set()), conflict)
        if reason is not None:
            findings.append(Finding(check=NAME, verdict=verdict, path=path, message=reason))
    return findings


def forbidden(path: str, protected_paths: Iterable[str]) -> str | None:
    """Why ``path`` may not be touched at all, None when it may. Of use before money is spent on a conflict, too."""
    if (reason := _malformed(path)) is not None:
        return reason
    if matches(path, _WORKFLOWS) is not None:
        return "This is a workflow: it runs with the repository's secrets, so a person has to change it."
    if any(_GIT_NAME.match(_folded(name)) for name in path.split("/")):
        return "This is one of git's own files, or the forge's, so a person has to change it."
    if (pattern := matches(path, protected_paths)) is not None:
        return f"This path is protected by the pattern `{pattern}`, so a person has to change it."
    return None


def _impossible(path: str) -> bool:
    """Whether no file of a repository may be there."""
    return _malformed(path) is not None or any(_REPOSITORY.match(_folded(name)) for name in path.split("/"))


def _malformed(path: str) -> str | None:
    if any(name in {"", ".", ".."} for name in path.split("/")):
        return "This is no path inside the repository."
    if "\\" in path or any(character < " " or is_hidden(character) for character in path):
        return "This path has characters that hide or change what it says."
    if len(path.encode(errors="replace")) > MAX_PATH_BYTES:
        return "This path is too long."
    return None


def _folded(name: str) -> str:
    """A name as the most forgiving file system sees it: without case and without compatibility forms."""
    return unicodedata.normalize("NFKC", name).casefold()


def _forbidden_mode(modes: set[str], conflict: Conflict | None) -> str | None:
    for mode in sorted(modes):
        if mode in _UNUSUAL_MODES:
            return f"The result is {_UNUSUAL_MODES[mode]}, which a person has to settle."
        if mode not in {_REGULAR, _EXECUTABLE}:
            return "The result has a file mode that git does not know."
        if conflict is not None and mode not in _expected_modes(conflict):
            return f"The file's mode became {mode}, which is not what git merged."
    return None


def _mode_verdict(modes: set[str], conflict: Conflict | None) -> GateVerdict:
    """A link or submodule that a side has is for a person to settle; a mode from nowhere is refused."""
    settled = conflict is not None and modes <= _UNUSUAL_MODES.keys() and modes <= _expected_modes(conflict)
    return GateVerdict.NEEDS_PERSON if settled else GateVerdict.REFUSED


def _expected_modes(conflict: Conflict) -> set[str]:
    if conflict.merged_mode is not None:
        return {conflict.merged_mode}
    return {stage.mode for side, stage in conflict.stages.items() if side is not Side.ANCESTOR}
