"""What a person is offered for a whole path."""

import pytest

from bot.model.cases import Choice
from bot.model.conflicts import Conflict, ConflictKind, Side, Stage
from bot.resolvers.suggestions import suggest

BASE, OURS, THEIRS = Side.ANCESTOR, Side.OURS, Side.THEIRS
TEXT = (ConflictKind.CONTENT, ConflictKind.ADD_ADD)
EXISTS = {Choice.OURS: OURS, Choice.THEIRS: THEIRS, Choice.BASE: BASE}


def a_conflict(kind: ConflictKind, *sides: Side, path: str = "a/file") -> Conflict:
    stages = {side: Stage(mode="100644", oid="1" * 40) for side in sides}
    return Conflict(path=path, kind=kind, stages=stages, merged_oid=None, merged_mode=None, paths=(path,), messages=())


@pytest.mark.parametrize(
    ("conflict", "choice", "words"),
    [
        (
            a_conflict(ConflictKind.MODIFY_DELETE, BASE, OURS),
            Choice.DELETE,
            "Their side deleted the file and ours modified",
        ),
        (a_conflict(ConflictKind.MODIFY_DELETE, BASE, THEIRS), Choice.DELETE, "In 88 of 100"),
        (
            a_conflict(ConflictKind.RENAME_DELETE, BASE, OURS),
            Choice.OURS,
            "Our side renamed the file and theirs deleted",
        ),
        (a_conflict(ConflictKind.RENAME_DELETE, THEIRS), Choice.THEIRS, "51 of 100"),
        (a_conflict(ConflictKind.RENAME_RENAME, BASE), Choice.DELETE, "This is the old name"),
        (a_conflict(ConflictKind.RENAME_RENAME, OURS), Choice.OURS, "the name that the pull request gave it"),
        (a_conflict(ConflictKind.RENAME_RENAME, THEIRS), Choice.DELETE, "the other name"),
        (a_conflict(ConflictKind.DIRECTORY_RENAME, THEIRS), Choice.THEIRS, "In 73 of 100"),
        (a_conflict(ConflictKind.BINARY, BASE, OURS, THEIRS), Choice.THEIRS, "in 74 it was the base branch's"),
        (a_conflict(ConflictKind.LFS_POINTER, BASE, OURS, THEIRS), Choice.THEIRS, "pointer"),
        (a_conflict(ConflictKind.SUBMODULE, BASE, OURS, THEIRS), Choice.OURS, "no habit to rely on"),
        (a_conflict(ConflictKind.DISTINCT_TYPES, BASE, OURS, THEIRS), Choice.THEIRS, "too rare"),
        (a_conflict(ConflictKind.DISTINCT_TYPES, OURS, path="a~HEAD"), Choice.OURS, "another type here than theirs"),
        (a_conflict(ConflictKind.DIRECTORY_FILE, OURS, path="a~HEAD"), Choice.OURS, "a file where theirs has a direc"),
        (a_conflict(ConflictKind.DIRECTORY_FILE, BASE, THEIRS), Choice.THEIRS, "a file where ours has a directory"),
        (a_conflict(ConflictKind.MODE, BASE, OURS, THEIRS), Choice.THEIRS, "different modes"),
        (a_conflict(ConflictKind.SYMLINK, BASE, OURS), Choice.OURS, "symbolic link"),
        (a_conflict(ConflictKind.SUBMODULE, BASE, OURS), Choice.OURS, "Our side has a submodule here and theirs has"),
        (a_conflict(ConflictKind.SUBMODULE, BASE, THEIRS), Choice.THEIRS, "removed it in 9"),
        (a_conflict(ConflictKind.RENAME_ADD, OURS, THEIRS), Choice.THEIRS, "the other added a file of this name"),
        (a_conflict(ConflictKind.RENAME_RENAME_TO_ONE, OURS, THEIRS), Choice.THEIRS, "Two different files"),
        (a_conflict(ConflictKind.UNKNOWN, BASE, OURS, THEIRS), Choice.THEIRS, "We do not know conflicts of this kind"),
        (a_conflict(ConflictKind.UNKNOWN, BASE), Choice.DELETE, "Neither side has a file"),
        (
            a_conflict(ConflictKind.CONTENT, BASE, OURS, THEIRS, path="web/yarn.lock"),
            Choice.THEIRS,
            "written by its tool",
        ),
    ],
    ids=lambda value: str(value.kind) if isinstance(value, Conflict) else "",
)
def test_what_people_did_is_offered_with_its_share(conflict: Conflict, choice: Choice, words: str) -> None:
    found = suggest(conflict)
    assert found is not None
    assert found.choice is choice
    assert words in found.reason


@pytest.mark.parametrize("kind", TEXT)
def test_text_conflicts_have_no_suggestion(kind: ConflictKind) -> None:
    assert suggest(a_conflict(kind, BASE, OURS, THEIRS)) is None


@pytest.mark.parametrize("kind", ConflictKind)
@pytest.mark.parametrize("mask", range(8))
def test_every_kind_for_people_has_a_suggestion_and_only_of_a_version_that_is_there(
    kind: ConflictKind, mask: int
) -> None:
    sides = [side for place, side in enumerate((BASE, OURS, THEIRS)) if mask >> place & 1]
    for path in ("a", "Cargo.lock"):
        found = suggest(a_conflict(kind, *sides, path=path))
        directory = kind is ConflictKind.DIRECTORY_RENAME and not sides
        assert found is not None or kind in TEXT or directory
        assert found is None or found.choice is Choice.DELETE or EXISTS[found.choice] in sides


@pytest.mark.parametrize("sides", [(OURS, THEIRS), (OURS,), (THEIRS,)], ids=len)
def test_every_kind_has_a_reason_of_its_own(sides: tuple[Side, ...]) -> None:
    found = [suggest(a_conflict(kind, *sides)) for kind in ConflictKind if kind not in TEXT]
    reasons = {each.reason for each in found if each is not None}
    # Kinds that leave one side alone at a path share a reason where another conflict put the other side there too;
    # two files at one name share theirs where git put one of them elsewhere.
    assert len(reasons) == len(found) - (3 if len(sides) == 2 else 1)
