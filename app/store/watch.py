"""What the conflict watch knows: open pull requests, footprints, verdicts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.engine import Database, insert
from app.store.registry import know_repository, repository_of
from app.store.reports import SqlReports
from app.store.tables import repositories
from app.store.types import Values
from app.store.watch_tables import head_footprints, merge_verdicts, watched_pulls, watched_repositories
from bot.model.forge import RepositoryRef
from bot.model.reports import CheckRunContent, Surface
from bot.model.watch import BaseCommit, Footprint, Pair, Push, SeenPull, WatchedPull, WatchVerdict
from bot.policy.pruning import meets
from bot.ports.system import Clock

_AT_ONCE: Final = 500
"""Values in one statement: databases bound the number of parameters (SQLite 32,766, PostgreSQL 32,767)."""

_KNOWN: Final = (
    *("head_sha", "base_sha", "verdict_base", "state", "merge_base"),
    *("alarm", "cause_sha", "cause_subject", "told_head"),
)
"""The columns that ``judged`` writes."""

_READ: Final = ("number", "recorded_base", *_KNOWN)
"""The columns of a ``WatchedPull``, in the order in which ``_pull`` takes them."""

_UNKNOWN: Final[Values] = {
    "base_sha": None,
    "verdict_base": None,
    "state": None,
    "merge_base": None,
}
"""Git was not asked about a pull request for this base branch."""


class SqlWatch:
    """The rows of the conflict watch."""

    def __init__(self, database: Database, clock: Clock, reports: SqlReports) -> None:
        self._database = database
        self._clock = clock
        self._reports = reports

    async def seen(self, repository: RepositoryRef, pull: SeenPull) -> None:
        """Keep what an event told, unless something newer is known; a contradiction makes the list unknown."""
        mine = and_(_in(watched_pulls, repository), watched_pulls.c.number == pull.number)
        async with self._database.writing() as connection:
            await self._notice(connection, repository)
            known = (await connection.execute(select(watched_pulls).where(mine))).one_or_none()
            if known is None:
                await connection.execute(
                    insert(connection, watched_pulls)
                    .values(**_new(repository, pull))
                    .on_conflict_do_nothing(index_elements=["forge", "repository_id", "number"])
                )
            elif known.updated_at < pull.updated_at:
                await connection.execute(update(watched_pulls).where(mine).values(**_told(known, pull)))
            elif known.updated_at == pull.updated_at and (known.is_open, known.base_ref) != (pull.open, pull.base_ref):
                await connection.execute(_repository(repository).values(listed_at=None))

    async def noticed(self, repository: RepositoryRef) -> None:
        """Look after this repository from now on."""
        async with self._database.writing() as connection:
            await self._notice(connection, repository)

    async def _notice(self, connection: AsyncConnection, repository: RepositoryRef) -> None:
        await know_repository(connection, repository, self._clock)
        row = insert(connection, watched_repositories).values(**_key(repository), looked_at=self._clock.now())
        await connection.execute(row.on_conflict_do_nothing(index_elements=["forge", "repository_id"]))

    async def listed(self, repository: RepositoryRef, pulls: Sequence[SeenPull]) -> None:
        """Keep a full list of the open pull requests as it is now; all others are closed."""
        async with self._database.writing() as connection:
            await self._notice(connection, repository)
            query = select(watched_pulls).where(_in(watched_pulls, repository))
            known = {row.number: row for row in await connection.execute(query)}
            for pull in pulls:
                row = known.pop(pull.number, None)
                mine = and_(_in(watched_pulls, repository), watched_pulls.c.number == pull.number)
                change = (
                    insert(connection, watched_pulls).values(**_new(repository, pull))
                    if row is None
                    else update(watched_pulls).where(mine).values(**_told(row, pull))
                )
                if row is None or (row.is_open, row.base_ref, row.updated_at) != (True, pull.base_ref, pull.updated_at):
                    await connection.execute(change)
            for part in _parts([number for number, row in known.items() if row.is_open]):
                gone = and_(_in(watched_pulls, repository), watched_pulls.c.number.in_(part))
                await connection.execute(update(watched_pulls).where(gone).values(is_open=False))
            await connection.execute(_repository(repository).values(listed_at=self._clock.now()))

    async def forget_list(self, repository: RepositoryRef) -> None:
        """Say that which pull requests are open is not known for certain."""
        async with self._database.writing() as connection:
            await connection.execute(_repository(repository).values(listed_at=None))

    async def listed_at(self, repository: RepositoryRef) -> datetime | None:
        """When the open pull requests were listed last; None when they have to be listed now."""
        query = select(watched_repositories.c.listed_at).where(_in(watched_repositories, repository))
        async with self._database.reading() as connection:
            at: datetime | None = (await connection.execute(query)).scalar_one_or_none()
        return at

    async def take_unlisted(self, before: datetime, *, limit: int) -> list[RepositoryRef]:
        """Repositories that were neither listed nor taken since ``before``, those first that wait longest."""
        table = watched_repositories
        query = (
            select(repositories)
            .join(table, and_(table.c.forge == repositories.c.forge, table.c.repository_id == repositories.c.id))
            .where(table.c.looked_at < before, or_(table.c.listed_at.is_(None), table.c.listed_at < before))
            .order_by(table.c.looked_at, table.c.repository_id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            found = [repository_of(row) for row in await connection.execute(query)]
        if found:
            async with self._database.writing() as connection:
                for repository in found:
                    await connection.execute(_repository(repository).values(looked_at=self._clock.now()))
        return found

    async def bases(self, repository: RepositoryRef) -> list[str]:
        """The base branches of the open pull requests."""
        query = select(watched_pulls.c.base_ref).where(_in(watched_pulls, repository), watched_pulls.c.is_open)
        async with self._database.reading() as connection:
            return list((await connection.execute(query.distinct().order_by(watched_pulls.c.base_ref))).scalars())

    async def open_pulls(self, repository: RepositoryRef, base_ref: str) -> list[WatchedPull]:
        """The open pull requests of a base branch, by number."""
        return await self._pulls(repository, base_ref)

    async def at_head(self, repository: RepositoryRef, head_sha: str) -> Mapping[int, str]:
        """The open pull requests whose head that was when git was asked last, with their base branches."""
        pulls = watched_pulls
        mine = and_(_in(pulls, repository), pulls.c.is_open, pulls.c.head_sha == head_sha)
        query = select(pulls.c.number, pulls.c.base_ref).where(mine).order_by(pulls.c.number)
        async with self._database.reading() as connection:
            return {row.number: row.base_ref for row in await connection.execute(query)}

    async def troubled(self, repository: RepositoryRef, base_ref: str) -> list[WatchedPull]:
        """Those of them that have an alarm, or that people were told of."""
        table = watched_pulls
        return await self._pulls(repository, base_ref, or_(table.c.alarm, table.c.told_head.is_not(None)))

    async def _pulls(self, repository: RepositoryRef, base_ref: str, *more: ColumnElement[bool]) -> list[WatchedPull]:
        pulls = watched_pulls
        query = select(*(pulls.c[name] for name in _READ)).where(_open(repository, base_ref), *more)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.order_by(pulls.c.number))).all()
        return [_pull(row, base_ref) for row in rows]

    async def carry(
        self, repository: RepositoryRef, base_ref: str, push: Push, *, heads: Mapping[int, str]
    ) -> frozenset[int]:
        """Let the verdicts for ``push.old`` count for ``push.new`` where the push cannot have changed them.

        Only for pull requests whose rows are about these heads. Returns their numbers.
        """
        pulls, prints = watched_pulls, head_footprints
        same = and_(*(prints.c[name] == pulls.c[name] for name in ("forge", "repository_id", "merge_base", "head_sha")))
        asked = and_(_open(repository, base_ref), pulls.c.base_sha == push.old, pulls.c.state.is_not(None))
        query = select(pulls.c.number, pulls.c.head_sha, prints.c.paths, prints.c.directories, prints.c.commits)
        async with self._database.writing() as connection:
            rows = (await connection.execute(query.join(prints, same).where(asked))).all()
            apart = {
                number
                for number, head, paths, directories, commits in rows
                if heads.get(number) == head
                and not meets(push, paths=_split(paths), directories=_split(directories), commits=_commits(commits))
            }
            for part in _parts(sorted(apart)):
                carried = update(pulls).where(asked, pulls.c.number.in_(part))
                await connection.execute(carried.values(base_sha=push.new))
        return frozenset(apart)

    async def judged(
        self, repository: RepositoryRef, pulls: Sequence[WatchedPull], footprints: Sequence[Footprint] = ()
    ) -> None:
        """Keep what is known about pull requests now, and footprints."""
        async with self._database.writing() as connection:
            if footprints:
                rows = [{**_key(repository), **_print(one), "created_at": self._clock.now()} for one in footprints]
                await connection.execute(insert(connection, head_footprints).on_conflict_do_nothing(), rows)
            if pulls:
                known = [{"its_number": pull.number, "its_base": pull.base_ref, **_known(pull)} for pull in pulls]
                await connection.execute(_knowing(repository), known)

    async def tell(self, repository: RepositoryRef, pull: WatchedPull, *, owner: str, content: CheckRunContent) -> str:
        """Wish for a check run and keep the pull request as it is then, in one transaction; the report's id."""
        known = {"its_number": pull.number, "its_base": pull.base_ref, **_known(pull)}
        async with self._database.writing() as connection:
            await connection.execute(_knowing(repository), [known])
            return await self._reports.want_in(
                connection, repository, pull.number, owner, surface=Surface.CHECK_RUN, content=content
            )

    async def verdicts(
        self, repository: RepositoryRef, pairs: Sequence[Pair], *, git_version: str
    ) -> Mapping[Pair, WatchVerdict]:
        """The verdicts that are kept."""
        wanted = set(pairs)
        found: dict[Pair, WatchVerdict] = {}
        table = merge_verdicts
        async with self._database.reading() as connection:
            for base in {pair.base_sha for pair in wanted}:
                for heads in _parts([pair.head_sha for pair in wanted if pair.base_sha == base]):
                    query = select(table).where(
                        _in(table, repository),
                        table.c.base_sha == base,
                        table.c.head_sha.in_(heads),
                        table.c.git_version == git_version,
                    )
                    found |= {(verdict := _verdict(row)).pair: verdict for row in await connection.execute(query)}
        return found

    async def keep(self, repository: RepositoryRef, verdicts: Sequence[WatchVerdict]) -> None:
        """Keep lasting verdicts; what is kept for a pair stays."""
        rows = [
            {
                **_key(repository),
                "base_sha": verdict.pair.base_sha,
                "head_sha": verdict.pair.head_sha,
                "git_version": verdict.git_version,
                "state": verdict.state,
                "paths": list(verdict.paths),
                "reason": verdict.reason,
                "created_at": self._clock.now(),
            }
            for verdict in verdicts
            if verdict.lasting
        ]
        if not rows:
            return
        async with self._database.writing() as connection:
            await know_repository(connection, repository, self._clock)
            await connection.execute(insert(connection, merge_verdicts).on_conflict_do_nothing(), rows)


def _knowing(repository: RepositoryRef) -> Any:
    """An update of one pull request with what ``_known`` gives; of none that got another base in the meantime."""
    table = watched_pulls
    same = and_(table.c.number == bindparam("its_number"), table.c.base_ref == bindparam("its_base"))
    return update(table).where(_in(table, repository), same).values({name: bindparam(name) for name in _KNOWN})


def _key(repository: RepositoryRef) -> Values:
    return {"forge": repository.forge, "repository_id": repository.id}


def _in(table: Table, repository: RepositoryRef) -> ColumnElement[bool]:
    return and_(table.c.forge == repository.forge, table.c.repository_id == repository.id)


def _open(repository: RepositoryRef, base_ref: str) -> ColumnElement[bool]:
    return and_(_in(watched_pulls, repository), watched_pulls.c.base_ref == base_ref, watched_pulls.c.is_open)


def _repository(repository: RepositoryRef) -> Any:
    return update(watched_repositories).where(_in(watched_repositories, repository))


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


def _new(repository: RepositoryRef, pull: SeenPull) -> Values:
    return {
        **_key(repository),
        "number": pull.number,
        "is_open": pull.open,
        "base_ref": pull.base_ref,
        "recorded_base": pull.base_sha,
        "updated_at": pull.updated_at,
        "head_sha": pull.head_sha,
        "alarm": False,
    }


def _told(known: Row[Any], pull: SeenPull) -> Values:
    """What is told replaces what was told; for another base branch nothing is known."""
    values: Values = {
        "is_open": pull.open,
        "base_ref": pull.base_ref,
        "recorded_base": pull.base_sha,
        "updated_at": pull.updated_at,
    }
    return values if known.base_ref == pull.base_ref else values | _UNKNOWN


def _known(pull: WatchedPull) -> Values:
    return {
        "head_sha": pull.head_sha,
        "base_sha": pull.base_sha,
        "verdict_base": pull.verdict_base,
        "state": pull.state,
        "merge_base": pull.merge_base,
        "alarm": pull.alarm,
        "cause_sha": None if pull.cause is None else pull.cause.sha,
        "cause_subject": None if pull.cause is None else pull.cause.subject,
        "told_head": pull.told_head,
    }


def _pull(row: Row[Any], base_ref: str) -> WatchedPull:
    """By position: there are thousands of rows, and names are looked up one by one."""
    number, recorded_base, head_sha, base_sha, verdict_base, state, merge_base, *told = row
    alarm, cause_sha, cause_subject, told_head = told
    return WatchedPull(
        number=number,
        base_ref=base_ref,
        head_sha=head_sha,
        recorded_base=recorded_base,
        base_sha=base_sha,
        verdict_base=verdict_base,
        state=state,
        merge_base=merge_base,
        alarm=alarm,
        cause=None if cause_sha is None else BaseCommit(sha=cause_sha, subject=cause_subject or ""),
        told_head=told_head,
    )


def _print(footprint: Footprint) -> Values:
    return {
        "merge_base": footprint.merge_base,
        "head_sha": footprint.head_sha,
        "paths": _joined(footprint.paths),
        "directories": _joined(footprint.directories),
        "commits": "\0".join(sorted(footprint.commits)).encode("ascii"),
    }


def _joined(paths: Iterable[bytes]) -> bytes:
    """No path in git's trees holds a NUL."""
    return b"\0".join(sorted(paths))


def _split(joined: bytes) -> list[bytes]:
    return joined.split(b"\0") if joined else []


def _commits(joined: bytes) -> list[str]:
    return joined.decode("ascii").split("\0") if joined else []


def _verdict(row: Row[Any]) -> WatchVerdict:
    return WatchVerdict(
        pair=Pair(base_sha=row.base_sha, head_sha=row.head_sha),
        git_version=row.git_version,
        state=row.state,
        paths=tuple(row.paths),
        reason=row.reason,
    )
