"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
WORD = sa.String(length=32)
KEY = sa.String(length=32)
DIGEST = sa.String(length=64)

TABLES = (
    "deliveries",
    "installations",
    "repositories",
    "job_config_versions",
    "jobs",
    "intents",
    "job_executions",
    "runs",
    "run_archives",
    "model_usage",
    "conflict_resolutions",
    "gate_results",
    "proposals",
    "approvals",
    "git_operations",
    "report_targets",
    "audit_events",
)
APPEND_ONLY = {"approvals": "serial", "audit_events": "id"}


def where(condition: str) -> dict[str, Any]:
    """A partial index, on both products."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    _inbox()
    _registry()
    _jobs()
    _work()
    _runs()
    _money()
    _decisions()
    _proposals()
    _pushes()
    _reports()
    _audit()
    for table, key in APPEND_ONLY.items():
        _refuse_changes(table, key)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")


def _inbox() -> None:
    """What arrives."""
    op.create_table(
        "deliveries",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("forge", WORD, nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("settled_at", MOMENT),
        sa.PrimaryKeyConstraint("serial", name="pk_deliveries"),
        sa.UniqueConstraint("forge", "delivery_id", name="uq_deliveries_forge"),
    )
    op.create_index("ix_deliveries_waiting", "deliveries", ["received_at", "serial"], **where("state = 'new'"))


def _registry() -> None:
    """Who we work for."""
    op.create_table(
        "installations",
        sa.Column("forge", WORD, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("forge", "id", name="pk_installations"),
    )
    op.create_table(
        "repositories",
        sa.Column("forge", WORD, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("installation_id", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("forge", "id", name="pk_repositories"),
    )
    op.create_table(
        "job_config_versions",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_job_config_versions"),
    )


def _jobs() -> None:
    """What people asked for."""
    op.create_table(
        "jobs",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("origin_key", sa.Text(), nullable=False),
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("requested_by_id", sa.BigInteger(), nullable=False),
        sa.Column("requested_by_login", sa.Text(), nullable=False),
        sa.Column("requested_by_kind", WORD, nullable=False),
        sa.Column("comment_id", sa.BigInteger()),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("strategy", WORD, nullable=False),
        sa.Column("budget_usd", sa.Float(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("config_version", sa.Text(), nullable=False),
        sa.Column("head_ref", sa.Text(), nullable=False),
        sa.Column("requested_head_sha", DIGEST, nullable=False),
        sa.Column("base_ref", sa.Text(), nullable=False),
        sa.Column("target_job_id", KEY),
        sa.Column("state", WORD, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("base_sha", DIGEST),
        sa.Column("head_sha", DIGEST, nullable=False),
        sa.Column("rule", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.Column("conflicts_attempt", sa.Integer()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("fencing", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", MOMENT),
        sa.Column("not_before", MOMENT),
        sa.Column("waits_for", KEY),
        sa.Column("cancel_requested", WORD),
        sa.Column("conclude_at", MOMENT),
        sa.ForeignKeyConstraint(["config_version"], ["job_config_versions.version"], name="fk_jobs_config_version"),
        sa.ForeignKeyConstraint(
            ["forge", "repository_id"], ["repositories.forge", "repositories.id"], name="fk_jobs_forge"
        ),
        sa.ForeignKeyConstraint(["target_job_id"], ["jobs.id"], name="fk_jobs_target_job_id"),
        sa.ForeignKeyConstraint(["waits_for"], ["jobs.id"], name="fk_jobs_waits_for"),
        sa.PrimaryKeyConstraint("serial", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
        sa.UniqueConstraint("origin_key", name="uq_jobs_origin_key"),
    )
    _job_indexes()


def _job_indexes() -> None:
    op.create_index("ix_jobs_due", "jobs", ["serial"], **where("finished_at IS NULL AND waits_for IS NULL"))
    op.create_index("ix_jobs_pull_request", "jobs", ["forge", "repository_id", "number", "serial"])
    op.create_index("ix_jobs_target", "jobs", ["target_job_id"], **where("target_job_id IS NOT NULL"))
    op.create_index("ix_jobs_unconcluded", "jobs", ["conclude_at"], **where("conclude_at IS NOT NULL"))
    op.create_index("ix_jobs_waits_for", "jobs", ["waits_for"], **where("waits_for IS NOT NULL"))
    op.create_index(
        "uq_jobs_waiting",
        "jobs",
        ["forge", "repository_id", "number"],
        unique=True,
        **where("finished_at IS NULL AND waits_for IS NOT NULL"),
    )
    op.create_index(
        "uq_jobs_working",
        "jobs",
        ["forge", "repository_id", "number"],
        unique=True,
        **where("finished_at IS NULL AND waits_for IS NULL"),
    )


def _work() -> None:
    """What became of it."""
    op.create_table(
        "intents",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("actor_login", sa.Text(), nullable=False),
        sa.Column("actor_kind", WORD, nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("decision", sa.Text()),
        sa.Column("rule", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("job_id", KEY),
        sa.Column("finished_at", MOMENT),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_intents_job_id"),
        sa.PrimaryKeyConstraint("key", name="pk_intents"),
    )
    op.create_table(
        "job_executions",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("completed_at", MOMENT),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_class", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_executions_job_id"),
        sa.PrimaryKeyConstraint("serial", name="pk_job_executions"),
        sa.UniqueConstraint("job_id", "attempt", name="uq_job_executions_job_id"),
    )


def _runs() -> None:
    """What the sandboxes did."""
    op.create_table(
        "runs",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("token_sha256", DIGEST, nullable=False),
        sa.Column("outcome", WORD),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("stop_requested", WORD),
        sa.Column("supervisor", sa.Text()),
        sa.Column("lease_until", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("deadline_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_runs_job_id"),
        sa.PrimaryKeyConstraint("serial", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
        sa.UniqueConstraint("token_sha256", name="uq_runs_token_sha256"),
    )
    op.create_index("ix_runs_job", "runs", ["job_id", "serial"])
    op.create_index("ix_runs_supervised", "runs", ["lease_until"], **where("state = 'started'"))
    op.create_table(
        "run_archives",
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("taken_at", MOMENT),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_archives_run_id"),
        sa.PrimaryKeyConstraint("run_id", "kind", name="pk_run_archives"),
    )


def _money() -> None:
    """What the model cost."""
    op.create_table(
        "model_usage",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("installation_id", sa.BigInteger(), nullable=False),
        sa.Column("requested_by_id", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("request_bytes", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_usd", sa.Float(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_model_usage_job_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_model_usage_run_id"),
        sa.PrimaryKeyConstraint("serial", name="pk_model_usage"),
    )
    op.create_index("ix_model_usage_job", "model_usage", ["job_id", "started_at", "serial"])
    op.create_index("ix_model_usage_run", "model_usage", ["run_id"])


def _decisions() -> None:
    """How conflicts were resolved and judged."""
    op.create_table(
        "conflict_resolutions",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("conflict_type", sa.Text(), nullable=False),
        sa.Column("hunks", sa.Integer(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("final_resolution", DIGEST),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_conflict_resolutions_job_id"),
        sa.PrimaryKeyConstraint("job_id", "attempt", "position", name="pk_conflict_resolutions"),
    )
    op.create_table(
        "gate_results",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("verdict", WORD, nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_gate_results_job_id"),
        sa.PrimaryKeyConstraint("serial", name="pk_gate_results"),
    )
    op.create_index("ix_gate_results_job", "gate_results", ["job_id", "serial"])


def _proposals() -> None:
    """What was shown and approved."""
    op.create_table(
        "proposals",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("commit", DIGEST, nullable=False),
        sa.Column("tree", DIGEST, nullable=False),
        sa.Column("parents", sa.JSON(), nullable=False),
        sa.Column("head_sha", DIGEST, nullable=False),
        sa.Column("base_sha", DIGEST, nullable=False),
        sa.Column("diff_sha256", DIGEST, nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_proposals_job_id"),
        sa.PrimaryKeyConstraint("serial", name="pk_proposals"),
        sa.UniqueConstraint("id", name="uq_proposals_id"),
    )
    op.create_index("ix_proposals_job", "proposals", ["job_id", "serial"])
    op.create_table(
        "approvals",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("proposal_id", KEY, nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("actor_login", sa.Text(), nullable=False),
        sa.Column("actor_kind", WORD, nullable=False),
        sa.Column("via", WORD, nullable=False),
        sa.Column("permission", sa.Text(), nullable=False),
        sa.Column("commit", DIGEST, nullable=False),
        sa.Column("diff_sha256", DIGEST, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_approvals_proposal_id"),
        sa.PrimaryKeyConstraint("serial", name="pk_approvals"),
    )
    op.create_index("ix_approvals_proposal", "approvals", ["proposal_id", "serial"])


def _pushes() -> None:
    """What was pushed."""
    op.create_table(
        "git_operations",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("operation", WORD, nullable=False),
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("proposal_id", KEY),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("old_commit", DIGEST, nullable=False),
        sa.Column("new_commit", DIGEST, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_git_operations_job_id"),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_git_operations_proposal_id"),
        sa.PrimaryKeyConstraint("serial", name="pk_git_operations"),
    )
    op.create_index("ix_git_operations_job", "git_operations", ["job_id", "serial"])


def _reports() -> None:
    """What people should see."""
    op.create_table(
        "report_targets",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("surface", WORD, nullable=False),
        sa.Column("desired", sa.JSON(), nullable=False),
        sa.Column("desired_hash", DIGEST, nullable=False),
        sa.Column("reported_hash", DIGEST),
        sa.Column("remote_id", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", MOMENT),
        sa.Column("retry_at", MOMENT),
        sa.Column("gave_up_at", MOMENT),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("wanted_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["forge", "repository_id"], ["repositories.forge", "repositories.id"], name="fk_report_targets_forge"
        ),
        sa.PrimaryKeyConstraint("serial", name="pk_report_targets"),
        sa.UniqueConstraint("id", name="uq_report_targets_id"),
        sa.UniqueConstraint("owner", "surface", name="uq_report_targets_owner"),
    )
    op.create_index(
        "ix_report_targets_unreported",
        "report_targets",
        ["wanted_at", "serial"],
        **where("gave_up_at IS NULL AND (reported_hash IS NULL OR reported_hash <> desired_hash)"),
    )


def _audit() -> None:
    """Who did what."""
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("previous", DIGEST, nullable=False),
        sa.Column("hash", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
    )


def _refuse_changes(table: str, key: str) -> None:
    """Only ever append: whoever has the bot's connection cannot rewrite what was recorded."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            """
            CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
            END
            $$
            """,
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        )
        op.execute(
            f"CREATE TRIGGER {table}_keep BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        )
        return
    # INSERT OR REPLACE removes the old row without asking the triggers of DELETE.
    replaces = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - names of ours
    for act, condition in (("UPDATE", ""), ("DELETE", ""), ("INSERT", replaces)):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
        )
