"""The tables. Migrations make them; a test compares the two. Each index names the query it is for.

``serial`` counts rows in the order in which they were written: clocks may stand still, it does not.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from app.store.types import SERIAL, AnyText, UtcDateTime, choice, digest, forge_name, key
from bot.model.deliveries import DeliveryState
from bot.model.forge import ActorKind, ThreadKind
from bot.model.intents import Strategy
from bot.model.jobs import JobKind, JobState
from bot.model.proposals import ApprovalVia, ProposalKind, ProposalState, PushPurpose, SuiteOutcome
from bot.model.reports import ResolutionStatus, Surface
from bot.model.resolutions import GateVerdict
from bot.model.runs import RunKind, RunOutcome, RunState

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    },
)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index over the rows that a query asks for, and no others."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


instance: Final = Table(
    "instance",
    metadata,
    # always 1: there is one installation to a database
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", key(), nullable=False),
)

deliveries: Final = Table(
    "deliveries",
    metadata,
    # of its row in delivery_keys, which knows each forge's ids once
    Column("serial", SERIAL, primary_key=True, autoincrement=False),
    Column("forge", forge_name(), nullable=False),
    Column("delivery_id", AnyText, nullable=False),
    Column("event", AnyText, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("state", choice(DeliveryState), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", AnyText, nullable=False),
    Column("settled_at", UtcDateTime),
    # Deliveries.waiting
    _partial("ix_deliveries_waiting", "received_at", "serial", where="state = 'new'"),
)

intents: Final = Table(
    "intents",
    metadata,
    Column("key", AnyText, primary_key=True),
    Column("delivery_id", AnyText, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("actor_id", BigInteger, nullable=False),
    Column("actor_login", AnyText, nullable=False),
    Column("actor_kind", choice(ActorKind), nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("decision", AnyText),
    Column("rule", AnyText),
    Column("message", AnyText),
    Column("job_id", key(), ForeignKey("jobs.id")),
    Column("finished_at", UtcDateTime),
)

installations: Final = Table(
    "installations",
    metadata,
    Column("forge", forge_name(), primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("account", AnyText, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

repositories: Final = Table(
    "repositories",
    metadata,
    Column("forge", forge_name(), primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", AnyText, nullable=False),
    Column("name", AnyText, nullable=False),
    # No foreign key: an event may name an installation before its own event arrives.
    Column("installation_id", BigInteger, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

job_config_versions: Final = Table(
    "job_config_versions",
    metadata,
    Column("version", AnyText, primary_key=True),
    Column("text", AnyText, nullable=False),
    # where this text was seen first
    Column("forge", forge_name(), nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

jobs: Final = Table(
    "jobs",
    metadata,
    Column("serial", SERIAL, primary_key=True),
    Column("id", key(), nullable=False, unique=True),
    # the request
    Column("kind", choice(JobKind), nullable=False),
    # Jobs.create
    Column("origin_key", AnyText, nullable=False, unique=True),
    Column("forge", forge_name(), nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("requested_by_id", BigInteger, nullable=False),
    Column("requested_by_login", AnyText, nullable=False),
    Column("requested_by_kind", choice(ActorKind), nullable=False),
    Column("comment_id", BigInteger),
    Column("instructions", AnyText, nullable=False),
    Column("strategy", choice(Strategy), nullable=False),
    Column("budget_usd", Float, nullable=False),
    Column("model", AnyText, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("config_version", AnyText, ForeignKey("job_config_versions.version"), nullable=False),
    Column("head_ref", AnyText, nullable=False),
    Column("requested_head_sha", digest(), nullable=False),
    Column("base_ref", AnyText, nullable=False),
    Column("target_job_id", key(), ForeignKey("jobs.id")),
    Column("takes", JSON, nullable=False, server_default="[]"),
    Column("brief", JSON(none_as_null=True)),
    Column("asked_before", JSON, nullable=False, server_default="[]"),
    # where it stands
    Column("state", choice(JobState), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("base_sha", digest()),
    Column("head_sha", digest(), nullable=False),
    Column("rule", AnyText),
    Column("message", AnyText),
    Column("progress", AnyText, nullable=False),
    # Works
    Column("answer", AnyText, nullable=False, server_default=""),
    Column("conflicts_attempt", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    # who may change it, and when
    Column("fencing", BigInteger, nullable=False),
    Column("lease_owner", AnyText),
    Column("lease_until", UtcDateTime),
    Column("not_before", UtcDateTime),
    Column("waits_for", key(), ForeignKey("jobs.id")),
    Column("cancel_requested", choice(JobState)),
    # when the sweep sees to it that people learn how the job stands; empty once that was done
    Column("conclude_at", UtcDateTime),
    ForeignKeyConstraint(["forge", "repository_id"], ["repositories.forge", "repositories.id"]),
    # Of the jobs of a pull request that have not ended, one may work and one may wait for it to end: a superseding job
    # is queued while the superseded one winds down. ``waits_for`` is emptied in the transaction that ends the other.
    _partial(
        "uq_jobs_working",
        "forge",
        "repository_id",
        "number",
        where="finished_at IS NULL AND waits_for IS NULL",
        unique=True,
    ),
    _partial(
        "uq_jobs_waiting",
        "forge",
        "repository_id",
        "number",
        where="finished_at IS NULL AND waits_for IS NOT NULL",
        unique=True,
    ),
    # Jobs.latest, active, last_published
    Index("ix_jobs_pull_request", "forge", "repository_id", "number", "serial"),
    # Jobs.due
    _partial("ix_jobs_due", "serial", where="finished_at IS NULL AND waits_for IS NULL"),
    # Jobs.unconcluded
    _partial("ix_jobs_unconcluded", "conclude_at", where="conclude_at IS NOT NULL"),
    # Jobs.last_published asks for rollbacks of a job
    _partial("ix_jobs_target", "target_job_id", where="target_job_id IS NOT NULL"),
    # the end of a job frees the one that waits for it
    _partial("ix_jobs_waits_for", "waits_for", where="waits_for IS NOT NULL"),
)

job_executions: Final = Table(
    "job_executions",
    metadata,
    Column("serial", SERIAL, primary_key=True),
    Column("job_id", key(), ForeignKey("jobs.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worker", AnyText, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime),
    Column("status", AnyText, nullable=False),
    Column("error_class", AnyText, nullable=False),
    Column("error", AnyText, nullable=False),
    # Jobs.end_execution, set_retry. Not unique, since that would hold within a month only; no attempt is there twice,
    # since its number is counted up in the job's row, under the lease, in the transaction that inserts it.
    Index("ix_job_executions_job", "job_id", "attempt"),
)

runs: Final = Table(
    "runs",
    metadata,
    Column("serial", SERIAL, primary_key=True),
    Column("id", key(), nullable=False, unique=True),
    Column("job_id", key(), ForeignKey("jobs.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", choice(RunKind), nullable=False, server_default=RunKind.AGENT.value),
    Column("state", choice(RunState), nullable=False),
    Column("model", AnyText, nullable=False),
    Column("limits", JSON, nullable=False),
    # ModelLedger.grant
    Column("token_sha256", digest(), nullable=False, unique=True),
    Column("outcome", choice(RunOutcome)),
    Column("detail", AnyText, nullable=False),
    Column("stop_requested", choice(RunOutcome)),
    Column("supervisor", AnyText),
    Column("lease_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("deadline_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    # Runs.latest; Jobs.due and request_end ask for live runs of a job
    Index("ix_runs_job", "job_id", "serial"),
    # Runs.abandoned
    _partial("ix_runs_supervised", "lease_until", where="state = 'started'"),
    # Runs.end_unstarted
    _partial("ix_runs_unstarted", "created_at", where="state = 'created'"),
)

run_archives: Final = Table(
    "run_archives",
    metadata,
    Column("run_id", key(), ForeignKey("runs.id"), primary_key=True),
    # workspace or result
    Column("kind", AnyText, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("taken_at", UtcDateTime),
)

model_usage: Final = Table(
    "model_usage",
    metadata,
    Column("serial", SERIAL, primary_key=True),
    Column("run_id", key(), ForeignKey("runs.id"), nullable=False),
    Column("job_id", key(), ForeignKey("jobs.id"), nullable=False),
    Column("forge", forge_name(), nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("installation_id", BigInteger, nullable=False),
    Column("requested_by_id", BigInteger, nullable=False),
    Column("model", AnyText, nullable=False),
    Column("status", Integer, nullable=False),
    Column("request_bytes", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    # Runs.usage
    Index("ix_model_usage_job", "job_id", "started_at", "serial"),
    # ModelLedger.grant, Runs.model_calls
    Index("ix_model_usage_run", "run_id"),
)

conflict_resolutions: Final = Table(
    "conflict_resolutions",
    metadata,
    Column("job_id", key(), ForeignKey("jobs.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("path", AnyText, nullable=False),
    Column("conflict_type", AnyText, nullable=False),
    Column("hunks", Integer, nullable=False),
    Column("method", AnyText, nullable=False),
    Column("status", choice(ResolutionStatus), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("prompt", AnyText, nullable=False),
    Column("response", AnyText, nullable=False),
    Column("final_resolution", digest()),
    # texts in answers and candidates are base64
    Column("stages", JSON, nullable=False, server_default="{}"),
    Column("answers", JSON, nullable=False, server_default="[]"),
    Column("candidates", JSON, nullable=False, server_default="[]"),
    Column("provenance", JSON, nullable=False, server_default="[]"),
    Column("taken", JSON(none_as_null=True)),
    Column("suggestion", JSON(none_as_null=True)),
)

gate_results: Final = Table(
    "gate_results",
    metadata,
    Column("serial", SERIAL, primary_key=True),
    Column("job_id", key(), ForeignKey("jobs.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("verdict", choice(GateVerdict), nullable=False),
    Column("findings", JSON, nullable=False),
    Column("checks", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # Proposals.gate
    Index("ix_gate_results_job", "job_id", "serial"),
)

proposals: Final = Table(
    "proposals",
    metadata,
    Column("serial", SERIAL, primary_key=True),
    Column("id", key(), nullable=False, unique=True),
    Column("job_id", key(), ForeignKey("jobs.id"), nullable=False),
    Column("kind", choice(ProposalKind), nullable=False),
    Column("state", choice(ProposalState), nullable=False),
    Column("branch", AnyText, nullable=False),
    Column("commit", digest(), nullable=False),
    Column("tree", digest(), nullable=False),
    Column("parents", JSON, nullable=False),
    Column("head_sha", digest(), nullable=False),
    Column("base_sha", digest(), nullable=False),
    Column("diff_sha256", digest(), nullable=False),
    Column("files", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # Proposals.of_job
    Index("ix_proposals_job", "job_id", "serial"),
    # Repairs.old_partials
    _partial("ix_proposals_open", "created_at", "serial", where="state = 'open'"),
)

tested_trees: Final = Table(
    "tested_trees",
    metadata,
    Column("job_id", key(), ForeignKey("jobs.id"), primary_key=True),
    Column("tree", digest(), primary_key=True),
    Column("outcome", choice(SuiteOutcome), nullable=False),
    Column("command", AnyText, nullable=False),
    Column("run_id", key(), ForeignKey("runs.id")),
    Column("exit_status", Integer),
    Column("signal", Integer),
    Column("duration_ms", BigInteger),
    Column("log_tail", AnyText, nullable=False),
    Column("detail", AnyText, nullable=False),
    Column("left_out", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

approvals: Final = Table(
    "approvals",
    metadata,
    Column("serial", SERIAL, primary_key=True),
    Column("proposal_id", key(), ForeignKey("proposals.id"), nullable=False),
    Column("actor_id", BigInteger, nullable=False),
    Column("actor_login", AnyText, nullable=False),
    Column("actor_kind", choice(ActorKind), nullable=False),
    Column("via", choice(ApprovalVia), nullable=False),
    Column("permission", AnyText, nullable=False),
    Column("commit", digest(), nullable=False),
    Column("diff_sha256", digest(), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("old_head", digest()),
    # Proposals.approval
    Index("ix_approvals_proposal", "proposal_id", "serial"),
)

git_operations: Final = Table(
    "git_operations",
    metadata,
    Column("serial", SERIAL, primary_key=True),
    Column("operation", choice(PushPurpose), nullable=False),
    Column("forge", forge_name(), nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("job_id", key(), ForeignKey("jobs.id"), nullable=False),
    Column("proposal_id", key(), ForeignKey("proposals.id")),
    Column("ref", AnyText, nullable=False),
    Column("old_commit", digest(), nullable=False),
    Column("new_commit", digest(), nullable=False),
    Column("status", AnyText, nullable=False),
    Column("detail", AnyText, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    # the fork that holds the ref, empty for the repository itself
    Column("fork", AnyText, nullable=False, server_default=""),
    # the pull request that was opened from the ref
    Column("pull_number", Integer),
    # Proposals.begin_push, end_push, publication
    Index("ix_git_operations_job", "job_id", "serial"),
)

recorded_resolutions: Final = Table(
    "recorded_resolutions",
    metadata,
    Column("serial", SERIAL, primary_key=True),
    Column("forge", forge_name(), nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    # a hash over the path and the three blobs: a path may be longer than an index takes
    Column("key_sha256", digest(), nullable=False),
    Column("path", AnyText, nullable=False),
    Column("ancestor", digest()),
    Column("ours", digest()),
    Column("theirs", digest()),
    Column("content", LargeBinary, nullable=False),
    Column("source", AnyText, nullable=False),
    # No foreign key: what was imported from another database has no job here.
    Column("job_id", key(), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["forge", "repository_id"], ["repositories.forge", "repositories.id"]),
    # Recorded.find, remember
    UniqueConstraint("forge", "repository_id", "key_sha256", "job_id"),
)

recorded_hunks: Final = Table(
    "recorded_hunks",
    metadata,
    Column("forge", forge_name(), primary_key=True),
    Column("repository_id", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", digest(), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("source", AnyText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["forge", "repository_id"], ["repositories.forge", "repositories.id"]),
)

report_targets: Final = Table(
    "report_targets",
    metadata,
    Column("serial", SERIAL, primary_key=True),
    Column("id", key(), nullable=False, unique=True),
    Column("forge", forge_name(), nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("thread", choice(ThreadKind), nullable=False, server_default=ThreadKind.PULL.value),
    Column("owner", AnyText, nullable=False),
    Column("surface", choice(Surface), nullable=False),
    Column("desired", JSON, nullable=False),
    Column("desired_hash", digest(), nullable=False),
    Column("reported_hash", digest()),
    Column("remote_id", BigInteger),
    Column("attempts", Integer, nullable=False),
    # the wish's own earliest moment, and the earliest moment after a failure
    Column("not_before", UtcDateTime),
    Column("retry_at", UtcDateTime),
    Column("gave_up_at", UtcDateTime),
    Column("error", AnyText, nullable=False),
    Column("wanted_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["forge", "repository_id"], ["repositories.forge", "repositories.id"]),
    # Reports.want, remote_id
    UniqueConstraint("owner", "surface"),
    # Reports.unreported
    _partial(
        "ix_report_targets_unreported",
        "wanted_at",
        "serial",
        where="gave_up_at IS NULL AND (reported_hash IS NULL OR reported_hash <> desired_hash)",
    ),
)

audit_events: Final = Table(
    "audit_events",
    metadata,
    # counted by us: each event is chained to the one before it
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", AnyText, nullable=False),
    Column("verb", AnyText, nullable=False),
    Column("subject", AnyText, nullable=False),
    Column("data", JSON, nullable=False),
    Column("previous", digest(), nullable=False),
    Column("hash", digest(), nullable=False),
)

APPEND_ONLY: Final = ("approvals", "audit_events", "audit_anchor")
"""The tables in which triggers refuse every change and every deletion."""
