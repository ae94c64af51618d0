"""What jobs of the report's tests are made of."""

from dataclasses import replace
from datetime import UTC, datetime

from bot.model.cases import Choice, Suggestion, Take
from bot.model.conflicts import ConflictKind, Side, Stage
from bot.model.forge import Actor, ForgeKind, RepositoryRef
from bot.model.intents import Origin, Strategy
from bot.model.jobs import Job, JobKind, JobRequest, JobState
from bot.model.proposals import (
    Approval,
    ApprovalVia,
    Proposal,
    ProposalKind,
    ProposalState,
    ProposedFile,
    Publication,
    PushPurpose,
)
from bot.model.reports import ConflictRecord, HandOver, ResolutionStatus
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
from bot.model.runs import Usage
from bot.validation.gate import NAMES

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HEAD, BASE, COMMIT, TREE = "a1" * 20, "b2" * 20, "c3" * 20, "d4" * 20
JOB_ID, PROPOSAL_ID = "0123456789abcdef" * 2, "fedcba9876543210" * 2
REPOSITORY = RepositoryRef(forge=ForgeKind.GITHUB, id=4711, owner="acme", name="shop", installation_id=1)
ANNA = Actor(id=7, login="anna")
ORIGIN = Origin(
    key="comment:99:abc:0",
    delivery_id="d-1",
    repository=REPOSITORY,
    number=12,
    actor=ANNA,
    comment_id=99,
    quoted="/flowforge approve 1f3870b",
)

DIFF_AGAINST_HEAD = """\
diff --git a/src/cart.py b/src/cart.py
index 1111111..2222222 100644
--- a/src/cart.py
+++ b/src/cart.py
@@ -10,6 +10,7 @@ def total(items):
     amount = 0
     for item in items:
-        amount += item.price
+        amount += item.price * item.count
+    amount = round(amount, 2)
     return amount
 # the end
diff --git a/src/tax.py b/src/tax.py
index 3333333..4444444 100644
--- a/src/tax.py
+++ b/src/tax.py
@@ -1,2 +1,2 @@
-RATE = 0.19
+RATE = 0.2
 FREE = 0
diff --git a/assets/logo.png b/assets/logo.png
index 5555555..6666666 100644
Binary files a/assets/logo.png and b/assets/logo.png differ
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
"""
DIFF_AGAINST_BASE = """\
diff --git a/src/cart.py b/src/cart.py
index 7777777..2222222 100644
--- a/src/cart.py
+++ b/src/cart.py
@@ -12,5 +12,5 @@ def total(items):
     for item in items:
         amount += item.price * item.count
-    return amount
+    amount = round(amount, 2)
+    return amount
 # the end
"""

PASSED = GateResult(verdict=GateVerdict.PASS, findings=(), checks=NAMES)
NOTED = GateResult(
    verdict=GateVerdict.PASS,
    findings=(
        Finding(
            check="dropped_side",
            verdict=GateVerdict.PASS,
            path="src/cart.py",
            message="Conflict 2 drops what ours changed.",
            lines=(12, 14),
        ),
    ),
    checks=NAMES,
)
TURNED_DOWN = GateResult(
    verdict=GateVerdict.REFUSED,
    findings=(
        Finding(
            check="scope_hunks",
            verdict=GateVerdict.REFUSED,
            path="src/cart.py",
            message="This differs from what git merged outside the conflict.",
            lines=(40, 40),
        ),
        Finding(
            check="syntax",
            verdict=GateVerdict.PASS,
            path="src/cart.txt",
            message="Not parsed: no grammar for a file of this name.",
        ),
        Finding(
            check="lost_lines",
            verdict=GateVerdict.REFUSED,
            path="src/tax.py",
            message="Conflict 1 lost a line that both sides keep: `FREE = 0`.",
            lines=(1, 2),
        ),
    ),
    checks=NAMES,
)
RECORDS = (
    ConflictRecord(
        path="src/cart.py",
        kind="content",
        hunks=2,
        resolver="agent",
        status=ResolutionStatus.RESOLVED,
        reasons=(
            "The base multiplies by `item.count`, the branch leaves it out; the product is right for both.",
            "Rounding comes last, as on the branch.",
        ),
        oid="e5" * 20,
        prompt="",
        response="",
    ),
    ConflictRecord(
        path="src/tax.py",
        kind="add/add",
        hunks=1,
        resolver="agent",
        status=ResolutionStatus.RESOLVED,
        reasons=("Both sides add the file; the base has the newer rate.",),
        oid="f6" * 20,
        prompt="",
        response="",
    ),
)
OPEN = (
    replace(
        RECORDS[0], status=ResolutionStatus.OPEN, oid=None, reasons=("Both formulas make sense; which is wanted?",)
    ),
    ConflictRecord(
        path="assets/logo.png",
        kind="binary",
        hunks=0,
        resolver="person",
        status=ResolutionStatus.OPEN,
        reasons=("A binary file: a person has to choose.",),
        oid=None,
        prompt="",
        response="",
    ),
)


def answer(index: int, resolver: str, tier: Tier, reason: str, content: bytes = b"    return amount\n") -> HunkAnswer:
    return HunkAnswer(
        index=index, content=content, resolver=resolver, tier=tier, reason=reason, confidence=Confidence.HIGH
    )


SAME = "Both sides made the same change; they differ in white space only."
LINES = (
    ProvenanceSpan(first=1, last=9, origin=LineOrigin.BOTH),
    ProvenanceSpan(first=10, last=13, origin=LineOrigin.OURS),
    ProvenanceSpan(first=14, last=14, origin=LineOrigin.NEW),
    ProvenanceSpan(first=15, last=16, origin=LineOrigin.THEIRS),
)
BY_RULES = (
    replace(
        RECORDS[1],
        resolver="identical",
        reasons=(SAME,),
        answers=(answer(0, "identical", Tier.A, SAME),),
        provenance=LINES[:2],
    ),
)
MIXED = (
    replace(
        RECORDS[0],
        hunks=3,
        resolver="several",
        reasons=(SAME, "The base multiplies by `item.count`.", "Rounding comes last."),
        answers=(
            answer(0, "identical", Tier.A, SAME),
            answer(1, "direct", Tier.DIRECT, "The base multiplies by `item.count`."),
            answer(2, "agent", Tier.AGENT, "Rounding comes last."),
        ),
        provenance=LINES,
    ),
    *BY_RULES,
)
STAGES = {side: Stage(mode="100644", oid=number * 40) for side, number in zip(Side, "123", strict=True)}
BOTH_RATES = "The edits of both sides put together word by word."
LOGO = ConflictRecord(
    path="assets/the logo.png",
    kind="binary",
    hunks=0,
    resolver="person",
    status=ResolutionStatus.OPEN,
    reasons=("a binary conflict is for a person to decide",),
    oid=None,
    prompt="",
    response="",
    stages=STAGES,
    suggestion=Suggestion(choice=Choice.THEIRS, reason="In 98 of 100 such conflicts people took one side whole."),
)
PARTIAL = (
    *BY_RULES,
    replace(
        LOGO,
        path="docs/old.md",
        kind="modify/delete",
        status=ResolutionStatus.RESOLVED,
        reasons=(),
        suggestion=None,
        taken=Take(path="docs/old.md", choice=Choice.DELETE, taken_by="carla"),
    ),
    LOGO,
    replace(
        RECORDS[0],
        status=ResolutionStatus.OPEN,
        oid=None,
        hunks=2,
        reasons=("Conflict 2 was left open: Both formulas make sense; which is wanted?",),
        answers=(answer(0, "identical", Tier.A, SAME),),
        candidates=(answer(1, "tokens", Tier.B, BOTH_RATES, b"        amount += round(item.price * item.count)\n"),),
        stages=STAGES,
    ),
)
MUCH_NEW = replace(
    MIXED[0],
    provenance=tuple(
        ProvenanceSpan(first=line, last=line, origin=(LineOrigin.NEW, LineOrigin.OURS)[line % 2])
        for line in range(1, 15)
    ),
)
LONG_CANDIDATE = replace(
    PARTIAL[-1],
    candidates=(
        answer(1, "tokens", Tier.B, BOTH_RATES, b"        amount += item.price\n" * 60),
        answer(1, "both", Tier.B, "Both texts, ours first.", b"        amount += round(item.price)\n"),
    ),
)
PEOPLE = tuple(
    replace(
        LOGO,
        path=f"files/{number}.txt",
        kind=kind.value,
        reasons=(f"a {kind.value} conflict is for a person to decide",),
    )
    for number, kind in enumerate(ConflictKind)
)
PROPOSAL = Proposal(
    id=PROPOSAL_ID,
    job_id=JOB_ID,
    kind=ProposalKind.MERGE,
    state=ProposalState.OPEN,
    branch="flowforge/12-01234567",
    commit=COMMIT,
    tree=TREE,
    parents=(HEAD, BASE),
    head_sha=HEAD,
    base_sha=BASE,
    diff_sha256="9f" * 32,
    files=tuple(ProposedFile(path=r.path, kind=r.kind, resolver=r.resolver, reasons=r.reasons) for r in RECORDS),
    created_at=NOW,
)
UNFINISHED = replace(PROPOSAL, kind=ProposalKind.PARTIAL, parents=(HEAD,), files=PROPOSAL.files[1:])
REVERT = replace(PROPOSAL, kind=ProposalKind.REVERT, parents=(HEAD,), base_sha=HEAD, files=())
USAGE = Usage(
    model_calls=3,
    input_tokens=12_000,
    output_tokens=830,
    cache_write_tokens=0,
    cache_read_tokens=4_100,
    cost_usd=0.0421,
)
FORK = HandOver(
    reason="The pull request comes from the fork `ben/shop`, where FlowForge cannot push. Its owner, or anybody with "
    "write access here, can, with the pull request's branch checked out:",
    commands=(
        "git fetch https://github.com/acme/shop.git refs/heads/flowforge/12-01234567",
        f"git merge --ff-only {COMMIT}",
        f"git push https://github.com/ben/shop.git {COMMIT}:refs/heads/round-totals",
    ),
)


def job(state: JobState, *, kind: JobKind = JobKind.RESOLVE, **changes: object) -> Job:
    """A job in a state."""
    request = JobRequest(
        kind=kind,
        origin_key=ORIGIN.key,
        repository=REPOSITORY,
        number=12,
        requested_by=ANNA,
        comment_id=99,
        instructions="",
        strategy=Strategy.MERGE,
        budget_usd=5.0,
        model="claude-opus-4",
        dry_run=False,
        config_version="",
        head_ref="round-totals",
        head_sha=HEAD,
        base_ref="main",
    )
    made = Job(
        id=JOB_ID,
        request=request,
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
    return replace(made, **changes)  # type: ignore[arg-type]  # the names of fields, checked by the dataclass


def rebase_job(
    state: JobState = JobState.AWAITING_APPROVAL, *, message: str | None = None, rule: str | None = None
) -> Job:
    """A job of a rebase."""
    made = job(state, message=message, rule=rule)
    return replace(made, request=replace(made.request, strategy=Strategy.REBASE))


APPROVAL = Approval(
    proposal_id=PROPOSAL_ID,
    actor=Actor(id=8, login="carla"),
    via=ApprovalVia.BUTTON,
    permission="write",
    commit=COMMIT,
    diff_sha256=PROPOSAL.diff_sha256,
)
PUBLICATION = Publication(
    purpose=PushPurpose.PUBLISH,
    job_id=JOB_ID,
    proposal_id=PROPOSAL_ID,
    ref="refs/heads/round-totals",
    old=HEAD,
    new=COMMIT,
)
