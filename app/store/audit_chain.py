"""The audit log as a chain: what an event's hash covers, and what breaks a chain.

Nothing here knows where rows come from; a database and an exported file are checked by the same code.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in a chain: an event's number and its hash, which covers every event up to it."""

    serial: int
    hash: str

    def __str__(self) -> str:
        return f"{self.serial}:{self.hash}"


BEGINNING: Final = Anchor(0, "0" * 64)
"""What the first event follows."""

DROPPED: Final = "audit.dropped"
"""The verb of an event that says that old events were removed: up to the anchor that ``through`` in its data names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Who did what, and the hash of the event before it."""

    serial: int
    at: datetime
    actor: str
    verb: str
    subject: str
    data: Mapping[str, str]
    previous: str

    def digest(self) -> str:
        """sha256 over the previous hash, a line feed, and the rest of the event as canonical JSON."""
        body = {
            "id": self.serial,
            "at": moment_text(self.at),
            "actor": self.actor,
            "verb": self.verb,
            "subject": self.subject,
            "data": self.data,
        }
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(f"{self.previous}\n{text}".encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class WrittenEvent:
    """An event with the hash that was written beside it."""

    event: AuditEvent
    hash: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands in an event's place and is none. ``what`` is the column that cannot be read, in our words."""

    what: str
    serial: int | None = None


Row = WrittenEvent | Unreadable
"""What is found in a database or a file."""


class Fault(StrEnum):
    """Why a chain is broken."""

    UNREADABLE = "unreadable"
    MISSING = "missing"
    OUT_OF_ORDER = "out_of_order"
    NOT_LINKED = "not_linked"
    CHANGED = "changed"
    REPLACED = "replaced"
    TRUNCATED = "truncated"
    UNDECLARED = "undeclared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first bad row. ``place`` is the number that an event should have there, ``serial`` the one that it has."""

    fault: Fault
    place: int
    serial: int | None
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a chain is.

    ``events`` were sound, the last of them is ``newest``; ``follow`` rows stand after the first bad one. All up to
    ``dropped`` were removed, as the chain itself says.
    """

    events: int
    newest: Anchor | None
    broken: Break | None
    follow: int
    dropped: Anchor | None = None


class Chain:
    """Follows a chain from ``after`` on, row by row, and remembers no more than the last one.

    That an end is missing, or that all was written anew, shows only against an event that is ``expected``. Where the
    events up to ``dropped`` were removed, the chain begins after it, and the newest event of that kind must name it.
    """

    def __init__(
        self, after: Anchor = BEGINNING, expected: Anchor | None = None, *, dropped: Anchor | None = None
    ) -> None:
        after = after if dropped is None else dropped
        self._expected = expected
        self._dropped = dropped
        self._declared: str | None = None
        self._last = after
        self._events = 0
        self._broken: Break | None = None
        self._follow = 0

    def take(self, rows: Iterable[Row]) -> None:
        """Look at the rows that come next."""
        for row in rows:
            if self._broken is None:
                self._check(row)
            else:
                self._follow += 1

    def end(self) -> Verdict:
        """There are no more rows."""
        if self._broken is None:
            self._broken = self._break_at_end()
        return Verdict(
            events=self._events,
            newest=self._last if self._events else None,
            broken=self._broken,
            follow=self._follow,
            dropped=self._dropped,
        )

    def _break_at_end(self) -> Break | None:
        expected, dropped = self._expected, self._dropped
        if expected is not None and expected.serial > self._last.serial:
            return Break(fault=Fault.TRUNCATED, place=self._last.serial + 1, serial=None)
        if dropped is None:
            return None
        if self._declared != str(dropped):
            return Break(fault=Fault.UNDECLARED, place=dropped.serial, serial=None)
        if expected is not None and expected.serial == dropped.serial and expected.hash != dropped.hash:
            return Break(fault=Fault.REPLACED, place=dropped.serial, serial=dropped.serial)
        return None

    def _check(self, row: Row) -> None:
        place = self._last.serial + 1
        if isinstance(row, Unreadable):
            self._broken = Break(fault=Fault.UNREADABLE, place=place, serial=row.serial, what=row.what)
            return
        fault = self._fault(row, place)
        if fault is not None:
            self._broken = Break(fault=fault, place=place, serial=row.event.serial)
            return
        self._last = Anchor(row.event.serial, row.hash)
        self._events += 1
        if row.event.verb == DROPPED:
            self._declared = row.event.data.get("through")

    def _fault(self, row: WrittenEvent, place: int) -> Fault | None:
        event, expected = row.event, self._expected
        if event.serial != place:
            return Fault.MISSING if event.serial > place else Fault.OUT_OF_ORDER
        if event.previous != self._last.hash:
            return Fault.NOT_LINKED
        if event.digest() != row.hash:
            return Fault.CHANGED
        if expected is not None and expected.serial == place and expected.hash != row.hash:
            return Fault.REPLACED
        return None


def moment_text(at: datetime) -> str:
    """A moment as hashes cover it and exports show it: ISO 8601 in UTC, with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def one_value_a_key(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object, for ``json.loads``; with two values for a key each reader would see another one.

    Raises:
        ValueError: a key stands there twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found
