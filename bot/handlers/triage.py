"""Which conflicts can be worked on as text, and which only a person decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.config import RepositoryConfig, matches, protected_paths, regenerating
from bot.errors import FlowForgeError
from bot.merge.markers import parse_marked
from bot.model.conflicts import Conflict, ConflictedMerge, ConflictKind, MarkedFile, Side
from bot.model.forge import RepositoryRef
from bot.model.resolutions import OpenConflict, SideTexts
from bot.ports.git import Git

MAX_TEXT_BYTES: Final = 2 * 1024 * 1024
"""Largest conflicted file that is worked on as text; Claude Code's own reading tools give up beyond this."""

_TEXT_KINDS: Final = frozenset({ConflictKind.CONTENT, ConflictKind.ADD_ADD})
_REGULAR: Final = frozenset({"100644", "100755"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """A conflicted merge, sorted: text conflicts, taken apart; and those left to a person, with the reason."""

    merge: ConflictedMerge
    marked: dict[str, MarkedFile]
    open: tuple[OpenConflict, ...]

    @property
    def as_text(self) -> tuple[Conflict, ...]:
        """The conflicts that rules and models may work on."""
        return tuple(conflict for conflict in self.merge.conflicts if conflict.path in self.marked)


async def plan_merge(
    merge: ConflictedMerge,
    *,
    repository: RepositoryRef,
    config: RepositoryConfig,
    git: Git,
) -> MergePlan:
    """Sort the conflicts of a merge. The same merge and configuration give the same plan."""
    marked: dict[str, MarkedFile] = {}
    left: list[OpenConflict] = []
    protected = protected_paths(config)
    for conflict in merge.conflicts:
        made = regenerating(config, conflict.path)
        if made is not None:
            taken: MarkedFile | str = f"this file is made by `{made.command}`: run that, merging it makes no sense"
        else:
            taken = await _take_apart(conflict, repository=repository, protected=protected, git=git)
        if isinstance(taken, MarkedFile):
            marked[conflict.path] = taken
        else:
            left.append(OpenConflict(path=conflict.path, kind=conflict.kind, reason=taken))
    return MergePlan(merge=merge, marked=marked, open=tuple(left))


def all_left(merge: ConflictedMerge, reason: str) -> MergePlan:
    """A merge of which everything is left to people, for one reason. Nothing is read."""
    left = tuple(OpenConflict(path=item.path, kind=item.kind, reason=reason) for item in merge.conflicts)
    return MergePlan(merge=merge, marked={}, open=left)


async def _take_apart(
    conflict: Conflict,
    *,
    repository: RepositoryRef,
    protected: Sequence[str],
    git: Git,
) -> MarkedFile | str:
    """The file with its hunks, or the reason why a person has to look at it."""
    barred = _barred(conflict, protected)
    if barred is not None or conflict.merged_oid is None:
        return barred or "git left no file to work on"
    content = await git.read_blob(repository, conflict.merged_oid, limit=MAX_TEXT_BYTES)
    if content is None:
        return f"the file is larger than {MAX_TEXT_BYTES // (1024 * 1024)} MiB"
    try:
        content.decode("utf-8")
        marked = parse_marked(conflict.path, content)
    except UnicodeDecodeError:
        return "the file is not UTF-8 text, which agents cannot edit without damage"
    except FlowForgeError as error:
        return f"its conflict markers could not be read: {error}"
    return marked if marked.hunks else "git reports a conflict but left no conflicting region"


def _barred(conflict: Conflict, protected: Sequence[str]) -> str | None:
    """Why no rule and no model may work on this path, whatever is in it."""
    if conflict.kind not in _TEXT_KINDS:
        return f"a {conflict.kind.value} conflict is for a person to decide"
    pattern = matches(conflict.path, protected)
    if pattern is not None:
        return f"this path is protected (`{pattern}`): no agent may change it"
    if conflict.merged_mode not in _REGULAR:
        return "git left no regular file to work on"
    return None


async def side_texts(conflict: Conflict, *, repository: RepositoryRef, git: Git) -> SideTexts:
    """The three versions of a conflicted path; None where there is none or it is too large to be text for us."""

    async def read(side: Side) -> bytes | None:
        stage = conflict.stages.get(side)
        return None if stage is None else await git.read_blob(repository, stage.oid, limit=MAX_TEXT_BYTES)

    return SideTexts(ancestor=await read(Side.ANCESTOR), ours=await read(Side.OURS), theirs=await read(Side.THEIRS))
