"""Whether a pull request is still what people saw when they decide about it."""

from datetime import timedelta
from typing import Final

from bot.commands import PREFIX, CommandName
from bot.model.intents import Approve
from bot.model.jobs import Job, JobKind
from bot.model.text import code_span
from bot.policy.facts import Facts


def moved_since(facts: Facts, head_sha: str, *, was: str) -> str | None:
    """What is not where it was, in a sentence that says what to do; None when all is.

    ``head_sha`` is the head that people decide about, and ``was`` what was done with it then.
    """
    pull_request, job = facts.pull_request, facts.latest
    if pull_request is None or job is None:
        return None
    if pull_request.head_sha != head_sha:
        return (
            f"The head moved from `{head_sha[:12]}` to `{pull_request.head_sha[:12]}` since this was {was}. "
            f"`{PREFIX} {_another(job)}` makes a new proposal."
        )
    if pull_request.base_ref != job.request.base_ref:
        return (
            f"The pull request goes to {code_span(pull_request.base_ref)} now; this was {was} for "
            f"{code_span(job.request.base_ref)}. `{PREFIX} {_another(job)}` makes a new proposal."
        )
    return None


SETTLES: Final = timedelta(seconds=30)
"""For so long somebody may still look at what a comment said before it was edited: a page follows within seconds."""


def seen_before_the_edit(intent: Approve, facts: Facts) -> str | None:
    """Why an emoji may have been meant for an earlier proposal, and what to do instead; None when it was not.

    One comment shows one proposal after the other, so an emoji under it does not say which of them somebody saw.
    """
    if intent.shown_for is None or not facts.offered_before or facts.proposal is None or intent.shown_for >= SETTLES:
        return None
    return (
        "This comment had just changed to another proposal when you put the emoji there, so it does not count. "
        f"`{PREFIX} {CommandName.APPROVE} {facts.proposal.commit[:12]}` approves what it shows now."
    )


def _another(job: Job) -> CommandName:
    """The command that makes another proposal of the same kind."""
    return CommandName.FIX if job.request.kind is JobKind.FIX else CommandName.RESOLVE
