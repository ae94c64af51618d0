"""Work that people ask for in words: what it is about, and what the agent had to say."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("brief", sa.JSON()))
    op.add_column("jobs", sa.Column("answer", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("jobs", "answer")
    op.drop_column("jobs", "brief")
