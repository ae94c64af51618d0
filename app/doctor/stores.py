"""The database and Redis."""

from typing import Final

from arq.connections import ArqRedis
from redis.exceptions import RedisError, ResponseError

from app.doctor.model import Check, State, asked, clocks, failed, ok, skipped, warning
from app.probes import database_probe, migrations_probe, redis_probe
from app.store.database import SqlStore
from app.store.now import database_time
from bot.errors import StoreError
from bot.ports.system import Clock

DATABASE: Final = "database"
MIGRATIONS: Final = "migrations"
DATABASE_CLOCK: Final = "database_clock"
PAUSES: Final = "pauses"
REDIS: Final = "redis"
PERSISTENCE: Final = "redis_persistence"

_NOT_THERE: Final = "the database does not answer"


async def database_checks(store: SqlStore, clock: Clock) -> list[Check]:
    """Whether the database answers, has the tables of this version, and knows the time."""
    there = await asked(
        DATABASE,
        database_probe(store),
        says=f"{store.engine.dialect.name} answers",
        todo="Start the database, or correct FLOWFORGE_DATABASE_URL.",
    )
    if there.state is State.FAILED:
        return [there, *(skipped(name, _NOT_THERE) for name in (MIGRATIONS, DATABASE_CLOCK, PAUSES))]
    tables = await asked(
        MIGRATIONS,
        migrations_probe(store),
        says="every migration was applied",
        todo="Run `flowforge migrate` with this version of FlowForge, and then restart its processes.",
    )
    paused = skipped(PAUSES, "its table may be missing") if tables.state is State.FAILED else await _pauses(store)
    return [there, tables, await _database_clock(store, clock), paused]


async def _pauses(store: SqlStore) -> Check:
    """A pause is no fault, but whoever wonders why nothing happens looks here."""
    try:
        whole, count = await store.pauses.of(None), await store.pauses.count()
    except StoreError as error:
        return failed(PAUSES, str(error), "See the database's own log.")
    single = f"of single repositories, {count.repositories:,} paused" if count.repositories else ""
    if whole is not None:
        why = f" ({whole.reason})" if whole.reason else ""
        says = f"everything is paused since {whole.at:%Y-%m-%d %H:%M} UTC by {whole.by}{why}"
        return warning(PAUSES, f"{says}; {single}" if single else says, "`flowforge resume` ends it.")
    if single:
        return warning(PAUSES, single, "`/flowforge resume` in a repository ends its pause.")
    return ok(PAUSES, "no command has paused anything")


async def _database_clock(store: SqlStore, clock: Clock) -> Check:
    before = clock.now()
    try:
        theirs = await database_time(store.database)
    except StoreError as error:
        return failed(DATABASE_CLOCK, str(error), "See the database's own log.")
    if theirs is None:
        return ok(DATABASE_CLOCK, "the database has this machine's clock")
    after = clock.now()
    return clocks(DATABASE_CLOCK, theirs - (before + (after - before) / 2), whose="the database's")


async def redis_checks(redis: ArqRedis) -> list[Check]:
    """Whether Redis answers, and keeps what it is told."""
    there = await asked(
        REDIS,
        redis_probe(redis),
        says="Redis answers",
        todo="Start Redis, or correct FLOWFORGE_REDIS_URL. Deliveries are kept meanwhile and worked on afterwards.",
    )
    if there.state is State.FAILED:
        return [there, skipped(PERSISTENCE, "Redis does not answer")]
    return [there, await _persistence(redis)]


async def _persistence(redis: ArqRedis) -> Check:
    """https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ ."""
    lost = "what waits in the queue is lost with it, and rung again by the next sweep; the rows are the truth"
    try:
        settings = {name: await _setting(redis, name) for name in ("save", "appendonly")}
    except ResponseError:
        return warning(
            PERSISTENCE,
            "Redis does not say whether it keeps anything: CONFIG is not allowed",
            "See in its provider's console that persistence is on.",
        )
    except (RedisError, OSError):
        return failed(PERSISTENCE, "Redis does not answer", "Start Redis, or correct FLOWFORGE_REDIS_URL.")
    if settings.get("appendonly") == "yes":
        return ok(PERSISTENCE, "Redis keeps an append-only file")
    if settings.get("save"):
        return warning(
            PERSISTENCE,
            f"Redis writes snapshots only: {lost}",
            "Set `appendonly yes` in Redis where a restart must not delay jobs.",
        )
    return warning(
        PERSISTENCE,
        f"Redis keeps nothing over a restart: {lost}",
        "Set `appendonly yes` in Redis where a restart must not delay jobs.",
    )


async def _setting(redis: ArqRedis, name: str) -> str:
    told = await redis.config_get(name)
    value = told.get(name, told.get(name.encode(), ""))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
