"""Check and export the audit log with the command that people call, on a real database."""

import asyncio
import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from app.audit import MAX_LINE_BYTES, audit, message_of, read_lines, to_document, to_line, to_text
from app.cli import main
from app.docs import ROOT
from app.store.audit_chain import BEGINNING, Anchor, Break, Chain, Fault, Unreadable, Verdict, WrittenEvent
from app.store.audit_drop import drop_audit
from app.store.database import SqlStore
from app.store.engine import Database
from app.store.migrate import upgrade
from tests.app.store.test_audit_chain import LOGS, SAID, TAMPERINGS, Tampering, anchor_of, chained, verdict_of
from tests.app.store.words import START, CountedIds, HandClock
from tests.conftest import Golden

EVENTS = [
    {"actor": "user:1:alice", "verb": "deliveries.dead", "subject": "github:1", "data": {}},
    {"actor": "user:1:alice", "verb": "job.queued", "subject": "job:2", "data": {"to": "queued", "from": "-"}},
    {"actor": "bot:2:café", "verb": "job.published", "subject": "job:2", "data": {"note": "\udce9 \x00 \x1b[31m"}},
]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The SQLite file of a log of three events."""
    made = tmp_path / "x.db"
    url = f"sqlite:///{made}"
    monkeypatch.setenv("FLOWFORGE_DATABASE_URL", url)
    asyncio.run(_make(url))
    return made


async def _make(url: str) -> None:
    await upgrade(url)
    clock = HandClock()
    store = SqlStore.open(url, clock, CountedIds())
    for event in EVENTS:
        await store.audit.append(**event)  # type: ignore[arg-type]  # mypy does not see the keys
        clock.advance(0.25)
    await store.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["audit", *arguments])


def tamper(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        for trigger in ("update", "delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS audit_events_no_{trigger}")
        for statement in statements:
            connection.execute(statement)


def newest_of(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        row = connection.execute("SELECT id, hash FROM audit_events ORDER BY id DESC LIMIT 1").fetchone()
    return f"{row[0]}:{row[1]}"


def test_a_sound_log(file: Path, golden: Golden) -> None:
    kept = newest_of(file)
    done = run("verify", "--expect", kept)
    assert done.exit_code == 0
    golden.check("audit/sound.txt", done.output)
    as_json = run("verify", "--json")
    assert as_json.exit_code == 0
    golden.check("audit/sound.json", as_json.output)
    assert run("verify", "--expect", f"1:{'f' * 64}").exit_code == 1


def test_a_broken_log(file: Path, golden: Golden) -> None:
    tamper(file, "UPDATE audit_events SET verb = 'job.refused' WHERE id = 2")
    done = run("verify")
    assert done.exit_code == 1
    golden.check("audit/broken.txt", done.output)
    as_json = run("verify", "--json")
    assert as_json.exit_code == 1
    golden.check("audit/broken.json", as_json.output)


BREAKS = [
    *(Break(fault=Fault.UNREADABLE, place=4, serial=4, what=what) for what in ("line", "id", "at", "data", "previous")),
    Break(fault=Fault.MISSING, place=1, serial=2),
    Break(fault=Fault.MISSING, place=4, serial=7),
    Break(fault=Fault.OUT_OF_ORDER, place=4, serial=2),
    Break(fault=Fault.NOT_LINKED, place=1, serial=1),
    Break(fault=Fault.NOT_LINKED, place=4, serial=4),
    Break(fault=Fault.CHANGED, place=4, serial=4),
    Break(fault=Fault.REPLACED, place=4, serial=4),
    Break(fault=Fault.TRUNCATED, place=4, serial=None),
    Break(fault=Fault.UNDECLARED, place=1, serial=None),
    Break(fault=Fault.UNDECLARED, place=4, serial=None),
]


def test_every_break_has_words(golden: Golden) -> None:
    newest = Anchor(3, "5" * 64)
    verdicts = [Verdict(events=each.place - 1, newest=newest, broken=each, follow=each.place - 3) for each in BREAKS]
    assert {each.fault for each in BREAKS} == set(Fault)
    golden.check("audit/breaks.txt", "".join(f"{message_of(each)}\n" for each in BREAKS))
    counts = [(0, None, 0), (1, Anchor(1, "1" * 64), 1), (3, newest, 2)]
    texts = [
        to_text(Verdict(events=events, newest=last, broken=broken, follow=follow))
        for events, last, follow in counts
        for broken in (None, BREAKS[-5])
    ]
    golden.check("audit/verdicts.txt", "\n\n".join(texts) + "\n")
    assert [to_document(each)["broken"]["place"] for each in verdicts] == [each.place for each in BREAKS]


def test_an_export(file: Path, golden: Golden) -> None:
    done = run("export")
    assert done.exit_code == 0
    golden.check("audit/export.jsonl", done.stdout)
    golden.check("audit/export.txt", done.stderr)
    assert newest_of(file) in done.stderr


def test_anybody_can_compute_the_hashes_of_an_export(file: Path) -> None:
    """As docs/operations.md says how."""
    assert file.exists()
    lines = [json.loads(line) for line in run("export").stdout.splitlines()]
    previous = "0" * 64
    for line in lines:
        said = {"id": line["serial"]} | {key: line[key] for key in ("at", "actor", "verb", "subject", "data")}
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        previous = hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()
        assert line["hash"] == previous
    assert len(lines) == len(EVENTS)


def test_an_export_is_checked_without_a_database(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = newest_of(file)
    exported = tmp_path / "log.jsonl"
    assert run("export", "--output", str(exported)).exit_code == 0
    monkeypatch.delenv("FLOWFORGE_DATABASE_URL")
    done = run("verify", "--file", str(exported), "--expect", kept)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, f"Sound: 3 events, the newest {kept}.")
    piped = CliRunner().invoke(main, ["audit", "verify", "--file", "-", "--json"], input=exported.read_bytes())
    assert json.loads(piped.stdout)["sound"] is True

    first, second, third = exported.read_bytes().splitlines(keepends=True)
    exported.write_bytes(second + first + third)
    done = run("verify", "--file", str(exported), "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["broken"]["fault"] == "missing"
    exported.write_bytes(first + second)
    assert run("verify", "--file", str(exported)).exit_code == 0, "nothing shows that the end is missing"
    assert run("verify", "--file", str(exported), "--expect", kept).exit_code == 1


def test_a_part_is_checked_after_what_is_known(file: Path, tmp_path: Path) -> None:
    part = tmp_path / "part.jsonl"
    done = run("export", "--since", "2", "--output", str(part))
    assert (done.exit_code, len(part.read_bytes().splitlines())) == (0, 2)
    first = json.loads(run("export").stdout.splitlines()[0])
    after = f"1:{first['hash']}"
    for where in (["--file", str(part)], []):
        assert run("verify", "--after", after, "--expect", newest_of(file), *where).exit_code == 0
        assert run("verify", "--after", f"1:{'f' * 64}", *where).exit_code == 1
    assert run("verify", "--file", str(part)).exit_code == 1, "it does not begin with the first event"
    assert run("export", "--since", "4").stdout == ""


@pytest.fixture
def cut(file: Path) -> Path:
    """The same log, of which the first two events were dropped, and an event says so."""
    asyncio.run(_drop(f"sqlite:///{file}", before="2026-03-01 12:00:00.300000+00:00"))
    return file


async def _drop(url: str, before: str) -> None:
    store = SqlStore.open(url, HandClock(), CountedIds())
    await drop_audit(Database(store.engine), before=datetime.fromisoformat(before), now=START)
    await store.close()


def test_a_log_without_its_beginning(cut: Path, golden: Golden, tmp_path: Path) -> None:
    done = run("verify", "--expect", newest_of(cut))
    assert done.exit_code == 0
    golden.check("audit/dropped.txt", done.output)
    as_json = run("verify", "--json")
    assert as_json.exit_code == 0
    golden.check("audit/dropped.json", as_json.output)
    exported = tmp_path / "log.jsonl"
    done = run("export", "--output", str(exported))
    golden.check("audit/export_dropped.txt", done.stderr)
    after = re.search(r"--after (\S+)\.", done.stderr)
    assert after is not None
    assert run("verify", "--file", str(exported), "--after", after[1]).exit_code == 0
    assert run("verify", "--file", str(exported)).exit_code == 1, "a file by itself does not say why it begins there"
    assert run("verify", "--after", after[1]).exit_code == 0
    assert "dropped" not in run("export", "--since", "4").stderr


def test_what_is_expected_and_was_dropped_is_no_verdict(cut: Path) -> None:
    anchor = json.loads(run("verify", "--json").stdout)["dropped"]
    assert anchor["serial"] == 2
    assert run("verify", "--expect", f"2:{anchor['hash']}").exit_code == 0
    done = run("verify", "--expect", f"2:{'f' * 64}", "--json")
    assert (done.exit_code, json.loads(done.stdout)["broken"]["fault"]) == (1, "replaced")
    for option in ("--expect", "--after"):
        done = run("verify", option, f"1:{'f' * 64}")
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"so that {option} 1 proves nothing" in " ".join(done.stderr.replace("│", " ").split())
    assert cut.exists()


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        # more is gone than was said: the anchor moved on with the rows
        (
            [
                "INSERT INTO audit_anchor SELECT id, hash, at FROM audit_events WHERE id = 3",
                "DELETE FROM audit_events WHERE id = 3",
            ],
            (1, "undeclared", 3),
        ),
        # or all of it
        (
            [
                "INSERT INTO audit_anchor SELECT id, hash, at FROM audit_events WHERE id = 4",
                "DELETE FROM audit_events",
            ],
            (1, "undeclared", 4),
        ),
        # the anchor moved on, and the rows are there
        (["INSERT INTO audit_anchor SELECT id, hash, at FROM audit_events WHERE id = 3"], (1, "out_of_order", 4)),
        (["UPDATE audit_anchor SET serial = 1"], (1, "missing", 2)),
        (["UPDATE audit_anchor SET serial = 'two'"], (1, "missing", 1)),
        (["UPDATE audit_anchor SET hash = upper(hash)"], (1, "not_linked", 3)),
        (["UPDATE audit_anchor SET hash = x'ff'"], (1, "not_linked", 3)),
        (["DELETE FROM audit_anchor"], (1, "missing", 1)),
        (["DELETE FROM audit_events WHERE id = 3"], (1, "missing", 3)),
        (["DELETE FROM audit_events WHERE id = 4"], (1, "undeclared", 2)),
    ],
)
def test_what_is_done_to_the_anchor_is_found(cut: Path, statements: list[str], expected: tuple[int, str, int]) -> None:
    free = [f"DROP TRIGGER audit_anchor_no_{act}" for act in ("update", "delete", "insert")]
    tamper(cut, *free, *statements)
    done = run("verify", "--json")
    broken = json.loads(done.stdout)["broken"]
    assert (done.exit_code, broken["fault"], broken["place"]) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "--expect", "3"],
        ["verify", "--expect", f"0:{'f' * 64}"],
        ["verify", "--expect", f"3:{'F' * 64}"],
        ["verify", "--expect", f"3:{'f' * 63}"],
        ["verify", "--expect", f"3:{'f' * 64}", "--after", f"3:{'f' * 64}"],
        ["verify", "--file", "/no/such/file"],
        ["verify", "--file", "/"],
        ["verify", "more"],
        ["export", "--since", "0"],
        ["export", "--since", str(2**63)],
        ["export", "--output", "/"],
        ["export", "--output", "/no/such/directory/file"],
        ["sign"],
    ],
)
def test_a_wrong_use_is_no_verdict(file: Path, arguments: list[str]) -> None:
    assert file.exists()
    done = run(*arguments)
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
    assert done.stdout == ""
    assert done.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "FLOWFORGE_DATABASE_URL"),
        ("mysql://host/x", "not supported"),
        ("sqlite:////no/such/file", "unable to open"),
        ("postgresql://nobody@127.0.0.1:1/x", "did not answer"),
    ],
)
@pytest.mark.parametrize("command", ["verify", "export"])
def test_a_database_that_is_not_there_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, url: str | None, said: str, command: str
) -> None:
    monkeypatch.delenv("FLOWFORGE_SECRETS_DIR", raising=False)
    if url is None:
        monkeypatch.delenv("FLOWFORGE_DATABASE_URL", raising=False)
    else:
        monkeypatch.setenv("FLOWFORGE_DATABASE_URL", url)
    done = run(command)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_an_export_that_cannot_be_finished_leaves_the_old_one(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "log.jsonl"
    assert run("export", "--output", str(output)).exit_code == 0
    assert output.stat().st_mode & 0o777 == 0o600
    before, files = output.read_bytes(), sorted(tmp_path.iterdir())
    tamper(file, "UPDATE audit_events SET data = '[]' WHERE id = 3")
    done = run("export", "--output", str(output))
    assert done.exit_code == 2
    assert "the row after event 2 is no event" in " ".join(done.stderr.replace("│", " ").split())
    assert output.read_bytes() == before
    assert {each.name for each in tmp_path.iterdir()} <= {each.name for each in files} | {"x.db-shm", "x.db-wal"}
    link = tmp_path / "link"
    link.symlink_to(output)
    tamper(file, "DELETE FROM audit_events WHERE id = 3")
    assert run("export", "--output", str(link)).exit_code == 0
    assert link.is_symlink()
    assert output.read_bytes() == b"".join(before.splitlines(keepends=True)[:2])


def process(*arguments: str, stdout: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "app.cli", "audit", *arguments]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, env=os.environ)


def test_a_full_disk_and_a_reader_that_leaves(file: Path) -> None:
    assert file.exists()
    with Path("/dev/full").open("wb") as full, process("export", stdout=full) as writer:
        _, said = writer.communicate(timeout=60)
    assert writer.returncode == 2
    assert b"cannot be written" in said
    reader, end = os.pipe()
    os.close(reader)
    with process("export", stdout=end) as writer:
        os.close(end)
        _, said = writer.communicate(timeout=60)
    assert writer.returncode == 1
    assert b"Traceback" not in said


@given(LOGS)
def test_what_is_exported_is_read(log: list[WrittenEvent]) -> None:
    assert list(read_lines(BytesIO(b"".join(map(to_line, log))))) == log


@given(TAMPERINGS)
def test_whatever_is_done_to_an_export_is_found(tampering: Tampering) -> None:
    rows = list(read_lines(BytesIO(b"".join(map(to_line, tampering.made)))))
    verdict = verdict_of(rows, expected=anchor_of(tampering.log[-1]))
    assert verdict.broken is not None
    assert (verdict.events, verdict.broken.place) == (tampering.sound, tampering.sound + 1)


@given(LOGS, st.data())
def test_one_other_byte_in_an_export_is_found_or_says_the_same(log: list[WrittenEvent], data: st.DataObject) -> None:
    exported = bytearray(b"".join(map(to_line, log)))
    exported[data.draw(st.integers(0, len(exported) - 1))] = data.draw(st.integers(0, 255))
    rows = list(read_lines(BytesIO(exported)))
    assert (verdict_of(rows, expected=anchor_of(log[-1])).broken is None) == (rows == log)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    assert all(isinstance(row, Unreadable) for row in read_lines(BytesIO(data)))


LINE = to_line(chained([SAID])[0])


def changed(**values: object) -> bytes:
    return json.dumps(json.loads(LINE) | values).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"null",
        b"[" * 100_000,
        LINE.replace(b'"verb": "v"', b'"verb": "v", "verb": "v"'),
        LINE.replace(b'"data": {}', b'"data": {"a": "evil", "a": "good"}'),
        LINE.replace(b'"serial": 1', b'"serial": 1.0'),
        LINE.replace(b'"serial": 1', b'"serial": ' + b"1" * 5_000),
        changed(serial=0),
        changed(serial=2**63),
        changed(serial=True),
        changed(at="2026-03-01T00:00:00+00:00"),
        changed(at="2026-03-01T01:00:00.000000+01:00"),
        changed(at="2026-03-01T00:00:00.000000"),
        changed(at="0000-03-01T00:00:00.000000+00:00"),
        changed(data={"a": 1}),
        changed(data=[]),
        changed(previous="ü" * 64),
        changed(hash="F" * 64),
        changed(more="x"),
    ],
)
def test_a_line_that_is_no_event_is_none(line: bytes) -> None:
    found, after = read_lines(BytesIO(line.removesuffix(b"\n") + b"\n" + LINE))
    assert isinstance(found, Unreadable)
    assert isinstance(after, WrittenEvent)


def test_a_line_that_does_not_end_is_passed_over() -> None:
    found, after = read_lines(BytesIO(LINE.strip() + b" " * (2 * MAX_LINE_BYTES) + b"\n" + LINE))
    assert isinstance(found, Unreadable)
    assert isinstance(after, WrittenEvent)


class Endless:
    """An export of so many events that it would not fit, made as it is read."""

    def __init__(self, count: int) -> None:
        self._lines = self._made(count)
        self.newest = BEGINNING

    def _made(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            (row,) = chained([SAID], self.newest)
            self.newest = anchor_of(row)
            yield to_line(row)

    def readline(self, limit: int) -> bytes:
        assert limit > 0
        return next(self._lines, b"")


def test_a_file_is_read_line_by_line() -> None:
    endless = Endless(10_000)
    chain = Chain()
    for number, row in enumerate(read_lines(endless), start=1):  # type: ignore[arg-type]  # all that is needed of a file
        chain.take([row])
        assert isinstance(row, WrittenEvent)
        assert endless.newest.serial == number, "it reads ahead"
    assert chain.end().newest == endless.newest


def test_the_page_on_operations_names_every_fault_and_option() -> None:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    section = page.split("## The audit log\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"(?m)^\| `(\w+)` \|", section) == [fault.value for fault in Fault]
    options = {
        name
        for command in audit.commands.values()
        for parameter in command.params
        for name in parameter.opts
        if name.startswith("--")
    }
    assert set(re.findall(r"--[a-z]+", section)) == options


def test_it_is_a_command_of_flowforge(file: Path) -> None:
    assert file.exists()
    done = CliRunner().invoke(main, ["audit", "verify"])
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, f"Sound: 3 events, the newest {newest_of(file)}.")
