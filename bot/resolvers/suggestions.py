"""What to offer a person for a whole path, from what people did in such conflicts; never applied by itself.

The shares are those of 92,761 file conflicts in 51 repositories, measured for this project.
"""

from typing import Final, assert_never

from bot.model.cases import Choice, Suggestion
from bot.model.conflicts import Conflict, ConflictKind, Side
from bot.resolvers.text import is_lock

_TEXT: Final = frozenset({ConflictKind.CONTENT, ConflictKind.ADD_ADD})
_RARE: Final = "Such conflicts are too rare to say what people do."
_EVERYBODYS: Final = "Offered is the base branch's version, which everybody else has already."

_LOCK: Final = Suggestion(
    choice=Choice.THEIRS,
    reason=(
        "A lock file is written by its tool: in 54 to 80 of 100 such conflicts, depending on the tool, people ended "
        f"with neither side's text. {_EVERYBODYS} Run the tool on it before you merge."
    ),
)
_BINARY: Final = Suggestion(
    choice=Choice.THEIRS,
    reason=(
        "A binary file cannot be merged. In 98 of 100 such conflicts people took one side whole, and in 74 it was the "
        "base branch's."
    ),
)
_LFS: Final = Suggestion(
    choice=Choice.THEIRS,
    reason=(
        "The path is a pointer to a large file, which cannot be merged. With binary files people take the base "
        "branch's version in 74 of 100 cases."
    ),
)
_SUBMODULE: Final = Suggestion(
    choice=Choice.OURS,
    reason=(
        "Of 32 such conflicts, people took our commit of the submodule in 12, theirs in 11, and removed it in 9: no "
        "habit to rely on. Prefer the commit that has the other one in its history."
    ),
)
_TYPES: Final = Suggestion(
    choice=Choice.THEIRS,
    reason=f"The sides have things of different types here (file, link, submodule). {_RARE} {_EVERYBODYS}",
)
_FILE_AND_DIRECTORY: Final = Suggestion(
    choice=Choice.THEIRS,
    reason=f"Both sides have a file here, and one of them a directory of that name too. {_RARE} {_EVERYBODYS}",
)
_MODE: Final = Suggestion(
    choice=Choice.THEIRS, reason=f"The sides gave the file different modes. {_RARE} {_EVERYBODYS}"
)
_SYMLINK: Final = Suggestion(
    choice=Choice.THEIRS,
    reason=f"A symbolic link points to one place, so two targets cannot be merged. {_RARE} {_EVERYBODYS}",
)
_RENAME_ADD: Final = Suggestion(
    choice=Choice.THEIRS,
    reason=(
        f"One side renamed a file to this name and the other added a file of this name. {_RARE} {_EVERYBODYS} "
        "If both are needed, give the other one a name of its own."
    ),
)
_TWO_TO_ONE: Final = Suggestion(
    choice=Choice.THEIRS,
    reason=(
        f"Two different files were renamed to this name. {_RARE} {_EVERYBODYS} "
        "If both are needed, give the other one a name of its own."
    ),
)
_UNKNOWN: Final = Suggestion(
    choice=Choice.THEIRS,
    reason=f"We do not know conflicts of this kind, so there is no habit to go by. {_EVERYBODYS}",
)
_SEVERAL: Final = Suggestion(
    choice=Choice.THEIRS,
    reason=f"Several conflicts meet at this path, so that both sides have a file here. {_RARE} {_EVERYBODYS}",
)
_GONE: Final = Suggestion(choice=Choice.DELETE, reason="Neither side has a file here any more.")


def suggest(conflict: Conflict) -> Suggestion | None:
    """A choice that exists for this conflict, and why it is offered. Every conflict that only people settle has one.

    A directory that was renamed in two ways has no version to choose. Text conflicts have no suggestion, as they are
    resolved hunk by hunk; lock files do, for the case that no tool makes them anew.
    """
    there = _there(conflict)
    if not conflict.stages and conflict.kind is ConflictKind.DIRECTORY_RENAME:
        return None
    if conflict.kind in _TEXT:
        return _LOCK if is_lock(conflict.path) and Choice.THEIRS in there else None
    match there:
        case []:
            return _old_name() if conflict.kind is ConflictKind.RENAME_RENAME else _GONE
        case [only]:
            return _of_one(conflict.kind, only)
        case _:
            return _of_two(conflict.kind)


def _there(conflict: Conflict) -> list[Choice]:
    """The sides that have a version here."""
    sides = {Choice.OURS: Side.OURS, Choice.THEIRS: Side.THEIRS}
    return [choice for choice, side in sides.items() if side in conflict.stages]


def _of_two(kind: ConflictKind) -> Suggestion | None:  # noqa: C901, PLR0911, PLR0912 - a case for each
    """Where both sides have a version."""
    match kind:
        case ConflictKind.BINARY:
            return _BINARY
        case ConflictKind.LFS_POINTER:
            return _LFS
        case ConflictKind.SUBMODULE:
            return _SUBMODULE
        case ConflictKind.DISTINCT_TYPES:
            return _TYPES
        case ConflictKind.DIRECTORY_FILE:
            return _FILE_AND_DIRECTORY
        case ConflictKind.MODE:
            return _MODE
        case ConflictKind.SYMLINK:
            return _SYMLINK
        case ConflictKind.RENAME_ADD:
            return _RENAME_ADD
        case ConflictKind.RENAME_RENAME_TO_ONE:
            return _TWO_TO_ONE
        case ConflictKind.UNKNOWN:
            return _UNKNOWN
        case (
            ConflictKind.MODIFY_DELETE
            | ConflictKind.RENAME_DELETE
            | ConflictKind.RENAME_RENAME
            | ConflictKind.DIRECTORY_RENAME
        ):
            return _SEVERAL
        case ConflictKind.CONTENT | ConflictKind.ADD_ADD:
            return None
        case unreachable:
            assert_never(unreachable)


def _of_one(kind: ConflictKind, only: Choice) -> Suggestion | None:  # noqa: C901, PLR0911, PLR0912 - a case for each
    """Where ``only`` has a version."""
    has, lacks = ("Our side", "theirs") if only is Choice.OURS else ("Their side", "ours")
    match kind:
        case ConflictKind.MODIFY_DELETE:
            return _modify_delete(only)
        case ConflictKind.RENAME_DELETE:
            return _rename_delete(only)
        case ConflictKind.RENAME_RENAME:
            return _rename_rename(only)
        case ConflictKind.DIRECTORY_RENAME:
            return _directory_rename(only)
        case ConflictKind.BINARY:
            return _keep(only, f"{has} changed this binary file and {lacks} has none here.")
        case ConflictKind.LFS_POINTER:
            return _keep(only, f"{has} changed this pointer to a large file and {lacks} has none here.")
        case ConflictKind.SUBMODULE:
            words = "Of 32 conflicts about submodules, people kept one side's commit in 23 and removed it in 9."
            return _keep(only, f"{has} has a submodule here and {lacks} has none. {words}")
        case ConflictKind.DISTINCT_TYPES:
            return _keep(only, f"{has} has something of another type here than {lacks}, which git put elsewhere.")
        case ConflictKind.DIRECTORY_FILE:
            return _keep(only, f"{has} has a file where {lacks} has a directory; git put the file under this name.")
        case ConflictKind.MODE:
            return _keep(only, f"{has} changed the file's mode and {lacks} has no file here.")
        case ConflictKind.SYMLINK:
            return _keep(only, f"{has} has a symbolic link here and {lacks} has none.")
        case ConflictKind.RENAME_ADD | ConflictKind.RENAME_RENAME_TO_ONE:
            return _keep(only, f"Two files met at one name; {has.lower()}'s stands here and {lacks} elsewhere.")
        case ConflictKind.UNKNOWN:
            return _keep(only, f"We do not know conflicts of this kind. {has} has a file here and {lacks} has none.")
        case ConflictKind.CONTENT | ConflictKind.ADD_ADD:
            return None
        case unreachable:
            assert_never(unreachable)


def _keep(only: Choice, what: str) -> Suggestion:
    return Suggestion(choice=only, reason=f"{what} Keeping it loses nothing, so that is offered.")


def _modify_delete(modified: Choice) -> Suggestion:
    deleter, editor = ("Their side", "ours") if modified is Choice.OURS else ("Our side", "theirs")
    return Suggestion(
        choice=Choice.DELETE,
        reason=(
            f"{deleter} deleted the file and {editor} modified it. In 88 of 100 such conflicts people left it deleted, "
            "in 11 they kept it as modified."
        ),
    )


def _rename_delete(kept: Choice) -> Suggestion:
    renamer, deleter = ("Our side", "theirs") if kept is Choice.OURS else ("Their side", "ours")
    return Suggestion(
        choice=kept,
        reason=(
            f"{renamer} renamed the file and {deleter} deleted it. People kept the renamed file about as often as not "
            "(51 of 100 such conflicts). Keeping it loses nothing, so that is offered."
        ),
    )


def _rename_rename(only: Choice) -> Suggestion:
    """For one of the two new names of a file."""
    if only is Choice.OURS:
        return _renamed_twice(Choice.OURS, "This is the name that the pull request gave it: offered is to keep it.")
    words = "This is the other name; one is enough, and the pull request's is offered."
    return _renamed_twice(Choice.DELETE, words)


def _old_name() -> Suggestion:
    return _renamed_twice(Choice.DELETE, "This is the old name, which neither side has any more.")


def _renamed_twice(choice: Choice, which: str) -> Suggestion:
    return Suggestion(
        choice=choice,
        reason=(
            "Each side renamed the file, to different names. At a path of such a conflict people ended with no file in "
            f"48 of 100 cases and with one side's in 33. {which}"
        ),
    )


def _directory_rename(kept: Choice) -> Suggestion:
    return Suggestion(
        choice=kept,
        reason=(
            "One side added the file to a directory that the other side renamed; git moved it along. In 73 of 100 such "
            "conflicts people kept it at the new place."
        ),
    )
