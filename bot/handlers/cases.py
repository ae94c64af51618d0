"""Gather, for each text conflict of a merge, the facts that resolvers may use."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bot.errors import GitError
from bot.handlers.triage import MergePlan, side_texts
from bot.model.cases import FileCase, PathHistory, RecordedKey
from bot.model.conflicts import Side, Stage
from bot.model.jobs import Job
from bot.ports.git import Git
from bot.ports.recorded import Recorded
from bot.resolvers.rerere import hunk_digest, texts


def recorded_key(path: str, stages: Mapping[Side, Stage]) -> RecordedKey:
    """What a resolution of a conflict with these versions is remembered by."""
    oids = {side: stage.oid for side, stage in stages.items()}
    return RecordedKey(
        path=path, ancestor=oids.get(Side.ANCESTOR), ours=oids.get(Side.OURS), theirs=oids.get(Side.THEIRS)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherCases:
    """Read the sides of text conflicts, and look up what git and earlier approvals know about them."""

    git: Git
    recorded: Recorded

    async def plain(self, job: Job, plan: MergePlan) -> dict[str, FileCase]:
        """The cases without facts from elsewhere: they depend on the merge alone."""
        repository = job.request.repository
        return {
            conflict.path: FileCase(
                path=conflict.path,
                kind=conflict.kind,
                stages=conflict.stages,
                sides=await side_texts(conflict, repository=repository, git=self.git),
                marked=plan.marked[conflict.path],
            )
            for conflict in plan.as_text
        }

    async def with_facts(self, job: Job, plain: Iterable[FileCase]) -> dict[str, FileCase]:
        """The cases with the histories of their paths and with what was approved for exactly them before."""
        cases = {case.path: case for case in plain}
        if not cases:
            return {}
        repository = job.request.repository
        keys = {path: recorded_key(path, case.stages) for path, case in cases.items()}
        found = await self.recorded.find(repository, list(keys.values()))
        digests = [hunk_digest(hunk.ours, hunk.theirs) for case in cases.values() for hunk in case.marked.hunks]
        by_hand = await self.recorded.find_hunks(repository, digests)
        histories: Mapping[str, PathHistory] = {}
        with contextlib.suppress(GitError):  # a fact that cannot be had costs a rule its answer, nothing else
            histories = await self.git.path_history(
                repository, ours=job.head_sha, theirs=job.base_sha or "", paths=list(cases)
            )
        return {
            path: replace(
                case,
                history=histories.get(path, case.history),
                recorded=found.get(keys[path]),
                rerere=texts(case.marked, by_hand),
            )
            for path, case in cases.items()
        }
