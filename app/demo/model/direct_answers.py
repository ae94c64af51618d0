"""Direct questions answered from given texts of whole files."""

from collections.abc import Mapping
from typing import Any

from app.demo.model.answers import align, mixes_line_ends
from app.demo.model.direct import AskedAbout, SeenQuestion, answered, resolved, undecided
from app.demo.model.reading import FileView
from app.demo.model.replies import Message


def answer_from(question: SeenQuestion, answers: Mapping[str, str]) -> Message:
    """Each hunk as ``answers`` has it, by path; undecided where they do not tell."""
    return answered([entry for file in question.files for entry in _entries(file, answers.get(file.path))])


def _entries(file: AskedAbout, answer: str | None) -> list[Mapping[str, Any]]:
    if answer is None:
        return _open(file, "The scripted model was given no answer for this file.")
    contents = _contents(file, answer)
    if contents is None:
        return _open(file, "The answer that the scripted model was given does not fit what it was shown.")
    reason = "The scripted model was given the answer for this file."
    return [
        resolved(file.number, place.hunk.index, content, reason=reason)
        for place, content in zip(file.places, contents, strict=True)
    ]


def _open(file: AskedAbout, reason: str) -> list[Mapping[str, Any]]:
    return [undecided(file.number, place.hunk.index, reason) for place in file.places]


def _contents(file: AskedAbout, answer: str) -> list[str] | None:
    """The text of each hunk; None when the answer changes something else, or line ends, which are not shown."""
    if not file.complete or mixes_line_ends(answer):
        return None
    lines = answer.replace("\r\n", "\n").split("\n")
    hunks = [place.hunk for place in file.places]
    changes = align(_view(file, lines), hunks, lines)
    if changes is None:
        return None
    return [
        "\n".join(change.lines) if change.last > hunk.last_line else "".join(f"{line}\n" for line in change.lines)
        for change, hunk in zip(changes, hunks, strict=True)
    ]


def _view(file: AskedAbout, answer: list[str]) -> FileView:
    """What is known of the file; its last line, if not shown, is taken to be the answer's."""
    lines: dict[int, str] = {}
    for place in file.places:
        lines.update(enumerate(place.before, start=place.hunk.first_line - len(place.before)))
        lines.update(enumerate(place.after, start=place.hunk.last_line + 1))
    if file.ends_with_newline:
        lines[file.lines + 1] = ""
    else:
        lines.setdefault(file.lines, answer[-1])
    return FileView(lines=lines, complete=True)
