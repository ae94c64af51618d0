"""Read something at most once in a while, for everybody who asks."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from bot.errors import SandboxError

Value = TypeVar("Value")


class Periodic(Generic[Value]):
    """What ``read`` returned, or that it failed, for ``seconds`` after it began; one reads, the others wait for it."""

    def __init__(self, read: Callable[[], Awaitable[Value]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._began: float | None = None
        self._value: list[Value] = []
        self._failure = ""

    async def value(self) -> Value:
        """The value of now or of a moment ago. Raises ``SandboxError`` when it could not be read then."""
        async with self._lock:
            if self._began is None or time.monotonic() - self._began >= self._seconds:
                await self._renew()
            if not self._value:
                raise SandboxError(self._failure)
            return self._value[0]

    async def _renew(self) -> None:
        self._value, self._began = [], None
        began = time.monotonic()
        try:
            self._value = [await self._read()]
        except SandboxError as error:
            self._failure = str(error)
        self._began = began
