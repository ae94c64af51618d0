"""The honest resolver: reads what it is told to read, edits the hunks, and reports on each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.demo.model.answers import edits_to_answer
from app.demo.model.conversation import EDIT, READ, REPORT, Conversation
from app.demo.model.direct import SeenQuestion
from app.demo.model.direct_answers import answer_from
from app.demo.model.edits import Change, Edit, NotEnoughShownError, edits_for
from app.demo.model.hunks import Resolution, SeenHunk, resolve_by_rule, see_hunk
from app.demo.model.messages import ModelRequest
from app.demo.model.reading import FileView
from app.demo.model.replies import Call, Message, Reply, Text

_MARGIN: Final = 20
_PAGE: Final = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class HonestResolver:
    """Resolves every hunk: by the given answers, else by a fixed rule.

    ``answers`` maps repository paths to the whole resolved text. ``second_answers`` take their place when the context
    brings feedback about an earlier try. Direct questions are answered by ``answers`` alone.
    """

    answers: Mapping[str, str] = field(default_factory=dict)
    second_answers: Mapping[str, str] | None = None

    def reply(self, request: ModelRequest) -> Reply:
        """The next step: read the context, read the files, edit them, report."""
        talk = Conversation(request=request)
        if talk.context_path is None:
            return Message(content=(Text(text="Scripted model: the prompt names no context file."),))
        if (context := talk.context()) is None:
            return self._read_context(talk, talk.context_path)
        answers = self.answers
        if context.get("feedback") and self.second_answers is not None:
            answers = self.second_answers
        files = [_File(talk=talk, place=place, answer=answers.get(place["path"])) for place in talk.files()]
        if reads := [read for file in files for read in file.next_reads()]:
            return Message(content=(Text(text=f"Reading {_count(len(files), 'file')}."), *_calls(talk, READ, reads)))
        if edits := [edit for file in files for edit in file.next_edits()]:
            return Message(content=(Text(text=f"Making {_count(len(edits), 'edit')}."), *_calls(talk, EDIT, edits)))
        return Message(content=_calls(talk, REPORT, [_report(files, by_answers=bool(answers))]))

    def direct(self, question: SeenQuestion) -> Reply:
        """The known answers; a hunk without one is undecided."""
        return answer_from(question, self.answers)

    def _read_context(self, talk: Conversation, path: str) -> Reply:
        tried = talk.uses(READ, path)
        if len(tried) > 1 or (tried and tried[0].succeeded and talk.view(path).complete):
            return Message(content=(Text(text="Scripted model: the context file cannot be read."),))
        how = {"file_path": path, "allow_large": True} if tried else {"file_path": path}
        return Message(content=(Text(text="Reading the context."), *_calls(talk, READ, [how])))


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One conflicted file in one conversation: what to do next about it."""

    talk: Conversation
    place: Mapping[str, Any]
    answer: str | None

    @property
    def path(self) -> str:
        return self.talk.path(self.place["path"])

    @property
    def view(self) -> FileView:
        """What was read before the first edit; the numbers of the context mean that state."""
        return self.talk.view(self.path)

    def next_reads(self) -> Sequence[Mapping[str, Any]]:
        """First the whole file; where that is too much, the hunks' surroundings; at last all that Read will give."""
        done = self.talk.uses(READ, self.path)
        if not done:
            return [{"file_path": self.path}]
        if self.view.complete or self.talk.uses(EDIT, self.path):
            return []
        if len(done) == 1:
            return [{"file_path": self.path, "offset": first, "limit": limit} for first, limit in self._pages()]
        if self._edits() is None and not any(read.input.get("allow_large") for read in done):
            return [{"file_path": self.path, "allow_large": True}]
        return []

    def next_edits(self) -> Sequence[Mapping[str, Any]]:
        """All edits of the file, once."""
        if self.talk.uses(EDIT, self.path):
            return []
        calls = []
        for edit in self._edits() or ():
            call: dict[str, Any] = {"file_path": self.path, "old_string": edit.old, "new_string": edit.new}
            calls.append(call | {"replace_all": True} if edit.everywhere else call)
        return calls

    def report(self) -> Mapping[str, Any]:
        """The file's entry in the closing report: what the tools' answers bear out."""
        edits = self.talk.uses(EDIT, self.path)
        done = bool(edits) and all(edit.succeeded for edit in edits)
        seen = {hunk.index: hunk for hunk in self._hunks()}
        return {
            "path": self.place["path"],
            "hunks": [self._verdict(place, seen.get(place["index"]), done=done) for place in self.place["hunks"]],
        }

    def _verdict(self, place: Mapping[str, Any], hunk: SeenHunk | None, *, done: bool) -> Mapping[str, Any]:
        if hunk is None or not done:
            reason, confidence = "The scripted model could not read or edit this hunk.", "low"
        elif self.answer is not None:
            reason, confidence = "The scripted model was given the answer for this file.", "high"
        else:
            resolution = resolve_by_rule(hunk)
            reason, confidence = resolution.reason, resolution.confidence
        return {
            "index": place["index"],
            "resolved": done and hunk is not None,
            "reason": reason,
            "confidence": confidence,
        }

    def _edits(self) -> list[Edit] | None:
        """The edits that resolve the file; None when too little of it is known."""
        hunks = self._hunks()
        try:
            if self.answer is not None:
                return edits_to_answer(self.view, hunks, self.answer)
            return edits_for(self.view, [_change(hunk, resolve_by_rule(hunk)) for hunk in hunks])
        except NotEnoughShownError:
            return None

    def _hunks(self) -> list[SeenHunk]:
        seen = (see_hunk(self.view, place) for place in self.place["hunks"])
        return [hunk for hunk in seen if hunk is not None]

    def _pages(self) -> list[tuple[int, int]]:
        pages: list[tuple[int, int]] = []
        for hunk in self.place["hunks"]:
            first, last = max(1, hunk["first_line"] - _MARGIN), hunk["last_line"] + _MARGIN
            pages += [(start, min(_PAGE, last - start + 1)) for start in range(first, last + 1, _PAGE)]
        return pages


def _change(hunk: SeenHunk, resolution: Resolution) -> Change:
    return Change(first=hunk.first_line, last=hunk.last_line, lines=resolution.lines)


def _calls(talk: Conversation, tool: str, inputs: Sequence[Mapping[str, Any]]) -> tuple[Call, ...]:
    return tuple(
        Call(id=talk.new_id("scripted", number), name=tool, input=input_) for number, input_ in enumerate(inputs)
    )


def _report(files: Sequence[_File], *, by_answers: bool) -> Mapping[str, Any]:
    reports = [file.report() for file in files]
    hunks = [hunk for report in reports for hunk in report["hunks"]]
    resolved = sum(1 for hunk in hunks if hunk["resolved"])
    how = "from given answers" if by_answers else "by a fixed rule"
    summary = (
        f"Scripted model, no AI took part: resolved {resolved} of {_count(len(hunks), 'hunk')} "
        f"in {_count(len(files), 'file')} {how}."
    )
    return {"summary": summary, "files": reports}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
