"""Whether anything may run on the head of a fork's pull request: strangers write it, and they may push at any moment.

An ``ok`` names the commit, since a comment does not say which head its writer looked at; and it names it in full, since
whoever pushes the commits can make two of them whose ids begin alike.
"""

from bot.commands import PREFIX, CommandName
from bot.config_keys import RepositoryConfig
from bot.model.forge import ActorKind, PullRequest
from bot.model.intents import Allowed, Ok, Refused
from bot.model.text import code_span


def check_fork(
    pull_request: PullRequest, config: RepositoryConfig, *, said_in: str, head_may_run: bool
) -> Allowed | Refused:
    """Whether a job may be made for a fork's pull request.

    ``said_in`` is the file that decided ``fork_pull_requests``; ``head_may_run`` says that somebody answers for the
    head.
    """
    no_fork = _unless_there(pull_request, config, said_in=said_in)
    if no_fork is not None:
        return no_fork
    if config.fork_pull_requests == "allow":
        return Allowed(reasons=("pull requests from forks are allowed",))
    if head_may_run:
        return Allowed(reasons=(f"somebody who may write here answers for {pull_request.head_sha[:12]}",))
    return Refused(rule="fork", message=ask_for_ok(pull_request.head_sha))


def check_reading(pull_request: PullRequest, config: RepositoryConfig, *, said_in: str) -> Allowed | Refused:
    """Whether a fork's pull request may be read and explained: for that nobody has to answer for its head."""
    no_fork = _unless_there(pull_request, config, said_in=said_in)
    return no_fork or Allowed(reasons=("it is only read, and nothing of it runs",))


def _unless_there(pull_request: PullRequest, config: RepositoryConfig, *, said_in: str) -> Refused | None:
    """Why nothing at all is done for a fork's pull request."""
    if pull_request.head_repository_id is None:
        message = "The repository that this pull request comes from was deleted, so nothing can be brought there."
        return Refused(rule="fork", message=message)
    if config.fork_pull_requests == "off":
        message = (
            "This repository does not let FlowForge work on pull requests from forks "
            f"(`fork_pull_requests: off` in {said_in})."
        )
        return Refused(rule="fork", message=message)
    return None


def ask_for_ok(head_sha: str) -> str:
    """What has to be said before anything runs on a head."""
    return (
        "This pull request comes from a fork, whose author may not write here. Its code would run in FlowForge's "
        "sandboxes, and a result would go on a branch of this repository, where its CI may run it. Look at the changes "
        f"first; if they are harmless, say `{PREFIX} {CommandName.OK} {head_sha}`, and then ask again. That counts for "
        "this commit, and for no later one."
    )


def check_ok(intent: Ok, pull_request: PullRequest) -> Allowed | Refused:
    """Whether an ``ok`` counts: a person's, about a fork's head as it is now."""
    if not pull_request.from_fork:
        message = "This pull request comes from this repository: nobody has to `ok` its head."
        return Refused(rule="fork", message=message)
    if intent.origin.actor.kind is ActorKind.BOT:
        return Refused(rule="fork", message=f"Only a person can say `{PREFIX} {CommandName.OK}`.")
    head = pull_request.head_sha
    if intent.sha.lower() != head:
        message = f"The head is `{head[:12]}` now, not {code_span(intent.sha)}. Look at it before you say so."
        return Refused(rule="fork", message=message)
    return Allowed(reasons=(f"{intent.sha} is the head",))
