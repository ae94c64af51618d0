"""What a connection to PostgreSQL is given: the URL's parameters, timeouts, and what PgBouncer can't take."""

import ssl
import uuid
from typing import Any, Final

from sqlalchemy import URL

from app.store.limits import Limits
from bot.errors import SettingsError

_CONNECT_SECONDS: Final = 5.0
"""GitHub waits ten seconds for an answer: one that says that the database is away has to come before that."""

_IDLE_SECONDS: Final = 60.0
"""How long the server keeps a transaction whose client says nothing: a machine that vanished would hold its locks."""

_GRACE_SECONDS: Final = 5.0
"""How much later than the server we give up ourselves: where it answers at all, its own words say more."""

_SSL_FILES: Final = ("sslrootcert", "sslcert", "sslkey")
_OURS: Final = frozenset({"sslmode", "application_name", "options", *_SSL_FILES})
_DRIVERS: Final = frozenset({"host", "port", "ssl"})
_MODES: Final = frozenset({"disable", "allow", "prefer", "require"})
_CHECKING: Final = frozenset({"verify-ca", "verify-full"})


def check_parameters(url: URL) -> None:
    """Raise ``SettingsError`` for parameters that would fail, or be overlooked, only when a connection is made."""
    unknown = sorted(url.query.keys() - _OURS - _DRIVERS)
    if unknown:
        raise SettingsError(f"the database URL has parameters that are not known: {', '.join(unknown)}")


def connection_arguments(url: URL, limits: Limits, busy_seconds: float) -> tuple[URL, dict[str, Any]]:
    """The URL without libpq's parameters, and all arguments for ``asyncpg.connect``.

    libpq's names are understood since that is what providers hand out: ``sslmode``, ``sslrootcert``, ``sslcert``,
    ``sslkey``, ``options`` and ``application_name``.
    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS

    Raises:
        SettingsError: a parameter means nothing, or a certificate cannot be read.
    """
    given = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    arguments: dict[str, Any] = {
        "timeout": min(busy_seconds, _CONNECT_SECONDS),
        "command_timeout": None if limits.statement_seconds is None else limits.statement_seconds + _GRACE_SECONDS,
        "server_settings": {"application_name": given.get("application_name", "flowforge")},
    }
    if "sslmode" in given:
        arguments["ssl"] = _ssl(given)
    if limits.pgbouncer:
        if "options" in given:
            raise SettingsError("the database URL has options, which PgBouncer does not pass on")
        # In transaction mode the next statement may meet another server: nothing is kept between transactions, and no
        # two clients use the same name. Source: https://docs.sqlalchemy.org/en/20/dialects/postgresql.html
        # (section "Prepared Statement Name with PGBouncer").
        arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        arguments["prepared_statement_name_func"] = _unique_name
    else:
        arguments["server_settings"] |= timeouts(limits, busy_seconds)
        if "options" in given:
            arguments["server_settings"]["options"] = given["options"]
    return url.difference_update_query(_OURS), arguments


def timeouts(limits: Limits, busy_seconds: float) -> dict[str, str]:
    """The server's own timeouts, in milliseconds.

    https://www.postgresql.org/docs/current/runtime-config-client.html
    """
    return {
        "statement_timeout": _milliseconds(limits.statement_seconds or 0.0),
        "lock_timeout": _milliseconds(busy_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(_IDLE_SECONDS),
    }


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def _unique_name() -> str:
    return f"flowforge_{uuid.uuid4().hex}"


def _ssl(given: dict[str, str]) -> str | ssl.SSLContext:
    mode = given["sslmode"]
    if mode in _MODES:
        if any(name in given for name in _SSL_FILES):
            raise SettingsError("certificates in the database URL want sslmode=verify-full or verify-ca")
        return mode
    if mode not in _CHECKING:
        raise SettingsError(f"the database URL's sslmode is none of {', '.join(sorted(_MODES | _CHECKING))}")
    roots = given.get("sslrootcert", "system")
    try:
        context = ssl.create_default_context(cafile=None if roots == "system" else roots)
        if "sslcert" in given:
            context.load_cert_chain(given["sslcert"], given.get("sslkey"))
    except OSError as error:
        raise SettingsError(f"a certificate of the database URL cannot be read: {error.strerror}") from None
    context.check_hostname = mode == "verify-full"
    return context
