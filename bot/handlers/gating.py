"""Put resolutions to the gate: all of a merge together, or one file by itself."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from bot.handlers.progress import MODELS, MergeProgress
from bot.model.resolutions import Candidate, GateResult, GateVerdict, Resolution, Tier
from bot.validation.gate import run_gate


async def gate(
    progress: MergeProgress,
    resolutions: Sequence[Resolution],
    *,
    protected: Sequence[str],
    changed: Mapping[str, bytes | None] | None = None,
    by_agent: Collection[str] = (),
) -> GateResult:
    """What the gate says to resolutions of text conflicts and of generated files.

    ``changed`` is what came out of a sandbox, ``by_agent`` are the files that an agent worked on in there.

    Raises:
        SandboxError: a check cannot be run on this machine.
    """
    paths = {item.path for item in resolutions}
    cases = {path: file.case for path, file in progress.files.items() if path in paths}
    sides = {path: file.sides for path, file in progress.plan.generated.items() if path in paths}
    sides |= {path: before for path, (_, before) in progress.also.items() if path in paths}
    candidate = Candidate(
        conflicts=tuple(conflict for conflict in progress.plan.merge.conflicts if conflict.path in paths),
        sides={path: case.sides for path, case in cases.items()} | sides,
        marked={path: case.marked for path, case in cases.items()},
        resolutions=tuple(resolutions),
        changed=changed or {},
        modes={item.path: item.mode for item in resolutions},
        protected_paths=tuple(protected),
        settled={path: _settled(progress, path, by_agent=path in by_agent) for path in cases},
        generated=frozenset(sides),
    )
    # Parsing hostile text takes its time; the other jobs of this worker must not wait for it.
    return await asyncio.to_thread(run_gate, candidate)


async def passing(
    progress: MergeProgress,
    resolutions: Sequence[Resolution],
    *,
    protected: Sequence[str],
    by_agent: Collection[str] = (),
) -> dict[str, GateResult]:
    """What the gate says to each resolution by itself, by path. All together are asked first: most of them pass."""
    if not resolutions:
        return {}
    together = await gate(progress, resolutions, protected=protected, by_agent=by_agent)
    if together.verdict is GateVerdict.PASS or len(resolutions) == 1:
        return {item.path: together for item in resolutions}
    return {item.path: await gate(progress, [item], protected=protected, by_agent=by_agent) for item in resolutions}


def _settled(progress: MergeProgress, path: str, *, by_agent: bool) -> dict[int, bytes]:
    """The texts that stood in the file before the last model to work on it saw it."""
    own = {Tier.AGENT} if by_agent else MODELS
    answers = progress.files[path].settled.values()
    return {answer.index: answer.content for answer in answers if answer.tier not in own}
