"""Monthly partitions on PostgreSQL; deliveries are known by a table of keys; the audit log may lose its beginning.

Up, no row of a partitioned table is copied: the table with its rows becomes the partition of all that is older than the
next month. Its primary key is built anew, which is what takes time. Down, all rows are copied into plain tables.

The release before this one cannot take deliveries on these tables: none had been made when this was written.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
WORD = sa.String(length=32)
DIGEST = sa.String(length=64)

NEW = sa.text("state = 'new'")
NUMBER = {"audit_events": "id"}
"""The row numbers that are not called serial."""

MOMENTS = {
    "deliveries": "received_at",
    "job_executions": "started_at",
    "git_operations": "started_at",
    "model_usage": "started_at",
    "audit_events": "at",
}
FOREIGN_KEYS = {
    "job_executions": (("job_id", "jobs"),),
    "git_operations": (("job_id", "jobs"), ("proposal_id", "proposals")),
    "model_usage": (("job_id", "jobs"), ("run_id", "runs")),
}
INDEXES = {
    "deliveries": {"ix_deliveries_waiting": ["received_at", "serial"]},
    "job_executions": {},
    "git_operations": {"ix_git_operations_job": ["job_id", "serial"]},
    "model_usage": {"ix_model_usage_job": ["job_id", "started_at", "serial"], "ix_model_usage_run": ["run_id"]},
    "audit_events": {},
}
"""Those that there were before, and stay."""

UNIQUE = {"deliveries": ["forge", "delivery_id"], "job_executions": ["job_id", "attempt"]}
"""What was unique before; the name begins with uq, the table's and the first column's follow."""

NEW_INDEX = ("ix_job_executions_job", "job_executions", UNIQUE["job_executions"])


def upgrade() -> None:
    lite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "delivery_keys",
        sa.Column("serial", SERIAL, nullable=False),
        sa.Column("forge", WORD, nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_delivery_keys"),
        sa.UniqueConstraint("forge", "delivery_id", name="uq_delivery_keys_forge"),
    )
    op.execute("INSERT INTO delivery_keys SELECT serial, forge, delivery_id, received_at FROM deliveries")
    for table, columns in UNIQUE.items():
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"uq_{table}_{columns[0]}", type_="unique")
    op.create_index(*NEW_INDEX)
    op.create_table(
        "audit_anchor",
        sa.Column("serial", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", DIGEST, nullable=False),
        sa.Column("dropped_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_audit_anchor"),
    )
    _find_anchor()
    _refuse_changes("audit_anchor", "serial")
    if not lite:
        for table in MOMENTS:
            _partition(table)
        _count_for_both()


def downgrade() -> None:
    """All rows stay; an event ``audit.dropped`` tells what the anchor told, if there was one."""
    lite = op.get_bind().dialect.name == "sqlite"
    op.drop_table("audit_anchor")
    op.drop_index("ix_job_executions_job", table_name="job_executions")
    if not lite:
        op.execute("ALTER SEQUENCE delivery_keys_serial_seq OWNED BY NONE")
        op.execute("ALTER TABLE deliveries ALTER serial SET DEFAULT nextval('delivery_keys_serial_seq')")
        op.execute("ALTER TABLE delivery_keys ALTER serial DROP DEFAULT")
        op.execute("ALTER SEQUENCE delivery_keys_serial_seq RENAME TO deliveries_serial_seq")
        for table in MOMENTS:
            _put_together(table)
    for table, columns in UNIQUE.items():
        with op.batch_alter_table(table) as batch:
            batch.create_unique_constraint(f"uq_{table}_{columns[0]}", columns)
    op.drop_table("delivery_keys")


def _find_anchor() -> None:
    """These tables may have been here before, and events dropped."""
    connection = op.get_bind()
    newest = "SELECT at, data FROM audit_events WHERE verb = 'audit.dropped' ORDER BY id DESC LIMIT 1"
    found = connection.execute(sa.text(newest).columns(at=MOMENT, data=sa.JSON())).one_or_none()
    if found is not None:
        serial, digest = found.data["through"].split(":")
        row = sa.table("audit_anchor", sa.column("serial"), sa.column("hash"), sa.column("dropped_at", MOMENT))
        connection.execute(sa.insert(row).values(serial=int(serial), hash=digest, dropped_at=found.at))


def _partition(table: str) -> None:
    """Turn a table of PostgreSQL into one with partitions: the rows that it has, this month, the next, and all else."""
    moment, number, old = MOMENTS[table], NUMBER.get(table, "serial"), f"{table}_before"
    filled = op.get_bind().execute(sa.text(f"SELECT EXISTS (SELECT 1 FROM {table})")).scalar_one()  # noqa: S608 - ours
    if table == "audit_events":
        _allow_changes(table)
    op.execute(f"ALTER TABLE {table} RENAME TO {old}")
    op.execute(f"ALTER TABLE {old} DROP CONSTRAINT pk_{table}")
    for name in _indexes(table):
        op.execute(f"ALTER INDEX {name} RENAME TO {name}_before")
    op.execute(f"CREATE TABLE {table} (LIKE {old} INCLUDING DEFAULTS) PARTITION BY RANGE ({moment})")
    if number == "serial":
        op.execute(f"ALTER SEQUENCE {table}_serial_seq OWNED BY {table}.serial")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({number}, {moment})")
    _constraints(table)
    if table == "audit_events":
        _refuse_changes(table, number)
    op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    covered = None
    if filled:
        covered = _end_of(old, moment)
        op.execute(f"ALTER TABLE {table} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ('{covered}')")
    else:
        op.execute(f"DROP TABLE {old}")
    for first, end in _months():
        if covered is None or first >= covered:
            name = f"{table}_{first[:7].replace('-', '_')}"
            op.execute(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{first}') TO ('{end}')")
    if table == "audit_events":
        children = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_events'::regclass"
        for name in [table, *op.get_bind().execute(sa.text(children)).scalars()]:
            _refuse_truncation(name)


def _put_together(table: str) -> None:
    """Turn a table of PostgreSQL with partitions into a plain one."""
    number, whole = NUMBER.get(table, "serial"), f"{table}_whole"
    op.execute(f"CREATE TABLE {whole} (LIKE {table} INCLUDING DEFAULTS)")
    op.execute(f"INSERT INTO {whole} SELECT * FROM {table}")  # noqa: S608 - ours
    if number == "serial":
        op.execute(f"ALTER SEQUENCE {table}_serial_seq OWNED BY {whole}.serial")
    op.execute(f"DROP TABLE {table}")
    op.execute(f"ALTER TABLE {whole} RENAME TO {table}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({number})")
    _constraints(table, without=NEW_INDEX[0])
    if table == "audit_events":
        _refuse_changes(table, number)
        _refuse_truncation(table)


def _indexes(table: str) -> dict[str, list[str]]:
    return INDEXES[table] | ({NEW_INDEX[0]: NEW_INDEX[2]} if table == NEW_INDEX[1] else {})


def _constraints(table: str, *, without: str = "") -> None:
    for column, other in FOREIGN_KEYS.get(table, ()):
        op.create_foreign_key(f"fk_{table}_{column}", table, other, [column], ["id"])
    for name, columns in _indexes(table).items():
        if name != without:
            op.create_index(name, table, columns, postgresql_where=NEW if table == "deliveries" else None)


def _count_for_both() -> None:
    """The keys of deliveries count on from where the deliveries were."""
    op.execute("DROP SEQUENCE delivery_keys_serial_seq CASCADE")
    op.execute("ALTER SEQUENCE deliveries_serial_seq RENAME TO delivery_keys_serial_seq")
    op.execute("ALTER TABLE delivery_keys ALTER serial SET DEFAULT nextval('delivery_keys_serial_seq')")
    op.execute("ALTER SEQUENCE delivery_keys_serial_seq OWNED BY delivery_keys.serial")
    op.execute("ALTER TABLE deliveries ALTER serial DROP DEFAULT")


def _end_of(table: str, moment: str) -> str:
    """The first day of the month after this one, or after the newest row where that is newer."""
    newest = sa.text(f"SELECT to_char(greatest(max({moment}), now()) AT TIME ZONE 'UTC', 'YYYY-MM') FROM {table}")  # noqa: S608 - ours
    year, month = map(int, op.get_bind().execute(newest).scalar_one().split("-"))
    return _month(year, month + 1)


def _months() -> list[tuple[str, str]]:
    """This month and the next one."""
    now = datetime.now(UTC)
    return [(_month(now.year, now.month + later), _month(now.year, now.month + later + 1)) for later in (0, 1)]


def _month(year: int, month: int) -> str:
    """The beginning of a month; the thirteenth is the first of the next year."""
    return f"{year + (month - 1) // 12:04}-{(month - 1) % 12 + 1:02}-01 00:00:00+00"


def _allow_changes(table: str) -> None:
    op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    op.execute(f"DROP TRIGGER {table}_keep ON {table}")


def _refuse_changes(table: str, key: str) -> None:
    """Only ever append, as 0001 has it."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        )
        if table not in MOMENTS:
            _refuse_truncation(table)
        return
    replaces = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - names of ours
    for act, condition in (("UPDATE", ""), ("DELETE", ""), ("INSERT", replaces)):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
        )


def _refuse_truncation(table: str) -> None:
    """Triggers for whole statements are not handed on to partitions: each gets its own."""
    op.execute(
        f"CREATE TRIGGER {table}_keep BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    )
