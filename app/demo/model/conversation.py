"""Where a conversation stands: the context file, the reads of each file, and the edits made.

Nothing is remembered between requests: all of it is in the messages, so a repeated request gets the same answer.
"""

import json
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.demo.model.messages import ModelRequest, ToolUse
from app.demo.model.reading import FileView, view_of

READ: Final = "Read"
EDIT: Final = "Edit"
REPORT: Final = "StructuredOutput"

_QUOTED_CONTEXT: Final = re.compile(r"[`'\"<]([^`'\"<>\n]*context\.json)[`'\">]")
_ABSOLUTE_CONTEXT: Final = re.compile(r"(?:^|(?<=\s))(/[^\n]*?context\.json)")
_BARE_CONTEXT: Final = re.compile(r"(\S*context\.json)")
_WORKING_DIRECTORY: Final = re.compile(
    r"^(?:CWD|\s*-?\s*Primary working directory|Working directory): (.+)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A request, read as far as this one conversation got."""

    request: ModelRequest

    @property
    def context_path(self) -> str | None:
        """The context file that the prompt names, or None."""
        for pattern in (_QUOTED_CONTEXT, _ABSOLUTE_CONTEXT, _BARE_CONTEXT):
            if match := pattern.search(self.request.prompt):
                return match[1]
        return None

    def path(self, name: str) -> str:
        """A repository path as the tools are given it: absolute where the working directory is known."""
        match = _WORKING_DIRECTORY.search(self.request.system)
        return name if match is None else posixpath.join(match[1], name)

    def uses(self, tool: str, path: str | None = None) -> list[ToolUse]:
        """The answered calls of a tool, on one file if ``path`` is given."""
        return [
            use
            for use in self.request.tool_uses
            if use.name == tool and use.result is not None and (path is None or use.input.get("file_path") == path)
        ]

    def view(self, path: str) -> FileView:
        """What was read of a file so far."""
        return view_of(self.uses(READ, path))

    def context(self) -> dict[str, Any] | None:
        """The context file's content; None while it was not read, or when it is no JSON object."""
        if self.context_path is None:
            return None
        view = self.view(self.context_path)
        if not view.complete:
            return None
        try:
            value = json.loads(view.text())
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def files(self) -> Sequence[dict[str, Any]]:
        """The ``files`` of the context (``ContextFile`` as JSON)."""
        files: Sequence[dict[str, Any]] = (self.context() or {}).get("files", ())
        return files

    def new_id(self, part: str, number: int) -> str:
        """An id for a tool call that is new in this conversation and says which part of the script made it."""
        return f"toolu_{part}_{len(self.request.tool_uses) + number}"
