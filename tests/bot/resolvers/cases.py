"""Small conflicts of our own making, for the rules."""

from collections.abc import Iterable
from typing import Final, Protocol

from hypothesis import strategies as st

from bot.model.cases import FileCase, PathHistory
from bot.model.conflicts import ConflictKind, Hunk, MarkedFile, Side, Stage
from bot.model.resolutions import HunkAnswer, SideTexts

Trio = tuple[bytes, bytes, bytes]
"""Ours, the ancestor's, theirs."""


NO_HISTORY: Final = PathHistory()


class Rule(Protocol):
    """A module of ``bot.resolvers.rules``."""

    NAME: str
    SUMMARY: str

    def answer(self, case: FileCase) -> Iterable[HunkAnswer]: ...


def a_case(
    *trios: Trio,
    path: str = "src/main.go",
    around: tuple[bytes, bytes] = (b"before\n", b"after\n"),
    history: PathHistory = NO_HISTORY,
    sides: SideTexts | None = None,
) -> FileCase:
    """A file of these hunks, the first line of ``around`` before and between them, the second after the last."""
    hunks: list[Hunk] = []
    for index, (ours, ancestor, theirs) in enumerate(trios):
        first = (hunks[-1].last_line if hunks else 0) + around[0].count(b"\n") + 1
        last = first + 3 + sum(text.count(b"\n") for text in (ours, ancestor, theirs))
        hunks.append(Hunk(index=index, first_line=first, last_line=last, ours=ours, ancestor=ancestor, theirs=theirs))
    return FileCase(
        path=path,
        kind=ConflictKind.CONTENT,
        stages={
            side: Stage(mode="100644", oid=letter * 40)
            for side, letter in ((Side.ANCESTOR, "1"), (Side.OURS, "2"), (Side.THEIRS, "3"))
        },
        sides=sides or SideTexts(ancestor=None, ours=None, theirs=None),
        marked=MarkedFile(path=path, segments=(*[around[0]] * len(hunks), around[1]), hunks=tuple(hunks)),
        history=history,
    )


def only(rule: Rule, *trio: bytes, path: str = "src/main.go") -> HunkAnswer | None:
    """The one answer of a rule to one hunk, None when it has none."""
    ours, ancestor, theirs = trio
    found = list(rule.answer(a_case((ours, ancestor, theirs), path=path)))
    assert len(found) <= 1
    return found[0] if found else None


def taken(rule: Rule, *trio: bytes, path: str = "src/main.go") -> bytes | None:
    """The text of that answer."""
    found = only(rule, *trio, path=path)
    return None if found is None else found.content


PATHS = st.sampled_from(
    ["a.py", "a.go", "go.sum", "package.json", "README.md", "Makefile", ".gitignore", "CHANGES", "x"]
)

LINES = st.sampled_from(
    [
        *(b"", b"}", b"import os", b"    return value(1, 2)", b'"name": "1.2.3",', b'"name": "1.10.0-rc.2",'),
        *(b"\tif a.b(c) {", b"the quick brown fox, and so on", b"# heading", b"x = 3.5 ms", b"1.0", b"2.0"),
        *(b"\xff\xfe", b"caf\xc3\xa9", b"a\rb"),
    ]
)

WHOLE_LINES = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n"])), max_size=8).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)

ANY_LINES = st.one_of(
    WHOLE_LINES,
    st.binary(max_size=60).map(lambda text: text + b"\n" if text else text),
    st.lists(st.binary(max_size=8), max_size=5).map(lambda parts: b"".join(part + b"\n" for part in parts)),
)


@st.composite
def trios(draw: st.DrawFn) -> Trio:
    """Three texts that have much in common, as the texts of a conflict do."""
    common = draw(st.lists(ANY_LINES, min_size=1, max_size=4))
    texts = []
    for _ in range(3):
        parts = [draw(st.sampled_from([part, b"", part + part])) if draw(st.booleans()) else part for part in common]
        parts.insert(draw(st.integers(0, len(parts))), draw(st.one_of(st.just(b""), ANY_LINES)))
        texts.append(b"".join(parts))
    return texts[0], texts[1], texts[2]
