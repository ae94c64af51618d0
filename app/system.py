"""The machine's clock and its source of randomness."""

import secrets
import uuid
from datetime import UTC, datetime


class SystemClock:
    """The ``Clock`` port over the machine's clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)


class SystemIds:
    """The ``Ids`` port over the operating system's randomness."""

    def new_id(self) -> str:
        """32 hexadecimal digits."""
        return uuid.uuid4().hex

    def new_token(self) -> str:
        """256 random bits, URL-safe."""
        return secrets.token_urlsafe(32)
