"""Levels, and what the conflict watch knows about open pull requests."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
WORD = sa.String(length=32)
DIGEST = sa.String(length=64)


def upgrade() -> None:
    _levels()
    _repositories()
    _pulls()
    _footprints()
    _verdicts()


def downgrade() -> None:
    for table in ("merge_verdicts", "head_footprints", "watched_pulls", "watched_repositories", "levels"):
        op.drop_table(table)


def _repository_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["forge", "repository_id"], ["repositories.forge", "repositories.id"], name=f"fk_{table}_forge"
    )


def _levels() -> None:
    op.create_table(
        "levels",
        sa.Column("kind", WORD, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("fencing", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("raised_at", MOMENT, nullable=False),
        sa.Column("not_before", MOMENT),
        sa.Column("taken_until", MOMENT),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_levels"),
    )
    due = sa.text("generation > done")
    op.create_index("ix_levels_due", "levels", ["raised_at"], sqlite_where=due, postgresql_where=due)


def _repositories() -> None:
    op.create_table(
        "watched_repositories",
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("looked_at", MOMENT, nullable=False),
        sa.Column("listed_at", MOMENT),
        _repository_key("watched_repositories"),
        sa.PrimaryKeyConstraint("forge", "repository_id", name="pk_watched_repositories"),
    )
    op.create_index("ix_watched_repositories_looked", "watched_repositories", ["looked_at"])


def _pulls() -> None:
    op.create_table(
        "watched_pulls",
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("base_ref", sa.Text(), nullable=False),
        sa.Column("recorded_base", DIGEST, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("head_sha", DIGEST, nullable=False),
        sa.Column("base_sha", DIGEST),
        sa.Column("verdict_base", DIGEST),
        sa.Column("state", WORD),
        sa.Column("merge_base", DIGEST),
        sa.Column("alarm", sa.Boolean(), nullable=False),
        sa.Column("cause_sha", DIGEST),
        sa.Column("cause_subject", sa.Text()),
        sa.Column("told_head", DIGEST),
        _repository_key("watched_pulls"),
        sa.PrimaryKeyConstraint("forge", "repository_id", "number", name="pk_watched_pulls"),
    )
    is_open = sa.text("is_open")
    columns = ["forge", "repository_id", "base_ref", "number"]
    op.create_index("ix_watched_pulls_open", "watched_pulls", columns, sqlite_where=is_open, postgresql_where=is_open)


def _footprints() -> None:
    op.create_table(
        "head_footprints",
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("merge_base", DIGEST, nullable=False),
        sa.Column("head_sha", DIGEST, nullable=False),
        sa.Column("paths", sa.LargeBinary(), nullable=False),
        sa.Column("directories", sa.LargeBinary(), nullable=False),
        sa.Column("commits", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _repository_key("head_footprints"),
        sa.PrimaryKeyConstraint("forge", "repository_id", "merge_base", "head_sha", name="pk_head_footprints"),
    )


def _verdicts() -> None:
    op.create_table(
        "merge_verdicts",
        sa.Column("forge", WORD, nullable=False),
        sa.Column("repository_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("base_sha", DIGEST, nullable=False),
        sa.Column("head_sha", DIGEST, nullable=False),
        sa.Column("git_version", sa.Text(), nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("paths", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _repository_key("merge_verdicts"),
        sa.PrimaryKeyConstraint(
            "forge", "repository_id", "base_sha", "head_sha", "git_version", name="pk_merge_verdicts"
        ),
    )
