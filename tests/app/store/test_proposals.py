"""Proposals, approvals, pushes, and what led to them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.database import SqlStore
from bot.errors import FencingLostError, StoreError
from bot.model.cases import Choice, Suggestion, Take
from bot.model.conflicts import Side, Stage
from bot.model.forge import Actor, ActorKind
from bot.model.jobs import Job, JobState
from bot.model.proposals import (
    Approval,
    ApprovalVia,
    Proposal,
    ProposalKind,
    ProposalState,
    Publication,
    PushPurpose,
    SuiteEvidence,
    SuiteOutcome,
)
from bot.model.reports import ConflictRecord, ResolutionStatus
from bot.model.resolutions import (
    Confidence,
    Finding,
    GateResult,
    GateVerdict,
    HunkAnswer,
    LineOrigin,
    ProvenanceSpan,
    Tier,
)
from bot.model.runs import RunKind
from tests.app.store.test_jobs import events
from tests.app.store.words import ALICE, ROBOT, START, new_id, new_job, new_run, proposal, sha1

ANSWER = HunkAnswer(
    index=1,
    content=b"caf\xe9\x00\r\n",
    resolver="agent",
    tier=Tier.AGENT,
    reason="both \ud83d",
    confidence=Confidence.LOW,
)
RECORD = ConflictRecord(
    path="caf\udce9/ü.py",
    kind="content",
    hunks=2,
    resolver="agent",
    status=ResolutionStatus.RESOLVED,
    reasons=("kept both", "\x00"),
    oid=sha1("blob"),
    prompt="what the agent saw",
    response="what it said",
    stages={Side.OURS: Stage(mode="100644", oid=sha1("ours")), Side.THEIRS: Stage(mode="120000", oid=sha1("theirs"))},
    answers=(ANSWER,),
    candidates=(replace(ANSWER, tier=Tier.B, resolver="union", content=b""), ANSWER),
    provenance=(ProvenanceSpan(first=1, last=3, origin=LineOrigin.NEW),),
    taken=Take(path="caf\udce9/ü.py", choice=Choice.BASE, taken_by="alice"),
    suggestion=Suggestion(choice=Choice.DELETE, reason="people delete \x00"),
)

TESTED = SuiteEvidence(
    tree=sha1("tree"),
    outcome=SuiteOutcome.FAILED,
    at=START,
    command="make 'the tests'",
    exit_status=2,
    duration_ms=2**40,
    log_tail="\x00 \ud83d\nFAILED",
    detail="\x10",
    left_out=3,
)
UNDER_WAY = SuiteEvidence(tree=sha1("tree"), outcome=SuiteOutcome.UNDER_WAY, at=START, command="make test")


async def proposed(store: SqlStore, **changes: object) -> tuple[Job, Proposal]:
    job = await new_job(store)
    made = proposal(job, **changes)
    await store.proposals.add(made)
    return job, made


def approval_of(made: Proposal) -> Approval:
    return Approval(
        proposal_id=made.id,
        actor=ALICE,
        via=ApprovalVia.BUTTON,
        permission="write",
        commit=made.commit,
        diff_sha256=made.diff_sha256,
    )


def push_of(job: Job, made: Proposal) -> Publication:
    return Publication(
        purpose=PushPurpose.PUBLISH,
        job_id=job.id,
        proposal_id=made.id,
        ref="refs/heads/feature",
        old=made.head_sha,
        new=made.commit,
    )


async def test_a_proposal_comes_back_as_it_was_made(store: SqlStore) -> None:
    job, made = await proposed(store)
    assert await store.proposals.get(made.id) == made == await store.proposals.of_job(job.id)
    assert await store.proposals.get(new_id()) is None
    assert await store.proposals.of_job(new_id()) is None


async def test_a_proposal_is_made_once_and_says_so_once(store: SqlStore) -> None:
    _, made = await proposed(store)
    await store.proposals.add(replace(made, commit=sha1("other")))
    assert await store.proposals.get(made.id) == made
    found = await events(store, f"proposal:{made.id}")
    assert [event.verb for event in found] == ["proposal.made"]
    assert found[0].data["diff_sha256"] == made.diff_sha256


async def test_the_newest_proposal_of_a_job_is_shown(store: SqlStore) -> None:
    job, first = await proposed(store)
    second = proposal(job)
    await store.proposals.add(second)
    assert await store.proposals.of_job(job.id) == second
    await store.proposals.settle(first.id, ProposalState.STALE)
    assert await store.proposals.get(first.id) == replace(first, state=ProposalState.STALE)
    assert await store.proposals.of_job(job.id) == second


async def test_what_a_pull_request_was_offered_before_is_known(store: SqlStore) -> None:
    job, first = await proposed(store)
    repository, number = job.request.repository, job.request.number
    assert not await store.proposals.offered_before(repository, number, first.id)
    await store.proposals.add(proposal(job))
    assert await store.proposals.offered_before(repository, number, first.id)
    assert not await store.proposals.offered_before(repository, number + 1, first.id)


async def test_what_jobs_of_a_pull_request_proposed_is_known_as_ours(store: SqlStore) -> None:
    job, offered = await proposed(store)
    repository, number = job.request.repository, job.request.number
    assert await store.proposals.made(repository, {number, -7}, offered.commit)
    assert not await store.proposals.made(repository, {number + 1, -number}, offered.commit)
    assert not await store.proposals.made(repository, {number}, offered.head_sha)
    assert not await store.proposals.made(replace(repository, id=repository.id + 1), {number}, offered.commit)


async def test_an_approval_is_kept_with_an_event(store: SqlStore) -> None:
    _, made = await proposed(store)
    assert await store.proposals.approvals(made.id) == ()
    approval = approval_of(made)
    await store.proposals.approve(approval)
    assert (await store.proposals.approvals(made.id))[-1] == approval
    event = (await events(store, f"proposal:{made.id}"))[-1]
    assert (event.verb, event.actor) == ("proposal.approved", "user:1:alice")
    assert event.data == {
        "via": "button",
        "permission": "write",
        "commit": made.commit,
        "diff_sha256": made.diff_sha256,
    }


async def test_an_approval_that_is_told_twice_counts_once(store: SqlStore) -> None:
    """Whoever told it died before the job went on; an approval that was void in between is another one."""
    _, made = await proposed(store)
    approval = approval_of(made)
    await store.proposals.approve(approval)
    await store.proposals.approve(approval)
    approved = await store.proposals.get(made.id)
    assert approved is not None
    assert approved.state is ProposalState.APPROVED
    verbs = [event.verb for event in await events(store, f"proposal:{made.id}")]
    assert verbs.count("proposal.approved") == 1
    await store.proposals.settle(made.id, ProposalState.OPEN)
    await store.proposals.approve(approval)
    verbs = [event.verb for event in await events(store, f"proposal:{made.id}")]
    assert verbs.count("proposal.approved") == 2


async def test_a_second_approval_stands_beside_the_first(store: SqlStore) -> None:
    _, made = await proposed(store)
    await store.proposals.approve(approval_of(made))
    again = replace(approval_of(made), actor=ROBOT, via=ApprovalVia.COMMENT)
    await store.proposals.approve(again)
    assert (await store.proposals.approvals(made.id))[-1] == again
    assert again.actor.kind is ActorKind.BOT


async def test_of_each_person_the_newest_approval_stands_until_it_is_withdrawn(store: SqlStore) -> None:
    _, made = await proposed(store)
    first = approval_of(made)
    second = replace(first, actor=Actor(id=2, login="bob"))
    await store.proposals.approve(first, whole=False)
    await store.proposals.approve(first, whole=False)
    kept = await store.proposals.get(made.id)
    assert kept is not None
    assert kept.state is ProposalState.OPEN
    await store.proposals.approve(second)
    assert await store.proposals.approvals(made.id) == (first, second)
    await store.proposals.withdraw(first)
    await store.proposals.withdraw(first)
    assert await store.proposals.approvals(made.id) == (second,)
    await store.proposals.approve(replace(first, via=ApprovalVia.COMMENT), whole=False)
    assert await store.proposals.approvals(made.id) == (second, replace(first, via=ApprovalVia.COMMENT))
    verbs = [event.verb for event in await events(store, f"proposal:{made.id}")]
    assert verbs.count("proposal.approved") == 3
    assert verbs.count("proposal.approval_withdrawn") == 1


async def test_what_the_configuration_approves_says_so_in_the_record(store: SqlStore) -> None:
    _, made = await proposed(store)
    await store.proposals.approve(replace(approval_of(made), via=ApprovalVia.CONFIGURATION))
    event = (await events(store, f"proposal:{made.id}"))[-1]
    assert (event.actor, event.data["via"]) == ("configuration", "configuration")


async def test_an_approval_of_a_rebase_names_the_old_head(store: SqlStore) -> None:
    _, made = await proposed(store, kind=ProposalKind.REBASE)
    approval = replace(approval_of(made), old_head=made.head_sha)
    await store.proposals.approve(approval)
    assert (await store.proposals.approvals(made.id))[-1] == approval
    assert (await events(store, f"proposal:{made.id}"))[-1].data["old_head"] == made.head_sha


async def test_an_approval_of_nothing_is_refused_without_a_trace(store: SqlStore) -> None:
    made = replace(proposal(await new_job(store)), id=new_id())
    with pytest.raises(StoreError):
        await store.proposals.approve(approval_of(made))
    assert await events(store, f"proposal:{made.id}") == []
    assert await store.audit.first_broken() is None


async def test_a_push_is_written_down_before_and_after(store: SqlStore) -> None:
    job, made = await proposed(store)
    push = push_of(job, made)
    await store.proposals.begin_push(push)
    assert await store.proposals.publication(job.id) is None
    # the worker died between push and record; the next one begins again
    await store.proposals.begin_push(push)
    await store.proposals.end_push(push, status="done")
    await store.proposals.end_push(push, status="done")
    assert await store.proposals.publication(job.id) == push
    async with store.engine.connect() as connection:
        rows = (await connection.exec_driver_sql("SELECT * FROM git_operations")).all()
    assert [(row.operation, row.ref, row.status, row.detail) for row in rows] == [
        ("publish", "refs/heads/feature", "done", ""),
    ]
    assert (rows[0].old_commit, rows[0].new_commit) == (push.old, push.new)
    assert [event.verb for event in await events(store, f"job:{job.id}")] == ["job.created", "push.done"]


async def test_a_push_that_is_done_is_not_written_down_again(store: SqlStore) -> None:
    job, made = await proposed(store)
    push = push_of(job, made)
    assert await store.proposals.begin_push(push)
    await store.proposals.end_push(push, status="done")
    # the worker died after the record; the next one begins again
    assert not await store.proposals.begin_push(push)
    await store.proposals.end_push(push, status="done")
    async with store.engine.connect() as connection:
        rows = (await connection.exec_driver_sql("SELECT status FROM git_operations")).all()
    assert [row.status for row in rows] == ["done"]
    assert [event.verb for event in await events(store, f"job:{job.id}")] == ["job.created", "push.done"]
    # another push of the same job is another one
    assert await store.proposals.begin_push(replace(push, old=push.new, new=push.old))


async def test_whoever_lost_the_job_begins_no_push_and_a_push_that_has_begun_is_seen(store: SqlStore) -> None:
    job, made = await proposed(store)
    push = push_of(job, made)
    lost = await store.jobs.claim(job.id, owner="slow", seconds=-1)
    lease = await store.jobs.claim(job.id, owner="heir", seconds=60)
    assert lost is not None
    assert lease is not None
    await store.proposals.begin_push(replace(push, purpose=PushPurpose.PROPOSE))
    with pytest.raises(FencingLostError):
        await store.proposals.begin_push(push, lost)
    assert not await store.proposals.push_begun(job.id)
    assert await store.proposals.begin_push(push, lease)
    assert await store.proposals.push_begun(job.id)
    await store.proposals.end_push(push, status="refused")
    assert not await store.proposals.push_begun(job.id)
    await store.proposals.end_push(push, status="done")
    assert await store.proposals.push_begun(job.id)


async def test_a_push_that_was_refused_is_no_publication(store: SqlStore) -> None:
    job, made = await proposed(store)
    push = push_of(job, made)
    await store.proposals.begin_push(push)
    await store.proposals.end_push(push, status="stale", detail="the head moved")
    assert await store.proposals.publication(job.id) is None
    await store.proposals.begin_push(push)
    await store.proposals.end_push(push, status="done")
    assert await store.proposals.publication(job.id) == push


async def test_in_which_words_a_push_was_refused_is_kept(store: SqlStore) -> None:
    job, made = await proposed(store)
    push = push_of(job, made)
    await store.proposals.begin_push(push)
    assert await store.proposals.refusal(push) is None
    await store.proposals.end_push(push, status="refused", detail="the branch is protected")
    assert await store.proposals.refusal(push) == "the branch is protected"
    assert await store.proposals.refusal(replace(push, fork="robin/fees")) is None


async def test_a_push_that_somebody_else_made_is_written_down(store: SqlStore) -> None:
    job, made = await proposed(store)
    push = push_of(job, made)
    await store.proposals.end_push(push, status="done")
    await store.proposals.end_push(push, status="done")
    assert await store.proposals.publication(job.id) == push
    assert [event.verb for event in await events(store, f"job:{job.id}")] == ["job.created", "push.done"]


async def test_of_a_push_that_has_to_be_begun_the_end_alone_is_not_written_down(store: SqlStore) -> None:
    job, made = await proposed(store)
    push = push_of(job, made)
    await store.proposals.end_push(push, status="done", begun=True)
    assert [event.verb for event in await events(store, f"job:{job.id}")] == ["job.created"]
    await store.proposals.begin_push(push)
    for _ in range(2):
        await store.proposals.end_push(push, status="done", begun=True)
    assert await store.proposals.publication(job.id) == push
    assert [event.verb for event in await events(store, f"job:{job.id}")] == ["job.created", "push.done"]


async def test_only_a_push_that_moves_the_head_is_a_publication(store: SqlStore) -> None:
    job, made = await proposed(store)
    branch = replace(push_of(job, made), purpose=PushPurpose.PROPOSE, ref="refs/heads/flowforge/7-0", old="")
    await store.proposals.begin_push(branch)
    await store.proposals.end_push(branch, status="done")
    assert await store.proposals.publication(job.id) is None
    back = replace(push_of(job, made), purpose=PushPurpose.ROLL_BACK, proposal_id=None)
    await store.proposals.begin_push(back)
    await store.proposals.end_push(back, status="done")
    assert await store.proposals.publication(job.id) == back


async def test_the_conflicts_of_the_newest_attempt_are_shown(store: SqlStore) -> None:
    job = await new_job(store)
    assert await store.proposals.conflicts(job.id) == ()
    rule = replace(RECORD, path="b", resolver="union", oid=None, status=ResolutionStatus.OPEN)
    await store.proposals.save_conflicts(job.id, 1, [RECORD, rule, RECORD])
    assert await store.proposals.conflicts(job.id) == (RECORD, rule, RECORD)
    await store.proposals.save_conflicts(job.id, 1, [rule])
    assert await store.proposals.conflicts(job.id) == (rule,)
    await store.proposals.save_conflicts(job.id, 2, [RECORD])
    await store.proposals.save_conflicts(job.id, 1, [rule, rule])
    assert await store.proposals.conflicts(job.id) == (RECORD,)
    await store.proposals.save_conflicts(job.id, 3, [])
    assert await store.proposals.conflicts(job.id) == (), "the newest attempt found none"


async def test_the_answers_of_the_newest_earlier_job_that_has_any_are_found(store: SqlStore) -> None:
    jobs = []
    for _ in range(4):
        jobs.append(job := await new_job(store))
        await store.jobs.request_end(job.id, JobState.CANCELLED, actor=ALICE, message="enough")
    elsewhere = await new_job(store, number=8)
    first, second, third, fourth = jobs
    await store.proposals.save_conflicts(first.id, 1, [RECORD])
    await store.proposals.save_conflicts(second.id, 1, [replace(RECORD, path="x")])
    await store.proposals.save_conflicts(second.id, 2, [replace(RECORD, path="b"), RECORD])
    await store.proposals.save_conflicts(third.id, 1, [replace(RECORD, path="x")])
    await store.proposals.save_conflicts(third.id, 2, [])
    await store.proposals.save_conflicts(fourth.id, 1, [replace(RECORD, path="own")])
    assert await store.proposals.earlier_conflicts(fourth) == (replace(RECORD, path="b"), RECORD)
    assert await store.proposals.earlier_conflicts(second) == (RECORD,)
    assert await store.proposals.earlier_conflicts(first) == ()
    assert await store.proposals.earlier_conflicts(elsewhere) == ()


async def test_the_newest_result_of_the_gate_is_shown(store: SqlStore) -> None:
    job = await new_job(store)
    assert await store.proposals.gate(job.id) is None
    found = GateResult(
        verdict=GateVerdict.REFUSED,
        findings=(
            Finding(check="markers", verdict=GateVerdict.REFUSED, path="a.py", message="a marker", lines=(3, 9)),
            Finding(check="scope", verdict=GateVerdict.NEEDS_PERSON, path="b\udcff", message="edited"),
        ),
        checks=("markers", "scope"),
    )
    await store.proposals.save_gate(job.id, 1, found)
    assert await store.proposals.gate(job.id) == found
    passed = GateResult(verdict=GateVerdict.PASS, findings=(), checks=("markers",))
    await store.proposals.save_gate(job.id, 1, passed)
    assert await store.proposals.gate(job.id) == passed


# --- tests of trees


async def test_what_tests_said_comes_back_to_the_letter(store: SqlStore) -> None:
    job = await new_job(store)
    evidence = replace(TESTED, run_id=(await new_run(store, job, kind=RunKind.TEST)).id)
    await store.proposals.save_tests(job.id, evidence)
    assert await store.proposals.tests(job.id, TESTED.tree) == evidence
    assert await store.proposals.tests(job.id, sha1("another tree")) is None
    assert await store.proposals.tests(new_id(), TESTED.tree) is None


async def told_of_tests(store: SqlStore, job: Job) -> list[tuple[str, dict[str, str]]]:
    found = await events(store, f"job:{job.id}")
    return [(event.verb, event.data) for event in found if event.verb.startswith("tests.")]


async def test_a_run_of_tests_may_be_followed_by_another_until_one_ended(store: SqlStore) -> None:
    job = await new_job(store)
    first, second = [(await new_run(store, job, kind=RunKind.TEST)).id for _ in range(2)]
    await store.proposals.save_tests(job.id, replace(UNDER_WAY, run_id=first))
    await store.proposals.save_tests(job.id, replace(UNDER_WAY, run_id=second))
    assert await store.proposals.tests(job.id, TESTED.tree) == replace(UNDER_WAY, run_id=second)
    assert await told_of_tests(store, job) == []

    ended = replace(TESTED, run_id=second)
    await store.proposals.save_tests(job.id, ended)
    await store.proposals.save_tests(job.id, replace(ended, outcome=SuiteOutcome.PASSED))
    await store.proposals.save_tests(job.id, replace(UNDER_WAY, run_id=first))
    assert await store.proposals.tests(job.id, TESTED.tree) == ended, "how they ended is kept once"
    data = {"tree": TESTED.tree, "command": TESTED.command, "run": second}
    assert await told_of_tests(store, job) == [("tests.failed", data)]


async def test_each_tree_and_each_job_has_tests_of_its_own(store: SqlStore) -> None:
    job, other = await new_job(store), await new_job(store, number=8)
    passed = replace(TESTED, outcome=SuiteOutcome.PASSED, tree=sha1("another tree"))
    for one, evidence in ((job, TESTED), (job, passed), (other, replace(TESTED, command="x"))):
        await store.proposals.save_tests(one.id, evidence)
    assert await store.proposals.tests(job.id, TESTED.tree) == TESTED
    assert await store.proposals.tests(job.id, passed.tree) == passed
    assert await store.proposals.tests(other.id, TESTED.tree) == replace(TESTED, command="x")


@given(
    outcome=st.sampled_from(SuiteOutcome), tree=st.sampled_from([TESTED.tree, sha1("b")]), asked=st.sampled_from("ab")
)
def test_only_a_pass_on_exactly_this_tree_is_one(outcome: SuiteOutcome, tree: str, asked: str) -> None:
    wanted = {"a": TESTED.tree, "b": sha1("b")}[asked]
    evidence = replace(TESTED, outcome=outcome, tree=tree)
    assert evidence.passed_on(wanted) is (outcome.value == "passed" and tree == wanted)
