"""Read a pod's log again and again, each time only what is new.

The API has no byte offsets. It has ``sinceTime``, in whole seconds, and puts each line's time before it if asked. So
the log is asked for from the second of the last line that was taken; in the answer that second's first line is found
again, and as many bytes are skipped as were taken before. Following a log (``follow``, ``watch``) is left aside: with
long silence such a connection hangs. https://github.com/kubernetes-client/python/issues/1234
"""

import io
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

READ_BYTES: Final = 2**21
"""The most that one reading takes, longer than any line of Claude Code's event stream."""

_KEPT_BYTES: Final = READ_BYTES
_ANCHOR_BYTES: Final = 128
_STAMP: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a stamped log was taken.

    Attributes:
        since: the second to ask from, None for all.
        anchor: how that second's first line begins, its stamp included.
        taken: bytes of the answer that were taken before, counted from the anchor.
        inside: the last thing taken was the beginning of a line, without its end.
    """

    since: datetime | None = None
    anchor: bytes = b""
    taken: int = 0
    inside: bool = False

    @property
    def limit(self) -> int:
        """How many bytes to ask for."""
        return self.taken + READ_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What an answer brought: whole lines without their stamps; ``waiting`` bytes of a line without an end stay."""

    position: Position
    text: bytes
    waiting: int


def take(position: Position, answer: bytes) -> Taken:
    """Take what is new from an answer to a request as ``position`` says. Pure; what the lines hold is hostile."""
    start = _start(position, answer)
    if start is None:
        # The kubelet rotated the log away: what it has is new from the second after the last line on.
        return _take_lines(replace(position, taken=0, inside=False), answer, 0, later=True)
    return _take_lines(position, answer, start + position.taken, later=False)


def _start(position: Position, answer: bytes) -> int | None:
    """Where the anchor is. Before it there can be the rest of a long line that began in an earlier second."""
    if answer.startswith(position.anchor):
        return 0
    found = answer.find(b"\n" + position.anchor)
    return None if found < 0 else found + 1


def _take_lines(position: Position, answer: bytes, start: int, *, later: bool) -> Taken:
    end = answer.rfind(b"\n", start) + 1
    if end <= start:
        # Even a line that fills all of an answer is taken, piece by piece.
        end = len(answer) if len(answer) >= position.limit else start
    inside = position.inside
    text: list[bytes] = []
    for line in io.BytesIO(answer[start:end]):
        second, length = (None, 0) if inside else _stamp(line)
        inside = not line.endswith(b"\n")
        if later and (second is None or (position.since is not None and second <= position.since)):
            continue
        text.append(line[length:])
        position = _advance(position, line, second)
    return Taken(position=replace(position, inside=inside), text=b"".join(text), waiting=max(len(answer) - end, 0))


def _advance(position: Position, line: bytes, second: datetime | None) -> Position:
    if second is None or second == position.since:
        return replace(position, taken=position.taken + len(line))
    if position.since is None or second > position.since:
        return Position(since=second, anchor=line[:_ANCHOR_BYTES], taken=len(line))
    # Two streams are written side by side: a line can be older than the one before. No later answer holds it.
    return position


def _stamp(line: bytes) -> tuple[datetime | None, int]:
    """The second of a line, and how long its stamp is."""
    found = _STAMP.match(line)
    if found is None:
        return None, 0
    try:
        second = datetime.fromisoformat((found[1] + found[2]).decode("ascii"))
        return second.astimezone(UTC), found.end()
    except (OverflowError, ValueError):
        return None, 0


@dataclass(slots=True)
class RunLog:
    """What is known of the log of one run that goes on: how long it is, and what its reader has not read yet.

    Of most runs nobody reads the log before the end: until somebody does, the bytes are counted and not kept.
    """

    position: Position = field(default_factory=Position)
    length: int = 0
    _waiting: int = 0
    _unread: bytes = b""
    _has_reader: bool = False

    @property
    def size(self) -> int:
        """The bytes that were seen, those of an unfinished last line included."""
        return self.length + self._waiting

    def grow(self, answer: bytes) -> None:
        """Take what is new from an answer."""
        taken = take(self.position, answer)
        self.position, self._waiting = taken.position, taken.waiting
        self.length += len(taken.text)
        if self._has_reader:
            # Who does not read for long reads the log from its beginning.
            self._unread = (self._unread + taken.text)[-_KEPT_BYTES:]

    def read(self, offset: int, limit: int) -> bytes | None:
        """Up to ``limit`` bytes from ``offset`` on, None when those are not here; what was read goes.

        What comes from now on is kept for the next time.
        """
        self._has_reader = True
        skipped = offset - (self.length - len(self._unread))
        if skipped < 0 or offset > self.length:
            return None
        self._unread = self._unread[skipped:]
        return self._unread[:limit]


class LastLogs:
    """What runs printed before they were stopped here, for those who name their ends. The oldest goes first."""

    def __init__(self, *, max_bytes: int = 2**25) -> None:
        """Keep ``max_bytes`` at most of all runs together."""
        self._max_bytes = max_bytes
        self._kept: dict[str, bytes] = {}

    def __contains__(self, run_id: str) -> bool:
        """Whether the log of this run is here."""
        return run_id in self._kept

    def keep(self, run_id: str, text: bytes) -> None:
        """Keep the log of a run, of a very long one the beginning."""
        self.drop(run_id)
        text = text[: self._max_bytes]
        while self._kept and sum(map(len, self._kept.values())) + len(text) > self._max_bytes:
            self.drop(next(iter(self._kept)))
        self._kept[run_id] = text

    def read(self, run_id: str, offset: int, limit: int) -> bytes:
        """Up to ``limit`` bytes from ``offset`` on of a log that is here."""
        return self._kept[run_id][offset : offset + limit]

    def drop(self, run_id: str) -> None:
        """Keep the log of a run no longer."""
        self._kept.pop(run_id, None)
