"""What ``git merge-tree --write-tree -z --messages`` prints, read with suspicion, and what kind of conflict it means.

Format: https://git-scm.com/docs/git-merge-tree#OUTPUT . Traps, all met in real merges:

* git 2.39 puts its advice about submodules behind the last message without a NUL;
* whether a conflict is an add/add or a submodule's stands only in the message, its type is ``CONFLICT (contents)``;
* a conflict may have no stages at all (an unclear directory rename);
* kinds cannot be told from the stages alone, and a path may be in several logical conflicts.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.errors import GitError
from bot.git.refs import check_oid
from bot.model.conflicts import ConflictKind, Side, Stage

_STAGES: Final = {"1": Side.ANCESTOR, "2": Side.OURS, "3": Side.THEIRS}
_MAX_PATHS: Final = 1_000
_SUBMODULE_MODE: Final = "160000"
_LINK_MODE: Final = "120000"

# The stable types of git's merge-ort.c; https://git-scm.com/docs/git-merge-tree#OUTPUT lists none, but promises that
# they do not change. Two of them are written without a space behind CONFLICT.
_TYPES: Final = {
    "(binary)": ConflictKind.BINARY,
    "(file/directory)": ConflictKind.DIRECTORY_FILE,
    "(distinct modes)": ConflictKind.DISTINCT_TYPES,
    "(modify/delete)": ConflictKind.MODIFY_DELETE,
    "(rename/rename)": ConflictKind.RENAME_RENAME,
    "(rename involved in collision)": ConflictKind.RENAME_ADD,
    "(rename/delete)": ConflictKind.RENAME_DELETE,
    "(directory rename suggested)": ConflictKind.DIRECTORY_RENAME,
    "(file in way of directory rename)": ConflictKind.DIRECTORY_RENAME,
    "(directory rename collision)": ConflictKind.DIRECTORY_RENAME,
    "(directory rename unclear split)": ConflictKind.DIRECTORY_RENAME,
    "(submodule)": ConflictKind.SUBMODULE,
    "(submodule with possible resolution)": ConflictKind.SUBMODULE,
    "(submodule not initialized)": ConflictKind.SUBMODULE,
    "(submodule history not available)": ConflictKind.SUBMODULE,
    "(submodule may have rewinds)": ConflictKind.SUBMODULE,
    "(submodule lacks merge base)": ConflictKind.SUBMODULE,
}
_CONTENTS: Final = {
    "(content)": ConflictKind.CONTENT,
    "(add/add)": ConflictKind.ADD_ADD,
    "(submodule)": ConflictKind.SUBMODULE,
}

_FIRST_TO_LOOK_AT: Final = (
    ConflictKind.UNKNOWN,
    ConflictKind.DISTINCT_TYPES,
    ConflictKind.DIRECTORY_FILE,
    ConflictKind.SUBMODULE,
    ConflictKind.RENAME_RENAME,
    ConflictKind.RENAME_RENAME_TO_ONE,
    ConflictKind.RENAME_DELETE,
    ConflictKind.RENAME_ADD,
    ConflictKind.DIRECTORY_RENAME,
    ConflictKind.MODIFY_DELETE,
    ConflictKind.BINARY,
    ConflictKind.SYMLINK,
    ConflictKind.LFS_POINTER,
    ConflictKind.MODE,
    ConflictKind.ADD_ADD,
    ConflictKind.CONTENT,
)
"""Of several kinds on one path the earliest here is the path's kind."""

TEXT_KINDS: Final = frozenset({ConflictKind.CONTENT, ConflictKind.ADD_ADD})
"""The kinds for which git may have left markers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message about a logical conflict: the paths in it, the stable type, git's sentence."""

    paths: tuple[str, ...]
    type: str
    text: str

    @property
    def is_conflict(self) -> bool:
        """False for remarks such as ``Auto-merging``."""
        return self.type.startswith(("CONFLICT", "ERROR"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOutput:
    """The result tree, the stages of each conflicted path in git's order, and the messages.

    ``disputes`` are the messages about conflicts by each path in them. Paths are decoded as UTF-8, other bytes as lone
    surrogates.
    """

    tree: str
    stages: Mapping[str, Mapping[Side, Stage]]
    messages: tuple[Message, ...]
    disputes: Mapping[str, Sequence[Message]]

    def conflicted_paths(self) -> list[str]:
        """Every path in conflict: those with stages, then the first path of each conflict that has none with stages."""
        paths = dict.fromkeys(self.stages)
        for message in self.messages:
            if message.is_conflict and message.paths and not any(path in paths for path in message.paths):
                paths[message.paths[0]] = None
        return list(paths)

    def about(self, path: str) -> tuple[Message, ...]:
        """The conflicts that a path is in."""
        return tuple(self.disputes.get(path, ()))


@dataclass(slots=True)
class _Fields:
    """NUL-terminated fields. What follows the last NUL is no field."""

    fields: list[bytes]
    place: int = field(default=0)

    def next(self) -> bytes | None:
        if self.place == len(self.fields):
            return None
        self.place += 1
        return self.fields[self.place - 1]


def parse_output(output: bytes) -> MergeOutput:
    """Read the output of a merge that ended with exit status 0 or 1.

    Raises:
        GitError: it is not what git documents.
    """
    fields = _Fields(output.split(b"\0")[:-1])
    tree = check_oid((fields.next() or b"").decode("ascii", "replace"))
    lines: list[bytes] = []
    while line := fields.next():
        lines.append(line)
    messages = tuple(_messages(fields))
    disputes: dict[str, list[Message]] = {}
    for message in messages:
        for path in dict.fromkeys(message.paths if message.is_conflict else ()):
            disputes.setdefault(path, []).append(message)
    return MergeOutput(tree=tree, stages=_stages(lines), messages=messages, disputes=disputes)


def parse_stages(output: bytes) -> dict[str, dict[Side, Stage]]:
    """The stages of each path, from the output of ``git ls-files --unmerged -z``, in git's order.

    Raises:
        GitError: it is not what git documents.
    """
    return _stages(output.split(b"\0")[:-1])


def parse_index(output: bytes, paths: Container[str]) -> dict[str, Stage]:
    """What stands at those of ``paths`` that are in no conflict, from the output of ``git ls-files --stage -z``.

    Raises:
        GitError: it is not what git documents.
    """
    found = {}
    for line in output.split(b"\0")[:-1]:
        facts, _, name = line.partition(b"\t")
        path = _path(name)
        match facts.decode("ascii", "replace").split(" "):
            case [mode, oid, "0"] if path in paths:
                found[path] = Stage(mode=mode, oid=check_oid(oid))
            case [_, _, _]:
                pass
            case _:
                raise GitError(f"git wrote a line that is no entry of an index: {line[:100]!r}")
    return found


def _stages(lines: Iterable[bytes]) -> dict[str, dict[Side, Stage]]:
    stages: dict[str, dict[Side, Stage]] = {}
    for line in lines:
        path, side, stage = _stage(line)
        stages.setdefault(path, {})[side] = stage
    return stages


def _stage(line: bytes) -> tuple[str, Side, Stage]:
    facts, _, path = line.partition(b"\t")
    words = facts.decode("ascii", "replace").split(" ")
    match words:
        case [mode, oid, ("1" | "2" | "3") as number] if path:
            return _path(path), _STAGES[number], Stage(mode=mode, oid=check_oid(oid))
        case _:
            raise GitError(f"git wrote a line that is no conflicted file: {line[:100]!r}")


def _messages(fields: _Fields) -> Iterator[Message]:
    """The messages, up to the end or to something that is none (the advice about submodules)."""
    while (count := fields.next()) is not None and count.isdigit() and int(count) <= _MAX_PATHS:
        paths = [fields.next() for _ in range(int(count))]
        kind, text = fields.next(), fields.next()
        if kind is None or text is None:
            return
        yield Message(
            paths=tuple(_path(path) for path in paths if path is not None),
            type=kind.decode("utf-8", "replace"),
            text=text.decode("utf-8", "replace").strip(),
        )


def _path(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def kind_of(messages: Sequence[Message], stages: Mapping[Side, Stage]) -> ConflictKind:
    """The kind of a path's conflict: of all that git says about it, what a person must look at first.

    Kinds that depend on contents (git-lfs pointers) are not told apart here.
    """
    kinds = [_kind_by_type(message) for message in messages] or [ConflictKind.UNKNOWN]
    kind = min(kinds, key=_FIRST_TO_LOOK_AT.index)
    modes = {side: stage.mode for side, stage in stages.items()}
    if _SUBMODULE_MODE in modes.values() and (kind in TEXT_KINDS or kind is ConflictKind.MODIFY_DELETE):
        return ConflictKind.SUBMODULE
    if kind not in TEXT_KINDS:
        return kind
    if _LINK_MODE in modes.values():
        return ConflictKind.SYMLINK
    return ConflictKind.MODE if _modes_differ(modes) else kind


def _kind_by_type(message: Message) -> ConflictKind:
    name = message.type.removeprefix("CONFLICT").strip()
    if name != "(contents)":
        return _TYPES.get(name, ConflictKind.UNKNOWN)
    says = message.text.removeprefix("CONFLICT").strip().partition(":")[0]
    return _CONTENTS.get(says, ConflictKind.UNKNOWN)


def _modes_differ(modes: Mapping[Side, str]) -> bool:
    """True when both sides' modes are there, differ, and neither is the ancestor's: git just takes ours then."""
    ours, theirs = modes.get(Side.OURS), modes.get(Side.THEIRS)
    return ours is not None and theirs is not None and ours != theirs and modes.get(Side.ANCESTOR) not in {ours, theirs}
