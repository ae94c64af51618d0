"""What the repository's tests said about what was proposed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
WORD = sa.String(length=32)
KEY = sa.String(length=32)
DIGEST = sa.String(length=64)


def upgrade() -> None:
    op.create_table(
        "tested_trees",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("tree", DIGEST, nullable=False),
        sa.Column("outcome", WORD, nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("run_id", KEY),
        sa.Column("exit_status", sa.Integer()),
        sa.Column("signal", sa.Integer()),
        sa.Column("duration_ms", sa.BigInteger()),
        sa.Column("log_tail", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_tested_trees_job_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_tested_trees_run_id"),
        sa.PrimaryKeyConstraint("job_id", "tree", name="pk_tested_trees"),
    )


def downgrade() -> None:
    op.drop_table("tested_trees")
