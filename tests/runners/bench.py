"""Runs on real parts: database, runner endpoints, gateway, Claude Code. Only the model is scripted."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import claude_agent_sdk
import httpx
import psutil

from app.demo.model.replies import Script
from app.demo.model.server import ScriptedModel
from app.gateway.front import sandbox_service
from app.gateway.service import create_gateway
from app.http.server import bind, serving
from app.http.service import create_desk
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds
from bot.model.runs import (
    AgentAnswer,
    AgentBrief,
    AgentProgress,
    BriefFile,
    BriefHunk,
    CommandAnswer,
    CommandBrief,
    Run,
    RunKind,
    RunLimits,
    RunOutcome,
    RunState,
    RunTask,
    SuiteAnswer,
)
from bot.ports.git import WorkspaceFile
from runners.archives import TarArchives
from runners.backends.process import ProcessRunner
from runners.protocol import result_archive_cap
from runners.supervise import Supervisor
from tests.app.demo.model.claude import hunks_of
from tests.app.store.words import new_job

CLAUDE = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
MODEL = "claude-sonnet-5-5"
MODEL_KEY = "sk-ant-the-real-key-of-this-test"
LIMITS = RunLimits(
    deadline_seconds=60,
    stall_seconds=30,
    budget_usd=5.0,
    max_turns=20,
    max_workspace_bytes=2**20,
    max_result_bytes=2**20,
    max_result_files=20,
    max_log_bytes=2**20,
)
WAIT_SECONDS = 60.0

_M = "<=|>"
_OURS, _DIVIDER, _ANCESTOR, _THEIRS = (sign * 43 for sign in _M)
CONFLICT = (
    f"import os\n{_OURS} ours\nimport sys\n{_ANCESTOR} base\n{_DIVIDER}\nimport re\n{_THEIRS} theirs\n\nprint(os)\n"
).encode()
RESOLVED = b"import os\nimport sys\nimport re\n\nprint(os)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that ended, and what is known of it."""

    run: Run
    answer: AgentAnswer | None
    left: CommandAnswer | None
    said: SuiteAnswer | None
    progress: tuple[AgentProgress, ...]

    @property
    def outcome(self) -> RunOutcome | None:
        return self.run.outcome


@dataclass(slots=True, kw_only=True)
class Bench:
    """Everything a run needs, on loopback."""

    url: str
    directory: Path
    store: SqlStore
    model: ScriptedModel
    runner: ProcessRunner
    supervisor: Supervisor
    gateway_url: str
    progress: dict[str, list[AgentProgress]]
    ends: dict[str, asyncio.Event]
    tokens: dict[str, str] = field(default_factory=dict)

    async def prepare(
        self,
        script: Script,
        files: Mapping[str, bytes | WorkspaceFile] | None = None,
        *,
        title: str = "A change",
        **limits: Any,
    ) -> tuple[RunTask, str]:
        """A run that is ready to be launched, and its job's id. Files with markers are the conflicts."""
        self.model.script = script
        limits_ = replace(LIMITS, **limits)
        job = await new_job(self.store, number=len(self.tokens) + 1)
        ids = SystemIds()
        run_id, token = ids.new_id(), ids.new_token()
        self.tokens[run_id] = token
        digest = hashlib.sha256(token.encode()).hexdigest()
        await self.store.runs.create(run_id=run_id, job=job, token_sha256=digest, model=MODEL, limits=limits_)
        workspace = [_workspace_file(path, file) for path, file in (files or {"src/a.py": CONFLICT}).items()]
        await self.store.runs.put_workspace(run_id, TarArchives().pack(_brief(workspace, title), workspace))
        task = RunTask(
            run_id=run_id,
            token=token,
            gateway_url=self.gateway_url,
            model=MODEL,
            limits=limits_,
        )
        return task, job.id

    async def launch(
        self, script: Script, files: Mapping[str, bytes | WorkspaceFile] | None = None, **options: Any
    ) -> str:
        """Launch a run, options as of ``prepare``; its id."""
        task, job_id = await self.prepare(script, files, **options)
        self.ends[task.run_id] = asyncio.Event()
        await self.supervisor.launch(task, job_id=job_id)
        return task.run_id

    async def command(
        self,
        commands: Sequence[Sequence[str]],
        files: Mapping[str, bytes],
        *,
        kind: RunKind = RunKind.REGENERATE,
        **limits: Any,
    ) -> Ended:
        """Run commands of a repository over some files and wait for their end."""
        job = await new_job(self.store, number=len(self.tokens) + 1)
        ids = SystemIds()
        run_id, token = ids.new_id(), ids.new_token()
        self.tokens[run_id] = token
        digest = hashlib.sha256(token.encode()).hexdigest()
        limits_ = replace(LIMITS, **limits)
        await self.store.runs.create(
            run_id=run_id, job=job, token_sha256=digest, model=MODEL, limits=limits_, kind=kind
        )
        brief = CommandBrief(commands=tuple(tuple(command) for command in commands))
        workspace = [_workspace_file(path, content) for path, content in files.items()]
        await self.store.runs.put_workspace(run_id, TarArchives().pack_commands(brief, workspace))
        self.ends[run_id] = asyncio.Event()
        task = RunTask(
            run_id=run_id,
            token=token,
            gateway_url=self.gateway_url,
            model=MODEL,
            limits=limits_,
            kind=kind,
        )
        await self.supervisor.launch(task, job_id=job.id)
        return await self.ended(run_id)

    async def run(
        self, script: Script, files: Mapping[str, bytes | WorkspaceFile] | None = None, **options: Any
    ) -> Ended:
        """Launch a run, options as of ``prepare``, and wait for its end."""
        return await self.ended(await self.launch(script, files, **options))

    async def ended(self, run_id: str) -> Ended:
        """Wait for the end of a run."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self.ends[run_id].wait()
        run = await self.store.runs.get(run_id)
        assert run is not None
        assert run.state is RunState.ENDED
        archive = await self.store.runs.result(run_id)
        answer, left, said = None, None, None
        if run.kind is RunKind.TEST and archive is not None:
            said = TarArchives().read_tests(archive, limits=run.limits)
        if run.outcome is RunOutcome.SUCCEEDED:
            assert archive is not None
            if run.kind is RunKind.AGENT:
                answer = TarArchives().read(archive, limits=run.limits)
            elif run.kind is RunKind.REGENERATE:
                left = TarArchives().read_commands(archive, limits=run.limits)
        return Ended(run=run, answer=answer, left=left, said=said, progress=tuple(self.progress.get(run_id, ())))

    async def asked(self, calls: int = 1) -> None:
        """Wait until the model was asked ``calls`` times: the agent is at work."""
        async with asyncio.timeout(WAIT_SECONDS), self.model.changed:
            await self.model.changed.wait_for(lambda: len(self.model.calls) >= calls)

    def place(self, run_id: str) -> Path:
        """The run's directory, while there is one."""
        return self.directory / run_id

    def processes(self, run_id: str) -> list[psutil.Process]:
        """The living processes that work in the run's directory, whoever their parent is."""
        return processes_in(self.place(run_id))


def processes_in(place: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd().startswith(str(place)):
                found.append(process)
    return found


def left_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


@contextlib.asynccontextmanager
async def open_bench(url: str, directory: Path, script: Script) -> AsyncIterator[Bench]:
    """Start everything; stops all of it in the end and sees that nothing is left."""
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        store = SqlStore.open(url, clock, SystemIds())
        stack.push_async_callback(store.close)
        model = await stack.enter_async_context(ScriptedModel.serve(script, api_key=MODEL_KEY))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=60, trust_env=False))
        gateway = create_gateway(
            ledger=store.ledger, runs=store.runs, http=http, upstream=model.base_url, api_key=MODEL_KEY, clock=clock
        )
        cap = result_archive_cap(LIMITS.max_result_bytes, LIMITS.max_result_files, LIMITS.max_log_bytes)
        front = sandbox_service(gateway=gateway, runs=create_desk(store.runs, max_result_bytes=cap))
        gateway_url = await stack.enter_async_context(serving(front, bind("127.0.0.1", 0)))
        runner = ProcessRunner(directory, claude=CLAUDE, development=True)
        progress: dict[str, list[AgentProgress]] = {}
        ends: dict[str, asyncio.Event] = {}

        async def on_progress(run_id: str, said: AgentProgress) -> None:
            progress.setdefault(run_id, []).append(said)

        async def on_end(_job_id: str, run_id: str) -> None:
            ends[run_id].set()

        supervisor = Supervisor(
            runner=runner,
            runs=store.runs,
            clock=clock,
            owner=SystemIds().new_id(),
            on_progress=on_progress,
            on_end=on_end,
            poll_seconds=0.05,
        )
        stack.push_async_callback(supervisor.close)
        yield Bench(
            url=url,
            directory=directory,
            store=store,
            model=model,
            runner=runner,
            supervisor=supervisor,
            gateway_url=gateway_url,
            progress=progress,
            ends=ends,
        )
    assert processes_in(directory) == []
    assert left_in(directory) == []


def _workspace_file(path: str, file: bytes | WorkspaceFile) -> WorkspaceFile:
    return file if isinstance(file, WorkspaceFile) else WorkspaceFile(path=path, executable=False, content=file)


def _brief(files: Sequence[WorkspaceFile], title: str) -> AgentBrief:
    conflicts = [(file, hunks_of(file.content)) for file in files]
    return AgentBrief(
        number=7,
        title=title,
        head="topic",
        base="main",
        files=tuple(
            BriefFile(
                path=file.path,
                kind="content",
                hunks=tuple(
                    BriefHunk(index=hunk.index, first_line=hunk.first_line, last_line=hunk.last_line) for hunk in hunks
                ),
            )
            for file, hunks in conflicts
            if hunks
        ),
        ours_subjects=("Import sys",),
        theirs_subjects=("Import re",),
        instructions="",
        feedback=(),
    )
