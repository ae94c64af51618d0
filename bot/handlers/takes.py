"""People's decisions about whole paths, carried out."""

from dataclasses import dataclass
from typing import Final, assert_never

from bot.handlers.triage import MergePlan
from bot.merge.nested import of_side
from bot.model.cases import Choice, Take
from bot.model.conflicts import Conflict, Side, Stage
from bot.model.forge import RepositoryRef
from bot.model.jobs import Job
from bot.model.resolutions import OpenConflict, Resolution
from bot.ports.git import Git

MAX_TAKEN_BYTES: Final = 100 * 1024 * 1024
"""Largest file that is taken: git hosts refuse larger ones."""

PERSON: Final = "person"
_SUBMODULE: Final = "160000"
_REGULAR: Final = frozenset({"100644", "100755"})
_SIDES: Final = {Choice.OURS: Side.OURS, Choice.THEIRS: Side.THEIRS, Choice.BASE: Side.ANCESTOR}


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSides:
    """Read the versions that people took. What git already merged in one, for a renamed file, it keeps."""

    git: Git

    async def __call__(
        self, job: Job, plan: MergePlan
    ) -> tuple[dict[str, tuple[Take, Resolution]], tuple[OpenConflict, ...]]:
        """What people took, by path, and what is left to them. A take of a path without conflict is no matter."""
        takes = {take.path: take for take in job.request.takes}
        taken: dict[str, tuple[Take, Resolution]] = {}
        for conflict in plan.merge.conflicts:
            take = takes.get(conflict.path)
            resolution = None if take is None else await self._resolution(job.request.repository, conflict, take)
            if take is not None and resolution is not None:
                taken[conflict.path] = (take, resolution)
        return taken, tuple(item for item in plan.open if item.path not in taken)

    async def _resolution(self, repository: RepositoryRef, conflict: Conflict, take: Take) -> Resolution | None:
        """The taken version; None where there is none, or none that can be read or told apart."""
        if not conflict.stages:
            return None  # about a whole directory: nothing at its path is one side's, and all below it is somebody's
        stage = stage_of(conflict, take.choice)
        if stage is None:
            absent = take.choice is not Choice.BASE
            return _resolution(conflict, mode="100644", content=None) if absent else None
        if stage.mode == _SUBMODULE:
            return _resolution(conflict, mode=stage.mode, content=stage.oid.encode())
        content = await self.git.read_blob(repository, stage.oid, limit=MAX_TAKEN_BYTES)
        if content is not None and stage.mode in _REGULAR:
            content = of_side(conflict.path, content, _SIDES[take.choice])
        return None if content is None else _resolution(conflict, mode=stage.mode, content=content)


def stage_of(conflict: Conflict, choice: Choice) -> Stage | None:
    """The version that a choice means; None for a deletion, which is also what a side without the path did."""
    match choice:
        case Choice.OURS:
            return conflict.stages.get(Side.OURS)
        case Choice.THEIRS:
            return conflict.stages.get(Side.THEIRS)
        case Choice.BASE:
            return conflict.stages.get(Side.ANCESTOR)
        case Choice.DELETE:
            return None
        case _:
            assert_never(choice)


def _resolution(conflict: Conflict, *, mode: str, content: bytes | None) -> Resolution:
    return Resolution(path=conflict.path, kind=conflict.kind, resolver=PERSON, mode=mode, content=content, hunks=())
