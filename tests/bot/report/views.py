"""Jobs in every state, as a report sees them."""

from dataclasses import replace

from bot.model.jobs import JobKind, JobState
from bot.model.proposals import (
    ProposalKind,
    PushPurpose,
    SuiteEvidence,
    SuiteOutcome,
)
from bot.model.reports import JobView
from bot.model.resolutions import GateVerdict
from bot.model.runs import RunOutcome, Usage
from bot.model.sync import Branch, EndReason, Moved
from bot.model.work import Brief
from bot.report import endings, forks, work
from bot.report.expiry import expired
from tests.bot.report.parts import (
    APPROVAL,
    BASE,
    BY_RULES,
    COMMIT,
    DIFF_AGAINST_BASE,
    DIFF_AGAINST_HEAD,
    FORK,
    HEAD,
    LOGO,
    LONG_CANDIDATE,
    MIXED,
    MUCH_NEW,
    NOTED,
    NOW,
    OPEN,
    PARTIAL,
    PASSED,
    PEOPLE,
    PROPOSAL,
    PUBLICATION,
    RECORDS,
    REVERT,
    TREE,
    TURNED_DOWN,
    UNFINISHED,
    USAGE,
    job,
    rebase_job,
)

FIX_BRIEF = Brief(title="Totals", said=(), notes=(work.others_comments(2), work.edited_comments(1)))
FIX_ANSWER = "The total is rounded once, at the end. See @ben, https://evil.example/x and fixes #1."

HEAD_MOVED = endings.moved(Moved(what=Branch.HEAD, before=HEAD, now=COMMIT))
BASE_MOVED = endings.moved(Moved(what=Branch.BASE, before=BASE, now=COMMIT, base_ref="main"), names=12)


def _offered(state: JobState, **changes: object) -> JobView:
    view = JobView(
        job=job(state),
        conflicts=RECORDS,
        gate=PASSED,
        proposal=PROPOSAL,
        diff_against_head=DIFF_AGAINST_HEAD,
        diff_against_base=DIFF_AGAINST_BASE,
        usage=USAGE,
        run_outcome=RunOutcome.SUCCEEDED,
        duration_seconds=83.2,
    )
    return replace(view, **changes)  # type: ignore[arg-type]  # the names of fields, checked by the dataclass


def _fixed(state: JobState, *, message: str | None = None, **changes: object) -> JobView:
    made = job(state, kind=JobKind.FIX, message=message, answer=FIX_ANSWER)
    return _offered(
        state,
        job=replace(made, request=replace(made.request, brief=FIX_BRIEF)),
        conflicts=(),
        gate=replace(TURNED_DOWN, verdict=GateVerdict.NEEDS_PERSON),
        proposal=replace(PROPOSAL, kind=ProposalKind.CHANGE, parents=(HEAD,)),
        diff_against_base="",
        **changes,
    )


def _ended(state: JobState, message: str | None = None, rule: str | None = None, **changes: object) -> JobView:
    kind = JobKind.ROLLBACK if changes.pop("rollback", False) else JobKind.RESOLVE
    view = JobView(job=job(state, kind=kind, message=message, rule=rule, finished_at=NOW), duration_seconds=12.0)
    return replace(view, **changes)  # type: ignore[arg-type]  # the names of fields, checked by the dataclass


SUITE = SuiteEvidence(
    tree=TREE,
    outcome=SuiteOutcome.PASSED,
    at=NOW,
    command="python3 -m unittest",
    run_id="5" * 32,
    exit_status=0,
    duration_ms=12_300,
    log_tail="....\n----------\nRan 4 tests in 0.021s\n\nOK\n",
)
SUITE_FAILED = replace(
    SUITE,
    outcome=SuiteOutcome.FAILED,
    exit_status=1,
    left_out=2,
    log_tail="".join(f"line {number} of a long log\n" for number in range(400))
    + "AssertionError: 1 != 2 @anna fixes #1\n```\n<!-- flowforge:sticky -->\n\nFAILED (failures=1)\n",
)

CLOSED_FORK = "The author of the pull request does not let maintainers change `ben/shop`."
INTO_FORK = forks.where_it_goes(fork="ben/shop", skipped=(), beside=True)
BESIDE_FORK = forks.where_it_goes(fork=None, skipped=[CLOSED_FORK], beside=True)

VIEWS: dict[str, JobView] = {
    "resolve_queued": JobView(job=job(JobState.QUEUED, base_sha=None)),
    "resolve_preparing": JobView(job=job(JobState.PREPARING, progress="fetching")),
    "resolve_running": JobView(job=job(JobState.RUNNING, progress="the agent edits src/cart.py (turn 4)"), usage=USAGE),
    "resolve_validating": JobView(job=job(JobState.VALIDATING, progress="checking the result"), usage=USAGE),
    "resolve_awaiting_approval": _offered(JobState.AWAITING_APPROVAL),
    "resolve_awaiting_approval_fork": _offered(JobState.AWAITING_APPROVAL, where_it_goes=INTO_FORK),
    "resolve_awaiting_approval_closed_fork": _offered(JobState.AWAITING_APPROVAL, where_it_goes=BESIDE_FORK),
    "resolve_published_fork": _offered(
        JobState.PUBLISHED, approvals=(APPROVAL,), publication=replace(PUBLICATION, fork="ben/shop")
    ),
    "resolve_published_beside": _offered(
        JobState.PUBLISHED,
        job=job(JobState.PUBLISHED, message=CLOSED_FORK),
        approvals=(APPROVAL,),
        publication=replace(PUBLICATION, ref="refs/heads/flowforge/for-12-01234567", old="", pull_number=14),
    ),
    "resolve_tests_passed": _offered(
        JobState.AWAITING_APPROVAL, tests=SUITE, tests_demanded_in="`acme/.flowforge/flowforge.yml:3`"
    ),
    "resolve_tests_failed": _offered(JobState.AWAITING_APPROVAL, tests=SUITE_FAILED),
    "resolve_tests_failed_must_pass": _offered(
        JobState.AWAITING_APPROVAL, tests=SUITE_FAILED, tests_demanded_in="`acme/.flowforge/flowforge.yml:3`"
    ),
    "resolve_tests_timed_out": _offered(
        JobState.AWAITING_APPROVAL,
        tests=replace(SUITE, outcome=SuiteOutcome.TIMED_OUT, exit_status=None, duration_ms=900_000),
    ),
    "resolve_tests_could_not_run": _offered(
        JobState.AWAITING_APPROVAL,
        tests=replace(
            SUITE,
            outcome=SuiteOutcome.COULD_NOT_RUN,
            exit_status=None,
            log_tail="",
            detail=endings.tests_ended(RunOutcome.INFRA_RETRYABLE, "the sandbox was ended by signal 9"),
        ),
    ),
    "resolve_tests_missing": _offered(
        JobState.AWAITING_APPROVAL,
        tests=SuiteEvidence(tree=TREE, outcome=SuiteOutcome.NOT_CONFIGURED, at=NOW),
    ),
    "resolve_publishing": _offered(JobState.PUBLISHING, job=job(JobState.PUBLISHING, progress="pushing")),
    "resolve_published": _offered(JobState.PUBLISHED, approvals=(APPROVAL,), publication=PUBLICATION),
    "resolve_nothing_to_do": _ended(JobState.NOTHING_TO_DO, endings.CLEAN, "clean"),
    "resolve_reported": _ended(JobState.REPORTED, endings.DRY_RUN, "dry_run", conflicts=OPEN),
    "resolve_unresolved_gate": _ended(
        JobState.UNRESOLVED,
        endings.gate_failed(2, "markers"),
        "gate",
        conflicts=OPEN[:1],
        gate=TURNED_DOWN,
        run_outcome=RunOutcome.SUCCEEDED,
        usage=USAGE,
        duration_seconds=3700.0,
    ),
    "resolve_unresolved_person": _ended(JobState.UNRESOLVED, endings.left_to_people(2), "person", conflicts=OPEN),
    "resolve_unresolved_budget": _ended(
        JobState.UNRESOLVED,
        endings.run_ended(RunOutcome.BUDGET_EXHAUSTED),
        "budget_exhausted",
        conflicts=OPEN[:1],
        run_outcome=RunOutcome.BUDGET_EXHAUSTED,
        run_detail="spent 5.01 of 5.00 USD",
    ),
    "resolve_by_rules": _offered(JobState.AWAITING_APPROVAL, conflicts=BY_RULES, usage=Usage(), run_outcome=None),
    "resolve_mixed": _offered(JobState.AWAITING_APPROVAL, conflicts=MIXED, gate=NOTED),
    "resolve_partial": _ended(
        JobState.UNRESOLVED,
        endings.left_to_people(2),
        "needs_person",
        conflicts=PARTIAL,
        proposal=UNFINISHED,
        gate=PASSED,
        usage=USAGE,
    ),
    "resolve_one_left": _ended(
        JobState.UNRESOLVED,
        endings.left_to_people(1),
        "needs_person",
        conflicts=(*BY_RULES, replace(LOGO, kind="modify/delete")),
        proposal=UNFINISHED,
        gate=PASSED,
    ),
    "resolve_people": _ended(
        JobState.UNRESOLVED, endings.left_to_people(len(PEOPLE)), "needs_person", conflicts=PEOPLE
    ),
    "resolve_rebase": _offered(
        JobState.AWAITING_APPROVAL,
        job=rebase_job(),
        conflicts=BY_RULES,
        proposal=replace(PROPOSAL, kind=ProposalKind.REBASE, parents=(TREE,)),
        usage=Usage(),
    ),
    "resolve_rebase_stopped": JobView(
        job=rebase_job(JobState.UNRESOLVED, message=endings.rebase_stopped(COMMIT, 1), rule="rebase"),
        conflicts=(*BY_RULES, LOGO),
    ),
    "resolve_much_new": _offered(JobState.AWAITING_APPROVAL, conflicts=(MUCH_NEW,)),
    "resolve_long_candidate": _ended(
        JobState.UNRESOLVED, endings.left_to_people(1), "needs_person", conflicts=(LONG_CANDIDATE,)
    ),
    "resolve_refused": _ended(JobState.REFUSED, endings.CLOSED, "closed"),
    "resolve_refused_push": _offered(
        JobState.REFUSED,
        job=job(JobState.REFUSED, message=endings.push_refused("protected branch"), rule="push_refused"),
        hand_over=replace(FORK, reason="protected branch"),
    ),
    "resolve_refused_fork": _offered(
        JobState.REFUSED,
        job=job(
            JobState.REFUSED,
            message=forks.handed_over([forks.refused_by_forge("ben/shop", "HTTP 403"), forks.no_branch("HTTP 422")]),
            rule="push_refused",
        ),
        hand_over=FORK,
    ),
    "resolve_failed": _ended(JobState.FAILED, endings.tried_too_often("the mirror could not be fetched"), "internal"),
    "resolve_cancelled": _ended(JobState.CANCELLED, endings.CANCELLED, "cancelled"),
    "resolve_rejected": _ended(JobState.REJECTED, endings.REJECTED, "rejected"),
    "resolve_expired": _ended(JobState.REJECTED, expired(14), "expired"),
    "resolve_superseded": _ended(JobState.SUPERSEDED, endings.SUPERSEDED, "superseded", superseded_by="89abcdef"),
    "resolve_superseded_afresh": _ended(
        JobState.SUPERSEDED, endings.afresh(HEAD_MOVED), "superseded", superseded_by="89abcdef"
    ),
    "resolve_afresh": JobView(job=job(JobState.QUEUED, base_sha=None, progress=endings.begins_afresh(HEAD_MOVED))),
    "resolve_moved_too_often": _ended(
        JobState.SUPERSEDED, endings.ended_by_move(EndReason.TOO_OFTEN, HEAD_MOVED, most=5), "superseded"
    ),
    "resolve_superseded_moved": _ended(
        JobState.SUPERSEDED, endings.ended_by_move(EndReason.PROPOSAL_VOID, BASE_MOVED, most=5), "stale"
    ),
    "fix_running": JobView(job=job(JobState.RUNNING, kind=JobKind.FIX, progress="the agent edits src/cart.py")),
    "fix_awaiting_approval": _fixed(JobState.AWAITING_APPROVAL, tests=SUITE),
    "fix_published": _fixed(JobState.PUBLISHED, approvals=(APPROVAL,), publication=PUBLICATION),
    "fix_published_beside": _fixed(
        JobState.PUBLISHED,
        message=CLOSED_FORK,
        approvals=(APPROVAL,),
        publication=replace(PUBLICATION, ref="refs/heads/flowforge/for-12-01234567", old="", pull_number=14),
    ),
    "fix_unresolved": JobView(
        job=job(JobState.UNRESOLVED, kind=JobKind.FIX, message=work.never_pushed(TURNED_DOWN), rule="gate"),
        gate=TURNED_DOWN,
    ),
    "fix_rejected": JobView(job=job(JobState.REJECTED, kind=JobKind.FIX, message=endings.REJECTED, rule="rejected")),
    "fix_superseded_moved": JobView(
        job=job(
            JobState.SUPERSEDED,
            kind=JobKind.FIX,
            message=endings.ended_by_move(EndReason.FIX_VOID, HEAD_MOVED, most=5),
            rule="stale",
        )
    ),
    "rollback_queued": JobView(job=job(JobState.QUEUED, kind=JobKind.ROLLBACK)),
    "rollback_running": JobView(job=job(JobState.PREPARING, kind=JobKind.ROLLBACK, progress="looking at the branch")),
    "rollback_awaiting_approval": _offered(
        JobState.AWAITING_APPROVAL,
        job=job(JobState.AWAITING_APPROVAL, kind=JobKind.ROLLBACK),
        proposal=REVERT,
        conflicts=(),
        gate=None,
        usage=Usage(),
        diff_against_base="",
    ),
    "rollback_publishing": _ended(JobState.PUBLISHING, rollback=True),
    "rollback_published": _ended(
        JobState.PUBLISHED,
        endings.ROLLED_BACK,
        "rolled_back",
        rollback=True,
        publication=replace(PUBLICATION, purpose=PushPurpose.ROLL_BACK, proposal_id=None, old=COMMIT, new=HEAD),
    ),
    "rollback_nothing_to_do": _ended(JobState.NOTHING_TO_DO, endings.NOTHING_PUBLISHED, rollback=True),
    "rollback_unresolved": _ended(JobState.UNRESOLVED, endings.REVERT_CONFLICTS, "conflict", rollback=True),
    "rollback_refused": _ended(
        JobState.REFUSED, endings.push_refused("protected branch"), "push_refused", rollback=True
    ),
    "rollback_failed": _ended(JobState.FAILED, endings.MOVED_ON, "stale", rollback=True),
    "rollback_cancelled": _ended(JobState.CANCELLED, endings.CANCELLED, rollback=True),
    "rollback_rejected": _ended(JobState.REJECTED, endings.REJECTED, rollback=True),
    "rollback_expired": _ended(JobState.REJECTED, expired(1), "expired", rollback=True),
    "rollback_superseded": _ended(JobState.SUPERSEDED, endings.SUPERSEDED, rollback=True, superseded_by="89abcdef"),
}
