"""What to offer a person for a whole path, from what people did in such conflicts; never applied by itself.

The shares are those of 92,761 file conflicts in 51 repositories, measured for this project.
"""

from typing import Final, assert_never

from bot.model.cases import Choice, Suggestion
from bot.model.conflicts import Conflict, ConflictKind, Side
from bot.resolvers.text import is_lock

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
_TYPES: Final = Suggestion(choice=Choice.THEIRS, reason=f"{_RARE} {_EVERYBODYS}")


def suggest(conflict: Conflict) -> Suggestion | None:
    """A choice that exists for this conflict, and why it is offered; None where there is nothing to go by.

    Text conflicts have none: they are resolved hunk by hunk. Lock files do, for the case that no tool makes them anew.
    """
    offered = _offered(conflict)
    return offered if offered is not None and _exists(offered.choice, conflict) else None


def _exists(choice: Choice, conflict: Conflict) -> bool:
    match choice:
        case Choice.OURS:
            return Side.OURS in conflict.stages
        case Choice.THEIRS:
            return Side.THEIRS in conflict.stages
        case Choice.BASE:
            return Side.ANCESTOR in conflict.stages
        case Choice.DELETE:
            return True
        case unreachable:
            assert_never(unreachable)


def _offered(conflict: Conflict) -> Suggestion | None:  # noqa: C901, PLR0911 - one case for each kind
    match conflict.kind:
        case ConflictKind.CONTENT | ConflictKind.ADD_ADD:
            return _LOCK if is_lock(conflict.path) else None
        case ConflictKind.MODIFY_DELETE:
            return _modify_delete(conflict)
        case ConflictKind.RENAME_DELETE:
            return _rename_delete(conflict)
        case ConflictKind.RENAME_RENAME:
            return _rename_rename(conflict)
        case ConflictKind.DIRECTORY_RENAME:
            return _directory_rename(conflict)
        case ConflictKind.BINARY:
            return _BINARY
        case ConflictKind.LFS_POINTER:
            return _LFS
        case ConflictKind.SUBMODULE:
            return _SUBMODULE
        case ConflictKind.DISTINCT_TYPES | ConflictKind.DIRECTORY_FILE | ConflictKind.MODE | ConflictKind.SYMLINK:
            return _TYPES
        case ConflictKind.RENAME_ADD | ConflictKind.RENAME_RENAME_TO_ONE | ConflictKind.UNKNOWN:
            return None
        case unreachable:
            assert_never(unreachable)


def _modify_delete(conflict: Conflict) -> Suggestion | None:
    modified = _only_side(conflict)
    if modified is None:
        return None
    deleter, editor = ("Their side", "ours") if modified is Choice.OURS else ("Our side", "theirs")
    return Suggestion(
        choice=Choice.DELETE,
        reason=(
            f"{deleter} deleted the file and {editor} modified it. In 88 of 100 such conflicts people left it deleted, "
            "in 11 they kept it as modified."
        ),
    )


def _rename_delete(conflict: Conflict) -> Suggestion | None:
    kept = _only_side(conflict)
    if kept is None:
        return None
    renamer, deleter = ("Our side", "theirs") if kept is Choice.OURS else ("Their side", "ours")
    return Suggestion(
        choice=kept,
        reason=(
            f"{renamer} renamed the file and {deleter} deleted it. People kept the renamed file about as often as not "
            "(51 of 100 such conflicts). Keeping it loses nothing, so that is offered."
        ),
    )


def _rename_rename(conflict: Conflict) -> Suggestion | None:
    """For one of the three paths of a file that got two new names."""
    if Side.OURS in conflict.stages and Side.THEIRS in conflict.stages:
        return None
    if Side.OURS in conflict.stages:
        choice, which = Choice.OURS, "This is the name that the pull request gave it: offered is to keep it."
    elif Side.THEIRS in conflict.stages:
        choice, which = Choice.DELETE, "This is the other name; one is enough, and the pull request's is offered."
    else:
        choice, which = Choice.DELETE, "This is the old name, which neither side has any more."
    return Suggestion(
        choice=choice,
        reason=(
            "Each side renamed the file, to different names. At a path of such a conflict people ended with no file in "
            f"48 of 100 cases and with one side's in 33. {which}"
        ),
    )


def _directory_rename(conflict: Conflict) -> Suggestion | None:
    kept = _only_side(conflict)
    if kept is None:
        return None
    return Suggestion(
        choice=kept,
        reason=(
            "One side added the file to a directory that the other side renamed; git moved it along. In 73 of 100 such "
            "conflicts people kept it at the new place."
        ),
    )


def _only_side(conflict: Conflict) -> Choice | None:
    """The side that has a version here, when just one has."""
    sides = [
        choice for side, choice in ((Side.OURS, Choice.OURS), (Side.THEIRS, Choice.THEIRS)) if side in conflict.stages
    ]
    return sides[0] if len(sides) == 1 else None
