"""Whose yes a proposal needs, and whether it has it. Pure: facts are gathered before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.config import TIERS, path_tier
from bot.config_keys import RepositoryConfig, TierName
from bot.model.forge import Actor, ActorKind
from bot.model.intents import Refused
from bot.model.proposals import Approval, ApprovalVia, Proposal, ProposalKind, SuiteEvidence, SuiteOutcome, Tally
from bot.model.reports import ConflictRecord, ResolutionStatus
from bot.model.resolutions import Tier
from bot.model.text import code_span
from bot.policy.codeowners import Demand, Owner
from bot.policy.publication import approves

_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """What `CODEOWNERS` asks for, and which of the approvers each owner stands for.

    ``unknown`` has the owners of whom nobody could say who they are, each with the reason in words.
    """

    demands: tuple[Demand, ...] = ()
    stands_for: Mapping[Owner, frozenset[int]] = field(default_factory=dict)
    unknown: Mapping[Owner, str] = field(default_factory=dict)


def strictest(paths: Sequence[str], *configs: RepositoryConfig) -> TierName:
    """How much has to be asked for a change of several paths: as much as for the strictest of them."""
    tiers = [path_tier(config, path) for config in configs for path in paths]
    return max(tiers, key=TIERS.index, default="approve")


def needed(paths: Sequence[str], *configs: RepositoryConfig) -> int:
    """How many people have to approve a change of these paths."""
    two = 2 if strictest(paths, *configs) in {"two_approvals", "never"} else 1
    return max(two, *(config.approvals.required for config in configs))


def counted(
    approvals: Sequence[Approval],
    proposal: Proposal,
    *,
    paths: Sequence[str],
    requesters: frozenset[int],
    configs: Sequence[RepositoryConfig],
    ownership: Ownership,
) -> Tally:
    """How far the approval of a proposal has come.

    An approval counts for exactly this commit and diff, and each person once, by the numeric id. A program counts only
    where anybody's single approval does. What several configurations ask for (the one of the job, and the one that
    holds now) is asked for together.
    """
    if any(each.via is ApprovalVia.CONFIGURATION and approves(each, proposal) for each in approvals):
        return Tally(approved_by=(), needed=0)
    count = needed(paths, *configs)
    people: dict[int, Actor] = {}
    for each in approvals:
        counts = count == 1 or each.actor.kind is ActorKind.USER
        if approves(each, proposal) and counts and may_approve(each.actor, requesters, *configs):
            people.setdefault(each.actor.id, each.actor)
    missing = [_never(path) for path in paths if strictest([path], *configs) == "never"][:1]
    if any(config.approvals.codeowners for config in configs):
        missing += [sentence for demand in ownership.demands if (sentence := _unmet(demand, ownership, people))]
    return Tally(approved_by=tuple(people.values()), needed=count, missing=tuple(missing))


def may_approve(actor: Actor, requesters: frozenset[int], *configs: RepositoryConfig) -> bool:
    """Whether somebody's approval counts, whatever else they may do here.

    ``requesters`` are the ids of all who asked: also of those whose job somebody else had done again.
    Where it has to be another person than asked, a program's does not: the requester may have it at hand.
    """
    if all(config.approvals.requester_may_approve for config in configs):
        return True
    return actor.id not in requesters and actor.kind is ActorKind.USER


def check_approver(
    actor: Actor, proposal: Proposal, requesters: frozenset[int], config: RepositoryConfig
) -> Refused | None:
    """Why somebody's approval of a proposal counts for nothing, None when it counts for something."""
    if not may_approve(actor, requesters, config):
        why = "(`approvals.requester_may_approve: false`)"
        message = f"You asked for this job, and here somebody else has to approve it {why}."
        if actor.kind is not ActorKind.USER:
            message = f"Here a person has to approve, and another one than asked {why}."
        return Refused(rule="approver", message=message)
    never = next((file.path for file in proposal.files if path_tier(config, file.path) == "never"), None)
    return None if never is None else Refused(rule="approver", message=_never(never))


def goes_by_itself(
    proposal: Proposal,
    conflicts: Sequence[ConflictRecord],
    tests: SuiteEvidence | None,
    config: RepositoryConfig,
) -> bool:
    """Whether a proposal is pushed without a person's approval: only paths of the tier ``auto``, and with evidence.

    The evidence is that the tests passed on exactly this tree, or that safe rules alone resolved everything. Only a
    merge can go by itself: a rebase replaces commits by force.
    """
    paths = [file.path for file in proposal.files]
    if proposal.kind is not ProposalKind.MERGE or not paths or strictest(paths, config) != "auto":
        return False
    if tests is not None and tests.passed_on(proposal.tree):
        return True
    untested = tests is None or tests.outcome is SuiteOutcome.NOT_CONFIGURED
    return untested and not config.tests_must_pass and bool(conflicts) and all(map(_by_rules, conflicts))


def _by_rules(conflict: ConflictRecord) -> bool:
    """Whether nothing but rules of the safest kind said how a conflict is resolved, hunk by hunk."""
    whole = conflict.hunks > 0 and len(conflict.answers) == conflict.hunks
    return (
        conflict.status is ResolutionStatus.RESOLVED
        and conflict.taken is None
        and whole
        and all(answer.tier is Tier.A for answer in conflict.answers)
    )


def _never(path: str) -> str:
    return f"{code_span(path)} is left to people (`tier: never`) and never pushed by FlowForge."


def _unmet(demand: Demand, ownership: Ownership, people: Mapping[int, Actor]) -> str:
    """What is missing for a demand, in a sentence; empty where nothing is."""
    stood_for = {each for owner in demand.owners for each in ownership.stands_for.get(owner, ()) if each in people}
    if len(stood_for) >= demand.count:
        return ""
    names = ", ".join(code_span(owner.written) for owner in demand.owners[:_MOST_NAMED])
    more = f" and {len(demand.owners) - _MOST_NAMED} more" if len(demand.owners) > _MOST_NAMED else ""
    who = "one" if demand.count == 1 else str(demand.count)
    reasons = dict.fromkeys(ownership.unknown[owner] for owner in demand.owners if owner in ownership.unknown)
    asked = f"{code_span(demand.path)} needs the approval of {who} of its code owners: {names}{more}."
    return " ".join([asked, *reasons])
