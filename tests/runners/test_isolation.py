"""What an isolation probe makes of its sandbox: of an honest one, of one that fails, and of a lying answer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.system import SystemClock, SystemIds
from bot.errors import SandboxError, SandboxRefusedError
from bot.model.runs import (
    RunOutcome,
    RunTask,
    SandboxExited,
    SandboxLost,
    SandboxMissing,
    SandboxObservation,
    SandboxPending,
    SandboxRunning,
)
from runners.backends.process import ProcessRunner
from runners.guest.probe_words import PROBE_PREFIX, Address, Outcome, ProbeTargets, targets_from_json
from runners.isolation import IsolationProbe, IsolationReport, expected, read_answer
from runners.protocol import GUEST_PREFIX
from runners.sandbox import PROBE_AGED_SECONDS
from tests.runners.bench import CLAUDE, left_in
from tests.runners.guest.test_probe import as_root, door
from tests.runners.sealed_backend import SealedRunner

__all__ = ["door"]

NOW = datetime(2026, 11, 28, 22, 0, tzinfo=UTC)
TARGETS = ProbeTargets(nonce="", connect=(Address(name="the database", host="127.0.0.1", port=1),), sealed=True)


# --- real sandboxes


@as_root
async def test_a_sealed_sandbox_is_proved_and_gone_afterwards(door: Any) -> None:
    runner = SealedRunner(door[0])
    probe = IsolationProbe(
        runner, gateway_url="http://gateway", clock=SystemClock(), ids=SystemIds(), poll_seconds=0.02
    )
    first, second = await probe.prove(TARGETS), await probe.prove(TARGETS)
    for report in (first, second):
        assert (report.reason(), report.proved) == (None, True)
    assert runner.left == []
    one, other = runner.tasks
    assert one.run_id != other.run_id
    assert one.token != other.token
    assert targets_from_json(one.probe).nonce != targets_from_json(other.probe).nonce


@as_root
async def test_a_sandbox_with_a_missing_wall_is_not(door: Any) -> None:
    runner = SealedRunner(door[0])
    runner.walls -= {"root"}
    probe = IsolationProbe(
        runner, gateway_url="http://gateway", clock=SystemClock(), ids=SystemIds(), poll_seconds=0.02
    )
    report = await probe.prove(TARGETS)
    assert not report.proved
    assert (report.reason() or "").startswith("sandboxes are not isolated: a root that can be written (it is mounted")
    assert runner.left == []


async def test_the_process_backend_is_found_out(tmp_path: Path) -> None:
    """It is no sandbox, and the probe says so."""
    runner = ProcessRunner(tmp_path, claude=CLAUDE, development=True)
    clock, ids = SystemClock(), SystemIds()
    probe = IsolationProbe(runner, gateway_url="http://127.0.0.1:1", clock=clock, ids=ids, poll_seconds=0.05)
    report = await probe.prove(replace(TARGETS, connect=(), sealed=False))
    assert {"processes of others", "system calls without a filter"} <= {one.name for one in report.violations}
    assert report.claude_version == "2.1.330 (Claude Code)"
    assert left_in(tmp_path) == []


# --- sandboxes that come to nothing


@dataclass(slots=True)
class Scripted:
    """An ``AgentRunner`` whose one sandbox is seen as a test says, one observation after the other."""

    seen: Sequence[SandboxObservation | SandboxError]
    said: bytes = b""
    fails: SandboxError | None = None
    sticks: bool = False
    name: str = "scripted"
    outlives_us: bool = False
    looks: int = 0
    done: list[str] = field(default_factory=list)

    async def start(self, task: RunTask) -> None:
        self.done.append("start")
        if self.fails is not None:
            raise self.fails
        assert len(task.run_id) == 32

    async def observe(self, run_id: str) -> SandboxObservation:
        assert len(run_id) == 32
        seen = self.seen[min(self.looks, len(self.seen) - 1)]
        self.looks += 1
        if isinstance(seen, SandboxError):
            raise seen
        return seen

    async def read_log(self, run_id: str, *, offset: int, limit: int) -> bytes:
        assert run_id
        return self.said[offset : offset + limit]

    async def stop(self, run_id: str) -> None:
        assert run_id
        self.done.append("stop")
        if self.sticks:
            raise SandboxError("it cannot be stopped")

    async def forget(self, run_id: str) -> None:
        assert run_id
        self.done.append("forget")

    async def aged(self) -> list[str]:
        return []


class Ticking:
    """Every look at this clock takes ten seconds."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        self.time += timedelta(seconds=10)
        return self.time


async def proved(runner: Scripted) -> IsolationReport:
    probe = IsolationProbe(runner, gateway_url="http://gateway", clock=Ticking(), ids=SystemIds(), poll_seconds=0.0)
    report = await probe.prove(TARGETS)
    assert not report.proved
    assert report.attempts == ()
    return report


AWAY = SandboxError("the engine does not answer")
ENDED = SandboxExited(exit_code=0, signal=None)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([SandboxPending(reason="no node is free"), SandboxMissing()], "the probe's sandbox is gone"),
        ([SandboxPending(reason="no node is free")], "did not end in time; it waited: no node is free"),
        ([SandboxRunning(log_bytes=0)], "did not end in time; it was at work"),
        ([AWAY], "did not end in time; it could not be observed: the engine does not answer"),
        ([AWAY, SandboxExited(exit_code=None, signal=9)], "signal 9 ended the probe"),
        ([SandboxExited(exit_code=137, signal=None, out_of_memory=True)], "ran out of memory"),
        ([SandboxExited(exit_code=73, signal=None)], "ended with status 73: no such \ufffd[31mthing\ufffd"),
        ([SandboxLost(outcome=RunOutcome.INFRA_RETRYABLE, detail="the image is missing")], "the image is missing"),
        ([ENDED], "the probe gave 0 answers"),
    ],
)
async def test_an_end_without_an_answer_proves_nothing(
    seen: Sequence[SandboxObservation | SandboxError], says: str
) -> None:
    runner = Scripted(seen, said=f"noise\n{GUEST_PREFIX}no such \x1b[31mthing\x00\n".encode())
    reason = (await proved(runner)).reason() or ""
    assert says in reason
    assert reason.startswith("isolation is not proved: ")
    assert runner.done == ["start", "stop", "forget"]


async def test_a_sandbox_that_comes_late_is_waited_for_but_not_a_guest_that_does_nothing() -> None:
    """An image may take minutes to come, and a node too; the guest's own time begins when it comes to work."""
    waits = [SandboxPending(reason="its image is fetched")] * 30
    late = Scripted([*waits, SandboxRunning(log_bytes=0, since=NOW), ENDED])
    assert (await proved(late)).reason() == "isolation is not proved: the probe gave 0 answers"
    idle = Scripted([SandboxRunning(log_bytes=0, since=NOW)])
    assert "it was at work" in ((await proved(idle)).reason() or "")
    assert 5 <= idle.looks <= 7  # of twenty seconds each


async def test_no_probe_waits_so_long_that_the_sinker_takes_it() -> None:
    waits = Scripted([SandboxPending(reason="no node is free")])
    probe = IsolationProbe(
        waits,
        gateway_url="http://gateway",
        clock=Ticking(),
        ids=SystemIds(),
        pending_seconds=86_400.0,
        poll_seconds=0.0,
    )
    assert not (await probe.prove(TARGETS)).proved
    assert waits.looks * 10 < PROBE_AGED_SECONDS


async def test_what_cannot_be_started_proves_nothing_and_is_cleared_up() -> None:
    runner = Scripted([], fails=SandboxRefusedError("the image is not there"))
    assert (await proved(runner)).reason() == "isolation is not proved: the image is not there"
    assert runner.done == ["start", "stop", "forget"]


async def test_what_cannot_be_removed_is_left_to_the_sinker() -> None:
    runner = Scripted([SandboxMissing()], sticks=True)
    assert (await proved(runner)).reason() == "isolation is not proved: the probe's sandbox is gone"


# --- answers


ASKED = replace(TARGETS, nonce="this-question", other_run="f" * 32)


def answer(**changes: Any) -> dict[str, Any]:
    attempts = [{"kind": kind, "name": name, "outcome": "held", "detail": "no"} for kind, name in expected(ASKED)]
    return {"version": 1, "nonce": ASKED.nonce, "claude": "2.1.330", "attempts": attempts} | changes


def line(given: object) -> bytes:
    return PROBE_PREFIX.encode() + json.dumps(given).encode() + b"\n"


def judged(said: bytes) -> IsolationReport:
    return read_answer(said, ASKED, at=NOW)


def test_a_whole_answer_is_a_proof() -> None:
    report = judged(b"something else\n" + line(answer()) + b"flowforge-guest: bye\n")
    assert (report.proved, report.reason(), report.at) == (True, None, NOW)
    assert len(report.attempts) == len(expected(ASKED))


def test_one_success_is_a_violation_and_is_told_in_harmless_words() -> None:
    given = answer()
    given["attempts"][0] |= {"outcome": "succeeded", "detail": "\x1b[2J\u202e" + "x" * 9999}
    report = judged(line(given))
    assert not report.proved
    assert len(report.violations) == 1
    reason = report.reason() or ""
    assert len(reason) < 500
    assert reason.isprintable()


def test_many_violations_are_counted() -> None:
    given = answer()
    for one in given["attempts"]:
        one["outcome"] = "succeeded"
    assert (judged(line(given)).reason() or "").endswith(f"; and {len(given['attempts']) - 5} more")


def test_a_weakness_is_told_and_does_not_stop() -> None:
    given = answer()
    given["attempts"][3]["outcome"] = "weak"
    report = judged(line(given))
    assert (report.proved, len(report.weaknesses)) == (True, 1)


def test_what_could_not_be_tried_is_not_proved() -> None:
    given = answer()
    given["attempts"][3]["outcome"] = "unclear"
    given["attempts"][4]["outcome"] = "unclear"
    report = judged(line(given))
    assert not report.proved
    assert (report.reason() or "").endswith("and 1 more")


@pytest.mark.parametrize("drop", [0, 7, -1])
def test_an_answer_that_leaves_something_out_proves_nothing(drop: int) -> None:
    given = answer()
    del given["attempts"][drop]
    assert "did not try what it was asked to" in (judged(line(given)).reason() or "")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        line(answer()) + line(answer()),
        line(answer(nonce="another-question")),
        line(answer(version=2)),
        line(answer(more=1)),
        line(answer(claude=None)),
        line(answer(attempts={})),
        line(answer(attempts=[[]])),
        line(answer(attempts=[{"kind": "files"}])),
        line([]),
        PROBE_PREFIX.encode() + b"{",
        PROBE_PREFIX.encode() + b"[" * 100_000,
        PROBE_PREFIX.encode() + b'{"a":"' + b"x" * 2**19,
        b" " + line(answer()),
    ],
)
def test_what_is_no_answer_to_this_question_proves_nothing(said: bytes) -> None:
    report = judged(said)
    assert (report.proved, report.attempts) == (False, ())
    assert (report.reason() or "").startswith("isolation is not proved: the probe")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
MUTATIONS = st.sampled_from(["version", "nonce", "claude", "attempts"])


@given(name=MUTATIONS, value=JSON, noise=st.binary(max_size=200))
def test_no_other_value_in_any_place_is_a_proof(name: str, value: object, noise: bytes) -> None:
    given_ = answer()
    if given_[name] == value or (name == "claude" and isinstance(value, str)):
        return
    report = judged(noise.replace(b"\n", b"") + b"\n" + line(given_ | {name: value}))
    assert not report.proved


@given(index=st.integers(0, len(expected(ASKED)) - 1), member=st.sampled_from(["kind", "name", "outcome"]), value=JSON)
def test_no_other_value_in_any_attempt_is_a_proof(index: int, member: str, value: object) -> None:
    given_ = answer()
    was = given_["attempts"][index][member]
    given_["attempts"][index][member] = value
    report = judged(line(given_))
    assert report.proved is (value == was or (member == "outcome" and value == Outcome.WEAK.value))


@given(st.binary(max_size=2000))
def test_noise_is_never_a_proof_and_never_an_error(said: bytes) -> None:
    assert not judged(said).proved
    assert not judged(PROBE_PREFIX.encode() + said).proved


def test_everything_that_the_issue_names_is_tried() -> None:
    """The list of issue 5, and ADV-016, ADV-019, ADV-070."""
    tried = " | ".join(name for _, name in expected(replace(ASKED, gvisor=True, resolve=("kubernetes.default.svc",))))
    for word in (
        *("the database at 127.0.0.1:1", "looking kubernetes.default.svc up", "asking the name servers"),
        *("a root that can be written", "writing into /etc", "becoming root", "a user namespace", "capabilities"),
        *("the workspace of another run", "finding /var/run/secrets/kubernetes.io", "the host's kernel"),
        *("the API server that the environment names", "finding /var/run/docker.sock", "processes of others"),
    ):
        assert word in tried
