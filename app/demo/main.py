"""``flowforge demo``: the main job on embedded parts, for people or as one JSON document."""

import asyncio
import contextlib
import functools
import json
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm

from app import __version__
from app.demo import sample
from app.demo.database import DatabaseKind, DemoDatabase, open_database
from app.demo.display import Display
from app.demo.model.replies import Script
from app.demo.model.resolver import HonestResolver
from app.demo.model.worker import HonestWorker
from app.demo.sandboxes import Place, SandboxOptions, place_of
from app.demo.stage import ANTHROPIC_URL, Stage, Upstream, open_stage, read_answers, real_upstream
from app.demo.steps import ISSUE_STEPS, Progress, Scenario, Step
from app.demo.story import PullScene, Scene, Source, Story, set_up
from app.demo.story_issue import IssueScene, IssueStory, set_up_issue, what_was_done
from app.telemetry import configure_logging
from bot.errors import BadInputError
from bot.model.forge import PRODUCTS, ForgeKind
from bot.model.runs import NO_USAGE, RESOLVING_KINDS
from runners.ingest import read_result

EXIT_OK: Final = 0
EXIT_NOT_RESOLVED: Final = 2
_DIRECTORY: Final = re.compile(r"/[0-9A-Za-z._/+@ -]+")
_RULE: Final = re.compile(r"Rule: `([a-z0-9_-]+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The options of ``flowforge demo``, see its help."""

    once: bool = False
    yes: bool = False
    as_json: bool = False
    keep: Path | None = None
    bundle: Path | None = None
    repo: Path | None = None
    head: str | None = None
    base: str | None = None
    answers: Path | None = None
    until: Step | None = None
    direct: bool = False
    forge: ForgeKind = ForgeKind.GITHUB
    scenario: Scenario = Scenario.CONFLICT
    database: DatabaseKind = DatabaseKind.SQLITE
    sandboxes: SandboxOptions = field(default_factory=SandboxOptions)


async def run_demo(options: DemoOptions) -> int:
    """Run the demo and return the process's exit status: 0 all held, 2 refused or unresolved.

    Raises:
        BadInputError: the options contradict each other or name something unusable.
    """
    source = _source(options)
    if not options.yes and not sys.stdin.isatty():
        raise BadInputError("there is no terminal to ask on: pass --yes to approve, or run in a terminal")
    display = Display(Console(stderr=options.as_json))
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _cancel_once, task)
    try:
        with _directory(options.keep) as directory, _logging(directory):
            async with (
                open_database(options.database, directory, keep=options.keep is not None) as database,
                place_of(options.sandboxes, confirm=functools.partial(_confirm_cluster, display)) as place,
            ):
                return await _run(options, source, directory, display, place=place, database=database)
    except asyncio.CancelledError:
        display.console.print("\nStopped; nothing is left running.")
        return 130


def _cancel_once(task: "asyncio.Task[Any] | None") -> None:
    """The first signal ends the demo; later ones must not cut the clearing up short."""
    if task is not None and not task.cancelling():
        task.cancel()


async def _confirm_cluster(display: Display, what: str) -> bool:
    """Whether a person says that this is the cluster to use; nobody is asked where nobody can answer."""
    if not sys.stdin.isatty():
        return False
    return await asyncio.to_thread(Confirm.ask, f"Run in {escape(what)}?", console=display.console, default=False)


def _source(options: DemoOptions) -> Source:
    if options.scenario is not Scenario.CONFLICT and (options.bundle or options.repo):
        raise BadInputError(f"--scenario {options.scenario.value} has a repository of its own: no --bundle, no --repo")
    if options.bundle is not None and options.repo is not None:
        raise BadInputError("--bundle and --repo exclude each other")
    if options.repo is not None:
        if options.head is None or options.base is None:
            raise BadInputError("--repo needs --head REF and --base REF")
        return Source(path=options.repo.absolute(), head=options.head, base=options.base)
    if options.head is not None or options.base is not None:
        raise BadInputError("--head and --base go with --repo")
    return Source() if options.bundle is None else Source(path=options.bundle.absolute())


def _check_name(directory: Path) -> None:
    """Say early what the guest would say late: other characters mean something in Claude Code's rules, or in URLs."""
    if not _DIRECTORY.fullmatch(str(directory.resolve())):
        raise BadInputError(
            f"{directory} cannot be used: its path may have a to z, digits, spaces and . _ / + @ - only"
        )


@contextlib.contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    """A directory for all files: the one to keep, or a temporary one that is removed."""
    if keep is not None:
        keep = keep.absolute()
        _check_name(keep)
        try:
            keep.mkdir(parents=True, exist_ok=True)
            used = any(keep.iterdir())
        except OSError as error:
            raise BadInputError(f"{keep} cannot be made or read: {error.strerror}") from None
        if used:
            raise BadInputError(f"{keep} is not empty; --keep wants a new or empty directory")
        yield keep
        return
    _check_name(Path(tempfile.gettempdir()))
    directory = Path(tempfile.mkdtemp(prefix="flowforge-demo-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextlib.contextmanager
def _logging(directory: Path) -> Iterator[None]:
    with (directory / "flowforge.log").open("w", encoding="utf-8") as stream:
        configure_logging("INFO", stream)
        try:
            yield
        finally:
            # What libraries still say of parts that are gone (a Redis that Ctrl-C reached first) helps nobody.
            configure_logging("CRITICAL")


async def _run(
    options: DemoOptions, source: Source, directory: Path, display: Display, *, place: Place, database: DemoDatabase
) -> int:
    answers = read_answers(options.answers)
    upstream = real_upstream()
    model = "anthropic" if upstream is not None and options.answers is None else "scripted"
    script = _script(options.scenario, answers) if model == "scripted" else None
    overrides: dict[str, object] = {"direct_calls": options.direct}
    async with open_stage(
        directory, script=script, overrides=overrides, place=place, database_url=database.url, forge=options.forge
    ) as stage:
        display.opening(
            forge=PRODUCTS[options.forge],
            model=_who_answers(options, upstream),
            claude_code=stage.claude_code,
            directory=str(directory),
            sandboxes=place.said,
            database=database.said,
        )
        issue = options.scenario is Scenario.ISSUE
        scene = await set_up_issue(stage) if issue else await set_up(stage, source, options.scenario)
        progress = Progress(until=options.until, steps=ISSUE_STEPS if issue else tuple(Step))
        try:
            await _play(options, stage, scene, progress, display)
            refusal = _refusal(scene, progress)
        except TimeoutError as error:
            refusal = {"rule": "timeout", "message": str(error)}
        kept = await _keep(options, stage, scene)
        document = _document(stage, scene, progress, database=database.kind, model=model, refusal=refusal, kept=kept)
        if refusal is not None:
            display.refusal(scene, refusal["message"])
        display.closing(scene, kept=None if options.keep is None else str(directory))
        if database.left:
            display.console.print(escape(database.left))
        if options.as_json:
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
            sys.stdout.flush()
        if not options.once:
            display.console.print(f"The service goes on at {stage.web_url} until Ctrl-C.")
            await asyncio.Event().wait()
        return EXIT_OK if document["ok"] else EXIT_NOT_RESOLVED


def _script(scenario: Scenario, answers: dict[str, str]) -> Script:
    """What the scripted model does."""
    if scenario is Scenario.ISSUE:
        return HonestWorker(files=sample.YEN, words=what_was_done)
    return HonestResolver(answers=answers)


def _who_answers(options: DemoOptions, upstream: Upstream | None) -> str:
    """Which model answers, and why. Of an address only the origin is told: the rest may hold credentials."""
    if options.answers is not None:
        return "[bold]a scripted model[/] answers, because --answers says what"
    if upstream is None:
        return "[bold]a scripted model[/] answers, because ANTHROPIC_API_KEY is not set"
    if upstream.url.rstrip("/") == ANTHROPIC_URL:
        return "[bold]the real Anthropic API[/] answers; this costs money"
    origin = urlsplit(upstream.url)
    where = escape(f"{origin.scheme}://{origin.netloc.rpartition('@')[2]}")
    return f"[bold]the Anthropic API at {where}[/] answers, as ANTHROPIC_BASE_URL says; this may cost money"


async def _play(
    options: DemoOptions,
    stage: Stage,
    scene: PullScene | IssueScene,
    progress: Progress,
    display: Display,
) -> None:
    if isinstance(scene, IssueScene):
        with display.watching(progress, progress.wanted):
            await IssueStory(stage=stage, scene=scene, progress=progress).play()
        return
    async with contextlib.AsyncExitStack() as stack:

        async def confirm(shown: Scene) -> bool:
            await stack.aclose()
            display.proposal(shown)
            agreed = options.yes or await asyncio.to_thread(Confirm.ask, "Approve and push?", console=display.console)
            stack.enter_context(display.watching(progress, progress.wanted[asked:]))
            return agreed

        asked = list(Step).index(Step.PROPOSED) + 1
        stack.enter_context(display.watching(progress, progress.wanted[:asked]))
        await Story(stage=stage, scene=scene, progress=progress, confirm=confirm).play()


def _refusal(scene: Scene, progress: Progress) -> dict[str, str] | None:
    """Why there is no proposal, None when there is one (or was asked for less)."""
    if progress.complete or Step.PROPOSED in progress.reached:
        return None
    job = scene.job
    if job is None:
        rule = _RULE.search(scene.comment)
        return {"rule": rule[1] if rule else "unknown", "message": scene.comment}
    return {"rule": job.rule or job.state.value, "message": job.message or ""}


async def _keep(options: DemoOptions, stage: Stage, scene: Scene) -> dict[str, str | None]:
    """Write the transcript beside the repositories, the database and the log, when they are kept."""
    if options.keep is None:
        return {"directory": None, "repository": None, "transcript": None}
    transcript = stage.directory / "transcript.jsonl"
    run = None if scene.job is None else await stage.instance.store.runs.latest(scene.job.id, kinds=RESOLVING_KINDS)
    archive = None if run is None else await stage.instance.store.runs.result(run.id)
    transcript.write_bytes(b"" if run is None or archive is None else read_result(archive, run.limits).transcript)
    return {
        "directory": str(stage.directory),
        "repository": str(scene.repository.directory),
        "transcript": str(transcript),
    }


def _document(
    stage: Stage,
    scene: Scene,
    progress: Progress,
    *,
    database: DatabaseKind,
    model: str,
    refusal: dict[str, str] | None,
    kept: dict[str, str | None],
) -> dict[str, Any]:
    proposal, usage = scene.proposal, scene.usage or NO_USAGE
    return {
        "ok": progress.complete,
        "version": __version__,
        "forge": stage.host.kind.value,
        "scenario": scene.scenario.value,
        "runner": stage.instance.runner.name,
        "database": database.value,
        "model": model,
        "claude_code": stage.claude_code,
        "steps": [
            {
                "name": step.value,
                "ok": step in progress.reached,
                "at_ms": progress.reached.get(step),
                **({"needed": False} if step in progress.not_needed else {}),
            }
            for step in progress.wanted
        ],
        "pull_request": {
            "base": scene.base,
            "head_before": scene.head_before,
            "head_after_approve": scene.head_after_approve,
            "head_after_rollback": scene.head_after_rollback,
        },
        "proposal": None
        if proposal is None
        else {
            "commit": proposal.commit,
            "tree": proposal.tree,
            "parents": list(proposal.parents),
            "diff_sha256": proposal.diff_sha256,
            "files": [{"path": one.path, "kind": one.kind, "resolver": one.resolver} for one in proposal.files],
        },
        "conflicts": [
            {"path": one.path, "kind": one.kind, "status": one.status.value, "resolver": one.resolver}
            for one in scene.conflicts
        ],
        "tests": None
        if scene.tests is None
        else {
            "outcome": scene.tests.outcome.value,
            "command": scene.tests.command,
            "exit_status": scene.tests.exit_status,
            "duration_ms": scene.tests.duration_ms,
        },
        "check_run": None
        if scene.check is None
        else {
            "status": scene.check.status,
            "conclusion": scene.check.conclusion,
            "title": scene.check.title,
            "actions": list(scene.check.actions),
        },
        "comment": scene.comment,
        "usage": {
            "model_calls": usage.model_calls,
            "request_bytes": list(usage.request_bytes),
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_usd": round(usage.cost_usd, 6),
        },
        "refusal": refusal,
        "kept": kept,
    }
