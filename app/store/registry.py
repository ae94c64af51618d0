"""Installations, repositories and versions of their configuration."""

from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.engine import Database, insert
from app.store.tables import installations, instance, job_config_versions, repositories
from bot.model.forge import ForgeName, RepositoryRef
from bot.ports.system import Clock


class SqlRegistry:
    """The rows of installations, repositories and configurations."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def instance(self, new_name: str) -> str:
        """The name of the installation that this database is of: the first ``new_name`` that was ever given here."""
        query = select(instance.c.name)
        async with self._database.reading() as connection:
            name: str | None = (await connection.execute(query)).scalar_one_or_none()
        if name is None:
            async with self._database.writing() as connection:
                row = insert(connection, instance).values(id=1, name=new_name)
                await connection.execute(row.on_conflict_do_nothing(index_elements=["id"]))
                name = str((await connection.execute(query)).scalar_one())
        return name

    async def installation(self, forge: ForgeName, installation_id: int, account: str, *, active: bool) -> None:
        """Record an installation, active or gone."""
        seen = {"account": account, "active": active, "updated_at": self._clock.now()}
        async with self._database.writing() as connection:
            row = insert(connection, installations).values(forge=forge, id=installation_id, **seen)
            await connection.execute(row.on_conflict_do_update(index_elements=["forge", "id"], set_=seen))

    async def installation_active(self, forge: ForgeName, installation_id: int) -> bool:
        """False when the App was removed or suspended there; True when active or never heard of."""
        query = select(installations.c.active).where(
            installations.c.forge == forge,
            installations.c.id == installation_id,
        )
        async with self._database.reading() as connection:
            return bool((await connection.execute(query)).scalar_one_or_none() is not False)

    async def repository(self, repository: RepositoryRef) -> None:
        """Record a repository or its new name, and its installation if that is new."""
        seen = _seen(repository) | {"updated_at": self._clock.now()}
        async with self._database.writing() as connection:
            row = insert(connection, repositories).values(forge=repository.forge, id=repository.id, **seen)
            await connection.execute(row.on_conflict_do_update(index_elements=["forge", "id"], set_=seen))
            # An App installed before this database was made sends no event about it.
            installed = insert(connection, installations).values(
                forge=repository.forge,
                id=repository.installation_id,
                account=repository.owner,
                active=True,
                updated_at=self._clock.now(),
            )
            await connection.execute(installed.on_conflict_do_nothing(index_elements=["forge", "id"]))

    async def find_repository(self, forge: ForgeName, repository_id: int) -> RepositoryRef | None:
        """A recorded repository."""
        query = select(repositories).where(repositories.c.forge == forge, repositories.c.id == repository_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else repository_of(row)

    async def named(self, forge: ForgeName, full_name: str) -> list[RepositoryRef]:
        """The repositories recorded under ``owner/name``, in any case; after renames there may be more than one."""
        owner, _, name = full_name.rpartition("/")  # GitLab nests groups: ``group/subgroup/project``
        query = (
            select(repositories)
            .where(
                repositories.c.forge == forge,
                func.lower(repositories.c.owner) == owner.lower(),
                func.lower(repositories.c.name) == name.lower(),
            )
            .order_by(repositories.c.id)
        )
        async with self._database.reading() as connection:
            return [repository_of(row) for row in await connection.execute(query)]

    async def config_version(self, repository: RepositoryRef, version: str, text: str) -> None:
        """Keep a configuration's text under its content hash."""
        async with self._database.writing() as connection:
            row = insert(connection, job_config_versions).values(
                version=version,
                text=text,
                forge=repository.forge,
                repository_id=repository.id,
                created_at=self._clock.now(),
            )
            await connection.execute(row.on_conflict_do_nothing(index_elements=["version"]))

    async def config_text(self, version: str) -> str | None:
        """The text of a kept configuration."""
        query = select(job_config_versions.c.text).where(job_config_versions.c.version == version)
        async with self._database.reading() as connection:
            text: str | None = (await connection.execute(query)).scalar_one_or_none()
        return text


async def know_repository(connection: AsyncConnection, repository: RepositoryRef, clock: Clock) -> None:
    """Record a repository that is not recorded yet; a known one keeps its name, which may be newer than ours."""
    row = insert(connection, repositories).values(
        forge=repository.forge,
        id=repository.id,
        **_seen(repository),
        updated_at=clock.now(),
    )
    await connection.execute(row.on_conflict_do_nothing(index_elements=["forge", "id"]))


def repository_of(row: Row[Any]) -> RepositoryRef:
    """The repository of a row of ``repositories``."""
    return RepositoryRef(
        forge=row.forge,
        id=row.id,
        owner=row.owner,
        name=row.name,
        installation_id=row.installation_id,
    )


def _seen(repository: RepositoryRef) -> dict[str, str | int]:
    return {
        "owner": repository.owner,
        "name": repository.name,
        "installation_id": repository.installation_id,
    }
