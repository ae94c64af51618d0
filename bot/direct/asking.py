"""What is asked: the open hunks of a question as text, and whether they can be put to the model in one call at all."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bot.merge.final_newline import ends_with_newline
from bot.merge.remainder import remainder
from bot.model.cases import FileProgress
from bot.model.conflicts import ConflictKind, Hunk
from bot.model.direct import DirectQuestion, NotAsked
from bot.model.resolutions import HunkAnswer, SideTexts
from bot.model.text import code_span

MAX_HUNK_BYTES: Final = 24_000
"""Of the three texts of one hunk together; what is larger needs the repository, not one look."""

MAX_HUNK_LINES: Final = 300
"""Of each text of a hunk: differences are computed in quadratic time."""

MAX_FILE_BYTES: Final = 1_000_000
"""Of each side of a file."""

MAX_SURROUNDING: Final = 20
"""Lines kept before and after a hunk; how many of them are shown is up to ``bot.direct.narrow``."""

_MAX_LINE: Final = 400

_LF: Final = "\n"
_CRLF: Final = "\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedHunk:
    r"""One open hunk. Texts have ``\n`` as line end; ``line_end`` is what the file has.

    ``index`` counts the hunks as git left them; the lines are those of the file with the settled hunks put in and the
    markers of the open ones, from 1, markers included. ``final_newline`` is None where more of the file follows;
    otherwise it says whether the file ends with a newline once it is merged.
    """

    index: int
    first_line: int
    last_line: int
    ours: str
    ancestor: str
    theirs: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    candidates: tuple[HunkAnswer, ...]
    line_end: str
    final_newline: bool | None

    @property
    def sides(self) -> tuple[str, str, str]:
        """The three texts."""
        return (self.ours, self.ancestor, self.theirs)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFile:
    """One file. ``lines`` is the number of its lines with markers; ``ours`` and ``theirs`` are the whole sides.

    ``open_hunks`` is how many hunks nobody has settled; ``hunks`` are those of them that are asked.
    """

    path: str
    kind: ConflictKind
    lines: int
    ends_with_newline: bool
    open_hunks: int
    hunks: tuple[AskedHunk, ...]
    ours: str
    theirs: str


class _CannotBeAskedError(Exception):
    """Why a file cannot be asked about."""


def asked_files(question: DirectQuestion) -> tuple[AskedFile, ...] | NotAsked:
    """The files with open hunks, or why there is no call: nothing is open, or one call would not settle it.

    Where one hunk cannot be asked, nothing is: somebody else has to look at the conflict anyway.
    """
    waiting = [progress for progress in question.files if progress.open]
    count = sum(len(progress.open) for progress in waiting)
    if count == 0:
        return NotAsked(reason="No hunk is open.")
    if count > question.limits.max_hunks:
        return NotAsked(reason=f"{count} hunks are open; at most {question.limits.max_hunks} are put in one call.")
    try:
        return tuple(_asked_file(progress) for progress in waiting)
    except _CannotBeAskedError as error:
        return NotAsked(reason=str(error))


def _asked_file(progress: FileProgress) -> AskedFile:
    case = progress.case
    name = code_span(case.path)
    if any(len(text) > MAX_FILE_BYTES for text in _known(case.sides)):
        raise _CannotBeAskedError(f"{name} is larger than {MAX_FILE_BYTES // 1_000_000} MB.")
    left = remainder(case.marked, {index: answer.content for index, answer in progress.settled.items()})
    try:
        segments = [segment.decode() for segment in left.marked.segments]
        ours, theirs = (_decoded(text) for text in (case.sides.ours, case.sides.theirs))
        hunks = []
        for place, hunk in enumerate(left.marked.hunks):
            index = left.indexes[place]
            at_end = place == len(left.marked.hunks) - 1 and not segments[-1]
            hunks.append(
                AskedHunk(
                    index=index,
                    first_line=hunk.first_line,
                    last_line=hunk.last_line,
                    ours=_plain(_text_of(hunk.ours, name)),
                    ancestor=_plain(_text_of(hunk.ancestor, name)),
                    theirs=_plain(_text_of(hunk.theirs, name)),
                    before=_nearest(segments[place], last=True),
                    after=_nearest(segments[place + 1], last=False),
                    candidates=progress.candidates.get(index, ()),
                    line_end=_line_end(hunk, segments, name),
                    final_newline=ends_with_newline(case.sides) if at_end else None,
                )
            )
    except UnicodeDecodeError:
        raise _CannotBeAskedError(f"{name} is not UTF-8.") from None
    tail = segments[-1]
    return AskedFile(
        path=case.path,
        kind=case.kind,
        lines=left.marked.hunks[-1].last_line + tail.count(_LF) + (1 if tail and not tail.endswith(_LF) else 0),
        ends_with_newline=not tail or tail.endswith(_LF),
        open_hunks=len(hunks),
        hunks=tuple(hunks),
        ours=_plain(ours),
        theirs=_plain(theirs),
    )


def _known(sides: SideTexts) -> Iterable[bytes]:
    return (text for text in (sides.ancestor, sides.ours, sides.theirs) if text is not None)


def _decoded(text: bytes | None) -> str:
    return "" if text is None else text.decode()


def _text_of(text: bytes, name: str) -> str:
    if len(text) > MAX_HUNK_BYTES // 3 or text.count(b"\n") > MAX_HUNK_LINES:
        raise _CannotBeAskedError(f"A hunk of {name} is too large for one call.")
    return text.decode()


def _plain(text: str) -> str:
    return text.replace(_CRLF, _LF)


def _line_end(hunk: Hunk, segments: Iterable[str], name: str) -> str:
    """What ends the lines of a hunk. Where the sides end them differently, that is the conflict, and not for one look.

    A hunk without a line takes what ends most lines of the file.
    """
    crlf = sum(text.count(b"\r\n") for text in (hunk.ours, hunk.ancestor, hunk.theirs))
    lines = sum(text.count(b"\n") for text in (hunk.ours, hunk.ancestor, hunk.theirs))
    if 0 < crlf < lines:
        raise _CannotBeAskedError(f"The line ends in a hunk of {name} are not all alike.")
    if lines == 0:
        for segment in segments:
            crlf += segment.count(_CRLF)
            lines += segment.count(_LF)
    return _CRLF if 2 * crlf > lines else _LF


def _nearest(segment: str, *, last: bool) -> tuple[str, ...]:
    r"""The lines of a segment that are nearest to the hunk, without line ends; none beyond an overlong one."""
    lines = _plain(segment).split(_LF)
    if not lines[-1]:
        lines.pop()
    kept: list[str] = []
    for line in reversed(lines) if last else iter(lines):
        if len(line) > _MAX_LINE or len(kept) == MAX_SURROUNDING:
            break
        kept.append(line)
    return tuple(reversed(kept)) if last else tuple(kept)
