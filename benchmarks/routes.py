"""Who has to see to a conflict: rules alone, a direct call, an agent, or people. By the service's own functions.

The data has single files, so each is a merge of its own, with the built-in configuration. Nobody is called: tokens are
guessed from bytes as the client does where nobody counts them. Recorded resolutions and the words of people (title,
description, commit subjects) are not in the data.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast

from benchmarks.corpus import FileRow
from bot.config import protected_paths
from bot.config_keys import RepositoryConfig
from bot.direct.asking import asked_files
from bot.direct.client import BYTES_PER_TOKEN
from bot.direct.narrow import scopes
from bot.direct.prompt import encoded, request_body
from bot.handlers.direct import MAX_INPUT_TOKENS, MAX_OUTPUT_TOKENS, TIMEOUT_SECONDS, is_small
from bot.handlers.gating import passing
from bot.handlers.progress import MergeProgress, reopen, resolution_of
from bot.handlers.triage import MergePlan, plan_merge
from bot.merge.markers import render
from bot.model.cases import FileCase, FileProgress
from bot.model.conflicts import Conflict, ConflictedMerge, ConflictKind, Side, Stage
from bot.model.direct import DirectLimits, DirectQuestion, MergeContext, NotAsked
from bot.model.forge import ForgeKind, RepositoryRef
from bot.model.resolutions import GateVerdict
from bot.model.text import code_span
from bot.ports.git import Git

_CONFIG: Final = RepositoryConfig(version=1)
_REPOSITORY: Final = RepositoryRef(forge=ForgeKind.GITHUB, id=1, owner="corpus", name="corpus", installation_id=1)
_CONTEXT: Final = MergeContext(
    title="", body="", head="", base="", ours_subjects=(), theirs_subjects=(), instructions=""
)
_LIMITS: Final = DirectLimits(
    max_hunks=_CONFIG.resolvers.direct_max_hunks,
    max_input_tokens=MAX_INPUT_TOKENS,
    max_output_tokens=MAX_OUTPUT_TOKENS,
    budget_usd=1.0,
    timeout_seconds=TIMEOUT_SECONDS,
)
_BLOB: Final = "0" * 40
_MODEL: Final = "claude-sonnet-4-5"


class Route(StrEnum):
    """Who settles a conflict, cheapest first."""

    RULES = "rules alone"
    DIRECT = "a direct call"
    AGENT = "an agent"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Where one conflict goes and why. ``request_bytes`` is the body of its direct call, None where there is none."""

    route: Route
    why: str = ""
    request_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class _OneBlob:
    """What ``plan_merge`` reads of git: the file that git left at the path."""

    content: bytes

    async def read_blob(self, repository: RepositoryRef, oid: str, *, limit: int) -> bytes | None:  # noqa: ARG002
        return self.content if len(self.content) <= limit else None


def plan_of_file(row: FileRow, case: FileCase | None) -> MergePlan:
    """The row's conflict, sorted as the service sorts it; ``case`` is ``case_of_file(row)``."""
    content = row.merged if case is None else render(case.marked)
    return _plan(row.path, row.kind, row.stages, content)


def plan_of_hunk(case: FileCase) -> MergePlan:
    """The conflict of a single hunk, sorted as the service would sort a file of nothing else."""
    return _plan(case.path, case.kind, case.stages, render(case.marked))


def _plan(path: str, kind: ConflictKind, stages: Mapping[Side, Stage], content: bytes | None) -> MergePlan:
    modes = (stage.mode for side, stage in stages.items() if side is not Side.ANCESTOR)
    conflict = Conflict(
        path=path,
        kind=kind,
        stages=stages,
        merged_oid=None if content is None else _BLOB,
        merged_mode=min(modes, default="100644"),
        paths=(path,),
        messages=(),
    )
    merge = ConflictedMerge(tree=_BLOB, conflicts=(conflict,))
    git = cast("Git", _OneBlob(content or b""))
    return asyncio.run(plan_merge(merge, repository=_REPOSITORY, config=_CONFIG, git=git))


def barred(plan: MergePlan) -> str | None:
    """Why the one conflict is left to people whatever rules say, without the advice; None if it is not."""
    return plan.open[0].reason.partition(": ")[0] if plan.open else None


def route(plan: MergePlan, file: FileProgress | None) -> Routed:
    """Where the plan's one conflict goes; ``file`` is how far the rules came with it."""
    why = barred(plan)
    if why is not None or file is None:
        return Routed(route=Route.PEOPLE, why=why or "no text that could be taken apart")
    progress = MergeProgress(plan=plan, files={file.case.path: file}, taken={}, left=())
    why = "hunks are open"
    if not file.open:
        if _passes(progress, file.case.path):
            return Routed(route=Route.RULES)
        progress = progress.with_file(reopen(file))
        why = "the gate did not pass what rules made"
    return _asked(progress, progress.files[file.case.path], why)


def _passes(progress: MergeProgress, path: str) -> bool:
    resolution = resolution_of(progress, path)
    results = asyncio.run(passing(progress, [resolution], protected=protected_paths(_CONFIG)))
    return results[path].verdict is GateVerdict.PASS


def _asked(progress: MergeProgress, file: FileProgress, why: str) -> Routed:
    if not is_small(progress, most=_LIMITS.max_hunks):
        return Routed(route=Route.AGENT, why=f"more than {_LIMITS.max_hunks} hunks are open")
    question = DirectQuestion(model=_MODEL, files=(file,), context=_CONTEXT, limits=_LIMITS)
    files = asked_files(question)
    if isinstance(files, NotAsked):
        return Routed(route=Route.AGENT, why=files.reason.replace(code_span(file.case.path), "the file"))
    for scope in scopes(files):
        size = len(encoded(request_body(question, scope)).encode())
        if size <= MAX_INPUT_TOKENS * BYTES_PER_TOKEN:
            if scope.hunks < len(file.open):
                return Routed(route=Route.AGENT, why="a direct call has room for some hunks only", request_bytes=size)
            return Routed(route=Route.DIRECT, why=why, request_bytes=size)
    return Routed(route=Route.AGENT, why="not even one hunk has room in a direct call")
