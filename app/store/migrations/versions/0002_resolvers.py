"""What the resolvers know and leave behind."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
WORD = sa.String(length=32)
KEY = sa.String(length=32)
DIGEST = sa.String(length=64)

NEW_COLUMNS = (
    ("jobs", "takes", "[]"),
    ("conflict_resolutions", "stages", "{}"),
    ("conflict_resolutions", "answers", "[]"),
    ("conflict_resolutions", "candidates", "[]"),
    ("conflict_resolutions", "provenance", "[]"),
    ("conflict_resolutions", "taken", None),
    ("conflict_resolutions", "suggestion", None),
)
"""Columns of JSON, with what the rows hold that were there before."""


def upgrade() -> None:
    op.add_column("runs", sa.Column("kind", WORD, nullable=False, server_default="agent"))
    op.add_column("approvals", sa.Column("old_head", DIGEST))
    for table, name, before in NEW_COLUMNS:
        op.add_column(table, sa.Column(name, sa.JSON(), nullable=before is None, server_default=before))
    _recorded()


def downgrade() -> None:
    op.drop_table("recorded_hunks")
    op.drop_table("recorded_resolutions")
    for table, name, _ in reversed(NEW_COLUMNS):
        op.drop_column(table, name)
    op.drop_column("approvals", "old_head")
    op.drop_column("runs", "kind")


def _recorded() -> None:
    """What people approved, to be used again."""
    op.create_table(
        "recorded_resolutions",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("key_sha256", DIGEST, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("ancestor", DIGEST),
        sa.Column("ours", DIGEST),
        sa.Column("theirs", DIGEST),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["forge", "repository_id"], ["repositories.forge", "repositories.id"], name="fk_recorded_resolutions_forge"
        ),
        sa.PrimaryKeyConstraint("serial", name="pk_recorded_resolutions"),
        sa.UniqueConstraint("forge", "repository_id", "key_sha256", "job_id", name="uq_recorded_resolutions_forge"),
    )
    op.create_table(
        "recorded_hunks",
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["forge", "repository_id"], ["repositories.forge", "repositories.id"], name="fk_recorded_hunks_forge"
        ),
        sa.PrimaryKeyConstraint("forge", "repository_id", "digest", name="pk_recorded_hunks"),
    )
