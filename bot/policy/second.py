"""A second ``resolve`` while a job is under way: one job per pull request, and nobody is left wondering.

* The same request for the same head joins the job that is there.
* Any other request supersedes it: the older job ends as superseded, the new one starts after it.
* What is being pushed, and a rollback under way, is waited for.
"""

from dataclasses import dataclass
from typing import Final

from bot.commands import PREFIX
from bot.model.intents import Resolve
from bot.model.jobs import Job, JobKind, JobRequest, JobState
from bot.policy.facts import Facts
from bot.policy.limits import chosen_budget, chosen_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """The job that is there does what was asked for."""

    job_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Supersede:
    """The new job takes the older one's place."""

    job_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The request is refused for now; ``rule`` is the stable name of the refusal."""

    rule: str
    message: str


Second = Join | Supersede | Wait


def decide_second(intent: Resolve, active: Job, facts: Facts) -> Second:
    """What an allowed ``resolve`` does to the job that is under way."""
    if active.state is JobState.PUBLISHING:
        message = f"The result of job `{active.short_id}` is being pushed. Wait for it, then ask again."
        return Wait(rule="busy", message=message)
    if active.request.kind is JobKind.ROLLBACK and active.state is not JobState.AWAITING_APPROVAL:
        return Wait(rule="busy", message=f"Rollback `{active.short_id}` is under way. Wait for it, then ask again.")
    difference = _difference(intent, active, facts)
    if difference is None and active.state is JobState.AWAITING_APPROVAL:
        return Join(job_id=active.id, message=_waits(active))
    if difference is None:
        return Join(job_id=active.id, message=f"Job `{active.short_id}` is already working on exactly this.")
    message = f"Job `{active.short_id}` ends and this one takes its place, because {difference}."
    return Supersede(job_id=active.id, message=message)


def decide_work(request: JobRequest, active: Job) -> Second:
    """What allowed work does to the job that is under way. On a pull request, it takes no other kind's place."""
    kind, before = request.kind, active.request
    if active.state is JobState.PUBLISHING or (before.kind is not kind and not request.on_issue):
        message = (
            f"Job `{active.short_id}` is under way (`{active.state}`). Decide on it or wait for its end, then ask "
            f"again; `{PREFIX} cancel` stops it."
        )
        return Wait(rule="busy", message=message)
    same = (before.kind, before.instructions, before.model, before.budget_usd) == (
        kind,
        request.instructions,
        request.model,
        request.budget_usd,
    )
    if same and before.brief == request.brief and active.cancel_requested is None:
        if active.state is JobState.AWAITING_APPROVAL:
            return Join(job_id=active.id, message=_waits(active))
        return Join(job_id=active.id, message=f"Job `{active.short_id}` is already working on exactly this.")
    message = f"Job `{active.short_id}` ends and this one takes its place."
    return Supersede(job_id=active.id, message=message)


def _waits(active: Job) -> str:
    return (
        f"Job `{active.short_id}` did exactly this and waits for an answer: `{PREFIX} approve` or "
        f"`{PREFIX} reject`; `{PREFIX} retry` does it again."
    )


_KINDS: Final = {
    JobKind.ROLLBACK: "it was a rollback",
    JobKind.IMPLEMENT: "it was something else",
    JobKind.PLAN: "it was a plan",
    JobKind.EXPLAIN: "it was an explanation",
    JobKind.FIX: "it was a fix",
}


def _difference(intent: Resolve, active: Job, facts: Facts) -> str | None:
    """The first way in which the request is not that of the active job, None when it is the same."""
    request, pull_request = active.request, facts.pull_request
    head_sha = active.head_sha if pull_request is None else pull_request.head_sha
    base_ref = request.base_ref if pull_request is None else pull_request.base_ref
    budget = chosen_budget(facts.settings, intent.budget_usd, facts.limits)
    model = chosen_model(facts.settings, intent.model, facts.limits)
    differences = (
        (request.kind is not JobKind.RESOLVE, _KINDS.get(request.kind, "")),
        (active.cancel_requested is not None, "it is being stopped already"),
        (active.head_sha != head_sha, "the head moved"),
        (request.base_ref != base_ref, "the pull request has another base branch now"),
        (request.strategy is not intent.strategy, "the strategy differs"),
        (request.instructions != intent.instructions, "the instructions differ"),
        (bool(request.takes), "it holds people's decisions about single conflicts"),
        (request.dry_run != intent.dry_run, "one of the two is a dry run"),
        (request.budget_usd != budget, "the budget differs"),
        (request.model != model, "the model differs"),
    )
    return next((words for differs, words in differences if differs), None)
