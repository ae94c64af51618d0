"""The gate for changes that nobody merged: an agent wrote them because people asked for them in words.

The checks are those of merges, with the file as it was in the place of both sides. What they find is either never
pushed, or named where people decide about the change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from bot.model.conflicts import ConflictKind
from bot.model.resolutions import (
    AuthoredChange,
    Candidate,
    Confidence,
    Finding,
    GateResult,
    GateVerdict,
    HunkRationale,
    Resolution,
    SideTexts,
)
from bot.model.text import code_span
from bot.validation import (
    credentials,
    markers,
    new_lines,
    paths,
    pipelines,
    places,
    pointers,
    sensitive,
    size,
    switches,
    unicode,
    weakened_tests,
)
from bot.validation.gate import Check, FileCheck
from bot.validation.path_classes import class_of, is_test
from bot.validation.texts import at_most
from bot.validation.traced import traced

CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    (paths.NAME, paths.check),
    (size.NAME, size.check),
    (markers.NAME, markers.check),
    (unicode.NAME, unicode.check),
    (credentials.NAME, credentials.check),
    (pointers.NAME, pointers.check),
)

FILE_CHECKS: Final[tuple[tuple[str, FileCheck], ...]] = (
    (sensitive.NAME, sensitive.check),
    (weakened_tests.NAME, weakened_tests.check),
    (switches.NAME, switches.check),
    (new_lines.NAME, new_lines.check),
)

DELETED: Final = "deleted"

_FILES: Final = frozenset({"100644", "100755"})
_PATH_ROOM: Final = 200
NAMES: Final = (*(name for name, _ in CHECKS), places.NAME, *(name for name, _ in FILE_CHECKS), DELETED)

_NEVER: Final = frozenset({paths.NAME, unicode.NAME})
"""Whatever these find is never pushed, not even for people to look at: workflows run as soon as they are there, and
nobody can look at what cannot be seen."""

_WORDS: Final = (
    ("neither side has it", "it was not there before"),
    ("neither side has", "was not there before"),
    ("no side has it", "it was not there before"),
    ("is on neither side", "was not there before"),
    ("are from neither side", "were not there before"),
    ("is on every side, and not in the result", "was there before, and is gone"),
    ("and no side has fewer than", "and there were"),
    ("from neither side", "that were not there before"),
)
"""What the checks say of sides, said of a file as it was."""


def judge(change: AuthoredChange, *, protected: Sequence[str]) -> GateResult:
    """What the checks say to a change.

    A finding that is ``REFUSED`` must never be pushed; one that needs a person is to be shown with the change. Call it
    off the event loop.
    """
    candidate = _candidate(change, protected)
    found = [finding for _, check in CHECKS for finding in check(candidate)]
    found += places.check(change.directories, sorted(change.new), change.deleted)
    found += [*pipelines.check(change), *_unread(change)]
    for file in traced(candidate):
        for name, check_file in FILE_CHECKS:
            noted = name == new_lines.NAME
            found += [
                finding
                for finding in at_most(check_file(file))
                # That lines of a change are new says nothing.
                if not (noted and finding.verdict is GateVerdict.PASS)
            ]
    found += [_deleted(change, path) for path in change.deleted]
    findings = tuple(map(_of_change, found))
    verdicts = {finding.verdict for finding in findings}
    worst = next((one for one in (GateVerdict.REFUSED, GateVerdict.NEEDS_PERSON) if one in verdicts), GateVerdict.PASS)
    return GateResult(verdict=worst, findings=findings, checks=NAMES)


def _candidate(change: AuthoredChange, protected: Sequence[str]) -> Candidate:
    """The change as the checks of merges see one: each file as it was stands for both sides."""
    hunks = (HunkRationale(index=0, resolved=True, reason="", confidence=Confidence.MEDIUM),)
    return Candidate(
        conflicts=(),
        sides={path: SideTexts(ancestor=old, ours=old, theirs=old) for path, old in change.before.items()},
        marked={},
        resolutions=tuple(
            Resolution(
                path=path,
                kind=ConflictKind.CONTENT,
                resolver="agent",
                mode=change.modes[path],
                content=content,
                hunks=hunks,
            )
            for path, content in change.changed.items()
        ),
        changed={**change.changed, **dict.fromkeys(change.deleted)},
        modes={path: change.modes[path] for path in change.changed},
        protected_paths=tuple(protected),
    )


def _unread(change: AuthoredChange) -> Iterator[Finding]:
    """Files of which the checks do not know what was in them."""
    for path in change.changed:
        if change.before[path] is None and path not in change.new:
            message = "What was in this file before is too large to compare it with what is in it now."
            yield Finding(check=size.NAME, verdict=GateVerdict.NEEDS_PERSON, path=path, message=message)


def _deleted(change: AuthoredChange, path: str) -> Finding:
    """People are to see a deletion, and one of tests weakens them. What no workspace shows cannot be deleted."""
    above, _, name = path.rpartition("/")
    if change.directories.get(above, {}).get(name) not in _FILES:
        message = "There is no file here that could be deleted."
        return Finding(check=DELETED, verdict=GateVerdict.REFUSED, path=path, message=message)
    before = change.before[path]
    same = (new for new in sorted(change.new) if before is not None and change.changed[new] == before)
    moved = next((new for new in same if is_test(new) == is_test(path)), None)
    kind = class_of(path)
    if moved is not None:
        check, message = DELETED, f"This file is moved to {code_span(moved, limit=_PATH_ROOM)}, as it is."
    elif is_test(path):
        check, message = weakened_tests.NAME, "This file of tests is deleted."
    else:
        check, message = DELETED, "This file is deleted." if kind is None else f"This file is deleted. It is {kind}."
    return Finding(check=check, verdict=GateVerdict.NEEDS_PERSON, path=path, message=message)


def _of_change(finding: Finding) -> Finding:
    message = finding.message
    for of_sides, of_before in _WORDS:
        message = message.replace(of_sides, of_before)
    never = finding.check in _NEVER and finding.verdict is GateVerdict.NEEDS_PERSON
    return replace(finding, message=message, verdict=GateVerdict.REFUSED if never else finding.verdict)
