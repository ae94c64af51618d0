"""What a report says about a job, between its heading and the diffs; the same in comment and check run."""

from typing import Final, assert_never

from bot.commands import PREFIX, CommandName
from bot.model.jobs import WORK, JobKind, JobState
from bot.model.proposals import Proposal, ProposalKind
from bot.model.reports import JobView
from bot.report import approvals, forks, messages, sections, suite, work
from bot.report.by_hand import by_hand
from bot.report.markdown import code
from bot.report.resolved import resolved
from bot.report.sections import SHORT, name, said, short

_DECIDED_HERE: Final = frozenset(
    {JobState.AWAITING_APPROVAL, JobState.PUBLISHING, JobState.PUBLISHED, JobState.REFUSED, JobState.REJECTED}
)
"""What becomes of a proposed fix is said as of a proposed merge."""


def body(view: JobView) -> list[str]:  # noqa: C901, PLR0911, PLR0912 - what each state says
    """The paragraphs, some of them empty; 50,000 units at most together."""
    job = view.job
    if job.request.kind in WORK and not (job.request.kind is JobKind.FIX and job.state in _DECIDED_HERE):
        return work.body(view)
    match job.state:
        case JobState.QUEUED:
            return [sections.merging(view), f"{_asked(view)} {messages.QUEUED}"]
        case JobState.PREPARING | JobState.RUNNING | JobState.VALIDATING:
            return [sections.merging(view), f"{_asked(view)} {_working(view)}"]
        case JobState.AWAITING_APPROVAL:
            return [
                sections.merging(view),
                _offer(view),
                said(view.where_it_goes, ""),
                suite.section(view),
                approvals.section(view.tally),
                *_evidence(view),
                _next_after_offer(view),
            ]
        case JobState.PUBLISHING:
            return [sections.merging(view), messages.PUTTING_BACK if _is_rollback(view) else messages.PUBLISHING]
        case JobState.PUBLISHED:
            return [sections.merging(view), _published(view), suite.section(view), *_evidence(view)]
        case JobState.NOTHING_TO_DO:
            return [said(job.message, messages.NOTHING_TO_DO)]
        case JobState.REPORTED:
            hint = _unless_said(view, messages.RESOLVE)
            return [sections.merging(view), said(job.message, messages.REPORTED), *_evidence(view), hint]
        case JobState.UNRESOLVED:
            return _unresolved(view)
        case JobState.REFUSED:
            return [said(job.message, messages.REFUSED), _rule(view), _commands_of(view)]
        case JobState.FAILED:
            return [said(job.message, messages.FAILED), _unless_said(view, messages.RETRY)]
        case JobState.CANCELLED:
            return [said(job.message, messages.CANCELLED), _unless_said(view, messages.RETRY)]
        case JobState.REJECTED:
            return [said(job.message, messages.REJECTED), _unless_said(view, _again(view))]
        case JobState.SUPERSEDED:
            return [said(job.message, messages.SUPERSEDED), _successor(view)]
        case _:
            assert_never(job.state)


def _is_rollback(view: JobView) -> bool:
    return view.job.request.kind is JobKind.ROLLBACK


def _working(view: JobView) -> str:
    return messages.ROLLING_BACK if _is_rollback(view) else messages.WORKING


def _again(view: JobView) -> str:
    if view.job.request.kind is JobKind.FIX:
        return messages.FIX_AGAIN
    return messages.ROLLBACK_AGAIN if _is_rollback(view) else messages.RESOLVE_AGAIN


def _asked(view: JobView) -> str:
    return messages.asked_by(name(view.job.request.requested_by.login))


def _evidence(view: JobView) -> list[str]:
    if view.job.request.kind is JobKind.FIX:
        return work.fix_evidence(view)
    return [resolved(view), sections.gate(view.gate)]


def _offer(view: JobView) -> str:
    proposal = view.proposal
    if proposal is None:
        return ""
    head = name(view.job.request.head_ref)
    if proposal.kind is ProposalKind.REBASE:
        return messages.proposed_rebase(short(proposal.commit), head, short(proposal.head_sha))
    if proposal.kind is ProposalKind.CHANGE:
        return messages.proposed_change(short(proposal.commit), head, name(proposal.diff_sha256[:SHORT]))
    return messages.proposed(short(proposal.commit), head, name(proposal.diff_sha256[:SHORT]))


def _next_after_offer(view: JobView) -> str:
    if view.proposal is None:
        return ""
    page = (messages.on_the_page(view.page),) if view.page else ()
    if view.blocked_by_tests:
        return "\n".join([*page, *messages.HAND_OVER_COMMANDS])
    if not sections.shows_every_change(view):
        all_listed = messages.NOT_ALL_LISTED_HERE if page else messages.NOT_ALL_LISTED
        return "\n".join([all_listed, *page, *messages.HAND_OVER_COMMANDS])
    approve = code(messages.command(CommandName.APPROVE, _pinned(view.proposal)))
    rows = (*page, *messages.approval_commands(approve))
    return "\n".join(rows if _is_rollback(view) else (*rows, messages.ROLLBACK_AFTERWARDS))


def _pinned(proposal: Proposal) -> str:
    """What an approval names: the commit, and for a rebase also the head that it replaces by force."""
    commit = proposal.commit[:SHORT]
    return f"--old-head {proposal.head_sha[:SHORT]} {commit}" if proposal.kind is ProposalKind.REBASE else commit


def _published(view: JobView) -> str:
    job = view.job
    head = name(job.request.head_ref)
    parts = []
    if _is_rollback(view) and job.message:
        parts.append(said(job.message, ""))
    publication = view.publication
    if publication is not None and publication.pull_number is not None and not _is_rollback(view):
        forge = job.request.repository.forge
        parts += [
            said(job.message, ""),
            forks.opened(forge, publication.pull_number, fix=job.request.kind is JobKind.FIX),
        ]
    elif publication is not None and not (_is_rollback(view) and not publication.new):
        where = name(f"{publication.fork}:{job.request.head_ref}") if publication.fork else head
        parts.append(messages.published(short(publication.new), where))
    parts.append(approvals.given(view.approvals))
    if not _is_rollback(view):
        parts.append(messages.ROLLBACK)
    return " ".join(part for part in parts if part)


def _unresolved(view: JobView) -> list[str]:
    job = view.job
    commands = "" if _is_rollback(view) else by_hand(view)
    # Where no agent ran, the conflicts are not for one, and trying again would end the same way.
    retry = "" if view.run_outcome is None else _unless_said(view, messages.RETRY)
    return [
        sections.merging(view),
        said(job.message, messages.UNRESOLVED),
        sections.run_detail(view),
        *_evidence(view),
        commands,
        retry,
    ]


def _rule(view: JobView) -> str:
    return messages.rule(name(view.job.rule)) if view.job.rule else ""


def _commands_of(view: JobView) -> str:
    """The commands that apply a result we could not push; its reason is the job's message already."""
    return "" if view.hand_over is None else sections.shell(view.hand_over.commands)


def _successor(view: JobView) -> str:
    if view.superseded_by is not None:
        return messages.superseded_by(name(view.superseded_by))
    return _unless_said(view, _again(view))


def _unless_said(view: JobView, hint: str) -> str:
    """What can be done next, unless the job's own message names a command already."""
    return "" if view.job.message and PREFIX in view.job.message else hint
