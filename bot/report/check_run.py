"""The check run ``FlowForge``: progress while a job runs, buttons when somebody has to decide.

How a job's end reads as a conclusion:

* success: the conflicts are resolved, or there are none;
* action_required: a person has to approve, or to resolve what is open;
* neutral: nothing came of it and nothing is wrong: a dry run, a refusal, a discarded or outdated proposal;
* cancelled: somebody stopped it;
* failure: FlowForge itself could not finish.
"""

from typing import Final, assert_never

from bot.model.cases import Choice
from bot.model.characters import is_hidden
from bot.model.ids import make_external_id
from bot.model.jobs import JobState
from bot.model.reports import (
    Annotation,
    CheckAction,
    CheckActionName,
    CheckConclusion,
    CheckRunContent,
    CheckStatus,
    JobView,
    ResolutionStatus,
)
from bot.model.resolutions import Finding, GateVerdict
from bot.redact import redact
from bot.report import approvals, endings, messages, sections, suite
from bot.report.body import body
from bot.report.comment import shows_diff
from bot.report.headings import heading
from bot.report.markdown import plain
from bot.report.resolved import takes
from bot.report.sections import MAX_TEXT, joined, told

MAX_TITLE: Final = 255
MAX_ANNOTATIONS: Final = 50
"""In one request: https://docs.github.com/en/rest/checks/runs#create-a-check-run ."""

_PROGRESS_ROOM: Final = 180
_REMARK_ROOM: Final = 600
_READ: Final = 5_000

_APPROVE: Final = CheckAction(
    label=messages.APPROVE_LABEL, description=messages.APPROVE_DESCRIPTION, identifier=CheckActionName.APPROVE
)
_RETRY: Final = CheckAction(
    label=messages.RETRY_LABEL, description=messages.RETRY_DESCRIPTION, identifier=CheckActionName.RETRY
)
_DISCARD: Final = CheckAction(
    label=messages.DISCARD_LABEL, description=messages.DISCARD_DESCRIPTION, identifier=CheckActionName.DISCARD
)

_TAKES: Final = {
    Choice.OURS: CheckActionName.TAKE_OURS,
    Choice.THEIRS: CheckActionName.TAKE_THEIRS,
    Choice.DELETE: CheckActionName.TAKE_DELETE,
}


def render_check_run(view: JobView) -> CheckRunContent:
    """The check run of a job, within GitHub's limits whatever the view holds.

    Raises:
        ValueError: the ids of job or proposal are not ours.
    """
    job = view.job
    status, conclusion = _standing(job.state)
    words = heading(job.request.kind, job.state)
    words = words[:1].upper() + words[1:] + suite.in_title(view) + approvals.in_title(view.tally)
    # Of a job in its queue, too: it may have begun, and wait for a sandbox.
    under_way = conclusion is None and job.progress
    progress = messages.now(told(job.progress, _PROGRESS_ROOM)) if under_way else ""
    return CheckRunContent(
        head_sha=job.head_sha,
        external_id=make_external_id(job.id, view.proposal.id if view.proposal else None),
        status=status,
        conclusion=conclusion,
        # Titles are plain text, and show code spans as they are written.
        title=plain(
            f"{words}: {redact(job.progress[:_READ]).replace('`', '')}" if under_way else words,
            MAX_TITLE,
        ),
        summary=joined([progress, *body(view), sections.footer(view)]),
        text=sections.diff_folds(view, MAX_TEXT).text if shows_diff(job.state) else "",
        actions=_actions(view),
        annotations=_annotations(view),
        details_url=view.page,
    )


def render_left(view: JobView, head_sha: str) -> CheckRunContent:
    """The check run on the head that a job leaves for ``head_sha``, before it began to work."""
    job = view.job
    return CheckRunContent(
        head_sha=job.head_sha,
        external_id=make_external_id(job.id, view.proposal.id if view.proposal else None),
        status=CheckStatus.COMPLETED,
        conclusion=CheckConclusion.NEUTRAL,
        title=endings.LEFT_TITLE,
        summary=endings.left(sections.short(head_sha)),
        text="",
    )


def _standing(state: JobState) -> tuple[CheckStatus, CheckConclusion | None]:  # noqa: PLR0911 - one for every state
    match state:
        case JobState.QUEUED:
            return CheckStatus.QUEUED, None
        case JobState.PREPARING | JobState.RUNNING | JobState.VALIDATING | JobState.PUBLISHING:
            return CheckStatus.IN_PROGRESS, None
        case JobState.AWAITING_APPROVAL | JobState.UNRESOLVED:
            return CheckStatus.COMPLETED, CheckConclusion.ACTION_REQUIRED
        case JobState.PUBLISHED | JobState.NOTHING_TO_DO:
            return CheckStatus.COMPLETED, CheckConclusion.SUCCESS
        case JobState.REPORTED | JobState.REFUSED | JobState.REJECTED | JobState.SUPERSEDED:
            return CheckStatus.COMPLETED, CheckConclusion.NEUTRAL
        case JobState.CANCELLED:
            return CheckStatus.COMPLETED, CheckConclusion.CANCELLED
        case JobState.FAILED:
            return CheckStatus.COMPLETED, CheckConclusion.FAILURE
        case _:
            assert_never(state)


def _actions(view: JobView) -> tuple[CheckAction, ...]:
    """Buttons appear on completed check runs only. What we cannot push has no button that says so."""
    if view.job.state is JobState.AWAITING_APPROVAL:
        offered = sections.takes_a_plain_yes(view) and sections.shows_every_change(view)
        return (_APPROVE, _RETRY, _DISCARD) if offered else (_RETRY, _DISCARD)
    if view.job.state is JobState.UNRESOLVED:
        # Three at most, says GitHub: where one conflict is left, people decide it rather than try again.
        return _takes(view) or (_RETRY,)
    if view.job.state in {JobState.FAILED, JobState.CANCELLED}:
        return (_RETRY,)
    return ()


def _takes(view: JobView) -> tuple[CheckAction, ...]:
    """Buttons for the only open conflict, if it is one for people."""
    left = [record for record in view.conflicts if record.status is ResolutionStatus.OPEN]
    if len(left) != 1 or left[0].hunks:
        return ()
    return tuple(
        CheckAction(
            label=messages.TAKE_LABELS[choice][0], description=messages.TAKE_LABELS[choice][1], identifier=identifier
        )
        for choice in takes(left[0])
        if (identifier := _TAKES.get(choice)) is not None
    )


def _annotations(view: JobView) -> tuple[Annotation, ...]:
    """What the checks have against the result, on its lines, while that is why a person is asked."""
    if view.gate is None or view.job.state is not JobState.UNRESOLVED:
        return ()
    bad = [finding for finding in view.gate.findings if finding.verdict is not GateVerdict.PASS and _has_place(finding)]
    return tuple(_annotation(finding) for finding in bad[:MAX_ANNOTATIONS])


def _has_place(finding: Finding) -> bool:
    return bool(finding.path) and not any(map(is_hidden, finding.path))


def _annotation(finding: Finding) -> Annotation:
    first, last = finding.lines or (1, 1)
    return Annotation(
        path=finding.path,
        start_line=first,
        end_line=last,
        level="failure" if finding.verdict is GateVerdict.REFUSED else "warning",
        message=plain(redact(finding.message[:_READ]), _REMARK_ROOM),
        title=messages.ANNOTATION_TITLE,
    )
