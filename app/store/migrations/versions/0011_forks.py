"""Heads of forks that somebody answered for."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fork_oks",
        sa.Column("forge", sa.String(length=32), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("head_sha", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("actor_login", sa.Text(), nullable=False),
        sa.Column("permission", sa.Text(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["forge", "repository_id"], ["repositories.forge", "repositories.id"], name="fk_fork_oks_forge"
        ),
        sa.PrimaryKeyConstraint("forge", "repository_id", "number", "head_sha", name="pk_fork_oks"),
    )


def downgrade() -> None:
    op.drop_table("fork_oks")
