"""``flowforge mergetool``: the rules on three files, as ``git mergetool`` hands them over."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from app.local.files import read_file, replace_file
from app.local.judge import Judged, judge, objections
from app.local.outcome import Tooled
from app.local.standing import MarkerStyle, render
from app.local.survey import MAX_TEXT_BYTES
from bot.config_keys import BUILTIN_PROTECTED_PATHS
from bot.errors import BadInputError, GitError
from bot.git import discovery
from bot.git.process import GitCommand
from bot.handlers.progress import content_of
from bot.merge.markers import parse_marked
from bot.merge.remainder import remainder
from bot.model.cases import FileCase
from bot.model.conflicts import MARKER_SIZE, Conflict, ConflictKind, Side, Stage
from bot.model.ids import blob_id
from bot.model.resolutions import SideTexts
from bot.resolvers.chain import run_rules

_SECONDS: Final = 50.0
_TOO_MANY: Final = 128
"""More than this is no count of conflicts but git's word for a failure (git-merge-file(1))."""

_STYLE: Final = MarkerStyle(first=b"LOCAL", last=b"REMOTE", ancestor=True)


async def mergetool(base: Path, local: Path, remote: Path, merged: Path) -> Tooled:
    """Settle what rules settle and write it to ``merged``; what is open is there with markers.

    Where the checks object, ``merged`` stays as it is.

    Raises:
        BadInputError: a file is missing, too large or binary.
        GitError: git cannot merge the files, or ``merged`` cannot be written.
        SandboxError: a check cannot be run on this machine.
    """
    case = await _case(base, local, remote, merged)
    progress = await asyncio.to_thread(run_rules, case)
    conflict = Conflict(
        path=case.path,
        kind=case.kind,
        stages=case.stages,
        merged_oid=None,
        merged_mode=None,
        paths=(case.path,),
        messages=(),
    )
    patterns = tuple(BUILTIN_PROTECTED_PATHS)
    gate = await asyncio.to_thread(judge, [Judged(conflict=conflict, progress=progress)], protected_paths=patterns)
    findings = tuple(finding for found in objections(gate).values() for finding in found)
    if not findings and not progress.open:
        await asyncio.to_thread(replace_file, merged, content_of(progress))
    elif not findings and progress.settled:
        rest = remainder(case.marked, {index: answer.content for index, answer in progress.settled.items()})
        await asyncio.to_thread(replace_file, merged, render(rest.marked, _STYLE, swapped=False))
    return Tooled(hunks=len(case.marked.hunks), settled=len(progress.settled), findings=findings)


async def _case(base: Path, local: Path, remote: Path, merged: Path) -> FileCase:
    ancestor, ours, theirs = (_content(place) for place in (base, local, remote))
    path = _repository_path(merged)
    texts = {Side.ANCESTOR: ancestor, Side.OURS: ours, Side.THEIRS: theirs}
    return FileCase(
        path=path,
        kind=ConflictKind.CONTENT if ancestor else ConflictKind.ADD_ADD,
        stages={side: Stage(mode="100644", oid=blob_id(text)) for side, text in texts.items()},
        sides=SideTexts(ancestor=ancestor, ours=ours, theirs=theirs),
        marked=parse_marked(path, await _merged(ancestor, ours, theirs)),
    )


def _content(place: Path) -> bytes:
    content = read_file(place, limit=MAX_TEXT_BYTES)
    if content is None:
        raise BadInputError(f"{place} is not a plain file of at most {MAX_TEXT_BYTES // 1024**2} MiB.")
    return content


def _repository_path(merged: Path) -> str:
    """The file's path in its repository, which tells its language and whether it is protected."""
    place = merged.absolute()
    try:
        root = discovery.find(place.parent).work_tree
    except GitError:
        root = None
    return place.name if root is None else place.relative_to(root).as_posix()


async def _merged(ancestor: bytes, ours: bytes, theirs: bytes) -> bytes:
    """The three texts merged by git, with markers around what conflicts. Nobody's configuration has a say."""
    with tempfile.TemporaryDirectory(prefix="flowforge-") as scratch:
        home = Path(scratch)
        command = GitCommand(git="git", home=home, timeout_seconds=_SECONDS, offline=True)
        made = await command.run(home / "none.git", "init", "--quiet", "--bare", "--template=")
        for name, text in (("ancestor", ancestor), ("ours", ours), ("theirs", theirs)):
            (home / name).write_bytes(text)
        options = ("--stdout", "--diff3", f"--marker-size={MARKER_SIZE}")
        done = await command.run(home / "none.git", "merge-file", *options, "ours", "ancestor", "theirs")
        if made.status != 0 or done.status >= _TOO_MANY:
            raise BadInputError(f"git cannot merge the three files: {done.words or made.words}")
        return done.output
