"""The port to archives: the bot's words in, bytes out, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.errors import IngestError
from bot.model.runs import (
    AgentAnswer,
    AgentBrief,
    AnsweredFile,
    AnsweredHunk,
    BriefFile,
    CommandAnswer,
    CommandBrief,
    RunLimits,
    SuiteAnswer,
    WorkAnswer,
    WorkBrief,
)
from bot.ports.git import WorkspaceFile
from runners.events import Event, parse_events
from runners.ingest import read_result
from runners.names import fault_of_path
from runners.outcome import ReadReport
from runners.pack import pack_workspace
from runners.protocol import (
    AgentReport,
    Context,
    ContextCandidate,
    ContextFile,
    ContextHunk,
    ContextSaid,
    ReportFile,
)
from runners.report import ReportError, read_report, read_words
from runners.text import one_line, readable, tail

TASK: Final = (
    "Resolve every hunk of every file in files, in place: put what both sides intended in its place and remove the "
    "markers. Leave everything else as it is, then report."
)

COMMANDS: Final = "Run the commands."

_LOG_TAIL: Final = 8192
"""Bytes."""

_PATH_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class TarArchives:
    """``RunArchives`` over the tar archives of ``runners.protocol``."""

    def pack(self, brief: AgentBrief, files: Sequence[WorkspaceFile]) -> bytes:
        """The workspace archive of a run. Raises ``SandboxError`` for a path that no workspace may have."""
        return pack_workspace(files, _context(brief))

    def pack_commands(self, brief: CommandBrief, files: Sequence[WorkspaceFile]) -> bytes:
        """The workspace archive of a run without a model. Raises ``SandboxError`` for a path no workspace may have."""
        context = Context(
            task=COMMANDS,
            number=0,
            title="",
            head="",
            base="",
            files=(),
            ours_subjects=(),
            theirs_subjects=(),
            instructions="",
            feedback=(),
            commands=brief.commands,
        )
        return pack_workspace(files, context)

    def read_commands(self, archive: bytes, *, limits: RunLimits) -> CommandAnswer:
        """Ingest the result archive of a run without a model.

        Raises:
            IngestError: it breaks a rule, or is over a limit.
        """
        result = read_result(archive, limits)
        if result.guest.over_limit is not None:
            raise IngestError("the workspace that the commands left is over the limits of their run")
        return CommandAnswer(
            changed=result.changed,
            deleted=result.deleted,
            oddities=result.guest.oddities,
            log_tail=readable(result.transcript[-_LOG_TAIL:].decode("utf-8", "replace")),
            duration_ms=result.guest.duration_ms,
        )

    def read_tests(self, archive: bytes, *, limits: RunLimits) -> SuiteAnswer:
        """Ingest the result archive of a run of tests. What they left in their workspace does not count.

        Raises:
            IngestError: it breaks a rule.
        """
        result = read_result(archive, limits)
        guest = result.guest
        return SuiteAnswer(
            exit_code=guest.exit_code,
            signal=guest.signal,
            duration_ms=guest.duration_ms,
            # Where nothing was printed, the guest may have had a word to say: that the command cannot be started.
            log_tail=tail(result.transcript or guest.stderr_tail.encode("utf-8", "replace"), _LOG_TAIL),
        )

    def pack_work(self, brief: WorkBrief, files: Sequence[WorkspaceFile]) -> bytes:
        """The workspace archive of a run for work that people asked for in words.

        Raises:
            SandboxError: a path that no workspace may have.
        """
        return pack_workspace(files, _of_work(brief))

    def read_work(self, archive: bytes, *, limits: RunLimits) -> WorkAnswer:
        """Ingest the result archive of such a run. A file that the report lists as deleted is, changed or not.

        Raises:
            IngestError: it breaks a rule, is over a limit, or holds no valid report.
        """
        result = read_result(archive, limits)
        if result.guest.over_limit is not None:
            raise IngestError("the workspace that the agent left is over the limits of its run")
        report = _report(result.transcript, read_words)
        deleted = tuple(dict.fromkeys((*result.deleted, *report.deleted)))
        for path in report.deleted:
            if fault := fault_of_path(path):
                raise IngestError(f"{fault}: {one_line(path, _PATH_SHOWN)}")
        return WorkAnswer(
            changed={path: content for path, content in result.changed.items() if path not in deleted},
            deleted=deleted,
            oddities=result.guest.oddities,
            text=report.summary,
        )

    def read(self, archive: bytes, *, limits: RunLimits) -> AgentAnswer:
        """Ingest a result archive.

        Raises:
            IngestError: it breaks a rule, is over a limit, or holds no valid report.
        """
        result = read_result(archive, limits)
        if result.guest.over_limit is not None:
            raise IngestError("the workspace that the agent left is over the limits of its run")
        report = _report(result.transcript, read_report)
        return AgentAnswer(
            changed=result.changed,
            deleted=result.deleted,
            oddities=result.guest.oddities,
            summary=report.summary,
            files=tuple(_answered(file) for file in report.files),
        )


def _of_work(brief: WorkBrief) -> Context:
    said = tuple(
        ContextSaid(source=one.source.value, author=one.author, permission=one.permission, text=one.text)
        for one in brief.said
    )
    return Context(
        task=brief.task,
        number=brief.number,
        title=brief.title,
        head=brief.head,
        base=brief.base,
        files=(),
        ours_subjects=(),
        theirs_subjects=(),
        instructions=brief.instructions,
        feedback=(),
        said=said,
    )


def _context(brief: AgentBrief) -> Context:
    return Context(
        task=TASK,
        number=brief.number,
        title=brief.title,
        head=brief.head,
        base=brief.base,
        files=tuple(_context_file(file) for file in brief.files),
        ours_subjects=brief.ours_subjects,
        theirs_subjects=brief.theirs_subjects,
        instructions=brief.instructions,
        feedback=brief.feedback,
    )


def _context_file(file: BriefFile) -> ContextFile:
    hunks = tuple(
        ContextHunk(
            index=hunk.index,
            first_line=hunk.first_line,
            last_line=hunk.last_line,
            candidates=tuple(ContextCandidate(content=one.content, reason=one.reason) for one in hunk.candidates),
        )
        for hunk in file.hunks
    )
    return ContextFile(path=file.path, kind=file.kind, hunks=hunks)


def _report(transcript: bytes, read: ReadReport) -> AgentReport:
    last: Event = {}
    for event in parse_events(transcript.splitlines()):
        last = event if event.get("type") == "result" else last
    try:
        return read(last.get("structured_output"))
    except ReportError as error:
        raise IngestError(f"no valid report: {error}") from None


def _answered(file: ReportFile) -> AnsweredFile:
    hunks = tuple(
        AnsweredHunk(index=hunk.index, resolved=hunk.resolved, reason=hunk.reason, confidence=hunk.confidence)
        for hunk in file.hunks
    )
    return AnsweredFile(path=file.path, hunks=hunks)
