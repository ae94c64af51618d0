"""What a sandbox hands back is refused as a whole when any rule is broken; nothing but ``IngestError`` comes out."""

import dataclasses
import io
import json
import tarfile
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import IngestError
from bot.model.runs import RunLimits
from runners.ingest import IngestedResult, read_result
from runners.protocol import GuestResult

LIMITS = RunLimits(
    deadline_seconds=60,
    stall_seconds=30,
    budget_usd=1,
    max_turns=10,
    max_workspace_bytes=2**20,
    max_result_bytes=10_000,
    max_result_files=5,
    max_log_bytes=20_000,
)
GUEST = GuestResult(
    exit_code=0, signal=None, claude_version="2.1.330", stderr_tail="", duration_ms=5, deleted=("gone.txt",)
)


def member(name: str, content: bytes = b"", **changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def result_json(**changes: Any) -> bytes:
    return json.dumps(dataclasses.asdict(GUEST) | changes).encode()


def pack(members: Iterable[tuple[tarfile.TarInfo, bytes]], format_: int = tarfile.PAX_FORMAT, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_, **options) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def honest(*more: tuple[tarfile.TarInfo, bytes], **changes: Any) -> bytes:
    return pack([member("result.json", result_json(**changes)), member("transcript.jsonl", b"{}\n"), *more])


def refused(archive: bytes) -> str:
    with pytest.raises(IngestError) as caught:
        read_result(archive, LIMITS)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 400
    return message


def test_an_honest_result_is_read() -> None:
    long_path = "d/" * 80 + "é" * 60
    archive = honest(member("changed/a.py", b"new\n"), member(f"changed/{long_path}", b"x"), member("changed/e", b""))
    assert read_result(archive, LIMITS) == IngestedResult(
        changed={"a.py": b"new\n", long_path: b"x", "e": b""},
        deleted=("gone.txt",),
        transcript=b"{}\n",
        guest=GUEST,
    )


@pytest.mark.parametrize(
    ("kind", "linkname"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "../../.."),
        (tarfile.LNKTYPE, "result.json"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (tarfile.DIRTYPE, ""),
        (tarfile.CONTTYPE, ""),
        (tarfile.GNUTYPE_SPARSE, ""),
        (tarfile.XGLTYPE, ""),
        (tarfile.GNUTYPE_LONGNAME, ""),
        (tarfile.GNUTYPE_LONGLINK, ""),
        (b"S", ""),
        (b"Z", ""),
        (b"\0", ""),
        (tarfile.REGTYPE, "target"),
    ],
    ids=repr,
)
def test_anything_but_a_plain_file_is_refused(kind: bytes, linkname: str) -> None:
    assert "no plain file" in refused(honest(member("changed/a", type=kind, linkname=linkname)))


@pytest.mark.parametrize(
    "path",
    ["/abs", "../up", "a/../../up", ".git/config", ".GIT/x", "sub/.g\u200cit/x", "a\\b", "a\nb", "a/", ""],
    ids=ascii,
)
def test_forbidden_paths_are_refused_changed_or_deleted(path: str) -> None:
    refused(honest(member(f"changed/{path}", b"x")))
    refused(honest(deleted=[path]))


@pytest.mark.parametrize("name", ["other", "changed", "result.json/x", "workspace/a", "./result.json", "Changed/a"])
def test_unexpected_files_are_refused(name: str) -> None:
    refused(honest(member(name, b"x")))


def test_duplicates_are_refused() -> None:
    refused(honest(member("changed/a", b"1"), member("changed/a", b"2")))
    refused(honest(member("changed/gone.txt", b"1")))
    refused(honest(member("result.json", result_json())))
    refused(honest(member("transcript.jsonl", b"")))
    refused(honest(deleted=["a", "a"]))


def test_missing_parts_are_refused() -> None:
    refused(pack([member("result.json", result_json())]))
    refused(pack([member("transcript.jsonl", b"")]))
    refused(pack([]))
    refused(b"")


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ([member(f"changed/{number}", b"x") for number in range(6)], "more than 5 files"),
        ([member("changed/a", b"x" * 6000), member("changed/b", b"x" * 6000)], "more than 10000 bytes"),
    ],
)
def test_limits_on_changed_files(more: list[tuple[tarfile.TarInfo, bytes]], rule: str) -> None:
    assert rule in refused(honest(*more))


def test_limits_on_the_transcript_and_the_whole() -> None:
    too_long = pack([member("result.json", result_json()), member("transcript.jsonl", b"x" * 20_001)])
    assert "transcript" in refused(too_long)
    assert "archive has more than" in refused(b"\0" * 10_000_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"exit_code": "0"},
        {"exit_code": True},
        {"exit_code": -1},
        {"exit_code": 10**40},
        {"signal": 1.5},
        {"claude_version": 5},
        {"stderr_tail": "x" * 10_000},
        {"duration_ms": "long"},
        {"deleted": "a"},
        {"deleted": [1]},
        {"oddities": ["x"] * 101},
        {"oddities": [None]},
        {"over_limit": 1},
        {"version": 2},
        {"version": None},
        {"extra": 1},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_a_result_of_another_shape_is_refused(changes: dict[str, Any]) -> None:
    refused(honest(**changes))


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_a_result_that_is_no_such_json_is_refused(content: bytes) -> None:
    refused(pack([member("result.json", content), member("transcript.jsonl", b"")]))


def test_truncated_archives_are_refused_at_every_length() -> None:
    archive = honest(member("changed/a.py", b"new\n"))
    end = archive.rindex(b"new\n") // 512 * 512 + 512 + 1024  # the last file's block and two blocks of zeros
    for length in range(0, end, 128):
        refused(archive[:length])
    read_result(archive[:end], LIMITS)


def test_trailing_bytes_are_refused() -> None:
    archive = honest()
    refused(archive + b"x")
    refused(archive + b"\0" * 512 * 30)
    refused(archive[:-512] + b"\1" + b"\0" * 511)


def pax(*records: bytes, kind: bytes = tarfile.XHDTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member("pax", b"".join(records), type=kind)


def record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = next(size for size in range(len(body), len(body) + 9) if len(str(size)) + len(body) == size)
    return str(length).encode() + body


PATH = record(b"path", b"changed/a")


@pytest.mark.parametrize(
    "headers",
    [
        [pax(record(b"size", b"999999999999"))],
        [pax(PATH, record(b"size", b"9"))],
        [pax(record(b"GNU.sparse.major", b"1"), record(b"GNU.sparse.minor", b"0"))],
        [pax(record(b"linkpath", b"/etc/passwd"))],
        [pax(record(b"path", b"../../etc/passwd"))],
        [pax(record(b"path", b".git/config"))],
        [pax(record(b"path", b"\xff\xfe"))],
        [pax(record(b"path", b"changed/a\0b"))],
        [pax(PATH), pax(PATH)],
        [pax(PATH)] * 5000,
        [pax(PATH, kind=tarfile.XGLTYPE)],
        [pax(PATH, kind=tarfile.SOLARIS_XHDTYPE)],
        [pax(b"5000 path=changed/a\n")],
        [pax(b"path=changed/a\n")],
        [pax(b"-1 path=changed/a\n")],
        [pax(b"20 path=changed/a")],
        [pax(b"")],
        [pax(record(b"path", b"x" * 9000))],
    ],
    ids=range(18),
)
def test_tricks_with_extended_headers_are_refused(headers: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    refused(pack([member("result.json", result_json()), *headers, member("x", b"content")], tarfile.USTAR_FORMAT))


def test_an_extended_header_without_its_file_is_refused() -> None:
    refused(pack([member("result.json", result_json()), member("transcript.jsonl"), pax(PATH)], tarfile.USTAR_FORMAT))


def test_a_size_that_is_not_octal_or_larger_than_the_archive_is_refused() -> None:
    archive = honest()
    for size in (b"77777777777\0", b"\x80" + b"\0" * 3 + b"\xff" * 8, b"-0000000001\0", b"0x000000001\0", b" " * 12):
        header = archive[:124] + size + archive[136:512]
        total = sum(header) - sum(header[148:156]) + 8 * 32
        refused(header[:148] + f"{total:06o}\0 ".encode() + header[156:] + archive[512:])


def test_a_wrong_checksum_is_refused() -> None:
    archive = bytearray(honest())
    archive[0] ^= 1
    assert "damaged" in refused(bytes(archive))


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_gnu_headers_are_refused_and_plain_ones_not(format_: int) -> None:
    archive = pack([member("result.json", result_json()), member("transcript.jsonl")], format_)
    if format_ == tarfile.GNU_FORMAT:
        refused(archive)
    else:
        read_result(archive, LIMITS)


HONEST = honest(member("changed/a.py", b"new\n"), member("changed/" + "d/" * 60 + "é", b"x"))


@given(
    cuts=st.lists(
        st.tuples(st.integers(0, len(HONEST) - 1), st.integers(0, 64), st.binary(max_size=64)),
        min_size=1,
        max_size=6,
    ),
    ends=st.binary(max_size=600),
)
def test_fuzz_nothing_but_ingest_errors(cuts: list[tuple[int, int, bytes]], ends: bytes) -> None:
    archive = bytearray(HONEST)
    for start, length, new in cuts:
        archive[start : start + length] = new
    accept_or_refuse(bytes(archive) + ends)


@given(data=st.binary(max_size=4096))
def test_fuzz_anything(data: bytes) -> None:
    accept_or_refuse(data)


names = st.sampled_from(["result.json", "transcript.jsonl", "changed/a", "changed/b/c"]) | st.text(max_size=30)
kinds = st.sampled_from([b"0", b"0", b"0", b"x", b"g", b"1", b"2", b"5", b"L", b"S", b"\0"])
members = st.tuples(names, kinds, st.binary(max_size=40) | st.sampled_from([result_json(), PATH]))


@given(entries=st.lists(members, max_size=8))
def test_fuzz_archives_with_right_checksums(entries: list[tuple[str, bytes, bytes]]) -> None:
    try:
        archive = pack([member(name, content, type=kind) for name, kind, content in entries], tarfile.USTAR_FORMAT)
    except (ValueError, UnicodeError):
        return  # the writer cannot even say it
    accept_or_refuse(archive)


def accept_or_refuse(archive: bytes) -> None:
    try:
        result = read_result(archive, LIMITS)
    except IngestError:
        return
    assert len(result.changed) <= LIMITS.max_result_files
    assert sum(map(len, result.changed.values())) <= LIMITS.max_result_bytes
    assert not any(path.startswith("/") or ".." in path.split("/") for path in (*result.changed, *result.deleted))


@pytest.mark.parametrize(
    "archive",
    [
        honest(*[member(f"changed/{number}") for number in range(400)]),
        pack([member("result.json", result_json()), *[pax(PATH)] * 400], tarfile.USTAR_FORMAT),
        pack([member("result.json", b'{"deleted":[' + b'"a",' * 40_000 + b'"a"]}'), member("transcript.jsonl")]),
    ],
    ids=["many files", "many headers", "large result"],
)
def test_memory_is_bounded_by_the_archive(archive: bytes) -> None:
    tracemalloc.start()
    refused(archive)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * len(archive) + 2**20
