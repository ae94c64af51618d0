"""Whether a report belongs under a pull request or under an issue: GitLab numbers the two apart.

What older workers write meanwhile is about pull requests: on GitHub, which is all that they know, it does not matter.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

WORD = sa.String(length=32)


def upgrade() -> None:
    op.add_column("report_targets", sa.Column("thread", WORD, nullable=False, server_default="pull"))


def downgrade() -> None:
    op.drop_column("report_targets", "thread")
