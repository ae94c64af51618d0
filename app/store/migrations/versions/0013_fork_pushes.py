"""Pushes into forks, and pull requests that were opened because a fork could not be pushed to.

What older workers write meanwhile is pushes into the repository itself.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("git_operations", sa.Column("fork", sa.Text(), nullable=False, server_default=""))
    op.add_column("git_operations", sa.Column("pull_number", sa.Integer()))


def downgrade() -> None:
    op.drop_column("git_operations", "pull_number")
    op.drop_column("git_operations", "fork")
