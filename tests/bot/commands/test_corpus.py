"""What comments mean, one file each: the comment in ``comments/``, what is made of it in ``tests/golden/commands/``."""

from pathlib import Path

import pytest

from bot.command_parser import parse_comment
from bot.command_words import CommandFault, ParsedCommand
from tests.conftest import Golden

COMMENTS = sorted((Path(__file__).parent / "comments").glob("*.txt"))


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def show(item: ParsedCommand | CommandFault) -> str:
    if isinstance(item, ParsedCommand):
        values = "".join(f" {name}={value!r}" for name, value in item.values)
        return f"{item.line}: {item.name}{values}\n"
    return f"{item.line}: {item.kind}: {item.message}\n"


@pytest.mark.parametrize("path", COMMENTS, ids=lambda path: path.stem)
def test_a_comment_means_what_its_golden_file_says(path: Path, golden: Golden) -> None:
    parsed = parse_comment(read(path), mention="flowforge-bot")
    golden.check(f"commands/{path.stem}.txt", "".join(map(show, parsed)) or "nothing\n")


def test_the_corpus_is_there() -> None:
    assert len(COMMENTS) >= 45
