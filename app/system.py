"""The machine's clock and timer, and its source of randomness."""

import asyncio
import secrets
import time
import uuid
from datetime import UTC, datetime


class SystemClock:
    """The ``Clock`` port over the machine's clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)


class SystemTimer:
    """The ``Timer`` port over the machine's own."""

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class SystemIds:
    """The ``Ids`` port over the operating system's randomness."""

    def new_id(self) -> str:
        """32 hexadecimal digits."""
        return uuid.uuid4().hex

    def new_token(self) -> str:
        """256 random bits, URL-safe."""
        return secrets.token_urlsafe(32)
