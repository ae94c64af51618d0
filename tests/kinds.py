"""A small repository of our own making for every kind of conflict, with the verdict that git must give on it.

``CASES`` has them by name; ``build`` makes one with the branches base, ours and theirs. Every member of
``ConflictKind`` but ``UNKNOWN`` is there, each with the paths and the stages (1 ancestor, 2 ours, 3 theirs).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.model.conflicts import ConflictKind
from tests.bot.git.lab import BASE, OURS, THEIRS, Content, Files, Remote, numbered

TEXT: Final = numbered()
LEFT: Final = numbered(n3="ours")
RIGHT: Final = numbered(n3="theirs")
OTHER: Final = "".join(f"word {number}\n" for number in range(30))
REST: Final[Files] = {"rest": "rest\n"}

MANY: Final = 10_000
HUGE: Final = 50 * 1024 * 1024

Grow = Callable[[Remote], tuple[str, str]]
"""Builds a history and returns the tips of ours and theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How to build a conflict, and what git must say: the kind of each path, and its stages as digits.

    In ``expected`` a path ends in ``~`` where git adds the name of a commit to it.
    """

    grow: Grow
    expected: Mapping[str, tuple[ConflictKind, str]]


def build(remote: Remote, name: str) -> tuple[str, str]:
    """Build a case in a repository; the tips of its branches ours and theirs."""
    ours, theirs = CASES[name].grow(remote)
    remote.set(OURS, ours)
    remote.set(THEIRS, theirs)
    remote.set(BASE, remote.text("rev-list", "--max-parents=0", ours).splitlines()[-1])
    return ours, theirs


def link(target: str) -> Content:
    return ("120000", target)


def module(digit: str) -> Content:
    return ("160000", digit * 40)


def executable(content: str) -> Content:
    return ("100755", content)


def pointer(digit: str) -> str:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digit * 64}\nsize 5\n"


def directory(name: str, **more: str) -> Files:
    return {f"{name}/{file}": TEXT + file for file in "abc"} | {f"{name}/{file}": text for file, text in more.items()}


def fork(base: Files, ours: Files, theirs: Files, **expected: str) -> Case:
    return grown(lambda remote: remote.sides(base, ours, theirs), **expected)


def grown(grow: Grow, **expected: str) -> Case:
    """``expected``: the kind, a space, the stages, for each path (``a__b`` is ``a/b``, ``a_`` is ``a~``)."""
    return Case(
        grow=grow,
        expected={
            path.replace("__", "/").replace("_", "~"): (
                ConflictKind(words.rpartition(" ")[0]),
                words.rpartition(" ")[2],
            )
            for path, words in expected.items()
        },
    )


def one(before: str | bytes, ours: str | bytes, theirs: str | bytes) -> Case:
    """A content conflict in one file."""
    return fork({"a": before}, {"a": ours}, {"a": theirs}, a="content 123")


def criss_cross(left: str, right: str, ours: str, theirs: str) -> Case:
    """Two branches that merged each other: two merge bases, of which git makes a virtual one."""

    def grow(remote: Remote) -> tuple[str, str]:
        root = remote.commit({"a": TEXT}, message="base")
        one, two = (remote.commit({"a": text}, root, message=text[:40]) for text in (left, right))
        return remote.commit({"a": ours}, one, two, message="o"), remote.commit({"a": theirs}, two, one, message="t")

    return grown(grow, a="content 123")


def criss_cross_of_kinds(remote: Remote) -> tuple[str, str]:
    """The two merge bases disagree about the file's very existence: no tree at all stands between them."""
    root = remote.commit({"a": TEXT, **REST}, message="base")
    kept = remote.commit({"a": numbered(n3="kept"), **REST}, root, message="kept")
    gone = remote.commit(REST, root, message="gone")
    ours = remote.commit({"a": LEFT, **REST}, kept, gone, message="o")
    return ours, remote.commit({"a": RIGHT, **REST}, gone, kept, message="t")


def many(remote: Remote) -> tuple[str, str]:
    """Half of them in one directory. One process for each file would take minutes."""
    names = [f"d{number % 50 * (number % 2)}/f{number}" for number in range(MANY)]
    sides: list[str] = []
    for text in ("0\n", "1\n", "2\n"):
        blob = remote.blob(text)
        lines = "".join(f"100644 {blob}\t{name}\0" for name in names)
        remote.git("read-tree", "--empty")
        remote.git("update-index", "-z", "--index-info", stdin=lines.encode())
        sides.append(remote.commit_tree(remote.text("write-tree"), *sides[:1], message=text))
    return sides[1], sides[2]


def huge(remote: Remote) -> tuple[str, str]:
    line = b"the same line again and again, so that the repository stays small\n"
    body = line * (HUGE // len(line))
    return remote.sides({"a": b"x\n" + body}, {"a": b"o\n" + body}, {"a": b"t\n" + body})


MARKED: Final = "title\n=======\n<<<<<<< an example\nof\n=======\nmarkers\n>>>>>>> in a manual\n"
BOM: Final = b"\xef\xbb\xbf"

CASES: Final[Mapping[str, Case]] = {
    # ---- text
    "content": one(TEXT, LEFT, RIGHT),
    "crlf": one(b"x\r\ny\r\nz\r\n", b"x\r\no\r\nz\r\n", b"x\r\nt\r\nz\r\n"),
    "crlf by one side": one(b"x\ny\nz\n", b"x\r\ny\r\nz\r\n", b"x\nt\nz\n"),
    "no final newline": one(b"x\ny", b"x\no", b"x\nt"),
    "final newline by one side": one(b"x\ny", b"x\ny\n", b"x\nt"),
    "not utf-8": one(b"caf\xe9\ny\n\xff\n", b"caf\xe9\n\xe8\n\xff\n", b"caf\xe9\n\xe7\n\xff\n"),
    "byte order mark": one(BOM + b"x\ny\nz\n", BOM + b"x\no\nz\n", BOM + b"x\nt\nz\n"),
    "byte order mark by one side": one(b"x\ny\n", BOM + b"x\ny\n", b"t\ny\n"),
    "legitimate markers": one(MARKED + TEXT, MARKED + LEFT, MARKED + RIGHT),
    "markers in the conflict": one(MARKED + "x\n", MARKED + "=======\n", MARKED + "<<<<<<< t\n"),
    "emptied": one("x\n", "", "t\n"),
    "added by both": fork(REST, {**REST, "a": LEFT}, {**REST, "a": RIGHT}, a="add/add 23"),
    "renamed and edited": fork({"a": TEXT}, {"b": LEFT}, {"a": RIGHT}, b="content 123"),
    "criss-cross": criss_cross(
        numbered(n3="l"), numbered(n20="r"), numbered(n3="o", n20="r"), numbered(n3="t", n20="r")
    ),
    "criss-cross without a base": criss_cross(numbered(n3="l"), numbered(n3="r"), numbered(n3="o"), numbered(n3="t")),
    "criss-cross of kinds": grown(criss_cross_of_kinds, a="content 123"),
    # ---- one side has it no more
    "deleted by us": fork({"a": TEXT, **REST}, REST, {"a": RIGHT, **REST}, a="modify/delete 13"),
    "deleted by them": fork({"a": TEXT, **REST}, {"a": LEFT, **REST}, REST, a="modify/delete 12"),
    "renamed and deleted": fork({"a": TEXT, **REST}, {"b": TEXT, **REST}, REST, b="rename/delete 12"),
    "renamed with an edit and deleted": fork({"a": TEXT, **REST}, {"b": LEFT, **REST}, REST, b="rename/delete 12"),
    # ---- renames meet
    "renamed to two names": fork(
        {"a": TEXT, **REST},
        {"b": LEFT, **REST},
        {"c": RIGHT, **REST},
        a="rename/rename 1",
        b="rename/rename 2",
        c="rename/rename 3",
    ),
    "two renamed to one name": fork(
        {"a": TEXT, "b": OTHER}, {"c": TEXT, "b": OTHER}, {"a": TEXT, "c": OTHER}, c="rename/rename (2to1) 23"
    ),
    "two renamed to one name, all edited": fork(
        {"a": TEXT, "b": OTHER},
        {"c": LEFT, "b": OTHER + "ours\n"},
        {"a": RIGHT, "c": OTHER + "theirs\n"},
        c="rename/rename (2to1) 23",
    ),
    "renamed onto an added file": fork({"a": TEXT}, {"b": TEXT}, {"a": TEXT, "b": "else\n"}, b="rename/add 23"),
    "renamed onto an added file, both edited": fork(
        {"a": TEXT}, {"b": LEFT}, {"a": RIGHT, "b": "else\n"}, b="rename/add 23"
    ),
    "renamed onto an added file, deleted by them": fork(
        {"a": TEXT}, {"b": LEFT}, {"b": "else\n"}, b="rename/delete 23"
    ),
    "directory renamed": fork(directory("d"), directory("e"), directory("d", new="n\n"), e__new="directory rename 3"),
    "directory renamed, file in the way": fork(
        directory("d"), directory("e", new="way\n"), directory("d", new="n\n"), e__new="directory rename 23"
    ),
    "directory split": fork(
        {"d/a": TEXT, "d/b": OTHER},
        {"e/a": TEXT, "f/b": OTHER},
        {"d/a": TEXT, "d/b": OTHER, "d/new": "n\n"},
        d="directory rename -",
    ),
    "directories renamed into one": fork(
        {"d/a": TEXT, "g/b": OTHER},
        {"e/a": TEXT, "e/b": OTHER},
        {"d/a": TEXT, "d/new": "x\n", "g/b": OTHER, "g/new": "y\n"},
        e__new="directory rename -",
    ),
    # ---- other things than text
    "link and file": fork({"a": TEXT}, {"a": LEFT}, {"a": link("x")}, a="distinct types 3", a_="distinct types 12"),
    "submodule and file": fork(
        REST, {**REST, "a": module("1")}, {**REST, "a": "x"}, a="distinct types 2", a_="distinct types 3"
    ),
    "directory in the way": fork({"a": TEXT}, {"a": LEFT}, {"a/b": "x"}, a_="directory/file 12"),
    "directory added where a file was added": fork(
        REST, {**REST, "a": "x"}, {**REST, "a/b": "x"}, a_="directory/file 2"
    ),
    "mode added differently": fork(REST, {**REST, "a": executable(TEXT)}, {**REST, "a": TEXT}, a="mode 23"),
    "mode and text added differently": fork(REST, {**REST, "a": executable(LEFT)}, {**REST, "a": RIGHT}, a="mode 23"),
    "mode changed by one side": fork({"a": executable(TEXT)}, {"a": LEFT}, {"a": executable(RIGHT)}, a="content 123"),
    "links": fork({"a": link("x")}, {"a": link("y")}, {"a": link("z")}, a="symlink 123"),
    "links added": fork(REST, {**REST, "a": link("y")}, {**REST, "a": link("z")}, a="symlink 23"),
    "binary": fork({"a": "\0a"}, {"a": "\0b"}, {"a": "\0c"}, a="binary 123"),
    "binary added": fork(REST, {**REST, "a": "\0b"}, {**REST, "a": "\0c"}, a="binary 23"),
    "submodule": fork({"a": module("1")}, {"a": module("2")}, {"a": module("3")}, a="submodule 123"),
    "submodule and text behind it": fork(
        {"a": module("1"), "b": TEXT},
        {"a": module("2"), "b": LEFT},
        {"a": module("3"), "b": RIGHT},
        a="submodule 123",
        b="content 123",
    ),
    "submodule added": fork(REST, {**REST, "a": module("1")}, {**REST, "a": module("2")}, a="submodule 23"),
    "submodule deleted": fork({**REST, "a": module("1")}, REST, {**REST, "a": module("2")}, a="submodule 13"),
    "lfs pointers": fork({"a": pointer("0")}, {"a": pointer("1")}, {"a": pointer("2")}, a="lfs pointer 123"),
    "moved to lfs by one side": fork({"a": TEXT}, {"a": LEFT}, {"a": pointer("2")}, a="lfs pointer 123"),
    # ---- several at once
    "several on one path": fork(
        {"a": executable(TEXT), **REST},
        {"b": executable(LEFT), **REST},
        {"b": link("x"), **REST},
        b="distinct types 3",
        b_="distinct types 2",
    ),
    "several in one merge": fork(
        {"a": TEXT, "b": OTHER, "c": "\0a"},
        {"a": LEFT, "b": OTHER + "o\n", "c": "\0b"},
        {"a": RIGHT, "c": "\0c"},
        a="content 123",
        b="modify/delete 12",
        c="binary 123",
    ),
}

LARGE: Final[Mapping[str, Grow]] = {"10,000 paths": many, "50 MB": huge}
