"""A runner whose sandboxes do what a test says: it speaks the runner's protocol, and starts no process."""

import asyncio
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bot.model.runs import (
    ModelCall,
    RunKind,
    RunTask,
    SandboxExited,
    SandboxMissing,
    SandboxObservation,
    SandboxRunning,
)
from bot.ports.store import Store
from runners.protocol import CHANGED_PREFIX, CONTEXT_NAME, RESULT_NAME, TRANSCRIPT_NAME
from tests.runners.streams import init, result, stream

_LOOK_SECONDS: Final = 20.0


@dataclass(slots=True, kw_only=True)
class Puppet:
    """One sandbox. ``stopped`` and ``forgotten`` are set when somebody ends and removes it, ``looked`` at each look."""

    task: RunTask
    seen: SandboxObservation = field(default_factory=lambda: SandboxRunning(log_bytes=0))
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    forgotten: asyncio.Event = field(default_factory=asyncio.Event)
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    token_sha256: str = ""
    aged: bool = False

    async def seen_to(self, times: int = 2) -> None:
        """Return when a supervisor has looked so often, from now on."""
        async with asyncio.timeout(_LOOK_SECONDS):
            for _ in range(times):
                self.looked.clear()
                await self.looked.wait()


class PuppetRunner:
    """The ``AgentRunner`` port. ``fails`` is raised by the next starts, ``gate`` holds them."""

    def __init__(self, *, outlives_us: bool = False) -> None:
        self._outlives_us = outlives_us
        self.puppets: list[Puppet] = []
        self.fails: list[Exception] = []
        self.gate: asyncio.Event | None = None
        self.at_gate = asyncio.Event()

    @property
    def name(self) -> str:
        return "puppet"

    @property
    def outlives_us(self) -> bool:
        return self._outlives_us

    async def aged(self) -> list[str]:
        return [puppet.task.run_id for puppet in self.puppets if puppet.aged and not puppet.forgotten.is_set()]

    @property
    def last(self) -> Puppet:
        return self.puppets[-1]

    async def start(self, task: RunTask) -> None:
        if self.gate is not None:
            self.at_gate.set()
            await self.gate.wait()
        if self.fails:
            raise self.fails.pop(0)
        self.puppets.append(Puppet(task=task, token_sha256=hashlib.sha256(task.token.encode()).hexdigest()))

    async def observe(self, run_id: str) -> SandboxObservation:
        puppet = self._of(run_id)
        if puppet is None:
            return SandboxMissing()
        puppet.looked.set()
        return puppet.seen

    async def read_log(self, run_id: str, *, offset: int, limit: int) -> bytes:
        del run_id, offset, limit
        return b""

    async def stop(self, run_id: str) -> None:
        puppet = self._of(run_id)
        if puppet is not None:
            puppet.seen = SandboxMissing()
            puppet.stopped.set()

    async def forget(self, run_id: str) -> None:
        puppet = self._of(run_id)
        if puppet is not None:
            puppet.forgotten.set()

    def _of(self, run_id: str) -> Puppet | None:
        return next((puppet for puppet in self.puppets if puppet.task.run_id == run_id), None)


async def workspace_of(store: Store, puppet: Puppet) -> tuple[dict[str, bytes], dict[str, Any]]:
    """What a sandbox fetches: the files, and the context."""
    archive = await store.runs.take_workspace(puppet.task.run_id, puppet.token_sha256)
    assert archive is not None
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            files[member.name] = content.read()
    return files, json.loads(files.pop(CONTEXT_NAME))


def result_archive(changed: Mapping[str, bytes], report: Mapping[str, Any]) -> bytes:
    """What a sandbox sends back after a success."""
    return _archive(b"\n".join(stream(init(), result(structured_output=report))) + b"\n", changed)


def _archive(transcript: bytes, changed: Mapping[str, bytes], **ended: Any) -> bytes:
    guest: dict[str, Any] = {
        "exit_code": 0,
        "signal": None,
        "claude_version": "2.1.330",
        "stderr_tail": "",
        "duration_ms": 1000,
        "deleted": [],
        "oddities": [],
        "over_limit": None,
        "version": 1,
        **ended,
    }
    members = {RESULT_NAME: json.dumps(guest).encode(), TRANSCRIPT_NAME: transcript}
    members |= {CHANGED_PREFIX + path: content for path, content in changed.items()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def report_on(paths: Sequence[str], *, resolved: bool = True) -> dict[str, Any]:
    """A closing report with one hunk a file."""
    hunk = {"index": 0, "resolved": resolved, "reason": "Both rates are kept.", "confidence": "high"}
    return {"summary": "Done.", "files": [{"path": path, "hunks": [hunk]} for path in paths]}


async def send_result(
    store: Store, puppet: Puppet, now: datetime, changed: Mapping[str, bytes], deleted: Sequence[str] = ()
) -> bool:
    """Be the sandbox that finished: one model call, the result sent, the process gone. Whether it was accepted."""
    call = ModelCall(
        run_id=puppet.task.run_id,
        model=puppet.task.model,
        status=200,
        request_bytes=4000,
        input_tokens=1000,
        output_tokens=100,
        cache_write_tokens=0,
        cache_read_tokens=0,
        cost_usd=0.01,
        started_at=now,
        duration_ms=500,
    )
    await store.ledger.record(call)
    in_words = puppet.task.kind in {RunKind.CHANGE, RunKind.LOOK}
    words = {"summary": "Done.", "deleted": list(deleted)} if deleted else {"summary": "Done."}
    archive = result_archive(changed, words if in_words else report_on(list(changed)))
    accepted = await store.runs.accept_result(puppet.task.run_id, puppet.token_sha256, archive)
    puppet.seen = SandboxExited(exit_code=0, signal=None)
    return accepted


async def send_tests(store: Store, puppet: Puppet, *, log: bytes = b"OK\n", **ended: Any) -> bool:
    """Be the sandbox whose tests ended, by default well, and left a file behind. Whether that was accepted."""
    archive = _archive(log, {"x": b"x"}, claude_version="", **ended)
    accepted = await store.runs.accept_result(puppet.task.run_id, puppet.token_sha256, archive)
    puppet.seen = SandboxExited(exit_code=0, signal=None)
    return accepted
