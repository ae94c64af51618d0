"""What the sweeps remember; and an index over the proposals that are open."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
WORD = sa.String(length=32)
OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    op.create_table(
        "sweeps",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fencing", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("taken_until", MOMENT),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("succeeded_at", MOMENT),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("bookmark", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sweeps"),
    )
    op.create_table(
        "repository_sweeps",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["forge", "repository_id"], ["repositories.forge", "repositories.id"], name="fk_repository_sweeps_forge"
        ),
        sa.PrimaryKeyConstraint("name", "forge", "repository_id", name="pk_repository_sweeps"),
    )
    op.create_table(
        "redeliveries",
        sa.Column("forge", WORD, nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("forge", "delivery_id", name="pk_redeliveries"),
    )
    columns = ["created_at", "serial"]
    op.create_index("ix_proposals_open", "proposals", columns, sqlite_where=OPEN, postgresql_where=OPEN)


def downgrade() -> None:
    op.drop_index("ix_proposals_open", table_name="proposals")
    for table in ("redeliveries", "repository_sweeps", "sweeps"):
        op.drop_table(table)
