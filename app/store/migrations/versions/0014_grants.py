"""OAuth grants that several processes share: a table that no older version looks at."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "grants",
        sa.Column("forge", sa.String(length=32), nullable=False),
        sa.Column("authorization_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("turn_until", sa.DateTime(timezone=True)),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("again_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("forge", "authorization_id", name="pk_grants"),
    )


def downgrade() -> None:
    op.drop_table("grants")
