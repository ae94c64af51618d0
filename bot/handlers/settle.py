"""Settle what needs no model: people's decisions, what passed before, and the rules."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.config import protected_paths
from bot.config_keys import RepositoryConfig
from bot.handlers.cases import GatherCases
from bot.handlers.gating import passing
from bot.handlers.progress import Asked, MergeProgress, reopen, resolution_of
from bot.handlers.records import earlier_answer, kept, was_settled
from bot.handlers.takes import TakeSides
from bot.handlers.triage import MergePlan
from bot.model.cases import FileCase, FileProgress
from bot.model.jobs import Job
from bot.model.reports import ConflictRecord, ResolutionStatus
from bot.model.resolutions import GateVerdict, Tier
from bot.ports.proposals import Proposals
from bot.report import endings
from bot.resolvers.chain import run_rules
from bot.resolvers.table import RESOLVERS, Resolver

_RULES_SECONDS: Final = 15.0
"""After so long the rules are not asked about further files: a step of a job ends within a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleMerge:
    """The resolvers that cost nothing, over every conflict of a merge. Nothing is written down here."""

    proposals: Proposals
    cases: GatherCases
    takes: TakeSides

    async def __call__(self, job: Job, plan: MergePlan, config: RepositoryConfig) -> MergeProgress:
        """How far the merge comes without a model, beginning with what this job or an earlier one found out before."""
        taken, left = await self.takes(job, plan)
        cases = {path: case for path, case in (await self.cases.plain(job, plan)).items() if path not in taken}
        own = _by_path(await self.proposals.conflicts(job.id))
        earlier = await self._earlier(job)
        files: dict[str, FileProgress] = {}
        asked: dict[str, Asked] = {}
        notes: dict[str, tuple[str, ...]] = {}
        for path, case in cases.items():
            if path in own and was_settled(own[path]) and (file := kept(case, own[path])) is not None:
                files[path] = file
                notes[path] = () if not file.open else own[path].reasons
                if own[path].prompt:
                    asked[path] = Asked(prompt=own[path].prompt, response=own[path].response)
            elif path in earlier and (file := earlier_answer(case, earlier[path])) is not None:
                files[path] = file
        unknown = [case for path, case in cases.items() if path not in files]
        informed = await self.cases.with_facts(job, unknown)
        asked_rules = await asyncio.to_thread(_answers, informed, _allowed(config))
        progress = MergeProgress(
            plan=plan,
            files={path: asked_rules.get(path) or files[path] for path in cases},
            taken=taken,
            left=left,
            notes=notes,
            asked=asked,
        )
        return await self._proved(progress, list(asked_rules), protected_paths(config))

    async def restored(self, job: Job, plan: MergePlan) -> MergeProgress:
        """How far the job's rows say it is. Nobody is asked again."""
        taken, left = await self.takes(job, plan)
        own = _by_path(await self.proposals.conflicts(job.id))
        files, asked, notes = {}, {}, {}
        for path, case in (await self.cases.plain(job, plan)).items():
            if path in taken:
                continue
            record = own.get(path)
            file = None if record is None else kept(case, record)
            files[path] = file or FileProgress(case=case, settled={}, candidates={})
            if record is not None and record.prompt:
                asked[path] = Asked(prompt=record.prompt, response=record.response)
            if record is not None and files[path].open:
                notes[path] = record.reasons
        return MergeProgress(plan=plan, files=files, taken=taken, left=left, notes=notes, asked=asked)

    async def _earlier(self, job: Job) -> dict[str, ConflictRecord]:
        """What an earlier job on the pull request found out and this one may use again.

        A job that resolved everything made a proposal: whoever asks once more after seeing it wants it done anew,
        unless they take a side somewhere. So does who gives new instructions.
        """
        found = await self.proposals.earlier_conflicts(job)
        partial = any(record.status is not ResolutionStatus.RESOLVED for record in found)
        again = bool(job.request.takes) or (partial and not job.request.instructions)
        return _by_path(found) if again else {}

    async def _proved(self, progress: MergeProgress, paths: Sequence[str], protected: Sequence[str]) -> MergeProgress:
        """A file that rules alone settled has to pass the gate by itself; else their answers are only shown."""
        settled = [path for path in paths if not progress.files[path].open]
        results = await passing(progress, [resolution_of(progress, path) for path in settled], protected=protected)
        for path, result in results.items():
            if result.verdict is not GateVerdict.PASS:
                note = endings.rules_did_not_pass(result)
                progress = progress.with_file(reopen(progress.files[path]), note=note)
        return progress


def _allowed(config: RepositoryConfig) -> tuple[Resolver, ...]:
    """The rules that the repository wants asked."""
    wanted = config.resolvers
    off = {tier for tier, on in ((Tier.RECORDED, wanted.recorded), (Tier.STRUCTURAL, wanted.structural)) if not on}
    if not wanted.rules:
        off |= {Tier.A, Tier.B}
    return tuple(resolver for resolver in RESOLVERS if resolver.tier not in off)


def _answers(cases: Mapping[str, FileCase], resolvers: tuple[Resolver, ...]) -> dict[str, FileProgress]:
    """Ask the rules about each file until the time is up. Blocks."""
    until = time.monotonic() + _RULES_SECONDS
    return {
        path: run_rules(case, resolvers)
        if time.monotonic() < until
        else FileProgress(case=case, settled={}, candidates={}, failures=("time",))
        for path, case in cases.items()
    }


def _by_path(records: Sequence[ConflictRecord]) -> dict[str, ConflictRecord]:
    return {record.path: record for record in records}
