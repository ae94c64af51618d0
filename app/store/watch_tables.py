"""The tables of levels and of the conflict watch, in the same metadata as all the others."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    text,
)

from app.store.tables import metadata
from app.store.types import AnyText, UtcDateTime, choice, digest, forge_name
from bot.model.levels import LevelKind
from bot.model.watch import MergeState

_DUE: Final = text("generation > done")
_OPEN: Final = text("is_open")

levels: Final = Table(
    "levels",
    metadata,
    Column("kind", choice(LevelKind), primary_key=True),
    Column("key", AnyText, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    # the last generation that was completed
    Column("done", BigInteger, nullable=False),
    Column("fencing", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime),
    Column("taken_until", UtcDateTime),
    Column("error", AnyText, nullable=False),
    # Levels.due
    Index("ix_levels_due", "raised_at", sqlite_where=_DUE, postgresql_where=_DUE),
)

watched_repositories: Final = Table(
    "watched_repositories",
    metadata,
    Column("forge", forge_name(), primary_key=True),
    Column("repository_id", BigInteger, primary_key=True, autoincrement=False),
    # when somebody looked last whether the list is old
    Column("looked_at", UtcDateTime, nullable=False),
    # empty when the open pull requests have to be listed
    Column("listed_at", UtcDateTime),
    ForeignKeyConstraint(["forge", "repository_id"], ["repositories.forge", "repositories.id"]),
    # WatchRows.take_unlisted
    Index("ix_watched_repositories_looked", "looked_at"),
)

watched_pulls: Final = Table(
    "watched_pulls",
    metadata,
    Column("forge", forge_name(), primary_key=True),
    Column("repository_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    # as the forge told
    Column("is_open", Boolean, nullable=False),
    Column("base_ref", AnyText, nullable=False),
    Column("recorded_base", digest(), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # the head that was looked at last, and what git says about it; that holds for base_sha, git was asked for
    # verdict_base: where the two differ, the verdict was carried over
    Column("head_sha", digest(), nullable=False),
    Column("base_sha", digest()),
    Column("verdict_base", digest()),
    Column("state", choice(MergeState)),
    # of its footprint, empty where nothing may be carried over
    Column("merge_base", digest()),
    # what people were told
    Column("alarm", Boolean, nullable=False),
    Column("cause_sha", digest()),
    Column("cause_subject", AnyText),
    Column("told_head", digest()),
    ForeignKeyConstraint(["forge", "repository_id"], ["repositories.forge", "repositories.id"]),
    # WatchRows.open_pulls, bases, carry
    Index(
        "ix_watched_pulls_open",
        "forge",
        "repository_id",
        "base_ref",
        "number",
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    ),
)

head_footprints: Final = Table(
    "head_footprints",
    metadata,
    Column("forge", forge_name(), primary_key=True),
    Column("repository_id", BigInteger, primary_key=True, autoincrement=False),
    Column("merge_base", digest(), primary_key=True),
    Column("head_sha", digest(), primary_key=True),
    # each joined by NUL
    Column("paths", LargeBinary, nullable=False),
    Column("directories", LargeBinary, nullable=False),
    Column("commits", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["forge", "repository_id"], ["repositories.forge", "repositories.id"]),
)

merge_verdicts: Final = Table(
    "merge_verdicts",
    metadata,
    Column("forge", forge_name(), primary_key=True),
    Column("repository_id", BigInteger, primary_key=True, autoincrement=False),
    Column("base_sha", digest(), primary_key=True),
    Column("head_sha", digest(), primary_key=True),
    Column("git_version", AnyText, primary_key=True),
    Column("state", choice(MergeState), nullable=False),
    Column("paths", JSON, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["forge", "repository_id"], ["repositories.forge", "repositories.id"]),
)
