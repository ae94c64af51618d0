"""Files of the work tree beside what git left there."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.local.standing import MarkerStyle, Standing, render, work_file
from bot.merge.markers import parse_marked
from bot.model.conflicts import MARKER_SIZE, Hunk, MarkedFile

SAFE = st.sampled_from([b"a\n", b"b\n", b"\n", b"=======\n", b"c d\n"])
TEXTS = st.lists(SAFE, max_size=4).map(b"".join)


@st.composite
def files(draw: st.DrawFn) -> MarkedFile:
    count = draw(st.integers(1, 3))
    segments = tuple(draw(TEXTS) for _ in range(count + 1))
    hunks = []
    for index in range(count):
        ours, theirs = draw(TEXTS), draw(TEXTS)
        hunks.append(
            Hunk(
                index=index, first_line=0, last_line=0, ours=b"o\n" + ours, ancestor=draw(TEXTS), theirs=b"t\n" + theirs
            )
        )
    return MarkedFile(path="a", segments=segments, hunks=tuple(hunks))


@given(marked=files(), swapped=st.booleans(), ancestor=st.booleans(), crlf=st.booleans())
def test_what_we_write_is_as_git_would_leave_it(
    marked: MarkedFile, *, swapped: bool, ancestor: bool, crlf: bool
) -> None:
    style = MarkerStyle(first=b"HEAD", last=b"some branch", ancestor=ancestor)
    content = render(marked, style, swapped=swapped)
    content = content.replace(b"\n", b"\r\n") if crlf else content
    found = work_file(content, marked, swapped=swapped)
    if b"=======\n" in b"".join(hunk.ours + hunk.theirs + hunk.ancestor for hunk in marked.hunks):
        assert found.standing in {Standing.UNTOUCHED, Standing.BEGUN}
    else:
        assert found.standing is Standing.UNTOUCHED
        assert found.style == style


@given(marked=files(), swapped=st.booleans())
def test_a_touch_is_seen(marked: MarkedFile, *, swapped: bool) -> None:
    content = render(marked, MarkerStyle(), swapped=swapped)
    assert work_file(b"new\n" + content, marked, swapped=swapped).standing is Standing.BEGUN
    assert work_file(b"all mine\n", marked, swapped=swapped).standing is Standing.SETTLED


BASE = b"1\n2\n3\n4\n5\n6\n"
OURS = b"1\nsame\nours\nalike\n4\n5\n6\n"
THEIRS = b"1\nsame\ntheirs\nalike\n4\n5\n6\n"


@pytest.mark.parametrize("style", [(), ("--diff3",), ("--zdiff3",)])
def test_git_s_own_styles_are_known(tmp_path: Path, style: tuple[str, ...]) -> None:
    for name, content in (("base", BASE), ("ours", OURS), ("theirs", THEIRS)):
        (tmp_path / name).write_bytes(content)

    def merged(*options: str) -> bytes:
        command = ["git", "merge-file", "-p", *options, "ours", "base", "theirs"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stdout

    marked = parse_marked("a", merged("--diff3", f"--marker-size={MARKER_SIZE}"))
    found = work_file(merged(*style), marked, swapped=False)
    assert found.standing is Standing.UNTOUCHED
    assert (found.style.first, found.style.last, found.style.ancestor) == (b"ours", b"theirs", bool(style))


@pytest.mark.parametrize("content", [b"<<<<<<< a\n", b">>>>>>> b\n<<<<<<< a\n", b"<<<<<<<< longer\n", b"||||||| x\n"])
def test_markers_out_of_order_are_somebody_s_work(content: bytes) -> None:
    marked = parse_marked(
        "a",
        b"<" * MARKER_SIZE
        + b" o\nx\n"
        + b"|" * MARKER_SIZE
        + b" a\n"
        + b"=" * MARKER_SIZE
        + b"\ny\n"
        + b">" * MARKER_SIZE
        + b" t\n",
    )
    assert work_file(content, marked, swapped=False).standing is Standing.BEGUN
