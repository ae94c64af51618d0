"""The chain by itself: what is done to a random log is found, at the right place; what is left alone is sound."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.store.audit_chain import BEGINNING, Anchor, AuditEvent, Chain, Fault, Row, Unreadable, Verdict, WrittenEvent

TEXTS = st.text(max_size=8) | st.just("NUL \x00, \udcff, \x10") | st.sampled_from(["a", "b"])
TIMES = st.datetimes(timezones=st.just(UTC))
DATA = st.dictionaries(TEXTS, TEXTS, max_size=3)
HASHES = st.text(alphabet="0123456789abcdef", min_size=64, max_size=64)
SAYINGS = st.fixed_dictionaries({"at": TIMES, "actor": TEXTS, "verb": TEXTS, "subject": TEXTS, "data": DATA})
FIELDS = {
    "serial": st.integers(-2, 2**63 - 1),
    "at": TIMES,
    "actor": TEXTS,
    "verb": TEXTS,
    "subject": TEXTS,
    "data": DATA,
    "previous": HASHES,
}


def chained(sayings: Sequence[dict[str, Any]], after: Anchor = BEGINNING) -> list[WrittenEvent]:
    """A sound log."""
    log: list[WrittenEvent] = []
    for saying in sayings:
        event = AuditEvent(serial=after.serial + 1, previous=after.hash, **saying)
        log.append(WrittenEvent(event, event.digest()))
        after = Anchor(event.serial, event.digest())
    return log


SAID: dict[str, Any] = {"at": datetime(2026, 3, 1, tzinfo=UTC), "actor": "a", "verb": "v", "subject": "s", "data": {}}

LOGS = st.lists(SAYINGS, min_size=1, max_size=6).map(chained)


def anchor_of(row: WrittenEvent) -> Anchor:
    return Anchor(row.event.serial, row.hash)


def verdict_of(rows: Sequence[Row], *, after: Anchor = BEGINNING, expected: Anchor | None = None) -> Verdict:
    chain = Chain(after, expected)
    chain.take(rows)
    return chain.end()


@dataclass(frozen=True)
class Tampering:
    """A log, what was made of it, and how many of its events are sound to the eye."""

    log: list[WrittenEvent]
    made: list[WrittenEvent]
    sound: int


def rehashed(event: AuditEvent) -> WrittenEvent:
    return WrittenEvent(event, event.digest())


@st.composite
def edited(draw: Callable[..., Any]) -> Tampering:
    """One field or the hash."""
    log = draw(LOGS)
    index = draw(st.integers(0, len(log) - 1))
    row = log[index]
    field = draw(st.sampled_from([*FIELDS, "hash"]))
    if field == "hash":
        made = replace(row, hash=draw(HASHES))
    else:
        made = replace(row, event=replace(row.event, **{field: draw(FIELDS[field])}))
    assume(made != row)
    return Tampering(log, [*log[:index], made, *log[index + 1 :]], index)


@st.composite
def edited_with_a_hash_that_fits(draw: Callable[..., Any]) -> Tampering:
    """One field, by somebody who knows how hashes are made: the next event gives it away, or the kept hash."""
    log = draw(LOGS)
    index = draw(st.integers(0, len(log) - 1))
    field = draw(st.sampled_from(list(FIELDS)))
    event = replace(log[index].event, **{field: draw(FIELDS[field])})
    assume(event != log[index].event)
    fits = field not in {"serial", "previous"} and index < len(log) - 1
    return Tampering(log, [*log[:index], rehashed(event), *log[index + 1 :]], index + fits)


@st.composite
def removed(draw: Callable[..., Any]) -> Tampering:
    """One event: the first, one in the middle, or the last."""
    log = draw(LOGS)
    index = draw(st.integers(0, len(log) - 1))
    return Tampering(log, [*log[:index], *log[index + 1 :]], index)


@st.composite
def inserted(draw: Callable[..., Any]) -> Tampering:
    """One event in front of another: a copy, or one that fits what is before it, so that the chain forks."""
    log = draw(LOGS)
    index = draw(st.integers(0, len(log) - 1))
    if draw(st.booleans()):
        more = draw(st.sampled_from(log))
        fits = more == log[index]  # its twin comes right after it
    else:
        (more,) = chained([draw(SAYINGS)], anchor_of(log[index - 1]) if index else BEGINNING)
        # where the last one is forked, the kept hash tells which is which
        fits = index < len(log) - 1 or more == log[index]
    return Tampering(log, [*log[:index], more, *log[index:]], index + fits)


@st.composite
def swapped(draw: Callable[..., Any]) -> Tampering:
    """Two events."""
    log = draw(st.lists(SAYINGS, min_size=2, max_size=6).map(chained))
    first, second = sorted(draw(st.lists(st.integers(0, len(log) - 1), min_size=2, max_size=2, unique=True)))
    made = list(log)
    made[first], made[second] = log[second], log[first]
    return Tampering(log, made, first)


TAMPERINGS = edited() | edited_with_a_hash_that_fits() | removed() | inserted() | swapped()


@given(LOGS, st.integers(0, 6), st.integers(0, 6))
def test_an_untouched_log_is_sound(log: list[WrittenEvent], cut: int, kept: int) -> None:
    chain = Chain(expected=anchor_of(log[kept % len(log)]))
    chain.take(log[:cut])
    chain.take(log[cut:])
    assert chain.end() == Verdict(events=len(log), newest=anchor_of(log[-1]), broken=None, follow=0)


@given(TAMPERINGS)
def test_whatever_is_done_to_a_log_is_found_where_it_was_done(tampering: Tampering) -> None:
    verdict = verdict_of(tampering.made, expected=anchor_of(tampering.log[-1]))
    assert verdict.broken is not None
    assert verdict.events == tampering.sound
    assert verdict.broken.place == tampering.sound + 1
    bad = verdict.broken.fault is not Fault.TRUNCATED
    assert verdict.events + bad + verdict.follow == len(tampering.made)


@given(TAMPERINGS)
def test_without_a_kept_hash_only_the_end_is_not_proved(tampering: Tampering) -> None:
    """What is found without one is found with one, and the only secrets are a shorter log and another last event."""
    verdict = verdict_of(tampering.made)
    made, log = tampering.made, tampering.log
    assert (verdict.broken is None) == (made == log[:-1] or (len(made) == len(log) and made == chained_again(made)))


def chained_again(rows: list[WrittenEvent]) -> list[WrittenEvent]:
    """The log that an honest writer would have made of what these say."""
    return chained([{field: getattr(row.event, field) for field in SAID} for row in rows])


@given(LOGS, LOGS)
def test_a_log_that_was_written_anew_is_found_by_the_kept_hash_alone(
    log: list[WrittenEvent], other: list[WrittenEvent]
) -> None:
    anew = [*other, *chained_after(other, len(log))]
    kept = anchor_of(log[-1])
    assume(anew[len(log) - 1].hash != kept.hash)
    assert verdict_of(anew).broken is None
    broken = verdict_of(anew, expected=kept).broken
    assert broken is not None
    assert (broken.fault, broken.serial) == (Fault.REPLACED, kept.serial)


def chained_after(log: list[WrittenEvent], count: int) -> list[WrittenEvent]:
    return chained([SAID] * count, anchor_of(log[-1]))


@given(LOGS, st.integers(0, 6))
def test_a_part_of_a_log_is_sound_after_what_is_known_of_the_rest(log: list[WrittenEvent], cut: int) -> None:
    cut = min(cut, len(log))
    after = anchor_of(log[cut - 1]) if cut else BEGINNING
    assert verdict_of(log[cut:], after=after).broken is None
    lies = verdict_of(log[cut:], after=Anchor(after.serial, "f" * 64))
    assert (lies.broken is None) == (cut == len(log))


@pytest.mark.parametrize(("at", "sound", "serial"), [(0, 0, None), (2, 2, 3)])
def test_a_row_that_is_no_event_breaks_the_chain(at: int, sound: int, serial: int | None) -> None:
    rows: list[Row] = [*chained([SAID] * 4)]
    rows[at] = Unreadable("at", serial)
    verdict = verdict_of(rows)
    assert verdict.broken is not None
    assert (verdict.events, verdict.broken.fault, verdict.broken.serial) == (sound, Fault.UNREADABLE, serial)
    assert verdict.follow == 4 - sound - 1


def test_no_events_are_sound_unless_some_are_expected() -> None:
    assert verdict_of([]) == Verdict(events=0, newest=None, broken=None, follow=0)
    broken = verdict_of([], expected=Anchor(3, "f" * 64)).broken
    assert broken is not None
    assert (broken.fault, broken.place, broken.serial) == (Fault.TRUNCATED, 1, None)
