"""Diffs in reports: no changed byte is hidden (ADV-042)."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.report import diffs
from bot.report.markdown import size
from tests.bot.report.reading import HOSTILE, code_spans, fences, harm

ROOM = 8_000


def file_diff(path: str, lines: int, *, text: str = "x") -> str:
    body = "".join(f"+{text} {number}\n" for number in range(lines))
    return f"diff --git a/{path} b/{path}\nindex 1..2 100644\n--- a/{path}\n+++ b/{path}\n@@ -0,0 +1,{lines} @@\n{body}"


def rendered(diff: str, *, first: set[str] | None = None, room: int = ROOM) -> str:
    out = diffs.render(diffs.split(diff), first=first or set(), room=room).text
    assert size(out) <= room
    assert harm(out) == []
    return out


def shown_files(out: str) -> list[str]:
    return [
        line.split(" b/")[-1] for block in fences(out) for line in block.split("\n") if line.startswith("diff --git")
    ]


def test_a_diff_that_fits_is_shown_whole() -> None:
    diff = file_diff("a.py", 3) + file_diff("b.py", 2)
    assert fences(rendered(diff)) == [diff]


def test_what_does_not_fit_is_listed_with_its_size() -> None:
    out = rendered(file_diff("a.py", 5) + file_diff("big.py", 30_000) + file_diff("c.py", 5))
    assert shown_files(out) == ["a.py", "c.py"]
    assert "1 of 3 changed files do not fit here" in out
    assert "- `big.py` (+30,000 \u22120)" in out


def test_conflicted_files_are_shown_before_the_others() -> None:
    diff = "".join(file_diff(path, 400) for path in ("a.py", "b.py", "c.py", "d.py", "conflict.py"))
    out = rendered(diff, first={"conflict.py"}, room=9_500)
    assert shown_files(out) == ["conflict.py"]
    assert {"a.py", "b.py", "c.py", "d.py"} <= set(code_spans(out))


@settings(max_examples=60)
@given(sizes=st.lists(st.integers(0, 400), min_size=1, max_size=40), room=st.integers(4_000, 20_000))
def test_every_file_is_shown_or_listed(sizes: list[int], room: int) -> None:
    out = rendered("".join(file_diff(f"f{number}.py", lines) for number, lines in enumerate(sizes)), room=room)
    named = {*shown_files(out), *code_spans(out)}
    assert {f"f{number}.py" for number in range(len(sizes))} <= named


def test_a_list_too_long_says_how_many_more_there_are() -> None:
    out = rendered("".join(file_diff(f"some/long/directory/name/f{number}.py", 400) for number in range(3_000)))
    more = re.search(r"- and ([\d,]+) more files", out)
    assert more
    listed = [name for name in code_spans(out) if name.startswith("some/")]
    assert len(listed) + len(shown_files(out)) + int(more[1].replace(",", "")) == 3_000


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 400), room=st.integers(4_000, 20_000))
def test_it_is_known_whether_every_file_is_named(count: int, room: int) -> None:
    diff = "".join(file_diff(f"some/directory/f{number}.py", 90) for number in range(count))
    out = diffs.render(diffs.split(diff), first=set(), room=room)
    assert size(out.text) <= room
    named = {*shown_files(out.text), *code_spans(out.text)}
    assert out.complete is ({f"some/directory/f{number}.py" for number in range(count)} <= named)


@settings(max_examples=60)
@given(texts=st.lists(HOSTILE, max_size=6), room=st.integers(4_000, 9_000))
def test_hostile_contents_stay_in_their_fence(texts: list[str], room: int) -> None:
    rendered("".join(file_diff(f"f{n}", 1, text=text) for n, text in enumerate(texts)), room=room)


@settings(max_examples=60)
@given(diff=HOSTILE)
def test_what_is_no_diff_is_shown_too(diff: str) -> None:
    rendered(diff)


REMARKS = {
    "diff --git a/x.png b/x.png\nindex 1..2 100644\nBinary files a/x.png and b/x.png differ\n": "- `x.png`: binary",
    "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n": "- `run`: mode 100644 became 100755",
    "diff --git a/l b/l\nnew file mode 120000\nindex 0..1\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+x": "- `l`: new sym",
    "diff --git a/s b/s\nnew file mode 160000\nindex 0..1\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n+x": "- `s`: new sub",
    "diff --git a/d b/d\ndeleted file mode 100644\nindex 1..0\n--- a/d\n+++ /dev/null\n@@ -1 +0,0 @@\n-x": "- `d`: del",
}


@pytest.mark.parametrize("diff", sorted(REMARKS))
def test_what_lines_cannot_show_is_said(diff: str) -> None:
    assert REMARKS[diff] in rendered(diff)


def test_carriage_returns_are_shown_unless_all_lines_have_them() -> None:
    crlf = file_diff("a.py", 3).replace("x 0\n", "x 0\r\n")
    assert "+x 0␍\n" in rendered(crlf)
    head, at, body = file_diff("a.py", 3).partition("+x 0")
    out = rendered(head + (at + body).replace("\n", "\r\n"))
    assert "␍" not in out
    assert "- `a.py`: lines end with CRLF" in out


def test_hidden_characters_are_shown_by_their_number() -> None:
    assert "+is_admin<U+202E> 0" in rendered(file_diff("a.py", 1, text="is_admin\u202e"))


def test_lines_are_counted_in_hunks_only() -> None:
    diff = "diff --git a/m b/m\n--- a/m\n+++ b/m\n@@ -1,2 +1,2 @@\n-- a list\n--- a rule\n+++ plus\n same\n"
    (file,) = diffs.split(diff)
    assert (file.path, file.added, file.removed) == ("m", 1, 2)


def test_a_quoted_name_and_a_file_without_hunks_have_their_path() -> None:
    old, new = r'"a/caf\303\251"', r'"b/caf\303\251"'
    quoted = f"diff --git {old} {new}\nindex 1..2\n--- {old}\n+++ {new}\n@@ -1 +1 @@\n-a\n+b\n"
    empty = "diff --git a/new b/new\nnew file mode 100644\nindex 0..1\n"
    assert [file.path for file in diffs.split(quoted + empty)] == ["caf\\303\\251", "new"]
