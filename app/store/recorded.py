"""Resolutions that a person approved, and texts from a git rerere cache: both per repository."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import audit
from app.store.engine import Database, insert
from app.store.registry import know_repository
from app.store.tables import recorded_hunks, recorded_resolutions
from app.store.types import Values
from bot.model.cases import RecordedFile, RecordedHunk, RecordedKey
from bot.model.forge import RepositoryRef
from bot.ports.system import Clock

_AT_ONCE: Final = 500
"""Keys in one query: databases bound the number of parameters (SQLite 32,766, PostgreSQL 32,767)."""


class SqlRecorded:
    """The rows of recorded files and hunks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, repository: RepositoryRef, keys: Sequence[RecordedKey]) -> Mapping[RecordedKey, RecordedFile]:
        """What was approved for exactly these conflicts; the newest where there are several."""
        wanted = {_sha256(key): key for key in keys}
        query = select(recorded_resolutions).order_by(recorded_resolutions.c.serial)
        found: dict[RecordedKey, RecordedFile] = {}
        async with self._database.reading() as connection:
            for digests in _parts(list(wanted)):
                rows = await connection.execute(
                    query.where(
                        _in(recorded_resolutions, repository),
                        recorded_resolutions.c.key_sha256.in_(digests),
                    ),
                )
                found |= {wanted[row.key_sha256]: _file(row) for row in rows}
        return found

    async def find_hunks(self, repository: RepositoryRef, digests: Sequence[str]) -> Mapping[str, bytes]:
        """Imported texts for single hunks, by the digest that ``bot.resolvers.rerere.hunk_digest`` gives."""
        found: dict[str, bytes] = {}
        async with self._database.reading() as connection:
            for part in _parts(digests):
                query = select(recorded_hunks.c.digest, recorded_hunks.c.content)
                rows = await connection.execute(
                    query.where(_in(recorded_hunks, repository), recorded_hunks.c.digest.in_(part)),
                )
                found |= {row.digest: row.content for row in rows}
        return found

    async def remember(
        self,
        repository: RepositoryRef,
        files: Mapping[RecordedKey, RecordedFile],
        *,
        job_id: str,
    ) -> None:
        """Keep what was approved and pushed; a second time of the same job changes nothing."""
        now = self._clock.now()
        rows: list[Values] = [
            _of(repository)
            | {
                "key_sha256": _sha256(key),
                "path": key.path,
                "ancestor": key.ancestor,
                "ours": key.ours,
                "theirs": key.theirs,
                "content": file.content,
                "source": file.source,
                "job_id": job_id,
                "created_at": now,
            }
            for key, file in files.items()
        ]
        if not rows:
            return
        async with self._database.writing() as connection:
            await know_repository(connection, repository, self._clock)
            await connection.execute(insert(connection, recorded_resolutions).on_conflict_do_nothing(), rows)

    async def import_hunks(self, repository: RepositoryRef, hunks: Mapping[str, bytes], *, source: str) -> int:
        """Keep texts from a rerere cache; how many are new. A text that differs from the one kept takes its place."""
        now = self._clock.now()
        rows: list[Values] = [
            _of(repository) | {"digest": digest, "content": content, "source": source, "created_at": now}
            for digest, content in hunks.items()
        ]
        if not rows:
            return 0
        async with self._database.writing() as connection:
            await know_repository(connection, repository, self._clock)
            row = insert(connection, recorded_hunks)
            new = row.on_conflict_do_update(
                index_elements=["forge", "repository_id", "digest"],
                set_={name: row.excluded[name] for name in ("content", "source", "created_at")},
                where=recorded_hunks.c.content != row.excluded.content,
            ).returning(recorded_hunks.c.digest)
            count = len((await connection.execute(new, rows)).all())
            await self._tell(connection, repository, "recorded.imported", {"source": source, "count": str(count)})
            return count

    async def export(self, repository: RepositoryRef) -> list[tuple[RecordedKey, RecordedFile]]:
        """Everything approved in a repository, oldest first."""
        query = select(recorded_resolutions).where(_in(recorded_resolutions, repository))
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(recorded_resolutions.c.serial))
            return [(_key(row), _file(row)) for row in rows]

    async def export_hunks(self, repository: RepositoryRef) -> list[RecordedHunk]:
        """Everything imported into a repository, by digest."""
        query = select(recorded_hunks).where(_in(recorded_hunks, repository)).order_by(recorded_hunks.c.digest)
        async with self._database.reading() as connection:
            rows = await connection.execute(query)
            return [RecordedHunk(digest=row.digest, content=row.content, source=row.source) for row in rows]

    async def forget(self, repository: RepositoryRef, *, path: str | None = None, job_id: str | None = None) -> int:
        """Forget what was recorded: of one path, of one job, or all of it with the imports; how many are gone."""
        change = delete(recorded_resolutions).where(_in(recorded_resolutions, repository))
        if path is not None:
            change = change.where(recorded_resolutions.c.path == path)
        if job_id is not None:
            change = change.where(recorded_resolutions.c.job_id == job_id)
        async with self._database.writing() as connection:
            count = (await connection.execute(change)).rowcount
            if path is None and job_id is None:
                hunks = delete(recorded_hunks).where(_in(recorded_hunks, repository))
                count += (await connection.execute(hunks)).rowcount
            if count:
                told = {"path": path or "", "job": job_id or "", "count": str(count)}
                await self._tell(connection, repository, "recorded.forgotten", told)
            return count

    async def _tell(
        self,
        connection: AsyncConnection,
        repository: RepositoryRef,
        verb: str,
        data: Mapping[str, str],
    ) -> None:
        subject = f"repository:{repository.forge}:{repository.id}"
        await audit.append(connection, self._clock.now(), actor="flowforge", verb=verb, subject=subject, data=data)


def _in(table: Table, repository: RepositoryRef) -> ColumnElement[bool]:
    return (table.c.forge == repository.forge) & (table.c.repository_id == repository.id)


def _of(repository: RepositoryRef) -> Values:
    return {"forge": repository.forge, "repository_id": repository.id}


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def _sha256(key: RecordedKey) -> str:
    """No git path holds a NUL byte, and object ids are hexadecimal: no two keys give the same bytes."""
    parts = (key.path, key.ancestor or "", key.ours or "", key.theirs or "")
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[Any]) -> RecordedKey:
    return RecordedKey(path=row.path, ancestor=row.ancestor, ours=row.ours, theirs=row.theirs)


def _file(row: Row[Any]) -> RecordedFile:
    return RecordedFile(content=row.content, source=row.source)
