"""Where a clone's parts lie on disk, and what is going on in it. Only files are read; nothing is run."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from bot.errors import GitError
from bot.git.names import shown

_MAX_FILE: Final = 64 * 1024
_OID: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """``git_dir`` holds HEAD and the index, ``common`` the objects (another one in a linked work tree).

    ``work_tree`` is None in a bare repository, and where the path given was inside the git directory.
    """

    git_dir: Path
    common: Path
    work_tree: Path | None


class Activity(StrEnum):
    """What a person began in a clone and git stopped in the middle of."""

    MERGE = "merge"
    REBASE = "rebase"
    CHERRY_PICK = "cherry-pick"
    REVERT = "revert"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """What is under way: ``other`` is the commit that is merged, taken over or taken back onto ``head``.

    *ours* and *theirs* are as everywhere in the bot: ours is the work that is brought in line, in a rebase the commit
    that is taken over. There git has them the other way round, in its index and its markers: ``swapped``.
    """

    activity: Activity
    head: str
    other: str

    @property
    def swapped(self) -> bool:
        """True when git's stage 2 is our *theirs*."""
        return self.activity is Activity.REBASE

    @property
    def ours(self) -> str:
        """The commit that stands for our side."""
        return self.other if self.swapped else self.head

    @property
    def theirs(self) -> str:
        """The commit that stands for the other side."""
        return self.head if self.swapped else self.other


def find(path: Path) -> Places:
    """The repository that a path is in.

    Raises:
        GitError: there is none, or its files are not as git writes them.
    """
    try:
        start = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise GitError(f"{shown(str(path))} cannot be followed: {error}") from error
    for directory in (start, *start.parents):
        inner = directory / ".git"
        if inner.is_file():
            return _places(_pointed_at(inner), directory)
        if _is_git_dir(inner):
            return _places(inner, directory)
        if _is_git_dir(directory):
            return _places(directory, None)
    raise GitError(f"{shown(str(path))} is not in a git repository")


def _is_git_dir(path: Path) -> bool:
    return (path / "HEAD").is_file() and ((path / "objects").is_dir() or (path / "commondir").is_file())


def _pointed_at(file: Path) -> Path:
    """Where a ``.git`` file leads (gitrepository-layout(5)): the place of a linked work tree or a submodule."""
    prefix, _, target = read_line(file).partition("gitdir: ")
    git_dir = file.parent / target
    if prefix or not target or "\0" in target or not _is_git_dir(git_dir):
        raise GitError(f"{shown(str(file))} does not lead to a git directory")
    return git_dir.resolve()


def _places(git_dir: Path, work_tree: Path | None) -> Places:
    pointer = git_dir / "commondir"
    target = read_line(pointer) if pointer.is_file() else ""
    common = git_dir / target
    if "\0" in target or not (common / "objects").is_dir():
        raise GitError(f"{shown(str(common))} holds no objects")
    return Places(git_dir=git_dir, common=common.resolve(), work_tree=work_tree)


def read_line(file: Path) -> str:
    """The first line of a small file of git's, empty when there is no such file.

    Raises:
        GitError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(_MAX_FILE).decode("utf-8", "surrogateescape").partition("\n")[0]
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise GitError(f"{shown(str(file))} cannot be read: {error}") from error


def read_under_way(git_dir: Path, head: str) -> UnderWay | None:
    """What is under way in a clone whose HEAD is at the commit ``head``, None when nothing is.

    Raises:
        GitError: it is something that has no two sides: a merge of several branches, patches from mails.
    """
    if (git_dir / "rebase-apply" / "applying").exists():
        raise GitError("patches are being applied here (git am): there are no two commits to compare")
    rebasing = (git_dir / "rebase-merge").is_dir() or (git_dir / "rebase-apply").is_dir()
    merged = _commit_in(git_dir / "MERGE_HEAD")
    if merged is not None:
        return UnderWay(activity=Activity.MERGE, head=head, other=merged)
    found = (
        (Activity.REBASE, "REBASE_HEAD" if rebasing else ""),
        (Activity.CHERRY_PICK, "CHERRY_PICK_HEAD"),
        (Activity.REVERT, "REVERT_HEAD"),
    )
    for activity, name in found:
        other = _commit_in(git_dir / name) if name else None
        if other is not None:
            return UnderWay(activity=activity, head=head, other=other)
    return None


def _commit_in(file: Path) -> str | None:
    try:
        text = file.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise GitError(f"{file.name} cannot be read: {error}") from error
    oids = text.split()
    if not oids or not all(map(_OID.fullmatch, oids)):
        raise GitError(f"{file.name} holds no commit")
    if len(oids) > 1:
        raise GitError("a merge of several branches at once is under way: it has more than two sides")
    return oids[0]
