"""Runs the real Claude Code CLI, started as in production, against a scripted model."""

import asyncio
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import claude_agent_sdk

from runners.protocol import REPORT_SCHEMA, Context, ContextFile, ContextHunk

CLI = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
MARKER_SIZE = 43
MODEL = "claude-sonnet-4-5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    exit_code: int
    events: tuple[Mapping[str, Any], ...]
    stderr: str

    @property
    def result(self) -> Mapping[str, Any]:
        return [event for event in self.events if event["type"] == "result"][-1]

    @property
    def report(self) -> Mapping[str, Any]:
        return self.result["structured_output"]  # type: ignore[no-any-return]


@dataclass(slots=True)
class Workspace:
    """A directory as the guest lays it out: ``context.json`` beside ``workspace/``."""

    directory: Path
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.directory / "workspace"

    @property
    def context_path(self) -> Path:
        return self.directory / "context.json"

    def put(self, path: str, content: bytes) -> None:
        """A conflicted file."""
        self.files[path] = content
        self.put_aside(path, content)

    def put_aside(self, path: str, content: bytes) -> None:
        """A file that is not in conflict."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def write_context(self, *, feedback: Sequence[str] = (), title: str = "A change") -> None:
        context = Context(
            task="Resolve the conflicts.",
            number=7,
            title=title,
            head="topic",
            base="main",
            files=tuple(
                ContextFile(path=path, kind="content", hunks=tuple(hunks_of(content)))
                for path, content in self.files.items()
            ),
            ours_subjects=("ours",),
            theirs_subjects=("theirs",),
            instructions="",
            feedback=tuple(feedback),
        )
        self.context_path.write_text(json.dumps(asdict(context), indent=2), encoding="utf-8")

    async def run(self, base_url: str, *, max_turns: int = 40, model: str = MODEL, **environment: str) -> Outcome:
        """Start Claude Code in the workspace and wait for its end."""
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            *command(self.context_path, max_turns=max_turns, model=model),
            cwd=self.root,
            env=environment_of(base_url, home) | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        prompt = f"Resolve the merge conflicts described in {self.context_path}. Read that file first."
        try:
            stdout, stderr = await process.communicate(prompt.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        events = tuple(json.loads(line) for line in stdout.splitlines())
        return Outcome(exit_code=await process.wait(), events=events, stderr=stderr.decode())


def environment_of(base_url: str, home: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "ANTHROPIC_API_KEY": "run-token",
        "ANTHROPIC_BASE_URL": base_url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
        "CLAUDE_CODE_DISABLE_CLAUDE_MDS": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_MAX_RETRIES": "2",
    }


def command(context_path: Path, *, max_turns: int, model: str) -> list[str]:
    return [
        str(CLI),
        "-p",
        "--bare",
        "--setting-sources",
        "",
        "--strict-mcp-config",
        "--disable-slash-commands",
        "--no-session-persistence",
        "--permission-mode",
        "dontAsk",
        "--tools",
        "Read,Edit",
        "--allowedTools",
        "Edit(./**)",
        f"Read(/{context_path})",
        "--disallowedTools",
        "Edit(.git/**)",
        "Edit(.github/**)",
        "Read(//proc/**)",
        "Bash",
        "WebFetch",
        "WebSearch",
        "--json-schema",
        json.dumps(dict(REPORT_SCHEMA)),
        "--max-turns",
        str(max_turns),
        "--max-budget-usd",
        "50",
        "--model",
        model,
        "--output-format",
        "stream-json",
        "--verbose",
    ]


def merge_file(directory: Path, *, base: bytes, ours: bytes, theirs: bytes, style: str = "--diff3") -> bytes:
    """What git leaves in a conflicted file."""
    paths = []
    for name, content in (("ours", ours), ("base", base), ("theirs", theirs)):
        path = directory / f"merge-{name}"
        path.write_bytes(content)
        paths.append(str(path))
    labels = ["-L", "ours", "-L", "base", "-L", "theirs"]
    done = subprocess.run(
        ["git", "merge-file", "-p", style, f"--marker-size={MARKER_SIZE}", *labels, *paths],  # noqa: S607 - git on PATH
        capture_output=True,
        check=False,
    )
    assert done.returncode > 0, "no conflict"
    return done.stdout


def hunks_of(content: bytes) -> list[ContextHunk]:
    lines = content.split(b"\n")
    first = [number for number, line in enumerate(lines, 1) if line.startswith(b"<" * MARKER_SIZE)]
    last = [number for number, line in enumerate(lines, 1) if line.startswith(b">" * MARKER_SIZE)]
    return [
        ContextHunk(index=index, first_line=start, last_line=end)
        for index, (start, end) in enumerate(zip(first, last, strict=True))
    ]
