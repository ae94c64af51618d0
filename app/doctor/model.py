"""What a check says."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from app.http.health import Probe
from bot.redact import redact

ANSWER_SECONDS: Final = 15.0
"""How long one part of the installation is waited for."""

_WARN: Final = timedelta(seconds=10)
_FAIL: Final = timedelta(seconds=60)
"""GitHub refuses the App's JWT when it comes from further in the future.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
"""


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at: what is the case, and what to do where that is not as it should be.

    ``forge`` names the configured forge that it is about, and is empty where it is about none.
    """

    name: str
    state: State
    says: str
    todo: str = ""
    forge: str = ""


def ok(name: str, says: str) -> Check:
    """All is well."""
    return Check(name=name, state=State.OK, says=redact(says))


def warning(name: str, says: str, todo: str) -> Check:
    """It works, and could be better."""
    return Check(name=name, state=State.WARNING, says=redact(says), todo=todo)


def failed(name: str, says: str, todo: str) -> Check:
    """It does not work, or is not safe."""
    return Check(name=name, state=State.FAILED, says=redact(says), todo=todo)


def skipped(name: str, says: str) -> Check:
    """It was not looked at, and why."""
    return Check(name=name, state=State.SKIPPED, says=redact(says))


async def asked(name: str, probe: Probe, *, says: str, todo: str) -> Check:
    """What a probe of ``/health/ready`` says; ``says`` where all is well."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            problem = await probe()
    except TimeoutError:
        problem = "it did not answer in time"
    return ok(name, says) if problem is None else failed(name, problem, todo)


def clocks(name: str, skew: timedelta, *, whose: str) -> Check:
    """What it means that somebody's clock is ``skew`` ahead of ours."""
    seconds = abs(skew.total_seconds())
    says = f"{whose} clock and this machine's are {seconds:.1f} s apart"
    todo = "Set this machine's clock by NTP (for example chrony or systemd-timesyncd)."
    if abs(skew) > _FAIL:
        return failed(name, says, todo)
    return warning(name, says, todo) if abs(skew) > _WARN else ok(name, says)
