"""Reading on in a log that only knows whole seconds."""

import tracemalloc
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runners.backends.cluster.logs import READ_BYTES, LastLogs, Position, RunLog, take

BEGAN = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
CHUNK = 16 * 1024


@dataclass
class Kubelet:
    """The log of one container as the kubelet keeps and tells it.

    Each chunk has its time; a long line is several chunks, and only the first of those that are told is stamped.
    https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/cri-client/pkg/logs/logs.go
    """

    zone: str = "Z"
    chunks: list[tuple[datetime, bytes]] = field(default_factory=list)

    def write(self, line: bytes, at: float, *, chunk: int = CHUNK, spread: float = 0.0) -> None:
        for number, start in enumerate(range(0, len(line), chunk)):
            self.chunks.append((BEGAN + timedelta(seconds=at + number * spread), line[start : start + chunk]))

    def answer(self, position: Position) -> bytes:
        told, new_line = b"", True
        for when, chunk in self.chunks:
            if position.since is None or when >= position.since:
                stamp = f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond:06}000{self.zone} ".encode()
                told += (stamp if new_line else b"") + chunk
            new_line = chunk.endswith(b"\n")
        return told[: position.limit]


def text_of(kubelet: Kubelet) -> bytes:
    return b"".join(chunk for _, chunk in kubelet.chunks)


class Reader:
    """Whoever reads on: like the supervisor, from where the last reading ended."""

    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet = kubelet
        self.known = RunLog()
        self.known.read(0, 0)
        self.text = b""

    def read(self) -> None:
        for _ in range(20):
            before = self.known.length
            self.known.grow(self.kubelet.answer(self.known.position))
            new = self.known.read(len(self.text), 2 * READ_BYTES)
            assert new is not None
            self.text += new
            if self.known.length == before:
                return
        raise AssertionError("reading does not come to an end")


lines = st.lists(
    st.tuples(
        st.sampled_from([b"", b"a", b"some words", b"2026-11-28T12:00:01.000000000Z stdout F x", b"y" * 40]),
        st.floats(min_value=0, max_value=1.5),  # seconds since the line before
        st.sampled_from([0.0, 0.4, 1.1]),  # seconds between the chunks of the line
        st.booleans(),  # whether somebody reads now
    ),
    max_size=30,
)


@given(lines)
def test_whatever_is_written_when_it_is_read_once_and_in_order(
    written: list[tuple[bytes, float, float, bool]],
) -> None:
    kubelet = Kubelet()
    reader = Reader(kubelet)
    at = 0.0
    for line, pause, spread, read in written:
        at += pause
        kubelet.write(line + b"\n", at, chunk=16, spread=spread)
        at += spread * (len(line) // 16)
        if read:
            reader.read()
    reader.read()
    assert reader.text == text_of(kubelet)


def test_a_reading_asks_from_the_last_second_on_and_not_for_everything() -> None:
    kubelet = Kubelet()
    reader = Reader(kubelet)
    for second in range(100):
        kubelet.write(b"x" * 1000 + b"\n", second)
    reader.read()
    assert reader.known.position.since == BEGAN + timedelta(seconds=99)
    assert len(kubelet.answer(reader.known.position)) < 1100


def test_a_line_without_an_end_is_waited_for_and_counted() -> None:
    kubelet = Kubelet()
    reader = Reader(kubelet)
    kubelet.write(b"one\nfirst half, ", 0, chunk=4)
    reader.read()
    assert reader.text == b"one\n"
    assert reader.known.size > len(b"one\n")
    kubelet.write(b"second half\n", 1)
    reader.read()
    assert reader.text == b"one\nfirst half, second half\n"


def test_a_line_longer_than_a_reading_comes_in_pieces() -> None:
    kubelet = Kubelet()
    reader = Reader(kubelet)
    stamp = b"2026-11-28T12:00:00.000000000Z "
    # The second piece begins as if it were a line of its own.
    kubelet.write(b"z" * (READ_BYTES - len(stamp)) + stamp + b"z" * READ_BYTES + b"\n", 0)
    kubelet.write(b"after\n", 3)
    reader.read()
    assert reader.text == text_of(kubelet)


def test_a_node_with_another_time_zone() -> None:
    kubelet = Kubelet(zone="+02:00")
    known = RunLog()
    known.read(0, 0)
    kubelet.write(b"line\n", 0)
    known.grow(kubelet.answer(known.position))
    assert known.position.since == BEGAN - timedelta(hours=2)
    assert known.read(0, 100) == b"line\n"


def test_after_a_rotation_what_is_new_is_read() -> None:
    kubelet = Kubelet()
    reader = Reader(kubelet)
    kubelet.write(b"old\n", 0)
    reader.read()
    kubelet.chunks.clear()
    kubelet.write(b"new\n", 7)
    reader.read()
    assert reader.text == b"old\nnew\n"


def test_a_line_that_is_older_than_the_one_before_is_skipped_by_no_later_reading() -> None:
    """Two streams are written side by side, and each line has its own time."""
    kubelet = Kubelet()
    reader = Reader(kubelet)
    kubelet.write(b"second 2\n", 2.0)
    kubelet.write(b"second 1\n", 1.9)
    reader.read()
    kubelet.write(b"second 3\n", 3.0)
    reader.read()
    assert reader.text == b"second 2\nsecond 1\nsecond 3\n"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_answer_is_too_strange(first: bytes, second: bytes) -> None:
    taken = take(Position(), first)
    take(taken.position, second)


def test_what_was_read_is_not_kept() -> None:
    known = RunLog()
    assert known.read(0, 1) == b"", "here is a reader"
    known.grow(b"2026-11-28T12:00:01.000000000Z abc\n")
    assert known.read(0, 2) == b"ab"
    assert known.read(2, 10) == b"c\n"
    assert known.read(0, 10) is None
    assert known.read(9, 1) is None


def grow(known: RunLog, seconds: range) -> None:
    for second in seconds:
        known.grow(b"2026-11-28T12:00:%02dZ " % second + b"x" * (2**20) + b"\n")


def test_what_nobody_reads_is_counted_and_not_kept() -> None:
    known = RunLog()
    tracemalloc.start()
    try:
        grow(known, range(10))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert known.length == 10 * (2**20 + 1)
    assert held < 2**16
    assert known.read(0, 1) is None


def test_who_begins_to_read_late_finds_what_comes_from_then_on() -> None:
    known = RunLog()
    grow(known, range(2))
    read = known.length
    assert known.read(read - 5, 10) is None
    known.grow(b"2026-11-28T12:00:10Z new\n")
    assert known.read(read, 10) == b"new\n"


def test_what_a_reader_leaves_is_not_kept_for_ever() -> None:
    known = RunLog()
    known.read(0, 1)
    grow(known, range(10))
    assert known.length == 10 * (2**20 + 1)
    assert known.read(known.length - 2 * READ_BYTES, 1) is None
    assert known.read(known.length - READ_BYTES, 1) == b"x"


def test_last_logs_are_kept_within_one_bound_the_newest_before_the_oldest() -> None:
    logs = LastLogs(max_bytes=10)
    logs.keep("a", b"aaaa")
    logs.keep("b", b"bbbb")
    logs.keep("c", b"cc")
    assert logs.read("a", 1, 2) == b"aa"
    logs.keep("d", b"d")
    assert [run_id in logs for run_id in "abcd"] == [False, True, True, True]
    logs.keep("e", b"0123456789 and more")
    assert [run_id in logs for run_id in "bcde"] == [False, False, False, True]
    assert logs.read("e", 0, 99) == b"0123456789"
    logs.drop("e")
    assert "e" not in logs
