"""What the approval page shows: a table that no older version looks at."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shown_diffs",
        sa.Column("proposal_id", sa.String(length=32), nullable=False),
        sa.Column("against_head", sa.LargeBinary(), nullable=False),
        sa.Column("against_base", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_shown_diffs_proposal_id"),
        sa.PrimaryKeyConstraint("proposal_id", name="pk_shown_diffs"),
    )


def downgrade() -> None:
    op.drop_table("shown_diffs")
