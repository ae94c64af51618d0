"""Jobs that people asked for in words, in the states and with the ends that each kind has, as a report sees them."""

from dataclasses import replace

from bot.model.forge import ForgeKind
from bot.model.jobs import JobKind, JobState
from bot.model.reports import JobView
from bot.model.resolutions import GateVerdict
from bot.model.runs import RunOutcome
from bot.model.work import Brief
from bot.report import endings, forks, work
from tests.bot.report.parts import NOW, TURNED_DOWN, USAGE, job

TITLE = "Round totals @anna\n# once"
ANSWER = (
    "# Done\n\nThe total is rounded once, at the end. See @ben, https://evil.example/x and fixes #1.\n\n"
    "<!-- flowforge:sticky -->\n![a](https://evil.example/pixel)\n"
)
BRIEF = Brief(title=TITLE, said=(), notes=(work.EDITED, work.others_comments(2), work.RESOLVED_UNKNOWN))


def _of(
    kind: JobKind, state: JobState, message: str | None = None, rule: str | None = None, **changes: object
) -> JobView:
    made = job(state, kind=kind, message=message, rule=rule, finished_at=NOW)
    number = 12 if kind in {JobKind.FIX, JobKind.EXPLAIN} else -12
    made = replace(made, request=replace(made.request, number=number, brief=BRIEF))
    return replace(JobView(job=made, duration_seconds=12.0), **changes)  # type: ignore[arg-type]  # names of fields


def _answered(view: JobView) -> JobView:
    return replace(view, job=replace(view.job, answer=ANSWER), usage=USAGE)


_ENDED = endings.run_ended(RunOutcome.TIMED_OUT)

WORK_VIEWS: dict[str, JobView] = {
    "implement_queued": _of(JobKind.IMPLEMENT, JobState.QUEUED),
    "implement_running": _of(JobKind.IMPLEMENT, JobState.RUNNING),
    "implement_published": _answered(
        _of(JobKind.IMPLEMENT, JobState.PUBLISHED, work.opened(ForgeKind.GITHUB, 14), "draft")
    ),
    "implement_nothing_changed": _answered(
        _of(JobKind.IMPLEMENT, JobState.NOTHING_TO_DO, work.NOTHING_CHANGED, "no_change")
    ),
    "implement_never_pushed": _of(
        JobKind.IMPLEMENT, JobState.UNRESOLVED, work.never_pushed(TURNED_DOWN), "gate", gate=TURNED_DOWN
    ),
    "implement_too_slow": _of(
        JobKind.IMPLEMENT, JobState.UNRESOLVED, _ENDED, "timed_out", run_outcome=RunOutcome.TIMED_OUT, usage=USAGE
    ),
    "implement_budget": _of(
        JobKind.IMPLEMENT,
        JobState.UNRESOLVED,
        work.run_ended(RunOutcome.BUDGET_EXHAUSTED),
        "budget_exhausted",
        run_outcome=RunOutcome.BUDGET_EXHAUSTED,
        run_detail="spent 5.01 of 5.00 USD",
    ),
    "implement_closed": _of(JobKind.IMPLEMENT, JobState.REFUSED, work.CLOSED, "closed"),
    "implement_failed": _of(
        JobKind.IMPLEMENT, JobState.FAILED, endings.tried_too_often("the mirror could not be fetched"), "internal"
    ),
    "implement_cancelled": _of(JobKind.IMPLEMENT, JobState.CANCELLED, endings.CANCELLED, "cancelled"),
    "implement_superseded": _of(
        JobKind.IMPLEMENT, JobState.SUPERSEDED, endings.SUPERSEDED, "superseded", superseded_by="89abcdef"
    ),
    "plan_queued": _of(JobKind.PLAN, JobState.QUEUED),
    "plan_running": _of(JobKind.PLAN, JobState.RUNNING),
    "plan_reported": _answered(_of(JobKind.PLAN, JobState.REPORTED)),
    "plan_no_answer": _of(JobKind.PLAN, JobState.UNRESOLVED, work.NO_ANSWER, "no_answer"),
    "explain_running": _of(JobKind.EXPLAIN, JobState.RUNNING),
    "explain_reported": _answered(_of(JobKind.EXPLAIN, JobState.REPORTED)),
    "explain_no_answer": _of(JobKind.EXPLAIN, JobState.UNRESOLVED, work.NO_ANSWER, "no_answer"),
    "fix_queued": _of(JobKind.FIX, JobState.QUEUED),
    "fix_nothing_changed": _answered(_of(JobKind.FIX, JobState.NOTHING_TO_DO, work.NOTHING_CHANGED, "no_change")),
    "fix_refused": _of(JobKind.FIX, JobState.REFUSED, endings.CLOSED, "closed"),
    "fix_failed": _of(
        JobKind.FIX, JobState.FAILED, endings.tried_too_often("the mirror could not be fetched"), "internal"
    ),
    "fix_head_moved": _of(JobKind.FIX, JobState.SUPERSEDED, work.HEAD_MOVED, "moved"),
    "rollback_of_a_draft": _of(JobKind.ROLLBACK, JobState.PUBLISHED, work.WITHDRAWN, "rolled_back"),
    "rollback_of_a_draft_with_more": _of(JobKind.ROLLBACK, JobState.PUBLISHED, work.CLOSED_ONLY, "rolled_back"),
    "rollback_of_a_merged_draft": _of(JobKind.ROLLBACK, JobState.REFUSED, work.MERGED, "merged"),
    "rollback_beside": _of(
        JobKind.ROLLBACK, JobState.PUBLISHED, forks.beside_closed(ForgeKind.GITHUB, 14), "rolled_back"
    ),
    "rollback_beside_with_more": _of(
        JobKind.ROLLBACK, JobState.PUBLISHED, forks.beside_closed_only(ForgeKind.GITHUB, 14), "rolled_back"
    ),
    "rollback_beside_merged": _of(
        JobKind.ROLLBACK, JobState.REFUSED, forks.beside_merged(ForgeKind.GITHUB, 14), "merged"
    ),
}

DRAFT: JobView = _answered(
    _of(
        JobKind.IMPLEMENT,
        JobState.PUBLISHING,
        gate=replace(TURNED_DOWN, verdict=GateVerdict.NEEDS_PERSON),
    )
)
