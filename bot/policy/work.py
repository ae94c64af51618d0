"""Where things may be asked for: on which issue, and on which pull request."""

from bot.commands import PREFIX
from bot.model.intents import Explain, Fix, Go, Implement, Intent, Plan, Refused, Resolve, ShowConfig, TakeSide
from bot.model.jobs import Job, JobKind, JobState
from bot.policy.facts import Facts


def check_pull_request(intent: Intent, facts: Facts) -> Refused | None:
    """Whether an intent has its place on this pull request; what is about an issue is not asked here."""
    pull_request = facts.pull_request
    if isinstance(intent, Implement | Plan | Go):
        return None
    if pull_request is None:
        if facts.issue is not None and not isinstance(intent, Resolve | TakeSide | Explain | Fix):
            return None
        return Refused(rule="pull-request", message="This works on pull requests only.")
    message = None
    if pull_request.merged:
        message = "This pull request is merged already."
    elif not pull_request.open:
        message = "This pull request is closed. Reopen it first."
    show = message is None or isinstance(intent, ShowConfig)
    return None if show else Refused(rule="pull-request", message=message or "")


def check_issue(intent: Intent, facts: Facts) -> Refused | None:
    """Whether an intent that is about an issue has its place on this one."""
    if not isinstance(intent, Implement | Plan | Go):
        return None
    if facts.issue is None:
        return Refused(rule="issue", message="This works on issues only; this is none.")
    if not facts.issue.open:
        return Refused(rule="issue", message="This issue is closed. Reopen it first.")
    if isinstance(intent, Go) and not _begun(intent, facts) and plan_of(facts.latest) is None:
        message = f"The last thing done here is no plan. `{PREFIX} plan` makes one, `{PREFIX} implement` needs none."
        return Refused(rule="issue", message=message)
    return None


def check_retry(facts: Facts) -> str | None:
    """Why the last job cannot be done again: what failed on one head says nothing about another."""
    latest, pull_request = facts.latest, facts.pull_request
    if latest is None or pull_request is None or latest.request.kind is not JobKind.FIX:
        return None
    if latest.head_sha == pull_request.head_sha:
        return None
    return f"The head moved since that fix was asked for. `{PREFIX} fix` looks at what fails now."


def plan_of(latest: Job | None) -> Job | None:
    """The job that made the plan that a ``go`` is about: the newest one, and no other."""
    made = latest is not None and latest.request.kind is JobKind.PLAN and latest.state is JobState.REPORTED
    return latest if made else None


def _begun(intent: Go, facts: Facts) -> bool:
    return facts.latest is not None and facts.latest.request.origin_key == intent.origin.key
