"""The probe, really run: in the open it finds the holes, between walls it finds none, and it names the missing wall."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runners.guest.probe_words import Address, Outcome, ProbeTargets, targets_from_json, targets_to_json
from runners.isolation import IsolationReport, read_answer
from runners.protocol import EXIT_MISUSED, EXIT_OK
from tests.runners.guest import sealed

NOW = datetime(2026, 11, 28, 22, 0, tzinfo=UTC)
DOOR = "/run/flowforge/door.sock"
RUN = "0" * 32
OTHER = "f" * 32
NOBODY = 65534
WAIT = 60.0

as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="a sandbox of namespaces is built by root on Linux, with util-linux",
)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="what the probe reads is Linux's")


class Gateway:
    """Answers every request with one status; ``asked`` are the paths. Only what the probe does is looked at here."""

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {}
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            status = self.statuses.get(path, 403)
            writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[Path, Gateway]]:
    gateway = Gateway()
    directory = tmp_path / "door"
    directory.mkdir(mode=0o755)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    async with await asyncio.start_unix_server(gateway.serve, directory / "door.sock"):
        (directory / "door.sock").chmod(0o666)
        yield directory / "door.sock", gateway


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def environment(targets: ProbeTargets, **more: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(sealed.ROOT),
        "FLOWFORGE_RUN_ID": RUN,
        "FLOWFORGE_RUN_TOKEN": "worth-nothing-at-all",
        "FLOWFORGE_GATEWAY_URL": "http://gateway.invalid",
        "FLOWFORGE_TASK_DIR": "/task",
        "FLOWFORGE_PROBE": targets_to_json(targets),
        **more,
    }


async def guest(command: list[str], environ: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(WAIT):
        said, complained = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said, complained


async def in_the_open(targets: ProbeTargets, **more: str) -> IsolationReport:
    status, said, complained = await guest(
        [sys.executable, "-P", "-s", "-m", "runners.guest"], environment(targets, **more)
    )
    assert status == EXIT_OK, complained
    return read_answer(said, targets, at=NOW)


async def between(walls: frozenset[str], targets: ProbeTargets, door: Path) -> IsolationReport:
    environ = environment(targets, FLOWFORGE_SOCKET=DOOR, SEALED_DOOR=str(door))
    status, said, complained = await guest(sealed.command(walls), environ)
    assert status == EXIT_OK, complained
    return read_answer(said, targets, at=NOW)


def names(report: IsolationReport) -> set[str]:
    return {one.name for one in report.violations}


# --- in the open


@on_linux
async def test_what_can_be_reached_is_found(listener: int, tmp_path: Path) -> None:
    gateway = Gateway()
    async with await asyncio.start_server(gateway.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        targets = ProbeTargets(
            nonce="n",
            connect=(
                Address(name="the database", host="127.0.0.1", port=listener),
                Address(name="a closed port", host="127.0.0.1", port=1),
            ),
            absent=(str(tmp_path),),
            other_run=OTHER,
        )
        report = await in_the_open(targets, FLOWFORGE_GATEWAY_URL=f"http://127.0.0.1:{port}", SECRET_OF_OURS="x")
    found = names(report)
    assert report.problem is None
    assert f"the database at 127.0.0.1:{listener}" in found
    assert f"finding {tmp_path}" in found
    assert {"variables that no guest needs", "processes of others"} <= found
    assert "a closed port at 127.0.0.1:1" not in found
    assert not [one for one in report.violations if one.kind in {"gateway", "runs"}]
    assert f"/runs/{OTHER}/workspace" in gateway.asked


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can write everywhere")
async def test_root_finds_that_it_may_do_everything_and_leaves_nothing_behind() -> None:
    places = ("/", "/etc", "/usr", "/tmp")
    found = names(await in_the_open(ProbeTargets(nonce="n")))
    assert {
        *("a root that can be written", "writing into /", "writing into /etc", "reading /etc/shadow"),
        *("being root", "capabilities", "becoming root", "mounting", "making a device", "a raw socket"),
        *("a network namespace", "changing the root directory", "system calls without a filter"),
    } <= found
    assert not [path for place in places for path in Path(place).glob("*flowforge-probe*")]  # noqa: ASYNC240


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can become somebody else")
async def test_nobody_may_less_and_still_finds_the_open_walls(listener: int) -> None:
    targets = ProbeTargets(nonce="n", connect=(Address(name="Redis", host="127.0.0.1", port=listener),))
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    status, said, complained = await guest(
        [*command, sys.executable, "-P", "-m", "runners.guest"], environment(targets)
    )
    assert status == EXIT_OK, complained
    found = names(read_answer(said, targets, at=NOW))
    assert {
        *(f"Redis at 127.0.0.1:{listener}", "a root that can be written", "new privileges by a program"),
        *("processes of others", "things left in /tmp"),
    } <= found
    assert not {"being root", "becoming root", "writing into /etc", "mounting", "a raw socket"} & found


@on_linux
async def test_where_the_gateway_is_out_of_reach_nothing_is_proved() -> None:
    report = await in_the_open(ProbeTargets(nonce="n"), FLOWFORGE_GATEWAY_URL="http://127.0.0.1:1")
    assert report.problem is not None
    assert "the gateway answers" in report.problem


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/runs/{OTHER}/workspace", "the workspace of another run"),
        (f"/runs/{RUN}/workspace", "the workspace of a run without its token"),
        ("/v1/models", "the model without a grant"),
        ("/metrics", "the gateway's metrics"),
    ],
)
async def test_a_gateway_that_gives_what_it_should_not_is_found(path: str, name: str) -> None:
    gateway = Gateway()
    gateway.statuses[path] = 200
    async with await asyncio.start_server(gateway.serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        report = await in_the_open(ProbeTargets(nonce="n", other_run=OTHER), FLOWFORGE_GATEWAY_URL=url)
    assert [one.name for one in report.violations if one.kind in {"gateway", "runs"}] == [name]


async def test_a_question_that_cannot_be_read_is_refused() -> None:
    for text in ("", "{", "[]", '{"version":2}', json.dumps({"version": 1, "nonce": "n"})):
        environ = environment(ProbeTargets(nonce="n")) | {"FLOWFORGE_PROBE": text}
        status, said, complained = await guest([sys.executable, "-P", "-m", "runners.guest"], environ)
        assert (status, said) == (EXIT_MISUSED, b"")
        assert complained.startswith(b"flowforge-guest: FLOWFORGE_PROBE")


def test_targets_come_through_the_environment_as_they_are() -> None:
    targets = ProbeTargets(
        nonce="n",
        connect=(Address(name="a", host="::1", port=1),),
        resolve=("b",),
        nameservers=("192.0.2.1",),
        absent=("/é",),
        other_run=OTHER,
        sealed=True,
        gvisor=True,
    )
    assert targets_from_json(targets_to_json(targets)) == targets


# --- between walls


def everything(listener: int) -> ProbeTargets:
    return ProbeTargets(
        nonce="n",
        connect=(Address(name="the database", host="127.0.0.1", port=listener),),
        resolve=("flowforge.invalid",),
        nameservers=("192.0.2.53",),
        absent=("/work", "/root/.ssh"),
        other_run=OTHER,
        sealed=True,
    )


@as_root
async def test_between_all_walls_nothing_is_found(listener: int, door: tuple[Path, Gateway]) -> None:
    targets = replace(everything(listener), absent=("/root/.ssh",))
    report = await between(sealed.WALLS, targets, door[0])
    assert (report.reason(), report.violations, report.weaknesses) == (None, (), ())
    assert report.proved
    assert len(report.attempts) > 80


@as_root
@pytest.mark.parametrize(
    ("wall", "name"),
    [
        ("network", "the database at 127.0.0.1:{listener}"),
        ("network", "a network interface"),
        ("names", "looking flowforge.invalid up"),
        ("names", "asking the name servers of resolv.conf"),
        ("root", "a root that can be written"),
        ("user", "being root"),
        ("privileges", "new privileges by a program"),
        ("seccomp", "system calls without a filter"),
        ("processes", "processes of others"),
        ("tmp", "things left in /tmp"),
        ("host", "finding /run/docker.sock"),
    ],
)
async def test_each_missing_wall_is_named(listener: int, door: tuple[Path, Gateway], wall: str, name: str) -> None:
    report = await between(sealed.WALLS - {wall}, replace(everything(listener), absent=()), door[0])
    assert name.format(listener=listener) in names(report)
    reason = report.reason()
    assert reason is not None
    assert reason.startswith("sandboxes are not isolated: ")


@as_root
async def test_a_capability_that_is_left_is_found(listener: int, door: tuple[Path, Gateway]) -> None:
    report = await between(sealed.WALLS - {"capabilities"}, replace(everything(listener), absent=()), door[0])
    assert "capabilities" in names(report)


@as_root
async def test_a_user_namespace_is_a_weakness_and_no_hole(listener: int, door: tuple[Path, Gateway]) -> None:
    walls = sealed.WALLS - {"seccomp"}
    report = await between(walls, replace(everything(listener), absent=()), door[0])
    outcomes = {one.name: one.outcome for one in report.attempts}
    assert outcomes["a user namespace"] is Outcome.WEAK
    assert [one.name for one in report.weaknesses] == ["a user namespace"]


@as_root
async def test_a_kernel_that_should_be_gvisor_and_is_not_is_named(listener: int, door: tuple[Path, Gateway]) -> None:
    targets = replace(everything(listener), absent=(), gvisor=True)
    assert names(await between(sealed.WALLS, targets, door[0])) == {"the host's kernel"}


@as_root
async def test_a_second_door_is_named(listener: int, door: tuple[Path, Gateway]) -> None:
    (door[0].parent / "door-of-another-run.sock").touch()
    targets = replace(everything(listener), absent=())
    assert names(await between(sealed.WALLS, targets, door[0])) == {"another run's door"}
