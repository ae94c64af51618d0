"""What ``/health/ready`` and ``flowforge doctor`` ask of the parts that a process cannot do without."""

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from app.http.health import Probe
from app.store.database import SqlStore
from app.store.migrate import is_current
from bot.errors import StoreError
from bot.forges.gitlab.tokens import TokenSource
from bot.model.forge import ForgeName


def database_probe(store: SqlStore) -> Probe:
    """Whether the database answers."""

    async def database() -> str | None:
        try:
            await store.ping()
        except StoreError:
            return "the database does not answer"
        return None

    return database


def migrations_probe(store: SqlStore) -> Probe:
    """Whether every migration was applied."""

    async def migrations() -> str | None:
        try:
            current = await is_current(store.database)
        except StoreError:
            return "the database does not answer"
        return None if current else "the tables are not current; run `flowforge migrate`"

    return migrations


def token_probe(tokens: TokenSource, forge: ForgeName) -> Probe:
    """Whether a forge still renews our token. For those who work: a web service takes deliveries all the same."""

    async def token() -> str | None:
        try:
            fault = await tokens.fault()
        except StoreError:
            return f"the token of {forge} cannot be read from the database"
        return f"{fault}; authorize the OAuth application of {forge} anew" if fault else None

    return token


def redis_probe(redis: ArqRedis) -> Probe:
    """Whether Redis answers."""

    async def answers() -> str | None:
        try:
            await redis.ping()
        except (RedisError, OSError):
            return "Redis does not answer"
        return None

    return answers
