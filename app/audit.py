"""``flowforge audit``: prove that the audit log is as it was written, and hand it out.

An export is JSON Lines, one event a line, its keys in this order; ``at`` is in UTC with microseconds::

    {"serial": 1, "at": "2026-03-01T12:00:00.000000+00:00", "actor": "user:1:alice", "verb": "…", "subject": "…",
     "data": {"key": "text"}, "previous": sha256, "hash": sha256}
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, BinaryIO, Final, TypeVar

import click as plain_click
import msgspec
import rich_click as click

from app.running import run_to_end
from app.settings import CommonSettings, load_settings
from app.store.audit import Log, open_for_reading, open_log
from app.store.audit_chain import (
    BEGINNING,
    Anchor,
    AuditEvent,
    Break,
    Chain,
    Fault,
    Row,
    Unreadable,
    Verdict,
    WrittenEvent,
    moment_text,
    one_value_a_key,
)
from bot.errors import BadInputError

T = TypeVar("T")

BROKEN: Final = 1
"""The exit status of a log that is not as it was written."""

UNCHECKED: Final = 2
"""The exit status where nothing was found out; click's own for a wrong use."""

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""The longest line of an export that is read."""

MAX_SERIAL: Final = 2**63 - 1

_ANCHOR: Final = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")

_Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class ExportLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of an export."""

    serial: Annotated[int, msgspec.Meta(ge=1, le=MAX_SERIAL)]
    at: str
    actor: str
    verb: str
    subject: str
    data: dict[str, str]
    previous: _Digest
    hash: _Digest


def to_line(row: WrittenEvent) -> bytes:
    """An event as a line of ASCII, with its newline."""
    event = row.event
    fields = {
        "serial": event.serial,
        "at": moment_text(event.at),
        "actor": event.actor,
        "verb": event.verb,
        "subject": event.subject,
        "data": event.data,
        "previous": event.previous,
        "hash": row.hash,
    }
    # The standard library's JSON keeps lone surrogates, which stand for bytes that are no UTF-8, as escapes.
    return json.dumps(fields).encode("ascii") + b"\n"


def read_lines(file: BinaryIO) -> Iterator[Row]:
    """What stands in an export, line by line; a line that is no event, an empty one too, is given as such."""
    while line := file.readline(MAX_LINE_BYTES):
        whole = line.endswith(b"\n")
        while not whole and (rest := file.readline(MAX_LINE_BYTES)):
            line, whole = b"", rest.endswith(b"\n")
        yield _row(line)


def _row(line: bytes) -> Row:
    try:
        fields = msgspec.convert(json.loads(line, object_pairs_hook=one_value_a_key), ExportLine)
        at = datetime.fromisoformat(fields.at)
    except (ValueError, RecursionError):
        return Unreadable("line")
    if not fields.at.endswith("+00:00") or at.isoformat(timespec="microseconds") != fields.at:
        return Unreadable("at", fields.serial)
    event = AuditEvent(
        serial=fields.serial,
        at=at,
        actor=fields.actor,
        verb=fields.verb,
        subject=fields.subject,
        data=fields.data,
        previous=fields.previous,
    )
    return WrittenEvent(event, fields.hash)


class _AnchorType(click.ParamType[Anchor]):
    name = "SERIAL:HASH"

    def convert(self, value: Any, param: plain_click.Parameter | None, ctx: plain_click.Context | None) -> Anchor:
        """An event's number and hash, as ``verify`` and ``export`` print them."""
        found = _ANCHOR.fullmatch(str(value))
        if found is None:
            self.fail("write an event's number and its hash, with a colon between.", param, ctx)
        return Anchor(int(found[1]), found[2])


@click.group()
def audit() -> None:
    """The log of who did what: check that it is as it was written, export it."""


@audit.command()
@click.option("--expect", type=_AnchorType(), help="An event that must be in it, as an earlier check printed it.")
@click.option("--after", type=_AnchorType(), default=None, help="Begin after this event instead of at the first.")
@click.option("--file", type=click.File("rb"), help="Check an export; no database is needed. `-` is standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify(*, expect: Anchor | None, after: Anchor | None, file: BinaryIO | None, as_json: bool) -> None:
    """Compute every hash of the audit log again, and name the first row that was changed, moved, added or removed.

    That events are missing at the end shows only with --expect. Exit status: 0 sound, 1 broken, 2 nothing was checked.
    """
    if expect is not None and after is not None and expect.serial <= after.serial:
        raise click.UsageError("--expect must name an event that comes after that of --after.")
    if file is None:
        verdict = _run(_verify_database(after, expect))
    else:
        chain = Chain(after or BEGINNING, expect)
        chain.take(read_lines(file))
        verdict = chain.end()
    click.echo(json.dumps(to_document(verdict)) if as_json else to_text(verdict))
    sys.exit(0 if verdict.broken is None else BROKEN)


@audit.command()
@click.option("--since", type=click.IntRange(1, MAX_SERIAL), metavar="SERIAL", help="Only from this event on.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file, which is complete or left as it was.",
)
def export(*, since: int | None, output: Path | None) -> None:
    """Print the audit log as JSON Lines, the oldest event first.

    Nothing is checked: see `flowforge audit verify --file`. Exit status: 0, or 2 where it could not be read or written.
    """
    try:
        if output is None:
            count, newest, dropped = _run(_export(sys.stdout.buffer, since))
        else:
            with _replacing(output) as file:
                count, newest, dropped = _run(_export(file, since))
    except BrokenPipeError:
        raise  # whoever read has enough
    except OSError as error:
        raise _UncheckedError(f"The export cannot be written: {error.strerror}.") from None
    click.echo(f"{_events(count)}." if newest is None else f"{_events(count)}, the newest {newest}.", err=True)
    if dropped is not None and (since or 0) <= dropped.serial + 1:
        click.echo(f"{_gone(dropped)}; verify it with --after {dropped}.", err=True)


def to_document(verdict: Verdict) -> dict[str, Any]:
    """What ``flowforge audit verify --json`` prints."""
    newest, broken = verdict.newest, verdict.broken
    return {
        "sound": broken is None,
        "events": verdict.events,
        "newest": _place(newest),
        "dropped": _place(verdict.dropped),
        "broken": None
        if broken is None
        else {
            "fault": broken.fault.value,
            "place": broken.place,
            "serial": broken.serial,
            "message": message_of(broken),
            "follow": verdict.follow,
        },
    }


def _place(anchor: Anchor | None) -> dict[str, Any] | None:
    return None if anchor is None else {"serial": anchor.serial, "hash": anchor.hash}


def to_text(verdict: Verdict) -> str:
    """What ``flowforge audit verify`` prints."""
    newest, broken = verdict.newest, verdict.broken
    if broken is not None:
        before = "None" if newest is None else f"{_events(verdict.events)}, the last {newest}"
        lines = [f"Broken: {message_of(broken)}", f"Sound before it: {before}."]
        after = "1 row, which proves nothing" if verdict.follow == 1 else f"{verdict.follow} rows, which prove nothing"
        return "\n".join([*lines, f"After it: {after}." if verdict.follow else "Nothing stands after it."])
    if newest is None:
        return "Sound: no events."
    gone = verdict.dropped
    return "\n".join(
        [
            f"Sound: {_events(verdict.events)}, the newest {newest}.",
            *(() if gone is None else (f"{_gone(gone)} when their time was over, as the log says.",)),
            "Keep this number and hash where this database's owner cannot write. Later,",
            f"flowforge audit verify --expect {newest}",
            "proves that nothing up to there is missing or was written anew.",
        ],
    )


def message_of(broken: Break) -> str:
    """A break in one sentence; nothing in it is text of the log's."""
    place, serial, last = broken.place, broken.serial, broken.place - 1
    lost = place if serial is None else serial - 1
    return _MESSAGES[broken.fault].format(
        place=place,
        serial=serial,
        before=f"event {last}" if last else "the beginning",
        missing=f"event {place} is" if lost == place else f"events {place} to {lost} are",
        up_to="event 1 is" if place == 1 else f"events 1 to {place} are",
        what=_COLUMNS.get(broken.what, broken.what),
    )


_MESSAGES: Final[Mapping[Fault, str]] = MappingProxyType(
    {
        Fault.UNREADABLE: "what stands in the place of event {place} is no event: its {what} cannot be read.",
        Fault.MISSING: "{missing} missing: the next one is event {serial}.",
        Fault.OUT_OF_ORDER: "event {serial} stands in the place of event {place}: it was added or moved.",
        Fault.NOT_LINKED: "event {place} does not follow from {before}: it names another hash as the one before it.",
        Fault.CHANGED: "event {place} was changed: its hash does not fit what it says.",
        Fault.REPLACED: "event {place} has another hash than expected: the log was written anew, there or before.",
        Fault.TRUNCATED: "the log ends before the event that was expected: event {place} is missing.",
        Fault.UNDECLARED: "{up_to} gone, and no event says so.",
    },
)

_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {"id": "number", "at": "time", "previous": "previous hash"},
)
"""Columns that people call by another name."""


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


def _gone(dropped: Anchor) -> str:
    return "Event 1 was dropped" if dropped.serial == 1 else f"Events 1 to {dropped.serial} were dropped"


async def _verify_database(after: Anchor | None, expect: Anchor | None) -> Verdict:
    async with _open(None if after is None else after.serial + 1) as log:
        dropped = log.dropped
        for option, anchor in (("--after", after), ("--expect", expect)):
            if dropped is not None and anchor is not None and anchor.serial < dropped.serial:
                raise BadInputError(f"{_gone(dropped).lower()}, so that {option} {anchor.serial} proves nothing")
        chain = Chain(expected=expect, dropped=dropped) if after is None else Chain(after, expect)
        async for batch in log.batches:
            chain.take(batch)
    return chain.end()


async def _export(file: BinaryIO, since: int | None) -> tuple[int, Anchor | None, Anchor | None]:
    """Write every event; how many, the newest of them, and the last one that is gone."""
    count, newest = 0, None
    async with _open(since) as log:
        async for batch in log.batches:
            for row in batch:
                if isinstance(row, Unreadable):
                    after = "the first row" if newest is None else f"the row after event {newest.serial}"
                    raise BadInputError(f"{after} is no event; see flowforge audit verify")
                file.write(to_line(row))
                count, newest = count + 1, Anchor(row.event.serial, row.hash)
    file.flush()
    return count, newest, log.dropped


@asynccontextmanager
async def _open(since: int | None) -> AsyncGenerator[Log]:
    """The log of the database that the settings name; nothing is written there."""
    database = open_for_reading(load_settings(CommonSettings).database_url.get_secret_value())
    try:
        async with open_log(database, since=since) as log:
            yield log
    finally:
        await database.close()


class _UncheckedError(click.ClickException):
    """Nothing was found out, which must not look like a verdict."""

    exit_code = UNCHECKED


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return run_to_end(work)
    except click.ClickException as error:
        raise _UncheckedError(f"The audit log could not be read: {error.message}.") from None


@contextmanager
def _replacing(path: Path) -> Generator[BinaryIO]:
    """A file that takes the place of ``path`` when all of it is written; only its owner may read it.

    Raises:
        OSError: it cannot be written.
    """
    target = path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
