"""The line that says why a queued job does not begin yet."""

from typing import Final

from bot.model.turns import WAITS, Cap, KeptWaiting

_WHOSE: Final = {
    Cap.REPOSITORY: "this repository",
    Cap.INSTALLATION: "this installation",
    Cap.SERVER: "this FlowForge",
}


def waits(kept: KeptWaiting) -> str:
    """What people see until it is the job's turn; no more may be at work at once."""
    jobs = "1 job" if kept.at_work == 1 else f"{kept.at_work} jobs"
    are = "is" if kept.at_work == 1 else "are"
    return f"{WAITS}{jobs} of {_WHOSE[kept.cap]} {are} at work, and no more may be"
