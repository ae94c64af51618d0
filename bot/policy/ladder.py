"""How an approved proposal gets to where it belongs: for forks a ladder, of which the first rung that holds is taken.

What the forge answers to the push decides whether a rung holds; here stands which ones are worth trying, and why
others are not.
"""

import re
from dataclasses import dataclass
from typing import Final

from bot.model.forge import PullRequest
from bot.model.proposals import Proposal, ProposalKind, Publication, PushPurpose
from bot.model.text import code_span

_FULL_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.][A-Za-z0-9_.-]*)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushToHead:
    """Move ``ref`` (a full name) from ``expected`` to ``new``, with a lease and never by force, unless it is a rebase.

    ``fork`` is the ``owner/name`` of the fork that holds it, empty for the repository of the pull request.
    """

    ref: str
    expected: str
    new: str
    fork: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPullRequest:
    """Create ``branch`` at ``new`` in the repository of the pull request, and open a pull request from it."""

    branch: str
    new: str


Rung = PushToHead | OpenPullRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The rungs in their order, and a sentence for each one that is not tried. Below the last there is the patch."""

    rungs: tuple[Rung, ...]
    skipped: tuple[str, ...] = ()


def ladder(proposal: Proposal, pull_request: PullRequest) -> Ladder:
    """The ways of a proposal to the pull request's head, or beside it.

    A pull request beside it has the author's commits and the merge. For a revert there is none: it takes something back
    from the head, which must be where it is. What FlowForge pushes into the repository itself has no ladder.
    """
    head = PushToHead(ref=f"refs/heads/{pull_request.head_ref}", expected=proposal.head_sha, new=proposal.commit)
    if not pull_request.from_fork:
        return Ladder(rungs=(head,))
    beside = OpenPullRequest(branch=beside_branch(proposal), new=proposal.commit)
    below: tuple[Rung, ...] = () if proposal.kind is ProposalKind.REVERT else (beside,)
    why_not = closed_to_us(proposal, pull_request)
    if why_not is not None:
        return Ladder(rungs=below, skipped=(why_not,))
    fork = PushToHead(ref=head.ref, expected=head.expected, new=head.new, fork=pull_request.head_full_name or "")
    return Ladder(rungs=(fork, *below))


def closed_to_us(proposal: Proposal, pull_request: PullRequest) -> str | None:
    """Why a push into the fork is not even tried; None where the forge has to say.

    The forge lets us push to the head of a fork where its author lets maintainers change it
    (https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/working-with-forks/allowing-changes-to-a-pull-request-branch-created-from-a-fork).
    In forks of organisations it says so and then refuses. An organisation has another name than the author: people and
    organisations share one space of names.
    """
    fork = pull_request.head_full_name
    if fork is None:
        gone = pull_request.head_repository_id is None
        return "The fork was deleted." if gone else "The fork is not for FlowForge to see."
    if not _FULL_NAME.fullmatch(fork) or ".." in fork:
        return f"The fork has a name that FlowForge does not push to: {code_span(fork)}."
    if not pull_request.maintainer_can_modify:
        return f"The author of the pull request does not let maintainers change {code_span(fork)}."
    if fork.rpartition("/")[0].casefold() != pull_request.author.login.casefold():
        return f"The fork {code_span(fork)} does not belong to the author of the pull request."
    if proposal.kind is ProposalKind.REBASE:
        return f"A rebase replaces commits, and FlowForge does not do that in forks such as {code_span(fork)}."
    return None


def publication_of(rung: Rung, proposal: Proposal) -> Publication:
    """The push that a rung amounts to."""
    fork = ""
    match rung:
        case PushToHead():
            ref, old, fork = rung.ref, rung.expected, rung.fork
        case OpenPullRequest():
            ref, old = f"refs/heads/{rung.branch}", ""
    return Publication(
        purpose=PushPurpose.PUBLISH,
        job_id=proposal.job_id,
        proposal_id=proposal.id,
        ref=ref,
        old=old,
        new=proposal.commit,
        fork=fork,
    )


def beside_branch(proposal: Proposal) -> str:
    """The branch of a pull request beside the head. It stays: no sweep takes it for a proposal's own branch."""
    owner, _, name = proposal.branch.partition("/")
    return f"{owner}/for-{name}"
