"""What can be asked, and what is left to others."""

import pytest

from bot.direct.asking import MAX_HUNK_BYTES, AskedFile, AskedHunk, asked_files
from bot.direct.definitions import MAX_DEFINITIONS, definitions_for
from bot.direct.narrow import Scope, scopes
from bot.model.cases import FileProgress
from bot.model.direct import NotAsked
from tests.bot.direct.words import limits, progress, question


def asked(*files: FileProgress) -> tuple[AskedFile, ...]:
    found = asked_files(question(*files))
    assert isinstance(found, tuple)
    return found


def hunk_of(file: FileProgress) -> AskedHunk:
    return asked(file)[0].hunks[0]


def why_not(file: FileProgress) -> str:
    found = asked_files(question(file))
    assert isinstance(found, NotAsked)
    assert found.estimated_input_tokens is None
    return found.reason


def test_nothing_open_is_no_question() -> None:
    found = asked_files(question(progress(settled={0: b"", 1: b""})))
    assert found == NotAsked(reason="No hunk is open.")


def test_settled_files_are_left_out() -> None:
    (file,) = asked(progress("done.py", settled={0: b"", 1: b""}), progress("open.py"))
    assert file.path == "open.py"


def test_open_hunks_of_all_files_are_counted_together() -> None:
    files = (progress("a.py"), progress("b.py"))
    assert isinstance(asked_files(question(*files, limits=limits(max_hunks=4))), tuple)
    assert asked_files(question(*files, limits=limits(max_hunks=3))) == NotAsked(
        reason="4 hunks are open; at most 3 are put in one call."
    )


@pytest.mark.parametrize(
    "text", ["x" * (MAX_HUNK_BYTES // 3) + "\n", "x\n" * 400], ids=["one long line", "many short lines"]
)
def test_a_large_hunk_is_not_asked(text: str) -> None:
    assert why_not(progress(ours=text, ancestor="a\n", theirs="b\n")) == (
        "A hunk of `src/hello.py` is too large for one call."
    )


def test_a_large_file_is_not_asked() -> None:
    filler = "#" * 1_000_000 + "\n"
    found = why_not(progress(ours=f"a\n{filler}", ancestor=f"b\n{filler}", theirs=f"c\n{filler}"))
    assert found == "`src/hello.py` is larger than 1 MB."


def test_what_is_not_utf_8_is_not_asked() -> None:
    assert why_not(progress(ours=b"\xe9\n", ancestor=b"a\n", theirs=b"b\n")) == "`src/hello.py` is not UTF-8."
    around = b"\xe9\n"
    found = why_not(progress(ours=around + b"o\n", ancestor=around + b"a\n", theirs=around + b"t\n"))
    assert found == "`src/hello.py` is not UTF-8."


def test_line_ends_in_conflict_are_not_asked() -> None:
    found = why_not(progress(ours=b"a\r\n", ancestor=b"b\n", theirs=b"c\n"))
    assert found == "The line ends in a hunk of `src/hello.py` are not all alike."


def test_crlf_is_kept_for_the_answer_and_not_shown() -> None:
    hunk = hunk_of(progress(ours=b"x\r\na\r\n", ancestor=b"x\r\nb\r\n", theirs=b"x\r\nc\r\n"))
    assert (hunk.ours, hunk.ancestor, hunk.theirs, hunk.before) == ("a\n", "b\n", "c\n", ("x",))
    assert hunk.line_end == "\r\n"


@pytest.mark.parametrize(
    ("ours", "ancestor", "theirs", "expected"),
    [
        (b"a\n", b"b\n", b"c\n", True),
        (b"a", b"b", b"c", False),
        (b"a", b"b\n", b"c\n", False),
        (b"a\n", b"b\n", b"c", False),
        (b"a\n", b"b", b"c", True),
        (b"a", b"b", b"c\n", True),
        (b"a\nx\n", b"b\nx\n", b"c\nx\n", None),
    ],
)
def test_the_last_newline_is_as_the_sides_want_it(
    ours: bytes, ancestor: bytes, theirs: bytes, expected: bool | None
) -> None:
    assert hunk_of(progress(ours=ours, ancestor=ancestor, theirs=theirs)).final_newline is expected


def test_overlong_lines_end_what_is_shown_around() -> None:
    before = f"first\n{'m' * 1_000}\nlast\n"
    hunk = hunk_of(progress(ours=f"{before}a\n", ancestor=f"{before}b\n", theirs=f"{before}c\n"))
    assert hunk.before == ("last",)


def test_context_is_narrowed_in_one_order() -> None:
    steps = list(scopes(asked(progress("a.py"), progress("b.py"))))
    assert [described(step) for step in steps] == [
        (True, True, 20, 4),
        (False, True, 20, 4),
        (False, False, 20, 4),
        (False, False, 6, 4),
        (False, False, 2, 4),
        (False, False, 2, 2),
        (False, False, 2, 1),
    ]
    assert [file.path for file in steps[-1].files] == ["a.py"]
    assert steps[-1].files[0].open_hunks == 2


def described(scope: Scope) -> tuple[bool, bool, int, int]:
    return (scope.detail.definitions, scope.detail.subjects, scope.detail.surrounding, scope.hunks)


def definitions_in(ours: str, theirs: str, path: str = "x.txt") -> list[tuple[str, int, str]]:
    (file,) = asked(progress(path, ours=ours, ancestor="", theirs=theirs))
    return [(found.side, found.first_line, found.text) for found in definitions_for(file)]


@pytest.mark.parametrize(
    "line",
    [
        "def width(a):",
        "async def width(a):",
        "    public static class width {",
        "pub(crate) fn width(a: u8) -> u8 {",
        "func width(a int) int {",
        "const width = 3",
        "export default function width() {",
        "#define width 3",
        "width = 3",
        "width: int = 3",
        "type width struct {",
    ],
)
def test_definitions_are_found_in_many_languages(line: str) -> None:
    found = definitions_in(f"{line}\nplain\nuse(width)\n", f"{line}\nplain\nuse(width, 1)\n")
    assert found == [("both", 1, line)]


def test_a_definition_brings_its_first_lines() -> None:
    text = "def area(a, b):\n    c = a\n    d = b\n    e = c\n    return d * e\n\n"
    found = definitions_in(f"{text}print(area(1, 2))\n", f"{text}print(area(3, 4))\n")
    assert found == [("both", 1, "def area(a, b):\n    c = a\n    d = b\n    e = c")]


def test_definitions_of_one_side_say_so() -> None:
    found = definitions_in("size = 1\n--\nuse(size)\n", "size = 2\n--\nuse(size, 1)\n")
    # The definition itself is in conflict, so both are in the hunks already.
    assert found == []
    found = definitions_in("def size(): 1\nplain\n" + "use(size)\n", "plain\nuse(size, 1)\n")
    assert all(side == "ours" for side, _, _ in found)


def test_definitions_are_few() -> None:
    names = [f"name{number}" for number in range(200)]
    head = "".join(f"{name} = 1\n" for name in names)
    found = definitions_in(f"{head}use({','.join(names)})\n", f"{head}using({','.join(names)})\n")
    assert len(found) == MAX_DEFINITIONS
