"""The honest worker: does what people asked for in words, as far as it was told beforehand, and says what it did."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.demo.model.answers import edits_to_answer
from app.demo.model.conversation import EDIT, READ, REPORT, Conversation
from app.demo.model.edits import Edit
from app.demo.model.messages import ModelRequest
from app.demo.model.replies import Call, Message, Reply, Text

WRITE: Final = "Write"

Words = Callable[[Mapping[str, Any]], str]
"""What to say about a context."""


def repeat_the_task(context: Mapping[str, Any]) -> str:
    """Say that no AI took part, and what was asked for."""
    return f"Scripted model, no AI took part. Asked: {context['title']}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HonestWorker:
    """Reads the context, makes the files read as in ``files``, and reports ``words``.

    A file that is there is read and edited; one that is not is written. ``deleted`` are to go. Where there are no tools
    for changing files, only words come of it.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    deleted: Sequence[str] = ()
    words: Words = repeat_the_task

    def reply(self, request: ModelRequest) -> Reply:
        """The next step: read the context, read the files, change them, report."""
        talk = Conversation(request=request)
        if talk.context_path is None:
            return Message(content=(Text(text="Scripted model: the prompt names no context file."),))
        context = talk.context()
        if context is None:
            return Message(content=_calls(talk, READ, [{"file_path": talk.context_path}]))
        wanted = self.files if EDIT in request.tools else {}
        if unread := [path for name in wanted if not talk.uses(READ, path := talk.path(name))]:
            return Message(content=_calls(talk, READ, [{"file_path": path} for path in unread]))
        steps = [step for name, text in wanted.items() for step in _steps(talk, talk.path(name), text)]
        if steps:
            return Message(
                content=tuple(_call(talk, name, number, given) for number, (name, given) in enumerate(steps))
            )
        gone = {"deleted": list(self.deleted)} if self.deleted and EDIT in request.tools else {}
        return Message(content=_calls(talk, REPORT, [{"summary": self.words(context), **gone}]))


def _steps(talk: Conversation, path: str, text: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """The calls that make a file read as ``text``; none once they were made."""
    if talk.uses(EDIT, path) or talk.uses(WRITE, path):
        return []
    if not any(read.succeeded for read in talk.uses(READ, path)):
        return [(WRITE, {"file_path": path, "content": text})]
    edits: Sequence[Edit] = edits_to_answer(talk.view(path), (), text)
    return [(EDIT, {"file_path": path, "old_string": edit.old, "new_string": edit.new}) for edit in edits]


def _calls(talk: Conversation, tool: str, inputs: Sequence[Mapping[str, Any]]) -> tuple[Call, ...]:
    return tuple(_call(talk, tool, number, given) for number, given in enumerate(inputs))


def _call(talk: Conversation, tool: str, number: int, given: Mapping[str, Any]) -> Call:
    return Call(id=talk.new_id("worker", number), name=tool, input=given)
