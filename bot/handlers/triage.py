"""Which conflicts can be worked on as text, and which only a person decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.config import protected_paths, regenerating
from bot.config_keys import Regenerate, RepositoryConfig
from bot.errors import FlowForgeError
from bot.globs import matches
from bot.merge.markers import parse_marked
from bot.model.conflicts import Conflict, ConflictedMerge, ConflictKind, MarkedFile, Side
from bot.model.forge import RepositoryRef
from bot.model.resolutions import OpenConflict, SideTexts
from bot.ports.git import Git
from bot.resolvers.generated import nobodys
from bot.validation.texts import MAX_PROVABLE_BYTES

MAX_TEXT_BYTES: Final = 2 * 1024 * 1024
"""Largest conflicted file that is worked on as text; Claude Code's own reading tools give up beyond this."""

_TEXT_KINDS: Final = frozenset({ConflictKind.CONTENT, ConflictKind.ADD_ADD})
_REGULAR: Final = frozenset({"100644", "100755"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFile:
    """A conflicted file that a command of the repository's own writes, and its versions."""

    made_by: Regenerate
    sides: SideTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """A conflicted merge, sorted.

    ``marked`` are the text conflicts, taken apart; ``open`` those left to a person, with the reason; ``generated``
    those that are not merged, since a command makes the file anew.
    """

    merge: ConflictedMerge
    marked: dict[str, MarkedFile]
    open: tuple[OpenConflict, ...]
    generated: dict[str, GeneratedFile] = field(default_factory=dict)

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
    generated: dict[str, GeneratedFile] = {}
    left: list[OpenConflict] = []
    for conflict in merge.conflicts:
        match await _sorted(conflict, repository=repository, config=config, git=git):
            case MarkedFile() as taken_apart:
                marked[conflict.path] = taken_apart
            case GeneratedFile() as made:
                generated[conflict.path] = made
            case reason:
                left.append(OpenConflict(path=conflict.path, kind=conflict.kind, reason=reason))
    return MergePlan(merge=merge, marked=marked, open=tuple(left), generated=generated)


def all_left(merge: ConflictedMerge, reason: str) -> MergePlan:
    """A merge of which everything is left to people, for one reason. Nothing is read."""
    left = tuple(OpenConflict(path=item.path, kind=item.kind, reason=reason) for item in merge.conflicts)
    return MergePlan(merge=merge, marked={}, open=left)


async def _sorted(
    conflict: Conflict, *, repository: RepositoryRef, config: RepositoryConfig, git: Git
) -> MarkedFile | GeneratedFile | str:
    """The file with its hunks, or with what makes it; or the reason why a person has to look at it."""
    barred = _barred(conflict, protected_paths(config))
    if barred is not None or conflict.merged_oid is None:
        return barred or "git left no file to work on"
    made_by = regenerating(config, conflict.path)
    if made_by is None:
        return nobodys(conflict.path) or await _take_apart(conflict, conflict.merged_oid, repository, git)
    sides = await side_texts(conflict, repository=repository, git=git, limit=MAX_PROVABLE_BYTES)
    if sides.theirs is None:
        return f"the file is larger than {MAX_PROVABLE_BYTES // (1024 * 1024)} MiB"
    return GeneratedFile(made_by=made_by, sides=sides)


async def _take_apart(conflict: Conflict, merged_oid: str, repository: RepositoryRef, git: Git) -> MarkedFile | str:
    content = await git.read_blob(repository, merged_oid, limit=MAX_TEXT_BYTES)
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


async def side_texts(
    conflict: Conflict, *, repository: RepositoryRef, git: Git, limit: int = MAX_TEXT_BYTES
) -> SideTexts:
    """The three versions of a conflicted path; None where there is none or it is too large to be text for us."""

    async def read(side: Side) -> bytes | None:
        stage = conflict.stages.get(side)
        return None if stage is None else await git.read_blob(repository, stage.oid, limit=limit)

    return SideTexts(ancestor=await read(Side.ANCESTOR), ours=await read(Side.OURS), theirs=await read(Side.THEIRS))
