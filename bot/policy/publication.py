"""The last questions before a push: is it still what was shown, and can we push it at all?"""

import shlex
from collections.abc import Sequence
from typing import assert_never

from bot.commands import PREFIX, CommandName
from bot.config_keys import RepositoryConfig
from bot.model.forge import PullRequest
from bot.model.intents import Allowed, Refused
from bot.model.proposals import Approval, Proposal, ProposalKind, SuiteEvidence, SuiteOutcome
from bot.model.reports import HandOver
from bot.model.text import code_span


def check_fresh(
    proposal: Proposal,
    *,
    pull_request: PullRequest,
    live_head: str | None,
    live_base: str | None,
    tree: str,
    diff_sha256: str,
    parents: Sequence[str],
) -> Allowed | Refused:
    """Whether the proposal is still, byte for byte and place for place, what people were shown.

    ``live_head`` and ``live_base`` are where the two branches are on the forge right now, None for one that is gone;
    ``tree``, ``parents`` and ``diff_sha256`` are read and computed anew from the commit that would be pushed. The base
    does not matter to a revert or a change, which are made of the head alone. A partial proposal is never fresh.
    """
    of_head = proposal.kind in {ProposalKind.REVERT, ProposalKind.CHANGE}
    pinned = (
        ("The head", proposal.head_sha, pull_request.head_sha),
        ("The head", proposal.head_sha, live_head),
        ("The base branch", proposal.base_sha, proposal.base_sha if of_head else live_base),
        ("The tree of the proposed commit", proposal.tree, tree),
        ("The diff", proposal.diff_sha256, diff_sha256),
    )
    changed = [_changed(what, was, now) for what, was, now in pinned if was != now]
    if tuple(parents) != proposal.parents or not _parents_fit(proposal):
        changed.append("The proposed commit does not have the parents that were shown.")
    if proposal.kind is ProposalKind.PARTIAL:
        changed.append("It leaves conflicts open.")
    if not pull_request.open:
        changed.append("The pull request is no longer open.")
    if changed:
        again = CommandName.FIX if proposal.kind is ProposalKind.CHANGE else CommandName.RESOLVE
        message = " ".join([*dict.fromkeys(changed), f"Nothing was pushed; `{PREFIX} {again}` makes a new proposal."])
        return Refused(rule="stale", message=message)
    return Allowed(reasons=("head, base, tree, parents and diff are those that were shown",))


def check_tests(
    proposal: Proposal, tests: SuiteEvidence | None, config: RepositoryConfig, *, said_in: str
) -> Allowed | Refused | None:
    """Whether the repository's tests let a proposal be approved; None where nobody asks them.

    ``said_in`` is where ``tests_must_pass`` was decided.
    """
    if not config.tests_must_pass or proposal.kind is ProposalKind.PARTIAL:
        return None
    if tests is not None and tests.passed_on(proposal.tree):
        return Allowed(reasons=("the tests passed on exactly this tree",))
    message = (
        f"Here nothing is approved before its tests pass (`tests_must_pass` in {said_in}), and "
        f"{_why_not(proposal, tests)}. `{PREFIX} retry` starts again, with new tests."
    )
    return Refused(rule="tests", message=message)


def _why_not(proposal: Proposal, tests: SuiteEvidence | None) -> str:
    if tests is None or tests.tree != proposal.tree:
        return "none were run on this proposal"
    match tests.outcome:
        case SuiteOutcome.NOT_CONFIGURED:
            return "none were run on this proposal"
        case SuiteOutcome.FAILED | SuiteOutcome.PASSED:
            return "they failed"
        case SuiteOutcome.TIMED_OUT:
            return "they did not finish in time"
        case SuiteOutcome.COULD_NOT_RUN:
            return "they could not be run"
        case SuiteOutcome.UNDER_WAY:
            return "they are still running"
        case _:
            assert_never(tests.outcome)


def approves(approval: Approval, proposal: Proposal) -> bool:
    """Whether a person approved exactly this proposal, and for a rebase that the old head is replaced by force."""
    same = (approval.commit, approval.diff_sha256) == (proposal.commit, proposal.diff_sha256)
    return same and (proposal.kind is not ProposalKind.REBASE or approval.old_head == proposal.head_sha)


def _parents_fit(proposal: Proposal) -> bool:
    """Whether the commit stands where its kind has to stand. What a rebase ends in has one parent, itself new."""
    match proposal.kind:
        case ProposalKind.MERGE:
            return proposal.parents == (proposal.head_sha, proposal.base_sha)
        case ProposalKind.REVERT | ProposalKind.CHANGE:
            return proposal.parents == (proposal.head_sha,)
        case ProposalKind.REBASE:
            return len(proposal.parents) == 1
        case ProposalKind.PARTIAL:
            return True
        case _:
            assert_never(proposal.kind)


def hand_over(proposal: Proposal, *, pull_request: PullRequest, clone_url: str, reason: str) -> HandOver:
    """Give the push to people: the commands that bring exactly the approved commit to the head branch.

    Names of branches are chosen by strangers; each word is quoted for a POSIX shell. The last command pushes the commit
    by its id and without force, so a head that moved meanwhile is not overwritten. A rebase can only be pushed by
    force, which is bound to the old head for the same end. Of a fork that is gone only the commit itself is left.
    """
    if pull_request.head_full_name is None:
        return HandOver(reason=reason, commands=_take(proposal, clone_url))
    base_name = pull_request.repository.full_name
    before, _, after = clone_url.rpartition(base_name)
    head_url = f"{before}{pull_request.head_full_name}{after}"
    ref = f"refs/heads/{pull_request.head_ref}"
    rebase = proposal.kind is ProposalKind.REBASE
    lease = (f"--force-with-lease={ref}:{proposal.head_sha}",) if rebase else ()
    move = ("reset", "--keep") if rebase else ("merge", "--ff-only")
    commands = (
        *_take(proposal, clone_url),
        _shell("git", *move, proposal.commit),
        _shell("git", "push", *lease, head_url, f"{proposal.commit}:{ref}"),
    )
    return HandOver(reason=reason, commands=commands)


def _take(proposal: Proposal, clone_url: str) -> tuple[str, ...]:
    return (_shell("git", "fetch", clone_url, f"refs/heads/{proposal.branch}"),)


def _shell(*words: str) -> str:
    return " ".join(map(shlex.quote, words))


def _changed(what: str, was: str, now: str | None) -> str:
    return f"{what} is gone." if now is None else f"{what} was `{was[:12]}` and is {code_span(now[:12])} now."
