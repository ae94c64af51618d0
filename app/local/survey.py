"""What can be asked about each conflict of a clone: the facts for the resolvers, or why only a person can tell."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.local.merge import SUBMODULE
from bot.errors import GitError, MarkersError
from bot.git.clone import LocalClone
from bot.merge.markers import parse_marked
from bot.model.cases import FileCase, PathHistory
from bot.model.conflicts import Conflict, ConflictKind, MarkedFile, Side
from bot.model.resolutions import SideTexts
from bot.resolvers.rerere import read_cache, texts

MAX_TEXT_BYTES: Final = 4 * 1024 * 1024
"""Up to this size the gate looks at a file, so up to this size there is use in resolving it."""

TEXT_KINDS: Final = frozenset({ConflictKind.CONTENT, ConflictKind.ADD_ADD})
"""The kinds that are about the lines of one file."""

_REGULAR: Final = frozenset({"100644", "100755"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The cases of the text conflicts by path, and for every other conflict the reason why it is a person's."""

    cases: Mapping[str, FileCase]
    reasons: Mapping[str, str]


async def survey(clone: LocalClone, conflicts: Sequence[Conflict], *, ours: str, theirs: str) -> Survey:
    """Read the conflicts of merging ``theirs`` into ``ours``, with what git remembers about them."""
    marked: dict[str, MarkedFile] = {}
    reasons: dict[str, str] = {}
    for conflict in conflicts:
        taken = await _take_apart(clone, conflict)
        if isinstance(taken, MarkedFile):
            marked[conflict.path] = taken
        else:
            reasons[conflict.path] = taken
    histories: Mapping[str, PathHistory] = {}
    with contextlib.suppress(GitError):  # a fact that cannot be had costs a rule its answer, nothing else
        histories = await clone.path_history(ours=ours, theirs=theirs, paths=list(marked))
    remembered = await asyncio.to_thread(_remembered, clone.rr_cache)
    cases = {
        conflict.path: FileCase(
            path=conflict.path,
            kind=conflict.kind,
            stages=conflict.stages,
            sides=await sides_of(clone, conflict),
            marked=marked[conflict.path],
            history=histories.get(conflict.path, PathHistory()),
            rerere=texts(marked[conflict.path], remembered),
        )
        for conflict in conflicts
        if conflict.path in marked
    }
    return Survey(cases=cases, reasons=reasons)


async def sides_of(clone: LocalClone, conflict: Conflict) -> SideTexts:
    """The three versions of a path; None where there is none, where it is too large to be looked at, or no file."""

    async def read(side: Side) -> bytes | None:
        stage = conflict.stages.get(side)
        if stage is None or stage.mode == SUBMODULE:
            return None
        return await clone.read_blob(stage.oid, limit=MAX_TEXT_BYTES)

    return SideTexts(ancestor=await read(Side.ANCESTOR), ours=await read(Side.OURS), theirs=await read(Side.THEIRS))


async def marked_of(clone: LocalClone, conflict: Conflict) -> MarkedFile | None:
    """The file of a text conflict, taken apart; None where git left no hunks that could be."""
    taken = await _take_apart(clone, conflict)
    return taken if isinstance(taken, MarkedFile) else None


async def _take_apart(clone: LocalClone, conflict: Conflict) -> MarkedFile | str:
    if conflict.kind not in TEXT_KINDS:
        return f"A {conflict.kind.value} conflict is for a person to decide."
    if conflict.merged_oid is None or conflict.merged_mode not in _REGULAR:
        return "git left no regular file to work on."
    content = await clone.read_blob(conflict.merged_oid, limit=MAX_TEXT_BYTES)
    if content is None:
        return f"The file is larger than {MAX_TEXT_BYTES // 1024**2} MiB."
    try:
        marked = parse_marked(conflict.path, content)
    except MarkersError as error:
        return f"Its conflict markers could not be read: {error}"
    return marked if marked.hunks else "git reports a conflict but left no conflicting region."


def _remembered(rr_cache: Path) -> Mapping[str, bytes]:
    """What ``git rerere`` remembers in this clone; nothing where it is not used."""
    try:
        return read_cache(rr_cache)
    except OSError:
        return {}
