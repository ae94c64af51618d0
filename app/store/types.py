"""Column types that keep the bot's values whole in every database."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, DateTime, Dialect, Enum, Integer, String, Text, TypeDecorator

from bot.model.forge import MAX_FORGE_NAME

SERIAL: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A row number that the database counts up. SQLite counts only a column declared ``INTEGER PRIMARY KEY``."""

_UNSTORABLE: Final = re.compile("[\x00\x10\ud800-\udfff]")
_ESCAPED: Final = re.compile("\x10([0-9a-f]{4})")


class AnyText(TypeDecorator[str]):
    """Text from anywhere, given back to the letter.

    PostgreSQL refuses U+0000 in text, and no driver encodes a lone surrogate; a hostile comment, a path in no known
    encoding or a model's answer may hold both. They are kept as U+0010 (*data link escape*) and four hexadecimal
    digits. Equal texts stay equal, so columns can be compared and unique.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape what a database would not take."""
        del dialect
        return value if value is None else _UNSTORABLE.sub(lambda found: f"\x10{ord(found[0]):04x}", value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Take the escapes back."""
        del dialect
        return value if value is None else _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, kept in UTC with microseconds. SQLite forgets time zones; here they are put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn to UTC; a naive moment is a mistake of ours."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Name the zone."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def choice(words: type[StrEnum]) -> Enum:
    """One of an enum's values, kept as its text, without a constraint: a new word needs no migration."""
    return Enum(words, native_enum=False, length=32, values_callable=_values)


def forge_name() -> String:
    """The name of a configured forge, ``bot.model.forge.ForgeName``."""
    return String(MAX_FORGE_NAME)


def _values(words: type[StrEnum]) -> list[str]:
    return [word.value for word in words]


def key() -> String:
    """An identifier of our own making: 32 hexadecimal digits."""
    return String(32)


def digest() -> String:
    """A hash or object id in hexadecimal digits."""
    return String(64)


Values = dict[str, Any]
"""Column names and what goes into them."""
