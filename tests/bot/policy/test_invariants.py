"""What holds whatever the situation."""

from dataclasses import fields, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.config import level
from bot.config_keys import Permissions, RepositoryConfig
from bot.model.cases import Choice
from bot.model.forge import ActorKind, PermissionLevel
from bot.model.intents import (
    Allowed,
    Approve,
    Cancel,
    Help,
    Ignored,
    Intent,
    Misspelt,
    Ok,
    PauseHere,
    Reject,
    Resolve,
    ResumeHere,
    Retry,
    Rollback,
    ShowConfig,
    Status,
    TakeSide,
)
from bot.model.jobs import JobState
from bot.model.proposals import ProposalKind, ProposalState, SuiteOutcome
from bot.model.reports import ResolutionStatus
from bot.policy.facts import Facts
from bot.policy.rules import command_of, decide
from tests.bot.policy.build import (
    COMMIT,
    FORK,
    HEAD,
    ONE_OPEN,
    ORIGIN,
    OTHER,
    PASSED,
    PROPOSAL,
    PROPOSAL_ID,
    PUBLISHED,
    PULL_REQUEST,
    QUIET,
    REBASE,
    TWO_OPEN,
    WAITING,
    job,
)
from tests.bot.policy.cases import BOT, BROKEN, CLICK, ENDED, OLD_CLICK, PUSHING, RUNNING

LEVELS = st.sampled_from(["write", "maintain", "admin"])
CONFIGS = st.builds(
    RepositoryConfig,
    version=st.just(1),
    enabled=st.booleans(),
    bots=st.sampled_from([(), ("renovate",)]),
    model=st.sampled_from([None, "sonnet", "haiku"]),
    budget_usd=st.sampled_from([0.5, 5.0, 50.0]),
    fork_pull_requests=st.sampled_from(["ask", "allow", "off"]),
    tests_must_pass=st.booleans(),
    permissions=st.builds(Permissions, resolve=LEVELS, approve=LEVELS, reject=LEVELS, retry=LEVELS, rollback=LEVELS),
)
JOBS = st.builds(
    lambda state, ending, key: replace(
        job(state, origin_key=key), cancel_requested=JobState.CANCELLED if ending else None
    ),
    st.sampled_from(list(JobState)),
    st.booleans(),
    st.sampled_from(["other", ORIGIN.key]),
)
PULL_REQUESTS = st.sampled_from(
    [
        None,
        PULL_REQUEST,
        FORK,
        replace(PULL_REQUEST, open=False),
        replace(PULL_REQUEST, open=False, merged=True),
        replace(PULL_REQUEST, head_sha=OTHER),
        replace(PULL_REQUEST, base_ref="next"),
        replace(FORK, head_repository_id=None, head_full_name=None),
    ],
)


PROPOSALS = st.builds(
    lambda state, kind: replace(PROPOSAL, state=state, kind=kind),
    st.sampled_from(list(ProposalState)),
    st.sampled_from(list(ProposalKind)),
)
TESTS = st.none() | st.builds(
    lambda outcome, tree: replace(PASSED, outcome=outcome, tree=tree),
    st.sampled_from(list(SuiteOutcome)),
    st.sampled_from([PASSED.tree, OTHER]),
)
CHANGES: tuple[st.SearchStrategy[dict[str, Any]], ...] = (
    st.fixed_dictionaries({"permission": st.sampled_from(list(PermissionLevel))}),
    st.just({"actor_is_self": True}),
    st.just({"installation_active": False}),
    st.fixed_dictionaries({"config": st.none() | CONFIGS}),
    st.just({"config": None, "config_error": BROKEN.config_error}),
    st.fixed_dictionaries({"pull_request": PULL_REQUESTS}),
    st.fixed_dictionaries({"pull_request": st.just(FORK), "head_may_run": st.booleans()}),
    st.fixed_dictionaries({"active": st.none() | JOBS}),
    st.fixed_dictionaries({"latest": st.none() | JOBS}),
    JOBS.map(lambda each: {"active": each, "latest": each}),
    st.fixed_dictionaries({"proposal": st.none() | PROPOSALS}),
    st.fixed_dictionaries({"published": st.none() | JOBS}),
    st.fixed_dictionaries({"tests": TESTS}),
    st.fixed_dictionaries({"conflicts": st.sampled_from([(), ONE_OPEN.conflicts, TWO_OPEN.conflicts])}),
)


@st.composite
def situations(draw: st.DrawFn) -> Facts:
    """A common situation with up to four things changed: close enough to a yes that a wrong yes is found."""
    facts = draw(st.sampled_from([QUIET, RUNNING, WAITING, REBASE, PUSHING, PUBLISHED, ENDED, ONE_OPEN, TWO_OPEN]))
    for changes in draw(st.lists(st.one_of(*CHANGES), max_size=4)):
        facts = replace(facts, **changes)
    return facts


ORIGINS = st.sampled_from([ORIGIN, CLICK, OLD_CLICK, BOT, replace(ORIGIN, actor=PULL_REQUEST.author)])
INTENTS = st.one_of(
    st.builds(Help, origin=ORIGINS),
    st.builds(Status, origin=ORIGINS),
    st.builds(ShowConfig, origin=ORIGINS),
    st.builds(PauseHere, origin=ORIGINS),
    st.builds(ResumeHere, origin=ORIGINS),
    st.builds(
        Resolve,
        origin=ORIGINS,
        budget_usd=st.sampled_from([None, 1.0, 7.0, 70.0]),
        model=st.sampled_from([None, "opus", "gpt"]),
    ),
    st.builds(
        Approve,
        origin=ORIGINS,
        sha=st.sampled_from([None, COMMIT[:7], "1f3870b"]),
        proposal_id=st.sampled_from([None, PROPOSAL_ID, "8" * 32]),
        old_head=st.sampled_from([None, HEAD[:7], HEAD, OTHER[:7]]),
    ),
    st.builds(
        TakeSide,
        origin=ORIGINS,
        choice=st.sampled_from(list(Choice)),
        path=st.sampled_from([None, "src/a b.py", "new.bin", "done.py"]),
    ),
    st.builds(Reject, origin=ORIGINS, proposal_id=st.sampled_from([None, PROPOSAL_ID, "8" * 32])),
    st.builds(Retry, origin=ORIGINS),
    st.builds(Cancel, origin=ORIGINS),
    st.builds(Rollback, origin=ORIGINS),
    st.builds(Ok, origin=ORIGINS, sha=st.sampled_from([HEAD, HEAD[:7], OTHER])),
    st.builds(Misspelt, origin=ORIGINS, message=st.just("")),
)


@given(INTENTS, situations())
def test_nobody_below_the_needed_permission_is_ever_allowed(intent: Intent, facts: Facts) -> None:
    spec = command_of(intent)
    decision = decide(intent, facts)
    if spec is not None and facts.permission < level(facts.settings, spec.permission or spec.name):
        assert not isinstance(decision, Allowed)
    acts = isinstance(intent, Resolve | Approve | TakeSide | Reject | Retry | Rollback | Ok)
    if acts and isinstance(decision, Allowed):
        assert facts.permission >= PermissionLevel.WRITE


@given(INTENTS, situations())
def test_nothing_runs_on_the_head_of_a_fork_that_nobody_answers_for(intent: Intent, facts: Facts) -> None:
    pull_request = facts.pull_request
    if pull_request is None or not isinstance(decide(intent, facts), Allowed):
        return
    if isinstance(intent, Resolve | Retry | TakeSide) and pull_request.from_fork:
        assert facts.settings.fork_pull_requests != "off"
        assert facts.head_may_run or facts.settings.fork_pull_requests == "allow"
    if isinstance(intent, Ok):
        assert pull_request.from_fork
        assert pull_request.head_sha.startswith(intent.sha)
        assert intent.origin.actor.kind is not ActorKind.BOT


@given(INTENTS, situations())
def test_an_allowed_approval_is_of_an_open_proposal_for_the_live_head(intent: Intent, facts: Facts) -> None:
    if not isinstance(intent, Approve) or not isinstance(decide(intent, facts), Allowed):
        return
    proposal, pull_request = facts.proposal, facts.pull_request
    assert proposal is not None
    assert pull_request is not None
    assert proposal.state is ProposalState.OPEN
    assert pull_request.open
    assert pull_request.head_sha == proposal.head_sha
    assert intent.sha is None or proposal.commit.startswith(intent.sha)
    assert facts.active is not None
    assert facts.active.state is JobState.AWAITING_APPROVAL
    assert proposal.kind is not ProposalKind.PARTIAL
    if facts.settings.tests_must_pass:
        assert facts.tests is not None
        assert (facts.tests.outcome, facts.tests.tree) == (SuiteOutcome.PASSED, proposal.tree)
    if proposal.kind is ProposalKind.REBASE:
        assert intent.old_head is not None
    assert intent.old_head is None or pull_request.head_sha.startswith(intent.old_head)


@given(INTENTS, situations())
def test_an_allowed_take_is_of_an_open_conflict_of_the_live_head(intent: Intent, facts: Facts) -> None:
    if not isinstance(intent, TakeSide) or not isinstance(decide(intent, facts), Allowed):
        return
    latest, pull_request = facts.latest, facts.pull_request
    assert latest is not None
    assert pull_request is not None
    if latest.request.origin_key == intent.origin.key:
        return
    open_paths = [each.path for each in facts.conflicts if each.status is ResolutionStatus.OPEN]
    assert (intent.path in open_paths) if intent.path is not None else len(open_paths) == 1
    assert pull_request.head_sha == latest.head_sha
    assert facts.active is None or facts.active.state is JobState.AWAITING_APPROVAL


@given(INTENTS, situations())
def test_no_job_costs_more_than_anybody_allows(intent: Intent, facts: Facts) -> None:
    if isinstance(intent, Resolve) and isinstance(decide(intent, facts), Allowed):
        assert (intent.budget_usd or 0.0) <= min(facts.settings.budget_usd, facts.limits.max_budget_usd)
        assert (intent.model or facts.settings.model or facts.limits.default_model) in facts.limits.allowed_models


@given(INTENTS, situations())
def test_ourselves_and_removed_installations_are_always_ignored(intent: Intent, facts: Facts) -> None:
    if facts.actor_is_self or not facts.installation_active:
        assert isinstance(decide(intent, facts), Ignored)


@given(INTENTS, situations())
def test_who_wrote_the_pull_request_changes_nothing(intent: Intent, facts: Facts) -> None:
    if facts.pull_request is None:
        return
    other = replace(facts, pull_request=replace(facts.pull_request, author=intent.origin.actor))
    assert decide(intent, other) == decide(intent, facts)


def test_no_fact_tells_in_what_relation_somebody_stands_to_the_repository() -> None:
    assert not any("association" in field.name for field in fields(Facts))
