"""Given answers: which lines of a file's resolved text belong to which hunk."""

from collections.abc import Sequence

from app.demo.model.edits import Change, Edit, NotEnoughShownError, edits_for, rewrite
from app.demo.model.hunks import SeenHunk
from app.demo.model.reading import FileView

_BYTE_ORDER_MARK = "\ufeff"


def edits_to_answer(view: FileView, hunks: Sequence[SeenHunk], answer: str) -> list[Edit]:
    """The edits after which the file reads ``answer``: one per hunk where the rest of the file is kept.

    Raises:
        NotEnoughShownError: not enough of the file is known.
    """
    if answer.startswith(_BYTE_ORDER_MARK) and not (hunks and hunks[0].first_line == 1):
        answer = answer[1:]  # the file's own mark, which Read does not show and Edit keeps
    if mixes_line_ends(answer) or _line_ends_conflict(view, hunks):
        if not view.complete:
            raise NotEnoughShownError
        return rewrite(view, answer)
    lines = answer.replace("\r\n", "\n").split("\n")
    changes = align(view, hunks, lines)
    if changes is None and not view.complete:
        raise NotEnoughShownError
    return edits_for(view, changes if changes is not None else [_difference(view, lines)])


def align(view: FileView, hunks: Sequence[SeenHunk], answer: Sequence[str]) -> list[Change] | None:
    """What each hunk becomes when everything around the hunks is kept; None when something is not.

    Where several ways fit, each hunk gets as few lines as possible; the text is the same.
    """
    if not hunks or not _fits(view, 1, hunks[0].first_line - 1, answer, 0):
        return None
    changes = []
    position = hunks[0].first_line - 1
    for number, hunk in enumerate(hunks):
        following = hunks[number + 1] if number + 1 < len(hunks) else None
        last = hunk.last_line
        if following is None and view.complete and max(view.lines) == last + 1 and not view.lines[last + 1]:
            end: int | None = len(answer)  # nothing but a line end follows: it is the hunk's to keep or to drop
            last += 1
        elif following is None and view.complete:
            rest = max(view.lines) - last
            end = len(answer) - rest
            end = end if end >= position and _fits(view, last + 1, max(view.lines), answer, end) else None
        else:
            until = following.first_line - 1 if following else max(view.lines)
            end = _find(view, last + 1, until, answer, position)
        if end is None:
            return None
        changes.append(Change(first=hunk.first_line, last=last, lines=tuple(answer[position:end])))
        position = end + (following.first_line - hunk.last_line - 1 if following else 0)
    return changes


def _find(view: FileView, first: int, last: int, answer: Sequence[str], start: int) -> int | None:
    for position in range(start, len(answer) - (last - first)):
        if _fits(view, first, last, answer, position):
            return position
    return None


def _fits(view: FileView, first: int, last: int, answer: Sequence[str], position: int) -> bool:
    """Whether the known lines among ``first`` to ``last`` stand in the answer from ``position`` on."""
    if position + last - first + 1 > len(answer):
        return False
    return all(
        view.lines.get(number, answer[position + number - first]) == answer[position + number - first]
        for number in range(first, last + 1)
    )


def _difference(view: FileView, answer: Sequence[str]) -> Change:
    """The smallest run of lines whose change makes the file read ``answer``."""
    lines = [view.lines[number] for number in sorted(view.lines)]
    shorter = min(len(lines), len(answer))
    head = next((n for n in range(shorter) if lines[n] != answer[n]), shorter)
    tail = next((n for n in range(shorter - head) if lines[-1 - n] != answer[-1 - n]), shorter - head)
    if head == len(lines) - tail:  # only new lines: a neighbour says where they go
        head, tail = (head - 1, tail) if head else (head, tail - 1)
    return Change(first=head + 1, last=len(lines) - tail, lines=tuple(answer[head : len(answer) - tail]))


def mixes_line_ends(text: str) -> bool:
    """Whether some lines of a text end with CRLF and others do not."""
    return 0 < text.count("\r\n") < text.count("\n")


def _line_ends_conflict(view: FileView, hunks: Sequence[SeenHunk]) -> bool:
    """Whether line ends, which Read does not show, are part of the conflict.

    Sides that look the same cannot conflict otherwise; and where the whole file is one hunk whose sides look alike, one
    side most likely converted it.
    """
    if any(hunk.ours == hunk.theirs or hunk.ancestor in (hunk.ours, hunk.theirs) for hunk in hunks):
        return True
    if len(hunks) != 1 or hunks[0].first_line != 1 or hunks[0].last_line < max(view.lines) - 1:
        return False
    ours, theirs = hunks[0].ours, hunks[0].theirs
    return 2 * len(set(ours) & set(theirs)) >= min(len(ours), len(theirs)) > 0
