"""What a probe is asked and what it answers, for both sides of the sandbox's wall. Standard library only."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

PROBE_PREFIX: Final = "flowforge-probe: "
"""The line of the guest's log that holds the answer begins with this; the rest is one JSON object."""

PROBE_VERSION: Final = 1


class Outcome(StrEnum):
    """What became of one attempt."""

    HELD = "held"
    """It failed, as it must."""

    SUCCEEDED = "succeeded"
    """The sandbox let it happen."""

    WEAK = "weak"
    """Nothing was gained by it, but a wall fewer stands between the agent and the kernel."""

    UNCLEAR = "unclear"
    """It could not be tried, so nothing is known."""


Found = tuple[Outcome, str]
"""An attempt's outcome and a few words on it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing to try. ``waits`` says that it waits for somebody to answer, and so is tried beside others."""

    kind: str
    name: str
    run: Callable[[], Found]
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where no sandbox may get to over TCP, and what that is called."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTargets:
    """What to try besides what is tried in every sandbox.

    Attributes:
        nonce: comes back in the answer.
        connect: TCP addresses.
        resolve: full names of hosts, asked of the sandbox's own name service and of ``nameservers``.
        nameservers: name servers besides those the sandbox is told of.
        absent: paths that must not be there, such as sockets of the host.
        other_run: another run's id, whose workspace is asked for; empty where there is none.
        sealed: whether the sandbox is meant to have no network at all.
        gvisor: whether its kernel is meant to be gVisor.
    """

    nonce: str
    connect: tuple[Address, ...] = ()
    resolve: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    other_run: str = ""
    sealed: bool = False
    gvisor: bool = False


def targets_to_json(targets: ProbeTargets) -> str:
    """The targets as they stand in the sandbox's environment."""
    return json.dumps(asdict(targets) | {"version": PROBE_VERSION}, separators=(",", ":"))


def targets_from_json(text: str) -> ProbeTargets:
    """Read the targets. Raises ``ValueError`` where they are not what ``targets_to_json`` writes."""
    try:
        raw = json.loads(text)
        if raw["version"] != PROBE_VERSION:
            raise ValueError("the targets are of another version")
        return ProbeTargets(
            nonce=str(raw["nonce"]),
            connect=tuple(
                Address(name=str(one["name"]), host=str(one["host"]), port=int(one["port"])) for one in raw["connect"]
            ),
            resolve=tuple(map(str, raw["resolve"])),
            nameservers=tuple(map(str, raw["nameservers"])),
            absent=tuple(map(str, raw["absent"])),
            other_run=str(raw["other_run"]),
            sealed=bool(raw["sealed"]),
            gvisor=bool(raw["gvisor"]),
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"the targets cannot be read ({type(error).__name__})") from None


def held(words: str) -> Found:
    """It failed, as it must."""
    return Outcome.HELD, words


def succeeded(words: str) -> Found:
    """The sandbox let it happen."""
    return Outcome.SUCCEEDED, words


def refused(error: OSError) -> Found:
    """The kernel said no."""
    return held(error.strerror or type(error).__name__)
