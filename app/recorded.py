"""``flowforge recorded``: what people approved in a repository, out of the database, into it, and gone from it.

The format is JSON Lines: one file's resolution a line, or one hunk's text that came from a git rerere cache. A line
without a kind is a file's::

    {"kind": "file", "path": "a.py", "ancestor": oid|null, "ours": oid|null, "theirs": oid|null, "content": base64,
     "source": "…"}
    {"kind": "hunk", "digest": sha256, "content": base64, "source": "…"}
"""

import hashlib
import itertools
import json
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal

import msgspec
import rich_click as click

from app.running import run_to_end
from app.settings import CommonSettings, load_settings
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds
from bot.errors import BadInputError
from bot.model.cases import RecordedFile, RecordedHunk, RecordedKey
from bot.model.forge import ForgeKind, RepositoryRef
from bot.resolvers.rerere import read_cache

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""The longest line that is read: a file in base64, and its names."""

_AT_ONCE: Final = 100

Row = tuple[RecordedKey, RecordedFile] | RecordedHunk
"""One line's content."""

_Oid = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{40}|[0-9a-f]{64})\Z")]


class RecordedLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of an export: what was approved for a file."""

    kind: Literal["file"] = "file"
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    ancestor: _Oid | None
    ours: _Oid | None
    theirs: _Oid | None
    content: bytes
    source: Annotated[str, msgspec.Meta(max_length=1000)]


class RecordedHunkLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of an export: what was imported for a hunk."""

    kind: Literal["hunk"] = "hunk"
    digest: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    content: bytes
    source: Annotated[str, msgspec.Meta(max_length=1000)]


def to_line(key: RecordedKey, file: RecordedFile) -> bytes:
    """A resolution as a line, with its newline. Paths in no known encoding are kept in escapes."""
    row = {
        "kind": "file",
        "path": key.path,
        "ancestor": key.ancestor,
        "ours": key.ours,
        "theirs": key.theirs,
        "content": file.content,
        "source": file.source,
    }
    return _line(row)


def hunk_line(hunk: RecordedHunk) -> bytes:
    """A hunk's text as a line, with its newline."""
    return _line({"kind": "hunk", "digest": hunk.digest, "content": hunk.content, "source": hunk.source})


def _line(row: Mapping[str, str | bytes | None]) -> bytes:
    # The standard library's JSON keeps lone surrogates, which stand for bytes that are no UTF-8, as escapes.
    return json.dumps(msgspec.to_builtins(row)).encode("ascii") + b"\n"


def read_lines(file: BinaryIO) -> Iterator[Row]:
    """The resolutions and hunks of an export.

    Raises:
        BadInputError: a line is none of ours; the message has its number.
    """
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise BadInputError(f"line {number} is longer than {MAX_LINE_BYTES} bytes")
        if not line.strip():
            continue
        try:
            row = _row(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise BadInputError(f"line {number} is no recorded resolution: {error}") from None
        yield row


def _row(line: object) -> Row:
    if isinstance(line, dict) and line.get("kind") == "hunk":
        hunk = msgspec.convert(line, RecordedHunkLine)
        return RecordedHunk(digest=hunk.digest, content=hunk.content, source=hunk.source)
    row = msgspec.convert(line, RecordedLine)
    key = RecordedKey(path=row.path, ancestor=row.ancestor, ours=row.ours, theirs=row.theirs)
    return key, RecordedFile(content=row.content, source=row.source)


@click.group()
def recorded() -> None:
    """What people approved: export it, import it, forget it.

    REPOSITORY is OWNER/NAME, or the forge's numeric id of it.
    """


@recorded.command()
@click.argument("repository")
def export(repository: str) -> None:
    """Print every approved resolution of REPOSITORY, and every imported hunk, as JSON Lines."""
    run_to_end(_export(repository))


@recorded.command("import")
@click.argument("repository")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
def import_(repository: str, source: Path) -> None:
    """Add to what is recorded of REPOSITORY.

    SOURCE is a file as `export` printed it, or git's own cache: the directory `.git/rr-cache` of a clone.
    """
    work = _import_cache(repository, source) if source.is_dir() else _import_lines(repository, source)
    click.echo(run_to_end(work), err=True)


@recorded.command()
@click.argument("repository")
@click.option("--path", help="What was approved for this path.")
@click.option("--job", help="What came of this job, or of this import (32 digits).")
@click.option("--all", "everything", is_flag=True, help="Everything, with the imports from git's caches.")
def forget(repository: str, path: str | None, job: str | None, *, everything: bool) -> None:
    """Forget what is recorded of REPOSITORY; it is not applied again."""
    if everything is (path is not None or job is not None):
        raise click.UsageError("Say what to forget: --path, --job or both; or --all alone.")
    count = run_to_end(_forget(repository, path=path, job=job))
    click.echo(f"Forgotten: {count}.", err=True)


async def _export(name: str) -> None:
    async with _store() as store:
        repository = await _repository(store, name)
        for key, file in await store.recorded.export(repository):
            sys.stdout.buffer.write(to_line(key, file))
        for hunk in await store.recorded.export_hunks(repository):
            sys.stdout.buffer.write(hunk_line(hunk))
        sys.stdout.buffer.flush()


async def _import_cache(name: str, directory: Path) -> str:
    async with _store() as store:
        repository = await _repository(store, name)
        try:
            hunks = read_cache(directory)
        except OSError as error:
            raise BadInputError(f"the cache cannot be read: {error.strerror}") from None
        new = await store.recorded.import_hunks(repository, hunks, source=f"git rerere cache {directory.name}")
        return f"{len(hunks)} hunks read, {new} of them new."


async def _import_lines(name: str, source: Path) -> str:
    async with _store() as store:
        repository = await _repository(store, name)
        with source.open("rb") as file:
            # The same file gives the same name, so that importing it again changes nothing.
            job_id = hashlib.file_digest(file, "sha256").hexdigest()[:32]
            count = hunks = new = 0
            for part in _parts(_newest(file)):
                files = dict(row for row in part if not isinstance(row, RecordedHunk))
                await store.recorded.remember(repository, files, job_id=job_id)
                count += len(files)
                hunks += len(part) - len(files)
                new += await _import_hunks(store, repository, [row for row in part if isinstance(row, RecordedHunk)])
        read = f"{count} resolutions" + (f" and {hunks} hunks, {new} of them new," if hunks else "")
        return f"{read} read. To take the resolutions back: flowforge recorded forget {name} --job {job_id}"


async def _import_hunks(store: SqlStore, repository: RepositoryRef, hunks: Iterable[RecordedHunk]) -> int:
    """Keep them with the sources that they had; how many are new."""
    by_source: dict[str, dict[str, bytes]] = {}
    for hunk in hunks:
        by_source.setdefault(hunk.source, {})[hunk.digest] = hunk.content
    return sum(
        [await store.recorded.import_hunks(repository, part, source=source) for source, part in by_source.items()]
    )


def _newest(file: BinaryIO) -> Iterator[Row]:
    """The last line of each conflict. All lines are read before the first is given, so that a bad file adds nothing."""
    file.seek(0)
    last = {_key(row): number for number, row in enumerate(read_lines(file))}
    file.seek(0)
    yield from (row for number, row in enumerate(read_lines(file)) if last[_key(row)] == number)


def _key(row: Row) -> RecordedKey | str:
    return row.digest if isinstance(row, RecordedHunk) else row[0]


async def _forget(name: str, *, path: str | None, job: str | None) -> int:
    async with _store() as store:
        return await store.recorded.forget(await _repository(store, name), path=path, job_id=job)


@asynccontextmanager
async def _store() -> AsyncIterator[SqlStore]:
    url = load_settings(CommonSettings).database_url.get_secret_value()
    store = SqlStore.open(url, SystemClock(), SystemIds())
    try:
        yield store
    finally:
        await store.close()


async def _repository(store: SqlStore, name: str) -> RepositoryRef:
    """The repository that an operator names."""
    if name.isascii() and name.isdecimal():
        known = await store.registry.find_repository(ForgeKind.GITHUB, int(name))
        found = [] if known is None else [known]
    else:
        found = await store.registry.named(ForgeKind.GITHUB, name)
    if not found:
        raise BadInputError(f"FlowForge was never asked for anything in {name!r}: nothing is recorded there")
    if len(found) > 1:
        ids = ", ".join(str(each.id) for each in found)
        raise BadInputError(f"several repositories had the name {name!r}; write the id instead: {ids}")
    return found[0]


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """So many at once that one transaction is not too large."""
    iterator = iter(rows)
    while part := list(itertools.islice(iterator, _AT_ONCE)):
        yield part
