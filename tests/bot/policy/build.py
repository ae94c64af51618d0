"""Facts as they are on a good day; tests change what they are about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.config_keys import RepositoryConfig
from bot.model.conflicts import Side, Stage
from bot.model.forge import Actor, ForgeKind, PermissionLevel, PullRequest, RepositoryRef
from bot.model.intents import Origin, Strategy
from bot.model.jobs import Job, JobKind, JobRequest, JobState
from bot.model.proposals import Proposal, ProposalKind, ProposalState, SuiteEvidence, SuiteOutcome
from bot.model.reports import ConflictRecord, ResolutionStatus
from bot.policy.facts import Facts
from bot.policy.limits import ServerLimits

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HEAD, BASE, COMMIT, TREE, OTHER = "a" * 40, "b" * 40, "c" * 40, "d" * 40, "e" * 40
JOB_ID, PROPOSAL_ID, DIFF = "1" * 32, "2" * 32, "f" * 64

REPOSITORY = RepositoryRef(forge=ForgeKind.GITHUB, id=7, owner="acme", name="shop", installation_id=3)
ADA = Actor(id=11, login="ada")
AUTHOR = Actor(id=12, login="grace")
ORIGIN = Origin(key="github:comment:1:x:0", delivery_id="d", repository=REPOSITORY, number=5, actor=ADA, comment_id=1)

SERVER = ServerLimits(
    default_model="sonnet",
    allowed_models=("sonnet", "opus"),
    max_budget_usd=20.0,
    max_run_seconds=3600.0,
    stall_seconds=300.0,
    max_turns=40,
    max_workspace_bytes=1_000_000,
    max_result_bytes=2_000_000,
    max_result_files=100,
    max_log_bytes=3_000_000,
)

PULL_REQUEST = PullRequest(
    repository=REPOSITORY,
    number=5,
    title="Add a cart",
    body="",
    open=True,
    merged=False,
    draft=False,
    author=AUTHOR,
    head_ref="cart",
    head_sha=HEAD,
    head_repository_id=7,
    head_full_name="acme/shop",
    base_ref="main",
    base_sha=BASE,
    maintainer_can_modify=False,
    html_url="https://github.com/acme/shop/pull/5",
)
FORK = replace(PULL_REQUEST, head_repository_id=8, head_full_name="grace/shop")

REQUEST = JobRequest(
    kind=JobKind.RESOLVE,
    origin_key="github:comment:0:w:0",
    repository=REPOSITORY,
    number=5,
    requested_by=ADA,
    comment_id=0,
    instructions="",
    strategy=Strategy.MERGE,
    budget_usd=5.0,
    model="sonnet",
    dry_run=False,
    config_version="",
    head_ref="cart",
    head_sha=HEAD,
    base_ref="main",
)

PROPOSAL = Proposal(
    id=PROPOSAL_ID,
    job_id=JOB_ID,
    kind=ProposalKind.MERGE,
    state=ProposalState.OPEN,
    branch="flowforge/5-11111111",
    commit=COMMIT,
    tree=TREE,
    parents=(HEAD, BASE),
    head_sha=HEAD,
    base_sha=BASE,
    diff_sha256=DIFF,
    files=(),
    created_at=NOW,
)


def job(state: JobState = JobState.RUNNING, **request: Any) -> Job:
    """A job; keyword arguments change its request."""
    return Job(
        id=JOB_ID,
        request=replace(REQUEST, **request),
        state=state,
        attempt=1,
        fencing=1,
        base_sha=BASE,
        head_sha=HEAD,
        cancel_requested=None,
        rule=None,
        message=None,
        progress="",
        created_at=NOW,
        updated_at=NOW,
        finished_at=None,
    )


STRICT = RepositoryConfig(version=1, test_command="make test", tests_must_pass=True)
FAILED = SuiteEvidence(tree=TREE, outcome=SuiteOutcome.FAILED, at=NOW, command="make test", exit_status=1)
PASSED = replace(FAILED, outcome=SuiteOutcome.PASSED, exit_status=0)

QUIET = Facts(
    permission=PermissionLevel.WRITE,
    actor_is_self=False,
    config=RepositoryConfig(version=1),
    config_error=None,
    pull_request=PULL_REQUEST,
    active=None,
    latest=None,
    proposal=None,
    published=None,
    limits=SERVER,
    installation_active=True,
)
"""Nothing is under way."""


def record(path: str, status: ResolutionStatus = ResolutionStatus.OPEN, *sides: Side) -> ConflictRecord:
    """What became of one conflict."""
    return ConflictRecord(
        path=path,
        kind="content",
        hunks=1,
        resolver="",
        status=status,
        reasons=(),
        oid=None,
        prompt="",
        response="",
        stages={side: Stage(mode="100644", oid="0" * 40) for side in sides or tuple(Side)},
    )


def during(active: Job) -> Facts:
    """A job is under way."""
    return replace(QUIET, active=active, latest=active)


def after(latest: Job) -> Facts:
    """The newest job ended."""
    return replace(QUIET, latest=latest)


WAITING = replace(during(job(JobState.AWAITING_APPROVAL)), proposal=PROPOSAL)
"""A proposal waits for an answer."""

ONE_OPEN = replace(
    after(job(JobState.UNRESOLVED)),
    conflicts=(record("done.py", ResolutionStatus.PROPOSED), record("src/a b.py")),
)
"""The last job left one conflict open."""

TWO_OPEN = replace(ONE_OPEN, conflicts=(*ONE_OPEN.conflicts, record("new.bin", ResolutionStatus.OPEN, Side.OURS)))

PARTIAL = replace(ONE_OPEN, proposal=replace(PROPOSAL, kind=ProposalKind.PARTIAL))
"""What is safe was prepared for a person."""

REBASE = replace(WAITING, proposal=replace(PROPOSAL, kind=ProposalKind.REBASE, parents=(OTHER,)))
"""A rebase waits for an answer."""

PUBLISHED = replace(
    after(job(JobState.PUBLISHED)),
    proposal=replace(PROPOSAL, state=ProposalState.PUBLISHED),
    published=job(JobState.PUBLISHED),
)
"""The last job was pushed."""
