"""What the model gateway asks and tells the database."""

from sqlalchemy import and_, func, insert, select

from app.store.engine import Database
from app.store.tables import jobs, model_usage, repositories, runs
from bot.errors import StoreError
from bot.model.runs import MODEL_KINDS, ModelCall, ModelGrant, RunState


class SqlModelLedger:
    """Grants and metered calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def grant(self, token_sha256: str) -> ModelGrant | None:
        """What a run token is worth now; None when it is unknown, its run ended, or its kind has no use for a model."""
        spent = (
            select(func.coalesce(func.sum(model_usage.c.cost_usd), 0.0))
            .where(model_usage.c.run_id == runs.c.id)
            .scalar_subquery()
        )
        query = select(
            runs.c.id, runs.c.job_id, runs.c.model, runs.c.limits, runs.c.stop_requested, spent.label("spent")
        ).where(runs.c.token_sha256 == token_sha256, runs.c.state != RunState.ENDED, runs.c.kind.in_(MODEL_KINDS))
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return ModelGrant(
            run_id=row.id,
            job_id=row.job_id,
            model=row.model,
            budget_usd=float(row.limits["budget_usd"]),
            spent_usd=float(row.spent),
            stop_requested=row.stop_requested,
        )

    async def record(self, call: ModelCall) -> None:
        """Keep a metered call with its job, repository, installation and requesting user.

        Raises:
            StoreError: there is no such run.
        """
        query = (
            select(jobs, repositories.c.installation_id)
            .select_from(runs)
            .join(jobs, jobs.c.id == runs.c.job_id)
            .join(repositories, and_(repositories.c.forge == jobs.c.forge, repositories.c.id == jobs.c.repository_id))
            .where(runs.c.id == call.run_id)
        )
        async with self._database.writing() as connection:
            job = (await connection.execute(query)).one_or_none()
            if job is None:
                raise StoreError(f"a model call names run {call.run_id[:8]}, which does not exist")
            row = insert(model_usage).values(
                run_id=call.run_id,
                job_id=job.id,
                forge=job.forge,
                repository_id=job.repository_id,
                installation_id=job.installation_id,
                requested_by_id=job.requested_by_id,
                model=call.model,
                status=call.status,
                request_bytes=call.request_bytes,
                input_tokens=call.input_tokens,
                output_tokens=call.output_tokens,
                cache_write_tokens=call.cache_write_tokens,
                cache_read_tokens=call.cache_read_tokens,
                cost_usd=call.cost_usd,
                started_at=call.started_at,
                duration_ms=call.duration_ms,
            )
            await connection.execute(row)
