"""Read conflicts and their human resolutions in the corpus's two formats, as cases for the resolvers.

``files``: one conflicted path per line, with all versions of the whole file. ``hunks``: one conflicting region per
line, with a few lines around it. Both are described in the corpus's README. The text in them is third-party data:
nothing of it is run, and nothing of it belongs into this repository.
"""

import base64
import gzip
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

from bot.errors import MarkersError
from bot.merge.markers import align, parse_marked, splice
from bot.model.cases import FileCase, PathHistory
from bot.model.conflicts import MARKER_SIZE, ConflictKind, Hunk, MarkedFile, Side, Stage
from bot.model.resolutions import SideTexts

CORPUS: Final = Path(__file__).resolve().parents[2] / "shared/corpus/conflicts"
"""Where the corpus lies next to the project; it is not part of it."""

_KINDS: Final = {"file location": ConflictKind.DIRECTORY_RENAME} | {str(kind): kind for kind in ConflictKind}
_STAGES: Final = {"1": Side.ANCESTOR, "2": Side.OURS, "3": Side.THEIRS}
_ROW_MARKERS: Final = 7
_MAX_DIFF_LINES: Final = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A conflicted path with all its versions and what a person made of it.

    ``resolved`` None means that the person deleted the path (or left no text there). ``merged`` has git's markers of
    seven characters. ``stages`` are what git's index had; a side without text is None.
    """

    id: str
    repo: str
    merge: str
    merge_class: str
    path: str
    kind: ConflictKind
    language: str
    stages: Mapping[Side, Stage]
    base: bytes | None
    ours: bytes | None
    theirs: bytes | None
    merged: bytes | None
    resolved: bytes | None
    resolved_mode: str | None
    resolved_is: str
    binary: bool
    history: PathHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class HunkRow:
    """One conflicting region, the lines around it, and the text that a person put there; None where it is unknown."""

    repo: str
    merge: str
    merge_class: str
    path: str
    kind: ConflictKind
    language: str
    index: int
    n_hunks: int
    before: bytes
    ours: bytes
    base: bytes
    theirs: bytes
    after: bytes
    human: bytes | None
    human_class: str


def read_files(path: Path) -> Iterator[FileRow]:
    """The rows of a ``files`` document, packed (``.gz``) or not."""
    for row in _rows(path):
        texts = {name: _bytes(row.get(name)) for name in ("base", "ours", "theirs", "merged", "resolved")}
        modes = row.get("stage_modes") or {}
        history = row.get("history") or {}
        yield FileRow(
            id=row["id"],
            repo=row["repo"],
            merge=row["merge"],
            merge_class=row.get("merge_class") or "",
            path=row["path"],
            kind=_KINDS.get(row["kind"], ConflictKind.UNKNOWN),
            language=row.get("language") or "other",
            stages={
                _STAGES[stage]: Stage(mode=modes.get(stage, "100644"), oid=oid)
                for stage, oid in (row.get("stage_oids") or {}).items()
            },
            resolved_mode=row.get("resolved_mode"),
            resolved_is=row.get("resolved_is") or "",
            binary=any(isinstance(row.get(name), dict) for name in texts),
            history=PathHistory(
                ours=frozenset(history.get("ours") or ()), theirs=frozenset(history.get("theirs") or ())
            ),
            **texts,
        )


def read_hunks(path: Path) -> Iterator[HunkRow]:
    """The rows of a ``hunks`` document, packed (``.gz``) or not."""
    for row in _rows(path):
        yield HunkRow(
            repo=row["repo"],
            merge=row["merge"],
            merge_class=row.get("merge_class") or "",
            path=row["path"],
            kind=_KINDS.get(row["kind"], ConflictKind.UNKNOWN),
            language=row.get("language") or "other",
            index=row["hunk"],
            n_hunks=row["n_hunks"],
            before=_bytes(row.get("before")) or b"",
            ours=_bytes(row.get("ours")) or b"",
            base=_bytes(row.get("base")) or b"",
            theirs=_bytes(row.get("theirs")) or b"",
            after=_bytes(row.get("after")) or b"",
            human=_bytes(row.get("human")),
            human_class=row.get("human_class") or "",
        )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Every line that is not blank; a ``ValueError`` has the number of the last line that could be read."""
    number = 0
    with path.open("rb") as packed:
        lines = gzip.GzipFile(fileobj=packed) if path.suffix == ".gz" else packed
        try:
            for line in lines:
                number += 1
                if line.strip():
                    yield _row(json.loads(line))
        except (EOFError, ValueError) as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from error


def _row(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        raise ValueError("no row with a path")  # noqa: TRY004 - about the data, not about an argument
    return value


def _bytes(value: str | Mapping[str, str] | None) -> bytes | None:
    if value is None or isinstance(value, str):
        return None if value is None else value.encode("utf-8", "surrogateescape")
    return base64.b64decode(value["base64"], validate=True)


def case_of_file(row: FileRow) -> FileCase | None:
    """The case that resolvers would be given, None when the path is no text conflict with hunks.

    The hunks are those that git itself cuts today (``git merge-tree``), or those of the row where that does not work.
    """
    if row.binary or row.ours is None or row.theirs is None:
        return None
    marked = _marked(row)
    if marked is None or not marked.hunks:
        return None
    return FileCase(
        path=row.path,
        kind=row.kind,
        stages=row.stages,
        sides=SideTexts(ancestor=row.base, ours=row.ours, theirs=row.theirs),
        marked=marked,
        history=row.history,
    )


def case_of_hunk(row: HunkRow) -> FileCase:
    """The case of a single hunk: a file of nothing but the lines around it; no whole sides, no history."""
    first = 1 + row.before.count(b"\n")
    hunk = Hunk(
        index=0,
        first_line=first,
        last_line=first + 3 + sum(text.count(b"\n") for text in (row.ours, row.base, row.theirs)),
        ours=row.ours,
        ancestor=row.base,
        theirs=row.theirs,
    )
    return FileCase(
        path=row.path,
        kind=row.kind,
        stages={},
        sides=SideTexts(ancestor=None, ours=None, theirs=None),
        marked=MarkedFile(path=row.path, segments=(row.before, row.after), hunks=(hunk,)),
    )


def _marked(row: FileRow) -> MarkedFile | None:
    try:
        remerged = _remerged(row)
        if remerged is not None:
            return parse_marked(row.path, remerged)
    except MarkersError:
        pass
    try:
        return None if row.merged is None else parse_marked(row.path, row.merged, size=_ROW_MARKERS)
    except MarkersError:
        return None


def _remerged(row: FileRow) -> bytes | None:
    """What git leaves at the path when it merges the three versions, in a repository of nothing else."""
    with tempfile.TemporaryDirectory(prefix="corpus-") as directory:
        git = Path(directory)
        if _git(git, "init", "--quiet", "--bare", "--template=", ".").returncode:
            return None
        (git / "info").mkdir(exist_ok=True)
        (git / "info/attributes").write_text(f"* conflict-marker-size={MARKER_SIZE}\n", encoding="ascii")
        _git(git, "fast-import", "--quiet", stdin=_import_stream(row))
        merged = _git(git, "merge-tree", "--write-tree", "--no-messages", "refs/heads/ours", "refs/heads/theirs")
        if merged.returncode != 1:
            return None
        tree = merged.stdout.split(b"\n", 1)[0].decode("ascii")
        shown = _git(git, "cat-file", "blob", f"{tree}:file")
        return shown.stdout if shown.returncode == 0 else None


def _import_stream(row: FileRow) -> bytes:
    """Three commits, each with the one file: for ``git fast-import``."""
    parts = []
    sides = (("base", row.base), ("ours", row.ours), ("theirs", row.theirs))
    for mark, (name, content) in enumerate(sides, start=1):
        parts.append(b"commit refs/heads/%s\nmark :%d\n" % (name.encode(), mark))
        parts.append(b"committer corpus <corpus@example.invalid> 1700000000 +0000\ndata 0\n")
        if mark > 1:
            parts.append(b"from :1\n")
        if content is not None:
            parts.append(b"M 100644 inline file\ndata %d\n%s\n" % (len(content), content))
    return b"".join(parts)


def _git(directory: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(directory),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "LC_ALL": "C",
    }
    command = ["git", "-c", "merge.conflictStyle=diff3", *arguments]
    return subprocess.run(command, cwd=directory, env=environment, input=stdin, capture_output=True, check=False)


def human_texts(marked: MarkedFile, resolved: bytes) -> tuple[bytes | None, ...]:
    """What the person put in the place of each hunk, None where the lines next to it were edited as well."""
    exact = align(marked, resolved)
    if exact is not None:
        return exact
    places: list[int] = []
    kept: list[bytes] = []
    for segment in marked.segments:
        kept += _lines(segment)
        places.append(len(kept))
    lines = _lines(resolved)
    if len(kept) + len(lines) > _MAX_DIFF_LINES:
        return (None,) * len(marked.hunks)
    found = _matches(kept, lines)
    found |= {-1: -1, len(kept): len(lines)}
    texts: list[bytes | None] = []
    for place in places[:-1]:
        before, after = found.get(place - 1), found.get(place)
        texts.append(None if before is None or after is None else b"".join(lines[before + 1 : after]))
    return tuple(texts)


def _lines(text: bytes) -> list[bytes]:
    parts = text.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _matches(old: list[bytes], new: list[bytes]) -> dict[int, int]:
    """Line numbers of the old text and of the new one that a line diff takes for the same line."""
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return {block.a + step: block.b + step for block in blocks for step in range(block.size)}


def resolved_by(marked: MarkedFile, texts: Mapping[int, bytes]) -> bytes | None:
    """The whole file, when there is a text for each of its hunks."""
    if any(hunk.index not in texts for hunk in marked.hunks):
        return None
    return splice(marked, [texts[hunk.index] for hunk in marked.hunks])


def same(left: bytes, right: bytes) -> bool:
    """Whether two texts are equal when white space is not looked at."""
    return left == right or b"".join(left.split()) == b"".join(right.split())
