"""How far an approval has come, and what goes without one."""

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config_keys import Approvals, PathTier, RepositoryConfig, TierName
from bot.model.conflicts import ConflictKind
from bot.model.forge import Actor, ActorKind
from bot.model.proposals import Approval, ApprovalVia, ProposalKind, ProposedFile, SuiteEvidence, SuiteOutcome, Tally
from bot.model.reports import ConflictRecord, ResolutionStatus
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.policy.approvals import Ownership, counted, goes_by_itself
from bot.policy.codeowners import Demand, Owner, OwnerKind
from tests.bot.policy.build import ADA, FAILED, OTHER, PASSED, PROPOSAL

PEOPLE: Final = [ADA, *(Actor(id=number, login=f"p{number}") for number in range(20, 24))]
ROBOT: Final = Actor(id=30, login="renovate[bot]", kind=ActorKind.BOT)
FILE: Final = ProposedFile(path="src/a.py", kind="content", resolver="agent", reasons=())


def approval(actor: Actor, **changes: Any) -> Approval:
    made = Approval(
        proposal_id=PROPOSAL.id,
        actor=actor,
        via=ApprovalVia.COMMENT,
        permission="write",
        commit=PROPOSAL.commit,
        diff_sha256=PROPOSAL.diff_sha256,
    )
    return replace(made, **changes)


def config(*tiers: tuple[str, TierName], **approvals: Any) -> RepositoryConfig:
    paths = tuple(PathTier(match=match, tier=tier) for match, tier in tiers)
    return RepositoryConfig(version=1, paths=paths, approvals=Approvals(**approvals))


def tally(
    *approvals: Approval,
    configs: tuple[RepositoryConfig, ...] = (config(),),
    paths: tuple[str, ...] = ("src/a.py",),
    ownership: Ownership | None = None,
) -> Tally:
    return counted(
        approvals,
        PROPOSAL,
        paths=paths,
        requesters=frozenset({ADA.id}),
        configs=configs,
        ownership=ownership or Ownership(),
    )


def test_one_approval_is_enough_by_default_also_of_whoever_asked() -> None:
    assert not tally().complete
    assert tally(approval(ADA)).complete
    assert tally(approval(ROBOT)).complete


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        (config(required=2), 2),
        (config(("src/**", "two_approvals")), 2),
        (config(("src/**", "two_approvals"), required=3), 3),
        (config(("docs/**", "two_approvals")), 1),
    ],
)
def test_so_many_people_have_to_approve_each_counted_once(settings: RepositoryConfig, needed: int) -> None:
    given_so_far = [approval(person) for person in PEOPLE[:needed]]
    assert tally(*given_so_far, configs=(settings,)).complete
    assert not tally(*given_so_far[1:], configs=(settings,)).complete
    renamed = approval(replace(given_so_far[-1].actor, login="another-name"))
    assert not tally(*given_so_far[1:], renamed, configs=(settings,)).complete or needed == 1


def test_a_robot_is_no_second_person() -> None:
    assert not tally(approval(ADA), approval(ROBOT), configs=(config(required=2),)).complete


def test_where_somebody_else_than_the_requester_has_to_approve_a_robot_is_nobody() -> None:
    assert not tally(approval(ROBOT), configs=(config(requester_may_approve=False),)).complete
    assert not tally(approval(ROBOT), configs=(config(), config(requester_may_approve=False))).complete


@pytest.mark.parametrize("changes", [{"commit": OTHER}, {"diff_sha256": "0" * 64}])
def test_an_approval_of_something_else_does_not_count(changes: dict[str, str]) -> None:
    assert not tally(approval(ADA, **changes)).complete
    second = approval(PEOPLE[1], **changes)
    assert not tally(approval(ADA), second, configs=(config(required=2),)).complete


def test_the_stricter_of_two_configurations_counts() -> None:
    assert not tally(approval(ADA), configs=(config(), config(requester_may_approve=False))).complete
    assert tally(approval(ADA), configs=(config(), config(required=2))).needed == 2


def test_what_is_never_pushed_is_never_complete() -> None:
    found = tally(*(approval(person) for person in PEOPLE), configs=(config(("src/**", "never")),))
    assert not found.complete
    assert found.missing == ("`src/a.py` is left to people (`tier: never`) and never pushed by FlowForge.",)


LEAD, TEAM = Owner(OwnerKind.USER, "lead"), Owner(OwnerKind.TEAM, "acme/core")
DEMAND: Final = Demand(path="src/a.py", owners=(LEAD, TEAM))


def test_a_code_owner_has_to_be_among_those_who_approve() -> None:
    settings = (config(codeowners=True),)
    nobody = Ownership(demands=(DEMAND,))
    found = tally(approval(ADA), configs=settings, ownership=nobody)
    assert found.missing == ("`src/a.py` needs the approval of one of its code owners: `@lead`, `@acme/core`.",)
    one = Ownership(demands=(DEMAND,), stands_for={TEAM: frozenset({ADA.id})})
    assert tally(approval(ADA), configs=settings, ownership=one).complete
    assert not tally(approval(PEOPLE[1]), configs=settings, ownership=one).complete
    assert tally(approval(ADA), ownership=nobody).complete, "only where the configuration asks for them"


def test_owners_of_whom_nothing_is_known_are_told_with_the_reason() -> None:
    ownership = Ownership(demands=(DEMAND,), unknown={TEAM: "Nobody may look."})
    (missing,) = tally(approval(ADA), configs=(config(codeowners=True),), ownership=ownership).missing
    assert missing.endswith("`@acme/core`. Nobody may look.")


def test_an_owner_whose_approval_does_not_count_stands_for_nobody() -> None:
    settings = (config(codeowners=True, requester_may_approve=False),)
    ownership = Ownership(demands=(DEMAND,), stands_for={LEAD: frozenset({ADA.id})})
    assert not tally(approval(ADA), approval(PEOPLE[1]), configs=settings, ownership=ownership).complete


@given(
    st.lists(st.sampled_from([*PEOPLE, ROBOT]).map(approval), max_size=6),
    st.integers(1, 5),
    st.booleans(),
)
def test_never_complete_with_fewer_people_than_needed(approvals: list[Approval], required: int, own: bool) -> None:
    found = tally(*approvals, configs=(config(required=required, requester_may_approve=own),))
    people = {each.actor.id for each in approvals if own or each.actor.id != ADA.id}
    assert not found.complete or len(people) >= required


# --- without approval


def record(*tiers: Tier, **changes: Any) -> ConflictRecord:
    sure: dict[str, Any] = {"resolver": "x", "confidence": Confidence.HIGH, "reason": ""}
    answers = tuple(HunkAnswer(index=index, content=b"", tier=tier, **sure) for index, tier in enumerate(tiers))
    made = ConflictRecord(
        path="src/a.py",
        kind=ConflictKind.CONTENT,
        hunks=len(tiers),
        resolver="x",
        status=ResolutionStatus.RESOLVED,
        reasons=(),
        answers=answers,
        oid="f" * 40,
        prompt="",
        response="",
    )
    return replace(made, **changes)


AUTO: Final = config(("src/**", "auto"))
MADE: Final = replace(PROPOSAL, files=(FILE,))
SAFE: Final = (record(Tier.A, Tier.A),)


@pytest.mark.parametrize(
    ("conflicts", "tests"), [(SAFE, None), ((record(Tier.A, Tier.AGENT),), PASSED), ((record(Tier.DIRECT),), PASSED)]
)
def test_what_rules_or_tests_prove_needs_nobody(
    conflicts: tuple[ConflictRecord, ...], tests: SuiteEvidence | None
) -> None:
    assert goes_by_itself(MADE, conflicts, tests, AUTO)


UNPROVED: Final = {
    "a model had its hand in it": ((record(Tier.A, Tier.AGENT),), None),
    "a model, and the tests failed": ((record(Tier.AGENT),), FAILED),
    "rules, and the tests failed": (SAFE, FAILED),
    "rules, and the tests could not be run": (SAFE, replace(FAILED, outcome=SuiteOutcome.COULD_NOT_RUN)),
    "tests of another tree": ((record(Tier.AGENT),), replace(PASSED, tree=OTHER)),
    "a person took a side": ((record(Tier.A, status=ResolutionStatus.PROPOSED),), None),
    "a generated file": ((record(),), None),
    "a recorded resolution": ((record(Tier.RECORDED),), None),
    "nothing is known": ((), None),
}


@pytest.mark.parametrize("name", UNPROVED)
def test_what_nothing_proves_needs_somebody(name: str) -> None:
    conflicts, tests = UNPROVED[name]
    assert not goes_by_itself(MADE, conflicts, tests, AUTO)


@pytest.mark.parametrize("kind", [ProposalKind.REBASE, ProposalKind.REVERT, ProposalKind.PARTIAL])
def test_only_a_merge_goes_by_itself(kind: ProposalKind) -> None:
    assert not goes_by_itself(replace(MADE, kind=kind), SAFE, PASSED, AUTO)


def test_one_stricter_path_is_enough_to_ask() -> None:
    both = replace(MADE, files=(FILE, replace(FILE, path="docs/b.md")))
    assert not goes_by_itself(both, SAFE, PASSED, AUTO)
    assert not goes_by_itself(MADE, SAFE, PASSED, config(("src/**", "auto"), ("*.py", "approve")))
    strict = RepositoryConfig(version=1, paths=AUTO.paths, tests_must_pass=True, test_command="x")
    assert not goes_by_itself(MADE, SAFE, None, strict)
