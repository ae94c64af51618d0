"""Switches that make the simulator misbehave, for tests of faults."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.demo.simulator.messages import Response


@dataclass(slots=True, kw_only=True)
class Fault:
    """One armed fault. ``seen`` counts how often it struck."""

    method: str
    path: re.Pattern[str]
    times: int
    answer: Response | None = None
    lose: bool = False
    seen: int = 0


@dataclass(slots=True, kw_only=True)
class Hold:
    """Requests that wait. ``arrived`` is set when one does; they go on after ``release()``."""

    method: str
    path: re.Pattern[str]
    after: bool
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Let everything that waits, and everything that comes, go on."""
        self.released.set()


class Faults:
    """The armed faults, asked for every request. ``path`` is a regular expression that must match from the start."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._holds: list[Hold] = []

    def fail(
        self,
        method: str,
        path: str,
        *,
        status: int,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        message: str = "Server Error",
    ) -> Fault:
        """Answer the next ``times`` matching requests with an error, without doing the work."""
        body = json.dumps({"message": message, "documentation_url": "https://docs.github.com/rest"}).encode()
        answer = Response(
            status=status, headers={"content-type": "application/json; charset=utf-8", **(headers or {})}, body=body
        )
        return self.answer(method, path, answer, times=times)

    def answer(self, method: str, path: str, answer: Response, *, times: int = 1) -> Fault:
        """Give the next ``times`` matching requests this answer, without doing the work."""
        return self._arm(Fault(method=method, path=re.compile(path), times=times, answer=answer))

    def secondary_limit(self, method: str, path: str, *, retry_after: int, times: int = 1) -> Fault:
        """Answer with GitHub's secondary rate limit.

        Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit .
        """
        return self.fail(
            method,
            path,
            status=403,
            times=times,
            headers={"retry-after": str(retry_after)},
            message="You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        )

    def lose_answer(self, method: str, path: str, *, times: int = 1) -> Fault:
        """Do the work of the next ``times`` matching requests, then close the connection instead of answering."""
        return self._arm(Fault(method=method, path=re.compile(path), times=times, lose=True))

    def hold(self, method: str, path: str, *, after: bool = False) -> Hold:
        """Make matching requests wait before the work, or ``after`` it and before the answer, until released."""
        hold = Hold(method=method, path=re.compile(path), after=after)
        self._holds.append(hold)
        return hold

    def clear(self) -> None:
        """Disarm everything and release what waits."""
        self._faults.clear()
        for hold in self._holds:
            hold.release()
        self._holds.clear()

    def _arm(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def strike(self, method: str, path: str) -> Fault | None:
        """The first armed fault for a request, which is used up by one."""
        for fault in self._faults:
            if fault.seen < fault.times and fault.method == method and fault.path.match(path):
                fault.seen += 1
                return fault
        return None

    async def wait(self, method: str, path: str, *, after: bool) -> None:
        """Wait while a hold for this request stands."""
        for hold in list(self._holds):
            if hold.after is after and hold.method == method and hold.path.match(path):
                hold.arrived.set()
                await hold.released.wait()
