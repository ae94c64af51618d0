"""What a person is offered for a whole path."""

import pytest

from bot.model.cases import Choice
from bot.model.conflicts import Conflict, ConflictKind, Side, Stage
from bot.resolvers.suggestions import suggest

BASE, OURS, THEIRS = Side.ANCESTOR, Side.OURS, Side.THEIRS
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


@pytest.mark.parametrize(
    "kind", [ConflictKind.CONTENT, ConflictKind.ADD_ADD, ConflictKind.RENAME_ADD, ConflictKind.UNKNOWN]
)
def test_text_conflicts_and_unknown_ones_have_no_suggestion(kind: ConflictKind) -> None:
    assert suggest(a_conflict(kind, BASE, OURS, THEIRS)) is None


@pytest.mark.parametrize("kind", ConflictKind)
@pytest.mark.parametrize("mask", range(8))
def test_a_choice_is_only_offered_where_there_is_such_a_version(kind: ConflictKind, mask: int) -> None:
    sides = [side for place, side in enumerate((BASE, OURS, THEIRS)) if mask >> place & 1]
    for path in ("a", "Cargo.lock"):
        found = suggest(a_conflict(kind, *sides, path=path))
        assert found is None or found.choice is Choice.DELETE or EXISTS[found.choice] in sides
