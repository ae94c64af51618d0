"""Parts of a model that cannot be trusted: it claims what is not so, or does more than it was asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.demo.model.changed import with_message
from app.demo.model.conversation import EDIT, REPORT, Conversation
from app.demo.model.messages import ModelRequest
from app.demo.model.replies import Block, Call, Message, Reply, Script, Text, Wanted, numbered
from app.demo.model.resolver import HonestResolver

_BESIDES: Final = "toolu_besides_"


@dataclass(frozen=True, slots=True)
class ClaimsSuccess:
    """Reads the context, edits nothing, and reports every hunk as resolved."""

    def reply(self, request: ModelRequest) -> Reply:
        """The context, then the claim."""
        talk = Conversation(request=request)
        if talk.context() is None:
            return HonestResolver().reply(request)
        files = [
            {"path": file["path"], "hunks": [_claim(hunk["index"]) for hunk in file["hunks"]]} for file in talk.files()
        ]
        report = {"summary": "Everything is resolved.", "files": files}
        return Message(content=(Call(id=talk.new_id("liar", 0), name=REPORT, input=report),))


@dataclass(frozen=True, slots=True)
class LeavesMarkers:
    """Resolves honestly, but the last edit of every turn only takes the closing marker away; claims all is done."""

    script: Script = field(default_factory=HonestResolver)

    def reply(self, request: ModelRequest) -> Reply:
        """The script's reply with its last edit spoilt, and with every hunk claimed."""
        return with_message(self.script.reply(request), self._lie)

    @staticmethod
    def _lie(message: Message) -> Message:
        edits = [block for block in message.content if isinstance(block, Call) and block.name == EDIT]
        content = (_spoilt(block) if edits and block is edits[-1] else block for block in message.content)
        return replace(message, content=tuple(_all_claimed(block) for block in content))


@dataclass(frozen=True, slots=True)
class Besides:
    """Makes ``calls`` before the script's closing report, in one turn, and says nothing of them."""

    script: Script
    calls: Sequence[Wanted]

    def reply(self, request: ModelRequest) -> Reply:
        """The script's reply; instead of its report first the calls, once."""
        mine = frozenset(use.id for use in request.tool_uses if use.id.startswith(_BESIDES))
        reply = self.script.reply(request.without(mine))
        if mine or not isinstance(reply, Message) or not _reports(reply):
            return reply
        return Message(content=tuple(numbered(call, _BESIDES, number) for number, call in enumerate(self.calls)))


@dataclass(frozen=True, slots=True)
class ReportsInstead:
    """Plays the script, but its closing report is ``report``, whatever its shape; None leaves it out."""

    script: Script
    report: Mapping[str, Any] | None

    def reply(self, request: ModelRequest) -> Reply:
        """The script's reply with another report."""
        return with_message(self.script.reply(request), self._replace)

    def _replace(self, message: Message) -> Message:
        if not _reports(message):
            return message
        if self.report is None:
            return replace(message, content=(Text(text="All done."),))
        content: list[Block] = []
        for block in message.content:
            is_report = isinstance(block, Call) and block.name == REPORT
            content.append(replace(block, input=self.report) if isinstance(block, Call) and is_report else block)
        return replace(message, content=tuple(content))


def _reports(message: Message) -> bool:
    return any(isinstance(block, Call) and block.name == REPORT for block in message.content)


def _spoilt(block: Block) -> Block:
    if not isinstance(block, Call):
        return block
    lines = block.input["old_string"].splitlines(keepends=True)
    return replace(block, input={**block.input, "new_string": "".join(lines[:-1])})


def _claim(index: int) -> dict[str, Any]:
    return {"index": index, "resolved": True, "reason": "Both changes are kept.", "confidence": "high"}


def _all_claimed(block: Block) -> Block:
    if not isinstance(block, Call) or block.name != REPORT:
        return block
    files = [
        {"path": file["path"], "hunks": [_claim(hunk["index"]) for hunk in file["hunks"]]}
        for file in block.input["files"]
    ]
    return replace(block, input={"summary": "Everything is resolved.", "files": files})
