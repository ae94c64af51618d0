"""Who answered for which head of a pull request from a fork."""

from sqlalchemy import select

from app.store import audit
from app.store.engine import Database, insert
from app.store.fork_tables import fork_oks
from app.store.registry import know_repository
from app.store.types import Values
from bot.model.forge import Actor, RepositoryRef
from bot.model.forks import ForkOk
from bot.ports.system import Clock


class SqlForks:
    """The rows of ``ok``, each head of each pull request once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ok(self, ok: ForkOk) -> None:
        """Keep an ``ok``, with an audit event, in the place of another person's for that head. Once, if told twice."""
        now, repository = self._clock.now(), ok.repository
        async with self._database.writing() as connection:
            await know_repository(connection, repository, self._clock)
            said: Values = {
                "key": ok.key,
                "actor_id": ok.actor.id,
                "actor_login": ok.actor.login,
                "permission": ok.permission,
                "said_at": now,
            }
            row = insert(connection, fork_oks).values(
                forge=repository.forge,
                repository_id=repository.id,
                number=ok.number,
                head_sha=ok.head_sha,
                **said,
            )
            # Whoever said so first may have lost the right since: then it is the next one's word that counts.
            kept = row.on_conflict_do_update(
                index_elements=["forge", "repository_id", "number", "head_sha"],
                set_=said,
                where=fork_oks.c.actor_id != ok.actor.id,
            )
            if (await connection.execute(kept.returning(fork_oks.c.key))).one_or_none() is None:
                return
            await audit.append(
                connection,
                now,
                actor=audit.by(ok.actor),
                verb="fork.ok",
                subject=f"{repository.full_name}#{ok.number}",
                data={"head": ok.head_sha, "permission": ok.permission, "intent": ok.key},
            )

    async def ok_by(self, repository: RepositoryRef, number: int, head_sha: str) -> Actor | None:
        """Who gave the last one for exactly this commit as the head of this pull request."""
        query = select(fork_oks.c.actor_id, fork_oks.c.actor_login).where(
            fork_oks.c.forge == repository.forge,
            fork_oks.c.repository_id == repository.id,
            fork_oks.c.number == number,
            fork_oks.c.head_sha == head_sha,
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Actor(id=row.actor_id, login=row.actor_login)
