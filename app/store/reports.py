"""The outbox of what people should see."""

import hashlib
import json
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Row, Select, Update, and_, case, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.engine import Database, insert
from app.store.registry import know_repository
from app.store.tables import report_targets
from app.store.types import UtcDateTime
from bot.model.forge import RepositoryRef, Thread, ThreadKind
from bot.model.reports import CheckRunContent, CommentContent, ReactionContent, ReportContent, ReportTarget, Surface
from bot.ports.system import Clock, Ids

log = structlog.get_logger(__name__)

_TAGS: Final[dict[type[ReportContent], str]] = {
    CheckRunContent: "check_run",
    CommentContent: "comment",
    ReactionContent: "reaction",
}
_TYPES: Final = {tag: content for content, tag in _TAGS.items()}


class SqlReports:
    """The report targets."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def want(
        self,
        repository: RepositoryRef,
        number: int,
        owner: str,
        surface: Surface,
        content: ReportContent,
        *,
        thread: ThreadKind = ThreadKind.PULL,
        not_before: datetime | None = None,
        first: bool = False,
    ) -> str:
        """Say what a surface should show; the id of its target. The latest wish wins; an equal one changes nothing.

        A wish that was not yet fulfilled keeps its earlier moment: wishes that come faster than they may be written
        do not put each other off. A pause after a failure stays as well. A target that was given up gets another
        chance with the new content. With ``first``, the first wish for a surface stays, whatever is wished later.
        """
        async with self._database.writing() as connection:
            return await self.want_in(
                connection,
                repository,
                number,
                owner,
                surface=surface,
                content=content,
                thread=thread,
                not_before=not_before,
                first=first,
            )

    async def want_in(
        self,
        connection: AsyncConnection,
        repository: RepositoryRef,
        number: int,
        owner: str,
        *,
        surface: Surface,
        content: ReportContent,
        thread: ThreadKind = ThreadKind.PULL,
        not_before: datetime | None = None,
        first: bool = False,
    ) -> str:
        """``want`` in somebody else's transaction."""
        desired, desired_hash = encode(content)
        wish = {"desired": desired, "desired_hash": desired_hash, "wanted_at": self._clock.now()}
        await know_repository(connection, repository, self._clock)
        row = insert(connection, report_targets).values(
            id=self._ids.new_id(),
            forge=repository.forge,
            repository_id=repository.id,
            number=number,
            thread=thread,
            owner=owner,
            surface=surface,
            attempts=0,
            error="",
            not_before=not_before,
            **wish,
        )
        changed = row.on_conflict_do_update(
            index_elements=["owner", "surface"],
            set_=wish
            | {
                "not_before": _sooner(not_before),
                "retry_at": case((report_targets.c.gave_up_at.is_(None), report_targets.c.retry_at), else_=None),
                "attempts": case((report_targets.c.gave_up_at.is_(None), report_targets.c.attempts), else_=0),
                "gave_up_at": None,
            },
            where=report_targets.c.desired_hash != desired_hash,
        )
        kept = row.on_conflict_do_nothing(index_elements=["owner", "surface"])
        await connection.execute(kept if first else changed)
        return str((await connection.execute(_of(select(report_targets.c.id), owner, surface))).scalar_one())

    async def get(self, target_id: str) -> ReportTarget | None:
        """A target by its id."""
        query = select(report_targets).where(report_targets.c.id == target_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _target(row)

    async def begin(self, target_id: str, *, until: datetime) -> ReportTarget | None:
        """Take a target that differs from what was reported and is due, until its attempt is recorded or ``until``.

        None when there is nothing to do, or when somebody else is at it.
        """
        now = self._clock.now()
        taken = _target_update(target_id).where(_due(now)).values(retry_at=until)
        async with self._database.writing() as connection:
            if (await connection.execute(taken)).rowcount == 0:
                return None
            return _target(
                (await connection.execute(select(report_targets).where(report_targets.c.id == target_id))).one()
            )

    async def wrote(self, target_id: str, *, content_hash: str, remote_id: int) -> None:
        """Record that the content with that hash is on the forge now; a newer wish stays unreported."""
        await self._change(
            _target_update(target_id).values(
                reported_hash=content_hash,
                remote_id=remote_id,
                attempts=0,
                retry_at=None,
                error="",
            ),
        )
        log.info("report written", target_id=target_id, remote_id=remote_id)

    async def failed(self, target_id: str, *, error: str, not_before: datetime) -> None:
        """Count a failed attempt; the next one is due at ``not_before``."""
        change = _target_update(target_id).values(
            attempts=report_targets.c.attempts + 1, error=error, retry_at=not_before
        )
        await self._change(change)
        log.info("report failed", target_id=target_id, error=error, again_at=not_before.isoformat())

    async def give_up(self, target_id: str, *, content_hash: str, error: str) -> bool:
        """Try the content with that hash no more; False when something else is wanted by now, which is due at once."""
        rests = report_targets.c.desired_hash == content_hash
        change = _target_update(target_id).values(
            attempts=case((rests, report_targets.c.attempts + 1), else_=0),
            error=error,
            retry_at=None,
            gave_up_at=case((rests, literal(self._clock.now(), UtcDateTime)), else_=None),
        )
        async with self._database.writing() as connection:
            await connection.execute(change)
            query = select(report_targets.c.gave_up_at).where(report_targets.c.id == target_id)
            given_up = (await connection.execute(query)).scalar_one_or_none() is not None
        if given_up:
            log.warning("report given up", target_id=target_id, error=error)
        return given_up

    async def postponed(self, target_id: str, *, error: str, not_before: datetime) -> None:
        """End an attempt that came to nothing because the forge may not be asked before ``not_before``."""
        await self._change(_target_update(target_id).values(error=error, retry_at=not_before))

    async def _change(self, change: Update) -> None:
        async with self._database.writing() as connection:
            await connection.execute(change)

    async def unreported(self, now: datetime, *, limit: int) -> list[str]:
        """Targets that differ from what was reported and are due."""
        query = (
            select(report_targets.c.id)
            .where(_due(now))
            .order_by(report_targets.c.wanted_at, report_targets.c.serial)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    async def remote_id(self, owner: str, surface: Surface) -> int | None:
        """The forge's id of a written report."""
        async with self._database.reading() as connection:
            found = await connection.execute(_of(select(report_targets.c.remote_id), owner, surface))
            remote_id: int | None = found.scalar_one_or_none()
        return remote_id


def encode(content: ReportContent) -> tuple[dict[str, Any], str]:
    """A report's content as a JSON object with its type's tag, and the sha256 of the object's canonical text."""
    desired = {"type": _TAGS[type(content)], "content": msgspec.to_builtins(content)}
    text = json.dumps(desired, sort_keys=True, separators=(",", ":"))
    return desired, hashlib.sha256(text.encode("ascii")).hexdigest()


def decode(desired: dict[str, Any]) -> ReportContent:
    """The content of an object made by ``encode``."""
    return msgspec.convert(desired["content"], _TYPES[desired["type"]])


def _pending() -> Any:
    """What should be there is not what was written."""
    return or_(
        report_targets.c.reported_hash.is_(None), report_targets.c.reported_hash != report_targets.c.desired_hash
    )


def _due(now: datetime) -> Any:
    """It may be written now, and nobody is at it."""
    return and_(
        report_targets.c.gave_up_at.is_(None),
        _pending(),
        or_(report_targets.c.not_before.is_(None), report_targets.c.not_before <= now),
        or_(report_targets.c.retry_at.is_(None), report_targets.c.retry_at <= now),
    )


def _sooner(not_before: datetime | None) -> Any:
    """The moment of a new wish, or the earlier moment of one that was not yet fulfilled."""
    if not_before is None:
        return None
    waits_already = and_(
        report_targets.c.gave_up_at.is_(None),
        _pending(),
        or_(report_targets.c.not_before.is_(None), report_targets.c.not_before < not_before),
    )
    return case((waits_already, report_targets.c.not_before), else_=not_before)


def _target_update(target_id: str) -> Update:
    return update(report_targets).where(report_targets.c.id == target_id)


def _of(query: Select[Any], owner: str, surface: Surface) -> Select[Any]:
    return query.where(report_targets.c.owner == owner, report_targets.c.surface == surface)


def _target(row: Row[Any]) -> ReportTarget:
    moments = [moment for moment in (row.not_before, row.retry_at) if moment is not None]
    return ReportTarget(
        id=row.id,
        forge=row.forge,
        repository_id=row.repository_id,
        thread=Thread(kind=row.thread, number=row.number),
        owner=row.owner,
        surface=row.surface,
        desired=decode(row.desired),
        desired_hash=row.desired_hash,
        reported_hash=row.reported_hash,
        remote_id=row.remote_id,
        attempts=row.attempts,
        not_before=max(moments, default=None),
    )
