"""The rule by which the scripted model resolves without answers."""

from hypothesis import example, given
from hypothesis import strategies as st

from app.demo.model.hunks import SeenHunk, combine, resolve_by_rule
from app.demo.model.messages import ToolUse
from app.demo.model.reading import parse_page, view_of

lines = st.lists(st.text(alphabet="abcdef", min_size=1, max_size=2), max_size=6).map(tuple)


def _hunk(ours: tuple[str, ...], ancestor: tuple[str, ...] | None, theirs: tuple[str, ...]) -> SeenHunk:
    return SeenHunk(index=0, first_line=1, last_line=9, ours=ours, ancestor=ancestor, theirs=theirs)


@given(ours=lines, ancestor=st.none() | lines, theirs=lines)
@example(ours=("a",), ancestor=("a", "b", "a"), theirs=("b", "a"))
def test_no_line_that_a_side_added_or_both_keep_is_lost(
    ours: tuple[str, ...], ancestor: tuple[str, ...] | None, theirs: tuple[str, ...]
) -> None:
    resolved = set(resolve_by_rule(_hunk(ours, ancestor, theirs)).lines)
    before = set(ancestor or ())
    assert set(ours) & set(theirs) <= resolved
    assert (set(ours) | set(theirs)) - before <= resolved


@given(ancestor=lines, side=lines)
def test_a_change_of_one_side_alone_is_that_side(ancestor: tuple[str, ...], side: tuple[str, ...]) -> None:
    assert combine(ancestor, side, ancestor) == side
    assert combine(ancestor, ancestor, side) == side
    assert resolve_by_rule(_hunk(side, ancestor, ancestor)).lines == side


def test_changes_of_different_lines_are_both_made() -> None:
    ancestor = ("import a", "import b", "", "def f():", "    return 1")
    ours = ("import a", "import b", "import o", "", "def f():", "    return 1")
    theirs = ("import a", "import b", "", "def f():", "    return 2")
    resolution = resolve_by_rule(_hunk(ours, ancestor, theirs))
    assert resolution.lines == ("import a", "import b", "import o", "", "def f():", "    return 2")
    assert "(scripted rule)" in resolution.reason


def test_changes_of_the_same_line_are_stacked_without_repeating() -> None:
    assert resolve_by_rule(_hunk(("a", "o", "z"), ("a", "x", "z"), ("a", "t", "z"))).lines == ("a", "o", "z", "t")
    assert combine(("x",), ("o",), ("t",)) is None


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\n")), min_size=1), st.integers(1, 10_000))
def test_pages_of_read_are_understood(texts: list[str], first: int) -> None:
    shown = "\n".join(f"{number}\t{text}" for number, text in enumerate(texts, first))
    page = parse_page(f"{shown}\n\n<system-reminder>[cut]</system-reminder>")
    assert (page.first, page.lines) == (first, tuple(texts))
    assert page.remark == "<system-reminder>[cut]</system-reminder>"
    read = ToolUse(id="t", name="Read", input={"file_path": "x"}, result=shown)
    assert view_of([read]).complete
    assert [view_of([read]).lines[number] for number in range(first, first + len(texts))] == texts
