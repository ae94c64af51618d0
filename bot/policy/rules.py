"""Whether an intent may become a job: small rules, asked in order.

A rule says no with a sentence for the person (``Refused``), says nothing to anybody (``Ignored``), speaks for the
intent with its reason (``Allowed``), or has no business with it (None). The first no counts. Nothing here looks
anything up, and no rule knows who wrote the pull request: writing one gives no rights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from bot.commands import BY_NAME, PREFIX, CommandName, CommandSpec
from bot.config import level, listed_bot
from bot.config_keys import CONFIG_PATH, WHERE_SHARED
from bot.model.forge import ActorKind, PermissionLevel
from bot.model.intents import (
    Allowed,
    Approve,
    Cancel,
    Decision,
    Explain,
    Fix,
    Go,
    Help,
    Ignored,
    Implement,
    Intent,
    Misspelt,
    Ok,
    PauseHere,
    Plan,
    Refused,
    Reject,
    Resolve,
    ResumeHere,
    Retry,
    Rollback,
    ShowConfig,
    Status,
    TakeSide,
    Work,
)
from bot.model.jobs import Job, JobKind, JobState
from bot.model.proposals import Proposal, ProposalState
from bot.model.text import code_span
from bot.policy.amounts import check_budget, check_model
from bot.policy.approvals import check_approver
from bot.policy.configured import about_heads, by_configuration, check_own_head
from bot.policy.conflicts import check_old_head, check_partial, check_take
from bot.policy.facts import Facts
from bot.policy.forks import check_fork, check_ok, check_reading
from bot.policy.moved import moved_since, seen_before_the_edit
from bot.policy.pausing import check_paused, held_back, may_still_be_rejected, switched_off
from bot.policy.publication import check_tests
from bot.policy.work import check_issue, check_pull_request, check_retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule, the stable name that refusals carry, and what it says in one sentence.

    A ``silent`` rule answers nobody: its no is ``Ignored``.
    """

    name: str
    says: str
    check: Callable[[Intent, Facts], Decision | None]
    silent: bool = False


def decide(intent: Intent, facts: Facts) -> Decision:
    """Ask all rules; an intent that no rule refuses is allowed, with the reasons of those that spoke for it."""
    reasons: list[str] = []
    for rule in RULES:
        answer = rule.check(intent, facts)
        match answer:
            case Refused() | Ignored():
                return answer
            case Allowed():
                reasons += [f"{rule.name}: {reason}" for reason in answer.reasons]
            case None:
                pass
            case _:
                assert_never(answer)
    return Allowed(reasons=tuple(reasons))


def command_of(intent: Intent) -> CommandSpec | None:
    """The row of the command table behind an intent, None for what is no command."""
    name = _name_of(intent)
    return None if name is None else BY_NAME[name]


def _name_of(intent: Intent) -> CommandName | None:  # noqa: PLR0911, PLR0912, C901 - one return for every intent
    match intent:
        case Help():
            return CommandName.HELP
        case Resolve():
            return CommandName.RESOLVE
        case Status():
            return CommandName.STATUS
        case ShowConfig():
            return CommandName.CONFIG
        case PauseHere():
            return CommandName.PAUSE
        case ResumeHere():
            return CommandName.RESUME
        case Approve():
            return CommandName.APPROVE
        case TakeSide():
            return CommandName.TAKE
        case Reject():
            return CommandName.REJECT
        case Retry():
            return CommandName.RETRY
        case Cancel():
            return CommandName.CANCEL
        case Rollback():
            return CommandName.ROLLBACK
        case Ok():
            return CommandName.OK
        case Implement():
            return CommandName.IMPLEMENT
        case Plan():
            return CommandName.PLAN
        case Go():
            return CommandName.GO
        case Explain():
            return CommandName.EXPLAIN
        case Fix():
            return CommandName.FIX
        case Misspelt():
            return None
        case _:
            assert_never(intent)


# --- who --------------------------------------------------------------------------------------------------------------


def _self(_intent: Intent, facts: Facts) -> Decision | None:
    return Ignored(rule="self") if facts.actor_is_self else None


def _bot(intent: Intent, facts: Facts) -> Decision | None:
    actor = intent.origin.actor
    if actor.kind is ActorKind.USER or intent.origin.configured:
        return None
    entry = listed_bot(facts.settings, actor.login)
    return Ignored(rule="bot") if entry is None else Allowed(reasons=(f"`bots` lists {entry}",))


def _installation(_intent: Intent, facts: Facts) -> Decision | None:
    return None if facts.installation_active else Ignored(rule="installation")


def _stranger(intent: Intent, facts: Facts) -> Decision | None:
    talk = isinstance(intent, Help | Status | ShowConfig | Misspelt)
    return Ignored(rule="stranger") if talk and facts.permission is PermissionLevel.NONE else None


def _permission(intent: Intent, facts: Facts) -> Decision | None:
    spec = command_of(intent)
    if spec is None:
        return None
    if intent.origin.configured:
        return by_configuration(intent, facts)
    needed, actual, what = spec.needed_permission(facts.settings), facts.permission, f"`{PREFIX} {spec.name}`"
    if isinstance(intent, Retry) and facts.latest is not None:
        again = CommandName(facts.latest.request.kind)
        asked = level(facts.settings, again)
        needed, what = (asked, f"{what} of `{again}`") if asked > needed else (needed, what)
    if actual >= needed:
        return Allowed(reasons=(f"{_word(actual)} is enough, {_word(needed)} is needed",))
    message = f"{what} needs {_word(needed)} permission on this repository; you have {_word(actual)}."
    return Refused(rule="permission", message=message)


def _word(permission: PermissionLevel) -> str:
    return permission.name.lower()


# --- where ------------------------------------------------------------------------------------------------------------


def _configuration(intent: Intent, facts: Facts) -> Decision | None:
    error = facts.config_error
    if error is None or _only_looks_or_stops(intent):
        return None
    line = "" if error.line is None else f", line {error.line}"
    key = "" if error.key is None else f", key {code_span(error.key)}"
    branch = "base" if error.path == CONFIG_PATH and facts.pull_request is not None else "default"
    where = f"{code_span(error.path)} on the {branch} branch{line}{key}"
    message = f"{where}: {error} Nothing runs until it is right."
    return Refused(rule="configuration", message=message)


def _organisation(intent: Intent, facts: Facts) -> Decision | None:
    """A control that is missing is no leave to go on: the forge does not tell an absent file from a hidden one."""
    looks = _only_looks_or_stops(intent) or isinstance(intent, ShowConfig)
    if facts.bound or looks or not facts.limits.shared_config_required:
        return None
    message = (
        "This server works only where an organisation's configuration holds, and none can be read here: there is none, "
        f"or FlowForge may not see it. {WHERE_SHARED}"
    )
    return Refused(rule="organisation", message=message)


def _enabled(intent: Intent, facts: Facts) -> Decision | None:
    if facts.settings.enabled or _only_looks_or_stops(intent) or isinstance(intent, ShowConfig):
        return None
    return Refused(rule="enabled", message=switched_off(facts.said_in("enabled")))


def _only_looks_or_stops(intent: Intent) -> bool:
    """What stays possible whatever the configuration says: money must be stoppable."""
    return isinstance(intent, Help | Status | Misspelt | Cancel | Reject | PauseHere | ResumeHere)


def _pull_request(intent: Intent, facts: Facts) -> Decision | None:
    if _only_looks_or_stops(intent):
        return None
    return check_pull_request(intent, facts)


def _fork(intent: Intent, facts: Facts) -> Decision | None:
    pull_request = facts.pull_request
    if pull_request is None:
        return None
    if isinstance(intent, Ok):
        return check_ok(intent, pull_request)
    if not isinstance(intent, Resolve | Retry | TakeSide | Work) or not pull_request.from_fork:
        return None
    said_in = facts.said_in("fork_pull_requests")
    if isinstance(intent, Explain) or (isinstance(intent, Retry) and _explains(facts.latest)):
        return check_reading(pull_request, facts.settings, said_in=said_in)
    config = about_heads(intent, facts.settings)
    return check_fork(pull_request, config, said_in=said_in, head_may_run=facts.head_may_run)


def _explains(latest: Job | None) -> bool:
    return latest is not None and latest.request.kind is JobKind.EXPLAIN


# --- on what ----------------------------------------------------------------------------------------------------------


def _stale(intent: Intent, facts: Facts) -> Decision | None:
    """A click counts for what its check run showed, an approval for the state that was proposed for."""
    if not isinstance(intent, Approve | Reject | Retry | TakeSide) or _begun(intent, facts):
        return None
    clicked_job = intent.origin.job_id
    clicked_proposal = None if isinstance(intent, TakeSide) else intent.proposal_id
    current = None if facts.proposal is None else facts.proposal.id
    if clicked_job is not None and (facts.latest is None or facts.latest.id != clicked_job):
        return Refused(rule="stale", message="This button belongs to an older job. Look at the newest check run.")
    if clicked_proposal is not None and clicked_proposal != current:
        return Refused(rule="stale", message="This button belongs to an older proposal. Look at the newest check run.")
    moved = None
    if isinstance(intent, Approve) and facts.proposal is not None:
        moved = moved_since(facts, facts.proposal.head_sha, was="proposed") or seen_before_the_edit(intent, facts)
    elif isinstance(intent, TakeSide) and facts.latest is not None:
        moved = moved_since(facts, facts.latest.head_sha, was="left open")
    return None if moved is None else Refused(rule="stale", message=moved)


_AGAIN: Final = f"`{PREFIX} resolve` makes a new one."
_SETTLED: Final = {
    ProposalState.APPROVED: "The proposal is approved already and being pushed.",
    ProposalState.PUBLISHED: f"The proposal is pushed already; `{PREFIX} rollback` undoes that.",
    ProposalState.REJECTED: f"The proposal was thrown away. {_AGAIN}",
    ProposalState.STALE: f"The proposal is out of date. {_AGAIN}",
    ProposalState.EXPIRED: f"Nobody decided on the proposal in time, so it expired. {_AGAIN}",
}


def _partial(intent: Intent, facts: Facts) -> Decision | None:
    if not isinstance(intent, Approve) or facts.proposal is None:
        return None
    return check_partial(facts.proposal, facts.conflicts)


def _take(intent: Intent, facts: Facts) -> Decision | None:
    if not isinstance(intent, TakeSide) or _begun(intent, facts):
        return None
    return check_take(intent, facts.latest, facts.conflicts)


def _proposal(intent: Intent, facts: Facts) -> Decision | None:
    if not isinstance(intent, Approve | Reject):
        return None
    if facts.proposal is None:
        return Refused(rule="proposal", message=f"Nothing is proposed here. {_AGAIN}")
    if isinstance(intent, Reject) and may_still_be_rejected(facts):
        return Allowed(reasons=("its push waits for the end of a pause",))
    message = _decided(facts.proposal, facts.active)
    if message is not None:
        return Refused(rule="proposal", message=message)
    return Allowed(reasons=(f"proposal {facts.proposal.id} is open",))


def _decided(proposal: Proposal, active: Job | None) -> str | None:
    """Why nobody can decide on a proposal now."""
    if proposal.state is not ProposalState.OPEN:
        return _SETTLED[proposal.state]
    if active is not None and active.state in {JobState.RUNNING, JobState.VALIDATING}:
        return f"Its tests are running. It waits for an answer when they ended; `{PREFIX} cancel` stops it."
    if active is None or active.state is not JobState.AWAITING_APPROVAL:
        return f"The proposal does not wait for an answer any more. {_AGAIN}"
    return None


def _tests(intent: Intent, facts: Facts) -> Decision | None:
    if not isinstance(intent, Approve) or facts.proposal is None:
        return None
    return check_tests(facts.proposal, facts.tests, facts.settings, said_in=facts.said_in("tests_must_pass"))


def _commit(intent: Intent, facts: Facts) -> Decision | None:
    if not isinstance(intent, Approve) or intent.sha is None or facts.proposal is None:
        return None
    commit = facts.proposal.commit
    if commit.startswith(intent.sha.lower()):
        return Allowed(reasons=(f"{intent.sha} is the proposed commit",))
    message = f"The proposed commit is `{commit[:12]}`, not {code_span(intent.sha)}. Look at it before you approve."
    return Refused(rule="commit", message=message)


def _old_head(intent: Intent, facts: Facts) -> Decision | None:
    if not isinstance(intent, Approve) or facts.proposal is None:
        return None
    return check_old_head(facts.proposal, named=intent.old_head)


def _approver(intent: Intent, facts: Facts) -> Decision | None:
    if not isinstance(intent, Approve) or facts.proposal is None or facts.latest is None:
        return None
    return check_approver(intent.origin.actor, facts.proposal, facts.latest.request.requesters, facts.settings)


def _nothing(intent: Intent, facts: Facts) -> Decision | None:
    if _begun(intent, facts):
        return None
    message = None
    match intent:
        case Cancel() if facts.active is None:
            message = "Nothing is under way here."
        case Retry() if facts.latest is None:
            message = f"There is no job to do again. `{PREFIX} resolve` starts one."
        case Retry() if facts.latest is not None and facts.latest.state is JobState.PUBLISHED:
            message = f"The last job is pushed already. `{PREFIX} resolve` starts a new one."
        case Retry() if (why := check_retry(facts)) is not None:
            message = why
        case Rollback() if facts.published is None:
            message = "FlowForge pushed nothing here that could be undone."
        case _:
            pass
    return None if message is None else Refused(rule="nothing", message=message)


def _busy(intent: Intent, facts: Facts) -> Decision | None:
    active = facts.active
    if active is None or _begun(intent, facts):
        return None
    waiting = active.state is JobState.AWAITING_APPROVAL
    message = None
    match intent:
        case Cancel() if active.state is JobState.PUBLISHING and not held_back(facts):
            message = f"The result is being pushed right now. `{PREFIX} rollback` undoes it afterwards."
        case Cancel() if active.cancel_requested is not None:
            message = "The job is being stopped already."
        case Rollback() if waiting:
            message = f"A proposal is waiting. Decide on it first: `{PREFIX} approve` or `{PREFIX} reject`."
        case Retry() | Rollback() | TakeSide() if not waiting:
            message = f"A job is under way (`{active.state}`). Wait for it, or stop it with `{PREFIX} cancel`."
        case _:
            pass
    return None if message is None else Refused(rule="busy", message=message)


def _begun(intent: Intent, facts: Facts) -> bool:
    """True when the newest job is this very intent's: a worker died between the deed and its record, and asks again."""
    return facts.latest is not None and facts.latest.request.origin_key == intent.origin.key


RULES: Final = (
    Rule(name="self", says="FlowForge does not listen to itself.", check=_self, silent=True),
    Rule(
        name="bot",
        says="Bots are ignored unless `bots` in the configuration lists them.",
        check=_bot,
        silent=True,
    ),
    Rule(
        name="installation",
        says="Nothing happens where the App was removed or suspended.",
        check=_installation,
        silent=True,
    ),
    Rule(
        name="stranger",
        says="Whoever may not even read the repository gets no help, no status and no remark on spelling.",
        check=_stranger,
        silent=True,
    ),
    Rule(
        name="permission",
        says="Each command asks for a permission on the repository, which the forge is asked for at that moment; "
        "`retry` also for that of what is done again.",
        check=_permission,
    ),
    Rule(
        name="configuration",
        says="While the configuration is invalid, only `help`, `status`, `cancel` and `reject` work; to others it is "
        "said what is wrong.",
        check=_configuration,
    ),
    Rule(
        name="organisation",
        says="With `FLOWFORGE_REQUIRE_ORGANISATION_CONFIG` on the server, nothing begins and nothing is pushed where "
        "no file of an organisation or a group can be read.",
        check=_organisation,
    ),
    Rule(
        name="enabled",
        says="With `enabled: false`, only `help`, `status`, `config`, `cancel` and `reject` work.",
        check=_enabled,
    ),
    Rule(
        name="paused",
        says="In a pause nothing begins and nothing is pushed; looking, stopping and throwing away works on.",
        check=check_paused,
    ),
    Rule(name="pull-request", says="The pull request has to be open.", check=_pull_request),
    Rule(
        name="issue",
        says="`implement`, `plan` and `go` need an open issue, `go` a plan.",
        check=check_issue,
    ),
    Rule(
        name="fork",
        says="On a pull request from a fork nothing but `explain`, which only reads, runs before its head has an `ok` "
        "from somebody who may write here (`fork_pull_requests`), and the fork has to exist.",
        check=_fork,
    ),
    Rule(
        name="own-head",
        says="A check that fails on what FlowForge pushed itself starts no `fix` (`on_check_failure`).",
        check=check_own_head,
    ),
    Rule(name="budget", says="No job may cost more than the repository and the server allow.", check=check_budget),
    Rule(name="model", says="The model has to be one that the server allows.", check=check_model),
    Rule(
        name="stale",
        says="A button counts only for what it was shown with; `approve` and `take` only for the head and base that "
        "the job saw.",
        check=_stale,
    ),
    Rule(
        name="partial",
        says="A proposal that leaves conflicts open is never pushed to the pull request.",
        check=_partial,
    ),
    Rule(
        name="proposal",
        says="`approve` and `reject` need a proposal that waits for an answer; `reject` may also be said to what a "
        "pause keeps from being pushed.",
        check=_proposal,
    ),
    Rule(name="commit", says="`approve <sha>` counts for that commit alone.", check=_commit),
    Rule(
        name="old-head",
        says="A rebase is pushed by force: `approve` has to name the head that it replaces, which no button can.",
        check=_old_head,
    ),
    Rule(
        name="approver",
        says="Without `approvals.requester_may_approve`, whoever asked for a job cannot approve it; nobody can approve "
        "a change of paths with `tier: never`.",
        check=_approver,
    ),
    Rule(name="tests", says="With `tests_must_pass`, `approve` needs tests that passed on that tree.", check=_tests),
    Rule(name="nothing", says="`cancel`, `retry` and `rollback` need something to act on.", check=_nothing),
    Rule(
        name="busy",
        says="What is under way is not disturbed halfway: a push that has begun is not cancelled.",
        check=_busy,
    ),
    Rule(
        name="take",
        says="`take` needs a conflict that the last job left open, and a version that there is.",
        check=_take,
    ),
)
"""All rules, in the order in which they are asked."""
