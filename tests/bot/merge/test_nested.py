"""Versions that git merged before there was a conflict at the path, as one side has them."""

from pathlib import Path

import pytest

from bot.git.adapter import GitMirrors
from bot.merge.nested import of_side
from bot.model.conflicts import MARKER_SIZE, ConflictedMerge, Side
from tests.bot.git.lab import REPOSITORY, Remote, fetched, numbered
from tests.kinds import LEFT, OTHER, RIGHT, build


def hunk(size: int) -> bytes:
    lines = ("<" * size + " a", "ours", "|" * size + " b", "base", "=" * size, "theirs", ">" * size + " c")
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize(
    ("name", "path", "ours", "theirs"),
    [
        ("renamed to two names", "b", LEFT, None),
        ("renamed to two names", "c", None, RIGHT),
        ("two renamed to one name, all edited", "c", LEFT, OTHER + "theirs\n"),
        ("renamed onto an added file, both edited", "b", LEFT, "else\n"),
        ("link and file", "a", None, "x"),
    ],
)
async def test_what_git_merged_halfway_is_as_the_side_has_it(
    tmp_path: Path, name: str, path: str, ours: str | None, theirs: str | None
) -> None:
    remote, git = Remote.create(tmp_path / "remote"), GitMirrors(tmp_path / "mirrors", allow_file=True)
    tips = build(remote, name)
    await fetched(git, remote)
    verdict = await git.merge(REPOSITORY, ours=tips[0], theirs=tips[1])
    assert isinstance(verdict, ConflictedMerge)
    stages = next(conflict.stages for conflict in verdict.conflicts if conflict.path == path)
    for side, meant in ((Side.OURS, ours), (Side.THEIRS, theirs)):
        if meant is None:
            assert side not in stages
            continue
        content = await git.read_blob(REPOSITORY, stages[side].oid, limit=100_000)
        assert content is not None
        assert of_side(path, content, side) == meant.encode()


def test_an_ancestor_in_conflict_with_itself_is_no_version() -> None:
    text = b"first\n" + hunk(MARKER_SIZE + 2) + b"last\n"
    assert of_side("a", text, Side.ANCESTOR) is None
    assert of_side("a", text, Side.OURS) == b"first\nours\nlast\n"


@pytest.mark.parametrize(
    "text",
    [hunk(MARKER_SIZE + 1).replace(b"=", b"-"), hunk(MARKER_SIZE + 1) + hunk(MARKER_SIZE + 3)],
    ids=["no divider", "two lengths"],
)
def test_markers_that_cannot_be_taken_apart_are_not_taken(text: bytes) -> None:
    assert of_side("a", text, Side.THEIRS) is None


def test_markers_of_a_manual_stay() -> None:
    text = hunk(7) + numbered().encode()
    assert of_side("a", text, Side.ANCESTOR) == text
