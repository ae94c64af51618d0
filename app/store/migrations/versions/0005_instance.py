"""The name of this installation; and an index over the runs that were never started."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UNSTARTED = sa.text("state = 'created'")


def upgrade() -> None:
    op.create_table(
        "instance",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instance"),
    )
    op.create_index("ix_runs_unstarted", "runs", ["created_at"], sqlite_where=UNSTARTED, postgresql_where=UNSTARTED)


def downgrade() -> None:
    op.drop_index("ix_runs_unstarted", table_name="runs")
    op.drop_table("instance")
