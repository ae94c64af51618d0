"""The PostgreSQL that tests use: the one that FLOWFORGE_TEST_POSTGRES names, or one that they start themselves."""

import contextlib
import os
from collections.abc import Iterator

import pytest

from app.demo.postgres_server import PostgresServer
from bot.errors import SettingsError

NAMED = os.environ.get("FLOWFORGE_TEST_POSTGRES")
"""The URL of a database whose user may create others, if one is to be used that is there."""


@contextlib.contextmanager
def own_server(*, durable: bool = True) -> Iterator[PostgresServer]:
    """A server that a test may stop and kill; without ``durable`` it is faster, and not for that.

    Where PostgreSQL cannot be started the test is skipped, and says why.
    """
    try:
        server = PostgresServer(durable=durable)
    except SettingsError as error:
        pytest.skip(f"PostgreSQL: {error}")
    try:
        try:
            server.start()
        except SettingsError as error:
            pytest.skip(f"PostgreSQL: {error}")
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def server_url() -> Iterator[str]:
    """The URL of a database whose user may create others, on a server that nobody stops."""
    if NAMED:
        yield NAMED
        return
    with own_server(durable=False) as server:
        yield server.url()
